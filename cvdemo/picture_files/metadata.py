"""What surrounds the pixels in a PNG, JPEG, WebP or AVIF file: taken out before decoding, kept only where it is sound.

Text, profiles and camera data may be huge, damaged or lie about their length. A decoder that meets them may give the
whole picture up. So the decoder gets a file of what draws pixels alone, and rotation and colour profile travel beside
it. A file that ends too early is closed as far as its format asks for, and marked.

PNG: ISO/IEC 15948. JPEG: ITU-T T.81, annex B. WebP: RFC 9649. AVIF: ISO/IEC 14496-12 and 23008-12.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cvdemo.limits import EXIF_BYTES, FILE_PARTS, JPEG_SCANS, PROFILE_BYTES

# Chunks or segments, each of which costs some microseconds. A PNG encoder that writes a chunk for each row comes to
# 44,721 (40 megapixels, 50 times as high as wide); one of 16 bits RGBA in chunks of libpng's 8 KB comes to 39,063.

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
PNG_BESIDE = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf", b"iTXt", b"zTXt", b"tEXt")
PNG_EXIF_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1")  # as ImageMagick wrote it before eXIf existed

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
MAX_SCAN_COMPONENTS, LAST_COEFFICIENT = 4, 63
# A marker and its length, which counts itself. Fill bytes and markers without a length begin no segment.
SEGMENT = re.compile(b"\xff(?:\xd9|[^\x00\x01\xff\xd0-\xd9](?:\x00[^\x00\x01]|[^\x00].))", re.DOTALL)
AFTER_SCAN = re.compile(b"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(kw_only=True)
class Bare:
    """A picture file without what the pixels do not need.

    Attributes:
        data: for the decoder.
        info: what was beside the pixels, under the names that Pillow uses: `exif`, `xmp`, `icc_profile`, `srgb`,
            `gamma` and `chromaticity`.
        end_missing: the file stops before its format says so, and was closed.
        scans_missing: it stops before the last scan of a JPEG has begun, so that the whole picture is coarse.
        progressive, scans: of a JPEG.
        end_of_pixels: where in `data` the last scan of a JPEG ends that brings the pixels themselves; 0 where what it
            brings is detail of a progressive picture.
        parts: chunks or segments; beyond `FILE_PARTS` the rest has not been looked at.
    """

    data: bytes
    info: dict[str, Any] = field(default_factory=dict)
    end_missing: bool = False
    scans_missing: bool = False
    progressive: bool = False
    scans: int = 0
    end_of_pixels: int = 0
    parts: int = 0


def without_metadata(data: bytes) -> Bare:
    """The file for the decoder and what was beside its pixels; a file of another format comes back as it is."""
    if data.startswith(PNG_SIGNATURE):
        return _bare_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _bare_jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _bare_webp(data)
    if data[4:8] == b"ftyp":
        return _bare_avif(data)
    return Bare(data=data)


def _bare_png(data: bytes) -> Bare:
    bare, kept, palette_colours = Bare(data=data, end_missing=True), bytearray(PNG_SIGNATURE), 256
    for kind, body, crc in _png_chunks(data):
        bare.parts += 1
        if bare.parts > FILE_PARTS:
            return bare
        sound = crc == _png_checksum(kind, body)
        if kind == b"PLTE":
            palette_colours = len(body) // 3
        if kind == b"tRNS":
            body = body[:palette_colours]  # longer ones index colours that do not exist
            crc = _png_checksum(kind, body) if sound else crc
        if kind == b"IEND":
            bare.end_missing = False
            break
        if kind in PNG_PIXELS and (sound or kind != b"tRNS"):
            kept += struct.pack(">I4s", len(body), kind)
            kept += body
            kept += crc
        elif sound and kind in PNG_BESIDE:
            _note_png(kind, body, bare.info)
    kept += b"\0\0\0\0IEND\xaeB`\x82"
    bare.data = bytes(kept)
    return bare


def png_text(data: bytes, keyword: str, max_bytes: int) -> str | None:
    """The first plain text chunk (tEXt) of a PNG file with this keyword; None where there is none, or it is longer.

    Packed texts (zTXt, iTXt) are left alone, so that nothing is ever larger than it stands in the file.
    """
    if not data.startswith(PNG_SIGNATURE):
        return None
    for kind, body, crc in itertools.islice(_png_chunks(data), FILE_PARTS):
        if kind == b"IEND":
            return None
        name, zero, text = body.partition(b"\0") if kind == b"tEXt" else (b"", b"", b"")
        if zero and name == keyword.encode("latin-1") and crc == _png_checksum(kind, body):
            return text.decode("latin-1") if len(text) <= max_bytes else None
    return None


def _png_checksum(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Kind, body and checksum of each chunk.

    One whose length lies comes without its kind, so that it is counted; then it goes on at the next that pixels need.
    """
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        follows = data[end + 4 : end + 8]
        nonsense_follows = kind not in PNG_PIXELS and end < len(data) and not follows.isalpha()
        if nonsense_follows or (kind != b"IDAT" and end > len(data)):
            found = re.compile(b"PLTE|tRNS|IDAT|IEND").search(data, position + 8)
            if found is None:
                return
            position = found.start() - 4
            yield b"", b"", b""
            continue
        body = data[position + 8 : end - 4]
        yield kind, body, data[end - 4 : end] if end <= len(data) else _png_checksum(kind, body)
        position = end


