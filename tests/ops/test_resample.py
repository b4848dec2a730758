"""Bicubic resizing against MATLAB's known weights, and BT.601 against its defining colours."""

from typing import Any

import pytest
import torch
from torch import Tensor

from cvdemo.ops.resample import axis_taps, bicubic_resize, luma, rgb_to_ycbcr


def test_halving_uses_matlabs_weights() -> None:
    # Keys' kernel at distances 0.25, 0.75, ... with twice the width, as imresize(x, 0.5) applies it
    expected = torch.tensor([-3.0, -9.0, 29.0, 111.0, 111.0, 29.0, -9.0, -3.0], dtype=torch.float64) / 256
    indices, weights = axis_taps(16, 8, 0.5, antialias=True)
    torch.testing.assert_close(weights[4], expected)
    assert indices[4].tolist() == list(range(5, 13))


def test_doubling_uses_matlabs_weights() -> None:
    # distances 1.25, 0.25, 0.75, 1.75 from a sample at a quarter pixel
    expected = torch.tensor([-9.0, 111.0, 29.0, -3.0], dtype=torch.float64) / 128
    indices, weights = axis_taps(8, 16, 2.0, antialias=True)
    row = weights[9][weights[9] != 0]  # centre 4.25
    torch.testing.assert_close(row, expected)
    assert indices[9][weights[9] != 0].tolist() == [3, 4, 5, 6]


def test_edges_are_mirrored() -> None:
    indices, _ = axis_taps(4, 8, 2.0, antialias=True)
    assert indices.min() == 0
    assert indices.max() == 3
    ramp = torch.tensor([[[[0.0, 1.0, 2.0, 3.0]]]])
    doubled = bicubic_resize(ramp, out_hw=(1, 8))
    # at -0.25: weights -3, 29, 111, -9 of 128 on samples -2..1, mirrored to 1, 0, 0, 1
    assert doubled[0, 0, 0, 0].item() == pytest.approx((-3 - 9) / 128, abs=1e-6)


@pytest.mark.parametrize("scale", [0.25, 1 / 3, 0.5, 0.9, 1.0, 2, 3, 4])
def test_a_constant_stays_constant(scale: float) -> None:
    image = torch.full((1, 2, 13, 17), 0.3)
    assert torch.allclose(bicubic_resize(image, scale=scale), torch.tensor(0.3), atol=1e-6)


@pytest.mark.parametrize(("side", "scale", "expected"), [(10, 0.33, 4), (9, 1 / 3, 3), (255, 1 / 3, 85), (7, 1.5, 11)])
def test_size_is_rounded_up_as_in_matlab(side: int, scale: float, expected: int) -> None:
    assert bicubic_resize(torch.rand(1, 1, side, side), scale=scale).shape == (1, 1, expected, expected)


def test_scale_one_is_the_identity() -> None:
    image = torch.rand(2, 3, 9, 8)
    assert torch.equal(bicubic_resize(image, scale=1), image)


def test_a_ramp_is_kept_inside() -> None:
    ramp = torch.arange(32, dtype=torch.float64).expand(1, 1, 32, 32)
    doubled = bicubic_resize(ramp, scale=2)[0, 0, 20]
    expected = (torch.arange(64, dtype=torch.float64) + 0.5) / 2 - 0.5
    torch.testing.assert_close(doubled[8:-8], expected[8:-8])


def test_without_antialiasing_shrinking_skips_pixels() -> None:
    image = torch.zeros(1, 1, 16, 16)
    image[..., ::4] = 1.0  # a line every 4 px: averaged away only by a widened kernel
    smooth = bicubic_resize(image, scale=0.25)
    aliased = bicubic_resize(image, scale=0.25, antialias=False)
    assert (smooth[..., 1:-1] - 0.25).abs().max() < 0.02
    assert (aliased - 0.25).abs().min() > 0.2


def test_flips_commute() -> None:
    image = torch.rand(1, 1, 12, 18, dtype=torch.float64)
    torch.testing.assert_close(bicubic_resize(image, scale=0.5).flip(3), bicubic_resize(image.flip(3), scale=0.5))


@pytest.mark.parametrize("options", [{}, {"scale": 2, "out_hw": (4, 4)}])
def test_needs_exactly_one_size(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        bicubic_resize(torch.rand(1, 1, 4, 4), **options)


@pytest.mark.parametrize("options", [{"scale": -1}, {"out_hw": (0, 4)}])
def test_refuses_sizes_that_leave_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive size"):
        bicubic_resize(torch.rand(1, 1, 4, 4), **options)


@pytest.mark.parametrize(
    "image", [torch.zeros(1, 1, 4, 4, dtype=torch.uint8), torch.rand(4, 4), torch.rand(0, 1, 4, 4)]
)
def test_refuses_what_is_no_float_batch(image: Tensor) -> None:
    with pytest.raises(ValueError, match="floating"):
        bicubic_resize(image, scale=2)


@pytest.mark.parametrize(
    ("rgb", "ycbcr"),
    [((0, 0, 0), (16, 128, 128)), ((1, 1, 1), (235, 128, 128)), ((1, 0, 0), (81.481, 90.203, 240))],
)
def test_known_colours(rgb: list[float], ycbcr: list[float]) -> None:
    image = torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)
    torch.testing.assert_close(rgb_to_ycbcr(image).flatten() * 255, torch.tensor(ycbcr, dtype=torch.float64))


@pytest.mark.parametrize("convert", [luma, rgb_to_ycbcr])
def test_colour_needs_three_channels(convert: Any) -> None:
    with pytest.raises(ValueError, match="B, 3, H, W"):
        convert(torch.rand(1, 1, 4, 4))


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 5), (64, 97)])
def test_luma_is_the_first_channel(size_hw: tuple[int, int]) -> None:
    rgb = torch.rand(2, 3, *size_hw, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(luma(rgb), rgb_to_ycbcr(rgb)[:, :1], atol=1e-7, rtol=0)
