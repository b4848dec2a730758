"""Image pyramids: the sizes at which one fixed window is slid over a picture, so that it meets objects of every size.

E. Adelson et al., "Pyramid methods in image processing", RCA Engineer 29(6), 1984. Departures: the factor between
levels is free instead of 2, the levels are resized from the picture itself with an antialiasing filter, and each is
rounded to a size on which the window grid comes out even, so that dense scoring and crops see the same pixels.
"""


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


def _first_level(size_hw: tuple[int, int], window_px: int, stride_px: int, max_pixels: int) -> tuple[int, int]:
    """One window across the shorter side, the longer side as the aspect or else the budget has it."""
    longest = max(window_px, max_pixels // window_px)
    height, width = (min(side * window_px / min(size_hw), longest) for side in size_hw)
    return _on_grid(height, window_px, stride_px), _on_grid(width, window_px, stride_px)


def _on_grid(side: float, window_px: int, stride_px: int) -> int:
    """The side nearest to `side` on which windows end flush: window + k stride, k >= 0."""
    return window_px + max(0, round((side - window_px) / stride_px)) * stride_px
