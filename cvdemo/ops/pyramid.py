"""Image pyramids: the sizes at which one fixed window is slid over a picture, so that it meets objects of every size.

E. Adelson et al., "Pyramid methods in image processing", RCA Engineer 29(6), 1984. Departures: the factor between
levels is free instead of 2, the levels are resized from the picture itself with an antialiasing filter, and each is
rounded to a size on which the window grid comes out even, so that dense scoring and crops see the same pixels. A
network that sees objects of many sizes at once needs few levels, with large steps between them.
"""

import math

import cv2
import numpy as np

from cvdemo.images import ImageArray

LARGEST_STEP = 2**1.5  # between levels for a network that sees objects of five doublings
WORTH_A_LEVEL = 1.2  # what is less enlarged than this beside the first level shows hardly more


def pyramid_sizes(
    size_hw: tuple[int, int],
    *,
    window_px: int,
    stride_px: int,
    factor: float,
    max_upscale: float,
    max_pixels: int,
) -> list[tuple[int, int]]:
    """Level sizes (h, w) in px, coarse to fine; each is `window_px` + a multiple of `stride_px` on both sides.

    On the first level the window spans the shorter side; a picture smaller than the window is enlarged to it. Rounding
    changes a side by at most half a stride. A strip so long that even the first level would exceed `max_pixels` is
    squeezed along its length.

    Args:
        size_hw: of the picture.
        factor: side of a level over the side of the next finer one, in (0, 1).
        max_upscale: no level enlarges the picture by more than this (the first one may have to).
        max_pixels: no level has more than about this many.

    Raises:
        ValueError: a value out of range; names them all.
    """
    if min(size_hw) < 1 or not 0 < factor < 1 or max_upscale <= 0 or not 0 < stride_px <= window_px:
        raise ValueError(
            f"need sides >= 1, factor in (0, 1), max_upscale > 0 and 0 < stride_px <= window_px, "
            f"got {size_hw=}, {factor=}, {max_upscale=}, {stride_px=}, {window_px=}"
        )
    height, width = size_hw
    coarsest = window_px / min(size_hw)
    finest = max(coarsest, min(max_upscale, (max_pixels / (height * width)) ** 0.5))
    sizes = [_first_level(size_hw, window_px, stride_px, max_pixels)]
    scale = coarsest / factor
    while scale <= finest * (1 + 1e-9):
        level = (_on_grid(height * scale, window_px, stride_px), _on_grid(width * scale, window_px, stride_px))
        if level not in sizes:
            sizes.append(level)
        scale /= factor
    return sizes


def sparse_sizes(
    size_hw: tuple[int, int],
    *,
    side_px: int,
    least_px: float,
    max_upscale: float,
    max_pixels: int,
    min_object_px: float = 0.0,
    max_object_px: float = math.inf,
) -> list[tuple[int, int]]:
    """Level sizes (h, w) in px, coarse to fine, for a network that sees objects of many sizes; aspect kept.

    On the first level the picture's longer side has `side_px`, so that what fills the picture is seen. The last one is
    as large as the bounds allow, and between them lie as few as steps of `LARGEST_STEP` at most need.

    Args:
        side_px: the longer side that the network was trained on; it sees objects up to it.
        least_px: the smallest object that it sees, px of a level.
        max_upscale: no level but the first enlarges the picture by more than this.
        max_pixels: no level but the first has more than about this many.
        min_object_px: of the picture: no level is finer than objects of this size ask for; 0: the bounds alone count.
        max_object_px: of the picture: coarse levels that only larger objects ask for are left out.

    Raises:
        ValueError: a value out of range; names them all.
    """
    if min(size_hw) < 1 or side_px < 1 or not least_px > 0 or not max_upscale > 0 or min_object_px > max_object_px:
        raise ValueError(
            f"need sides >= 1, least_px > 0, max_upscale > 0 and min_object_px <= max_object_px, got {size_hw=}, "
            f"{side_px=}, {least_px=}, {max_upscale=}, {min_object_px=}, {max_object_px=}"
        )
    first = side_px / max(size_hw)
    finest = min(max_upscale, (max_pixels / (size_hw[0] * size_hw[1])) ** 0.5)
    if min_object_px > 0:
        finest = min(finest, least_px / min_object_px)
    scales = _spaced(first, finest)
    while len(scales) > 1 and max_object_px * scales[1] <= side_px / 2:
        del scales[0]
    return [(max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))) for scale in scales]


def _spaced(first: float, last: float) -> list[float]:
    """From the first to the last by as few equal factors as are no larger than `LARGEST_STEP`; or the first alone."""
    steps = math.ceil(math.log(last / first, LARGEST_STEP) - 1e-9) if last > first * WORTH_A_LEVEL else 0
    return [first * (last / first) ** (step / max(1, steps)) for step in range(steps + 1)]


def resized(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """A copy of uint8 (H, W, 3) at another size: by areas where it shrinks, which antialiases, else bicubic."""
    shrinks = size_hw[0] * size_hw[1] < image.shape[0] * image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image, (size_hw[1], size_hw[0]), interpolation=interpolation).astype(np.uint8, copy=False)


def _first_level(size_hw: tuple[int, int], window_px: int, stride_px: int, max_pixels: int) -> tuple[int, int]:
    """One window across the shorter side, the longer side as the aspect or else the budget has it."""
    longest = max(window_px, max_pixels // window_px)
    height, width = (min(side * window_px / min(size_hw), longest) for side in size_hw)
    return _on_grid(height, window_px, stride_px), _on_grid(width, window_px, stride_px)


def _on_grid(side: float, window_px: int, stride_px: int) -> int:
    """The side nearest to `side` on which windows end flush: window + k stride, k >= 0."""
    return window_px + max(0, round((side - window_px) / stride_px)) * stride_px
