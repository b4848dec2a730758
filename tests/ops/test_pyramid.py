"""Pyramid sizes: on the window grid, coarse to fine, bounded."""

import pytest

from cvdemo.ops.pyramid import pyramid_sizes

Sizes = list[tuple[int, int]]


def sizes(
    size_hw: tuple[int, int], factor: float = 0.8, max_upscale: float = 1.5, max_pixels: int = 1_000_000
) -> Sizes:
    return pyramid_sizes(
        size_hw, window_px=224, stride_px=32, factor=factor, max_upscale=max_upscale, max_pixels=max_pixels
    )


def test_a_known_pyramid() -> None:
    assert sizes((343, 502)) == [(224, 320), (288, 416), (352, 512), (448, 640)]


@pytest.mark.parametrize("size_hw", [(1, 1), (10, 10), (224, 224), (300, 451), (4000, 3000), (60, 900), (5000, 1000)])
@pytest.mark.parametrize("factor", [0.5, 0.8, 0.95])
def test_levels_lie_on_the_grid_and_grow(size_hw: tuple[int, int], factor: float) -> None:
    levels = sizes(size_hw, factor)
    assert levels and min(levels[0]) == 224
    assert len(set(levels)) == len(levels) and levels == sorted(levels)
    for height, width in levels:
        assert height >= 224 <= width and (height - 224) % 32 == (width - 224) % 32 == 0
        assert height * width <= 1.15e6  # half a stride of rounding on both sides
    for height, width in levels[1:]:
        assert max(height / size_hw[0], width / size_hw[1]) <= 1.5 * 1.1


def test_the_aspect_stays_but_for_rounding() -> None:
    for height, width in sizes((3000, 4000)):
        assert width / height == pytest.approx(4 / 3, rel=0.15)


def test_a_small_picture_is_enlarged_to_one_window() -> None:
    assert sizes((8, 8)) == [(224, 224)]


def test_a_long_strip_is_squeezed_to_the_budget() -> None:
    assert sizes((20, 1000)) == [(224, 4448)]


def test_a_larger_budget_goes_finer() -> None:
    assert (
        sizes((3000, 4000), max_pixels=400_000) == sizes((3000, 4000))[: len(sizes((3000, 4000), max_pixels=400_000))]
    )
    assert len(sizes((3000, 4000), max_pixels=400_000)) < len(sizes((3000, 4000)))


@pytest.mark.parametrize(
    ("size_hw", "factor", "max_upscale"),
    [((0, 9), 0.8, 1.5), ((9, 9), 1.0, 1.5), ((9, 9), 0.0, 1.5), ((9, 9), 0.8, 0.0)],
)
def test_values_out_of_range_are_refused(size_hw: tuple[int, int], factor: float, max_upscale: float) -> None:
    with pytest.raises(ValueError, match=r"need sides >= 1, factor in \(0, 1\)"):
        sizes(size_hw, factor, max_upscale)
