"""How strongly a JPEG file was compressed, told from its quantisation table before any pixel is decoded.

The scale is libjpeg's, from 1 to 100. Cameras and other programs have tables of their own: they get the quality whose
table divides about as strongly.
"""

import io
from functools import cache

from PIL import Image

_START = b"\xff\xd8\xff"


def jpeg_quality(data: bytes) -> int | None:
    """The quality of a file that begins like a JPEG, 1 to 100; None of any other file, and where it has no table."""
    if not data.startswith(_START):
        return None
    try:
        strength = _strength(data)
    except Exception:  # a stranger's file: Pillow fails in many ways on a header that is damaged
        return None
    if strength is None:
        return None
    by_quality = _strengths()
    return min(by_quality, key=lambda quality: abs(by_quality[quality] - strength))


def _strength(jpeg: bytes) -> int | None:
    """The sum of the divisors for brightness."""
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        tables: dict[int, list[int]] = getattr(picture, "quantization", {})
    return sum(tables[0]) if 0 in tables else None


@cache
def _strengths() -> dict[int, int]:
    """By quality, of the tables that libjpeg itself writes; 10 ms, once."""
    found = {}
    for quality in range(1, 101):
        stream = io.BytesIO()
        Image.new("L", (8, 8)).save(stream, "JPEG", quality=quality)
        strength = _strength(stream.getvalue())
        assert strength is not None  # libjpeg has written it
        found[quality] = strength
    return found
