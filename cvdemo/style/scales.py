"""The sizes that a picture is painted at, from coarse to fine, and that of the style picture beside it."""

import math

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import STYLE_ASPECT_RATIO

SCALE_RATIO = math.sqrt(2)
COARSEST_SHORT_PX = 64  # a scale smaller than this has no room for the style's larger shapes
COARSEST_PLANNED_PX = 128  # longer side that a plan by time begins at: a preview of it is there in a tenth of a second


def scale_sizes(
    size_hw: tuple[int, int], size_px: int, scales: int, what: str = "The picture"
) -> list[tuple[int, int]]:
    """Heights and widths (px) from coarse to fine; the finest has `size_px` as its longer side.

    Scales whose shorter side would fall below `COARSEST_SHORT_PX` are left out, but never the finest. `what` is how
    messages name the picture.

    Raises:
        InputError: the picture is too narrow.
    """
    long_px, short_px = max(size_hw), min(size_hw)
    if long_px > STYLE_ASPECT_RATIO * short_px:
        raise InputError(
            f"{what} is {size_hw[1]} x {size_hw[0]} pixels; for style transfer its longer side may be at most "
            f"{STYLE_ASPECT_RATIO:g} times its shorter side."
        )
    factors = [size_px / long_px / SCALE_RATIO**i for i in range(scales)]
    kept = [f for i, f in enumerate(factors) if i == 0 or round(short_px * f) >= COARSEST_SHORT_PX]
    return [(max(1, round(size_hw[0] * f)), max(1, round(size_hw[1] * f))) for f in reversed(kept)]


def strokes_size(style: ImageArray, size_hw: tuple[int, int], style_scale: float) -> tuple[int, int]:
    """Height and width (px) of the style picture beside a picture of `size_hw`; `InputError` where it is too narrow."""
    return scale_sizes(style.shape[:2], round(max(size_hw) * style_scale), 1, "The style picture")[0]


def planned_scales(size_px: int) -> int:
    """How many scales a plan by time has for a picture of this longer side, see `COARSEST_PLANNED_PX`."""
    return 1 + max(0, math.floor(math.log(size_px / COARSEST_PLANNED_PX, SCALE_RATIO) + 1e-6))