def _note_png(kind: bytes, body: bytes, info: dict[str, Any]) -> None:
    """Keeps what an ancillary chunk says of rotation and colours."""
    name, _, rest = body.partition(b"\0")
    if kind == b"iCCP" and "icc_profile" not in info:  # unpacking is dear: the first only, be it damaged
        info["icc_profile"] = _unpacked(rest[1:], PROFILE_BYTES)
    elif kind == b"sRGB":
        info["srgb"] = True
    elif kind == b"gAMA" and len(body) == 4:
        info["gamma"] = int.from_bytes(body, "big") / 1e5
    elif kind == b"cHRM" and len(body) == 32:
        info["chromaticity"] = tuple(value / 1e5 for value in struct.unpack(">8I", body))
    elif kind == b"eXIf" and len(body) <= EXIF_BYTES:
        info["exif"] = body
    elif kind == b"iTXt" and name == b"XML:com.adobe.xmp" and len(body) <= EXIF_BYTES:
        info["xmp"] = rest.lstrip(b"\0")
    elif kind in (b"zTXt", b"tEXt") and name in PNG_EXIF_TEXTS and "exif" not in info:
        info["exif"] = _exif_of_text(_unpacked(rest[1:], EXIF_BYTES) if kind == b"zTXt" else rest)


def _exif_of_text(text: bytes | None) -> bytes | None:
    """Hexadecimal digits under three lines of heading."""
    digits = b"".join((text or b"")[: 2 * EXIF_BYTES].split()[2:])
    return bytes.fromhex(digits.decode("ascii")) if re.fullmatch(b"(?:[0-9a-fA-F]{2})+", digits) else None


def _unpacked(packed: bytes, max_bytes: int) -> bytes | None:
    """What a zlib stream holds; None where it is damaged or unpacks to more than `max_bytes`."""
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(packed, max_bytes)
    except zlib.error:
        return None
    return unpacked if stream.eof else None


def _bare_jpeg(data: bytes) -> Bare:
    bare, kept, profile = Bare(data=data), bytearray(b"\xff\xd8"), dict[int, bytes]()
    components, covered = frozenset[int](), set[tuple[int, int]]()
    position = 2
    while segment := _next_segment(data, position):
        marker, position, body = segment
        bare.parts += 1
        if bare.parts > FILE_PARTS:
            return bare
        if marker == END_OF_IMAGE:
            break
        if marker in FRAMES:
            bare.progressive = marker in PROGRESSIVE
            components = frozenset(body[6::3])
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            _note_jpeg(marker, body, bare.info, profile)
            if marker not in (0xE0, 0xEE):  # JFIF and Adobe say which colours the components are
                continue
        kept += struct.pack(">BBH", 0xFF, marker, len(body) + 2)
        kept += body
        if marker == START_OF_SCAN:
            if bare.scans < JPEG_SCANS:
                covered |= _scanned(body, bare.progressive)
            end = _end_of_scan(data, position)
            kept += data[position:end]
            position, bare.scans = end, bare.scans + 1
            bare.end_of_pixels = 0 if bare.progressive and _brings_detail(body) else len(kept)
    else:
        bare.end_missing = True
        wanted = {(component, k) for component in components for k in (range(64) if bare.progressive else (0,))}
        bare.scans_missing = not wanted <= covered
    if profile:
        joined = b"".join(profile[number] for number in sorted(profile))
        bare.info["icc_profile"] = joined if len(joined) <= PROFILE_BYTES else None
    kept += b"\xff\xd9"
    bare.data = bytes(kept)
    return bare


