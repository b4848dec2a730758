"""Colours of several pictures together, and of a part of one."""

import pytest
import torch

from cvdemo.ops.colour_match import ColourMap, ColourReference, colour_loss, colour_statistics, mixed_colours


def test_pictures_mix_as_if_they_were_one() -> None:
    torch.manual_seed(0)
    one, other = torch.rand(1, 3, 4, 4), 0.5 * torch.rand(1, 3, 4, 12)
    mean, covariance = mixed_colours([(one, 1.0), (other, 3.0)])
    expected = colour_statistics(torch.cat([one, other], dim=3))
    torch.testing.assert_close(mean, expected[0])
    torch.testing.assert_close(covariance, expected[1], atol=1e-5, rtol=1e-4)


def test_weights_pick_a_part() -> None:
    pixels, weights = torch.rand(1, 3, 6, 6), torch.zeros(1, 1, 6, 6)
    weights[..., :3] = 0.5
    for found, expected in zip(colour_statistics(pixels, weights), colour_statistics(pixels[..., :3]), strict=True):
        torch.testing.assert_close(found, expected)
    reference = ColourReference.of(pixels[..., :3])
    assert colour_loss(pixels, reference, weights) < 1e-6 < colour_loss(pixels, reference)


def test_a_map_reaches_given_statistics() -> None:
    torch.manual_seed(0)
    pixels, reference = torch.rand(1, 3, 16, 16), 0.3 + 0.2 * torch.rand(1, 3, 16, 16)
    found = ColourMap.to_statistics(pixels, *colour_statistics(reference))
    assert torch.equal(found.matrix, ColourMap.between(pixels, reference).matrix)
    torch.testing.assert_close(colour_statistics(found(pixels))[0], colour_statistics(reference)[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize("shares", [[], [0.0], [-1.0, 2.0]])
def test_shares_are_sensible(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="need shares of at least 0, not all 0"):
        mixed_colours([(torch.rand(1, 3, 2, 2), share) for share in shares])
