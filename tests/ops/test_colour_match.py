"""Matching colours: statistics reached, identity kept, flat pictures survive."""

import pytest
import torch

from cvdemo.ops.colour_match import (
    LOSS_RIDGE,
    ColourMap,
    ColourReference,
    colour_loss,
    colour_statistics,
    match_colours,
    matrix_power,
)


def picture(mean: float, spread: float) -> torch.Tensor:
    mixing = torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.3, 0.0, 1.0]])
    colours = mixing @ torch.randn(3, 40 * 50)
    return (mean + spread * colours).view(1, 3, 40, 50)


def test_the_result_has_the_reference_mean_and_covariance() -> None:
    pixels, reference = picture(0.55, 0.08), picture(0.45, 0.06).flip(1)  # no colour so far out that it is clamped
    matched = match_colours(pixels, reference)
    for found, wanted in zip(colour_statistics(matched), colour_statistics(reference), strict=True):
        torch.testing.assert_close(found, wanted, atol=3e-4, rtol=0)


def test_a_picture_matched_to_itself_stays_as_it_is() -> None:
    pixels = torch.rand(1, 3, 20, 30)
    torch.testing.assert_close(match_colours(pixels, pixels), pixels, atol=1e-3, rtol=0)


def test_a_grey_picture_takes_on_a_flat_colour() -> None:
    red = torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    matched = match_colours(torch.full((1, 3, 8, 8), 0.5), red)
    torch.testing.assert_close(matched, red.contiguous(), atol=1e-4, rtol=0)


def test_colours_stay_in_range() -> None:
    matched = match_colours(picture(0.5, 0.02), (torch.rand(1, 3, 30, 30) > 0.5).float())
    assert matched.min() >= 0 and matched.max() <= 1


def test_matrix_power_inverts_and_squares() -> None:
    base = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    root = matrix_power(base, 0.5)
    torch.testing.assert_close(root @ root, base)
    torch.testing.assert_close(matrix_power(base, -1.0) @ base, torch.eye(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 3, 8, 8), (1, 1, 8, 8)])
def test_only_one_rgb_picture_is_accepted(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need \\(1, 3, H, W\\), got"):
        match_colours(torch.zeros(shape), torch.zeros(1, 3, 4, 4))


def test_colour_loss_is_zero_at_the_reference_and_falls_when_colours_are_matched() -> None:
    pixels, reference = picture(0.55, 0.08), picture(0.45, 0.06).flip(1)
    target = ColourReference.of(reference)
    assert colour_loss(reference, target) < 1e-6
    assert colour_loss(match_colours(pixels, reference), target) < 0.01 * colour_loss(pixels, target)


def test_colour_loss_counts_a_hue_that_the_reference_lacks_above_one_that_it_has() -> None:
    grey = (0.5 + 0.2 * torch.randn(1, 1, 40, 40)).clamp(0, 1).expand(1, 3, 40, 40)
    noise = 0.1 * torch.randn(1, 1, 40, 40)
    lighter, greener = grey + noise, grey + noise * torch.tensor([-1.0, 1.0, -1.0]).view(1, 3, 1, 1)
    target = ColourReference.of(grey)
    assert colour_loss(greener, target) > 10 * colour_loss(lighter, target)


def test_a_colour_map_can_be_weakened_down_to_nothing() -> None:
    pixels, reference = picture(0.55, 0.08), picture(0.45, 0.06).flip(1)
    full = ColourMap.between(pixels, reference)
    torch.testing.assert_close(full.weakened(1.0)(pixels), match_colours(pixels, reference))
    torch.testing.assert_close(full.weakened(0.0)(pixels), pixels.clamp(0, 1))
    half = (full(pixels) + pixels) / 2
    torch.testing.assert_close(full.weakened(0.5)(pixels), half, atol=1e-5, rtol=0)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_of_the_colour_loss_is_that_of_its_statistics(weighted: bool) -> None:
    torch.manual_seed(0)
    pixels, weights = torch.rand(1, 3, 6, 7, requires_grad=True), torch.rand(1, 1, 6, 7) if weighted else None
    reference = ColourReference.of(torch.rand(1, 3, 8, 8))
    mean, covariance = colour_statistics(pixels, weights)
    spread = reference.whitening @ (covariance + LOSS_RIDGE * torch.eye(3)) @ reference.whitening - torch.eye(3)
    expected = (spread.square().sum() + (reference.whitening @ (mean - reference.mean)).square().sum()) / 3
    found = colour_loss(pixels, reference, weights)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, pixels)[0] for loss in (found, expected)))