def _next_segment(data: bytes, position: int) -> tuple[int, int, bytes] | None:
    """Marker, where its segment ends, and its body; what is no marker is passed over, as libjpeg does it."""
    while found := SEGMENT.search(data, position):
        start = found.start()
        marker = data[start + 1]
        if marker == END_OF_IMAGE:
            return marker, start + 2, b""
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if end <= len(data):
            return marker, end, data[start + 4 : end]
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            return None
        position = start + 2  # its length lies, which it can in the last 64 KB only; the pixels may follow
    return None


def _end_of_scan(data: bytes, position: int) -> int:
    """Where the next marker stands that is no restart; 0xFF in the coded pixels is followed by a zero.

    Fill bytes, which are 0xFF too, stay with the scan: no quantifier, so that a long run of them costs one pass.
    """
    found = AFTER_SCAN.search(data, position)
    return found.start() if found else len(data)


def _brings_detail(header: bytes) -> bool:
    """Whether a scan of a progressive JPEG holds finer waves or finer bits; without it the picture is only coarser."""
    first, _, bits = header[-3:] if len(header) >= 3 else (0, 0, 0)
    return first > 0 or bits >> 4 > 0


def _scanned(header: bytes, progressive: bool) -> set[tuple[int, int]]:
    """Component and coefficient of everything whose last bit this scan brings."""
    count = header[0] if header else 0
    if count > MAX_SCAN_COMPONENTS or len(header) < 4 + 2 * count:
        return set()
    first, last, bits = header[1 + 2 * count : 4 + 2 * count]
    if not progressive:
        first, last, bits = 0, 0, 0
    if bits & 15:
        return set()
    coefficients = range(first, min(last, LAST_COEFFICIENT) + 1)
    return {(component, k) for component in header[1 : 1 + 2 * count : 2] for k in coefficients}


def _note_jpeg(marker: int, body: bytes, info: dict[str, Any], profile: dict[int, bytes]) -> None:
    """Keeps what an application segment says of rotation and colours; a profile comes in numbered parts."""
    if marker == 0xE1 and body.startswith(b"Exif\0"):
        info.setdefault("exif", body)
    elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        info.setdefault("xmp", body[29:])
    elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0") and len(body) > 14:
        profile.setdefault(body[12], body[14:])  # 255 parts of 64 KB at most


def _bare_webp(data: bytes) -> Bare:
    bare, kept, position = Bare(data=data), bytearray(), 12
    while position + 8 <= len(data):
        bare.parts += 1
        if bare.parts > FILE_PARTS:
            return bare
        kind, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
        if kind == b"VP8X" and len(body) >= 10:
            body = bytes([body[0] & ~0b101100]) + body[1:]  # no profile, no EXIF, no XMP
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            name = {b"ICCP": "icc_profile", b"EXIF": "exif", b"XMP ": "xmp"}[kind]
            if len(body) == length <= PROFILE_BYTES:
                bare.info.setdefault(name, body)
        elif kind in (b"VP8X", b"ALPH", b"VP8 ", b"VP8L", b"ANIM", b"ANMF"):
            kept += struct.pack("<4sI", kind, length)
            kept += body
            kept += b"\0" * (length % 2)
        if kind in (b"VP8 ", b"VP8L", b"ANMF") and len(body) < length:
            return bare  # cut off in the pixels: the decoder says so
        if kind == b"ANMF":
            break  # the first picture is enough
    bare.data = b"RIFF" + struct.pack("<I", len(kept) + 4) + b"WEBP" + kept
    return bare


def _bare_avif(data: bytes) -> Bare:
    """AVIF whose EXIF and XMP items have another type, so that no reader looks at them.

    Nothing is lost: rotation stands in properties of the picture, and these items may not contradict them.
    """
    bare, position = Bare(data=data), 0
    while position + 8 <= len(data) and bare.parts <= FILE_PARTS:
        bare.parts += 1
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"meta":
            items = data[position : position + length]
            for name in (b"Exif", b"mime"):
                items = items.replace(name, b"free")
            bare.data = data[:position] + items + data[position + length :]
            break
        if length < 8:
            break
        position += length
    return bare
