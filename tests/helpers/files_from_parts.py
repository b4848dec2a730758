"""Picture files put together from their parts: chunks of a PNG, segments of a JPEG."""

import io
import struct
import zlib

from PIL import Image

from cvdemo.images import ImageArray

GARBAGE = b"\xff" * 8 + bytes(range(256))


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes, crc: int | None = None, length: int | None = None) -> bytes:
    """A PNG chunk; checksum and length tell the truth unless they are given."""
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + kind + body + struct.pack(">I", checksum)


def png_with(image: ImageArray, *chunks: bytes) -> bytes:
    """The picture as PNG with these chunks right after its header."""
    plain = encoded(Image.fromarray(image))
    return plain[:33] + b"".join(chunks) + plain[33:]


def jpeg_with(image: ImageArray, *segments: tuple[int, bytes], **options: object) -> bytes:
    """The picture as JPEG with these application segments in front."""
    plain = encoded(Image.fromarray(image), "JPEG", quality=95, **options)
    packed = [b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments]
    return plain[:2] + b"".join(packed) + plain[2:]
