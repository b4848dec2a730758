"""Pictures cut into tiles that carry their surroundings."""

from torch import Tensor

from cvdemo.images import ImageArray
from cvdemo.ops.mirror_padding import mirrored

Place = tuple[slice, slice]  # rows and columns in px


def spans(length: int, side: int) -> list[slice]:
    """One axis cut into spans of `side`; the last one may be shorter."""
    return [slice(start, min(start + side, length)) for start in range(0, length, side)]


def tiles(height: int, width: int, side: int) -> list[Place]:
    """The places of tiles of `side` x `side` px, row by row; the last of a row and of a column may be smaller."""
    return [(rows, cols) for rows in spans(height, side) for cols in spans(width, side)]


def times(place: Place, scale: int) -> Place:
    """The same place in a picture that is `scale` times larger."""
    rows, cols = (slice(span.start * scale, span.stop * scale) for span in place)
    return rows, cols


def window(image: ImageArray, place: Place, reach_px: int) -> tuple[ImageArray, Place]:
    """The place with what there is up to `reach_px` round it, of (H, W, C), and where in this the place lies."""
    top, left = (max(0, span.start - reach_px) for span in place)
    rows, cols = place
    near = image[top : rows.stop + reach_px, left : cols.stop + reach_px]
    return near, (slice(rows.start - top, rows.stop - top), slice(cols.start - left, cols.stop - left))


def with_margin(pixels: Tensor, place: Place, margin_px: int) -> Tensor:
    """The place and exactly `margin_px` round it, of (B, C, H, W), which goes on beyond its edges as its mirror."""
    for dim, span in enumerate(place, start=2):
        pixels = mirrored(pixels, dim, span.start - margin_px, span.stop + margin_px)
    return pixels
