"""Pictures cut into tiles that carry their surroundings."""

import torch.nn.functional as F
from torch import Tensor

from cvdemo.images import ImageArray

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
    """The place and exactly `margin_px` round it, of (B, C, H, W); beyond its edges the outermost pixels go on."""
    (top, bottom, above, below), (left, right, before, after) = (
        _clipped(span, length, margin_px) for span, length in zip(place, pixels.shape[-2:], strict=True)
    )
    return F.pad(pixels[..., top:bottom, left:right], (before, after, above, below), mode="replicate")


def _clipped(span: slice, length: int, margin_px: int) -> tuple[int, int, int, int]:
    """Start and stop of the span with its margin inside [0, length], and how much of this lies before and after."""
    start, stop = span.start - margin_px, span.stop + margin_px
    inside_start, inside_stop = max(0, start), min(length, stop)
    return inside_start, inside_stop, inside_start - start, stop - inside_stop
