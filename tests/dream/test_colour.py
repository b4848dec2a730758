"""Colours of dreams: what the matrix does to a gradient, highlights that are compressed, mean and contrast kept."""

import pytest
import torch

from cvdemo.dream.colour import LEAST_CONTRAST, MOST_CONTRAST, SHOULDER, Tone, colour_matrix, recoloured, soft_step


def test_natural_colours_are_the_correlation_of_lucid() -> None:
    root = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]])
    natural = colour_matrix(0.5)
    torch.testing.assert_close(natural / natural[0, 0], root @ root.T / (root @ root.T)[0, 0])
    assert torch.linalg.matrix_norm(natural, 2).item() == pytest.approx(1)


def test_colour_goes_from_the_pictures_own_to_the_plain_gradient() -> None:
    gradient = torch.randn(1, 3, 5, 7)
    grey = recoloured(gradient, colour_matrix(0))
    torch.testing.assert_close(grey, gradient.mean(dim=1, keepdim=True).expand(1, 3, 5, 7))
    torch.testing.assert_close(recoloured(gradient, colour_matrix(1)), gradient)
    chroma = [recoloured(gradient, colour_matrix(colour)).std(dim=1).mean() for colour in (0, 0.25, 0.5, 0.75, 1)]
    assert chroma == sorted(chroma)


def test_a_matrix_acts_on_the_colours_of_each_place() -> None:
    gradient = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2).contiguous()
    swapped = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert recoloured(gradient, swapped)[0, :, 1, 1].tolist() == [2, 1, 3]


def test_mid_tones_take_the_whole_change_and_no_change_changes_nothing() -> None:
    middle = torch.linspace(SHOULDER, 1 - SHOULDER, 50).view(1, 1, 5, 10)
    torch.testing.assert_close(soft_step(middle, torch.full_like(middle, 0.1)), middle + 0.1)
    anything = torch.rand(1, 3, 9, 9)
    assert torch.equal(soft_step(anything, torch.zeros_like(anything)), anything)


@pytest.mark.parametrize("change", [0.03, -0.03])
def test_highlights_and_shadows_are_compressed_instead_of_clipped(change: float) -> None:
    """After many steps towards white, or black, what was lighter is lighter still, and nothing has arrived."""
    pixels = torch.linspace(0.2, 0.8, 13).view(1, 1, 1, 13)
    for _ in range(30):
        pixels = soft_step(pixels, torch.full_like(pixels, change))
    assert pixels.min() > 0 and pixels.max() < 1
    assert (pixels.diff() > 0).all()


def test_out_of_a_highlight_the_way_back_is_free() -> None:
    torch.testing.assert_close(soft_step(torch.tensor([1.0, 0.0]), torch.tensor([-0.1, 0.1])), torch.tensor([0.9, 0.1]))


def test_a_large_change_stays_within_range() -> None:
    pixels = soft_step(torch.rand(1, 3, 20, 20), 5 * torch.randn(1, 3, 20, 20))
    assert pixels.min() >= 0 and pixels.max() <= 1


def test_mean_and_contrast_are_drawn_back() -> None:
    own = torch.rand(1, 3, 30, 30) * 0.5 + 0.2
    dreamed = (own - 0.45) * 2 + 0.5
    tone = Tone.of(own)
    back = Tone.of(own + tone.drawing_back(own, dreamed - own))
    torch.testing.assert_close(back.mean, tone.mean)
    torch.testing.assert_close(back.deviation, MOST_CONTRAST * tone.deviation)


def test_less_contrast_is_left_and_a_grey_picture_may_show_something() -> None:
    own = torch.rand(1, 3, 30, 30)
    assert Tone.of(own).drawing_back(own, torch.zeros_like(own)).abs().max() < 1e-6
    flat, pattern = torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 3, 8, 8)
    back = Tone.of(flat + Tone.of(flat).drawing_back(flat, pattern - flat))
    torch.testing.assert_close(back.deviation, torch.full((1, 3, 1, 1), LEAST_CONTRAST))
    torch.testing.assert_close(back.mean, torch.full((1, 3, 1, 1), 0.5))
