"""The spectrum of natural pictures: its scale, and what it does to one wave and to a slope."""

import math

import pytest
import torch

from cvdemo.dream.fourier import frequency_scale, natural_spectrum


def test_the_scale_is_one_over_frequency_and_ends_at_the_longest_wave() -> None:
    scale = frequency_scale((8, 16))
    assert scale.shape == (8, 9)
    assert scale[0, 0] == scale[0, 1] == 16  # the mean counts as one cycle over the longer side
    assert scale[2, 0].item() == pytest.approx(4)
    assert scale[1, 2].item() == pytest.approx(1 / math.hypot(1 / 8, 2 / 16))
    assert torch.equal(scale[1], scale[-1])  # negative frequencies


@pytest.mark.parametrize("size_hw", [(16, 32), (15, 31)])
def test_a_wave_is_multiplied_by_its_length(size_hw: tuple[int, int]) -> None:
    width = size_hw[1]
    wave = torch.cos(2 * torch.pi * 4 * torch.arange(width) / width).expand(1, 3, *size_hw)
    torch.testing.assert_close(natural_spectrum(wave), wave * width / 4, rtol=1e-3, atol=1e-3)
