"""Pyramid sizes: on the window grid, coarse to fine, bounded."""

from itertools import pairwise

import numpy as np
import pytest

from cvdemo.ops.pyramid import LARGEST_STEP, WORTH_A_LEVEL, pyramid_sizes, resized, sparse_sizes

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


def sparse(size_hw: tuple[int, int], **settings: float) -> list[tuple[int, int]]:
    bounds = {"side_px": 400, "least_px": 16, "max_upscale": 1.5, "max_pixels": 1_000_000}
    return sparse_sizes(size_hw, **{**bounds, **settings})  # type: ignore[arg-type]  # ints and floats by name


@pytest.mark.parametrize(
    ("size_hw", "settings", "sizes"),
    [
        ((375, 500), {"max_upscale": 0.9}, [(300, 400)]),  # an eighth more is no level worth
        ((375, 500), {}, [(300, 400), (562, 750)]),
        ((3000, 4000), {"max_pixels": 850_000}, [(300, 400), (798, 1065)]),
        ((3000, 4000), {"max_pixels": 12e6}, [(300, 400), (646, 862), (1392, 1857), (3000, 4000)]),
        ((20, 10), {}, [(400, 200)]),  # the first may enlarge
        ((1, 1), {}, [(400, 400)]),
        ((80, 4000), {"max_upscale": 0.8}, [(8, 400), (23, 1131), (64, 3200)]),
        ((10, 5000), {"max_pixels": 300}, [(1, 400)]),  # no level but the first is bound
        # objects of 64 px are seen at a quarter of the size
        ((3000, 4000), {"max_pixels": 40e6, "min_object_px": 64}, [(300, 400), (750, 1000)]),
        ((3000, 4000), {"max_pixels": 3e6, "min_object_px": 8}, [(300, 400), (671, 894), (1500, 2000)]),
        # objects of 500 px at most fill half of the second level at most: the first is not needed
        ((3000, 4000), {"max_pixels": 850_000, "max_object_px": 500}, [(798, 1065)]),
        ((3000, 4000), {"max_pixels": 850_000, "max_object_px": 1100}, [(300, 400), (798, 1065)]),
    ],
)
def test_sparse_levels(size_hw: tuple[int, int], settings: dict[str, float], sizes: list[tuple[int, int]]) -> None:
    assert sparse(size_hw, **settings) == sizes


@pytest.mark.parametrize("max_pixels", [1e5, 1e6, 4e6, 40e6])
@pytest.mark.parametrize("size_hw", [(480, 640), (1024, 1280), (5400, 7200), (90, 4000)])
def test_no_step_between_sparse_levels_is_larger_than_allowed(size_hw: tuple[int, int], max_pixels: float) -> None:
    sides = [max(size) for size in sparse(size_hw, max_pixels=max_pixels)]
    assert sides[0] == 400 and sides == sorted(sides)
    assert all(WORTH_A_LEVEL * 0.99 < b / a < LARGEST_STEP * 1.01 for a, b in pairwise(sides))


@pytest.mark.parametrize(
    ("size_hw", "settings"),
    [((0, 5), {}), ((5, 5), {"least_px": 0}), ((5, 5), {"max_upscale": 0}), ((5, 5), {"side_px": 0})],
)
def test_sparse_levels_of_nothing_are_refused(size_hw: tuple[int, int], settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="need sides >= 1, least_px > 0"):
        sparse(size_hw, **settings)


def test_resizing_shrinks_without_aliases_and_enlarges_smoothly() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 254
    assert (resized(stripes, (16, 16)) == 127).all()  # the mean, where picking every fourth column gives 0 or 254
    ramp = np.repeat(np.arange(0, 160, 10, dtype=np.uint8)[None, :, None], 4, axis=0).repeat(3, axis=2)
    larger = resized(ramp, (8, 32))
    assert larger.shape == (8, 32, 3) and (np.diff(larger[0, :, 0].astype(int)) >= 0).all()
    same = resized(ramp, (4, 16))
    assert np.array_equal(same, ramp) and same is not ramp
