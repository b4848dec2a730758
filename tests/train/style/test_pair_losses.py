"""The losses of pairs: those of the optimiser, one by one, whatever else is in the batch."""

import pytest
import torch

from cvdemo.nets.style_net import STATISTICS_DIM
from cvdemo.ops.colour_match import match_colours
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.targets import SHIFT_PX, losses, make_targets
from tests.helpers.painters import random_backbone
from train.style.pair_losses import CENTRED, SMALLEST_PX, PairLosses, PairTargets, in_colours_of

NETWORK = random_backbone()


def pictures(count: int, seed: int) -> torch.Tensor:
    return torch.rand(count, 3, 48, 48, generator=torch.Generator().manual_seed(seed))


def test_they_are_those_of_the_optimiser() -> None:
    """Of one that takes neither a second content layer nor smooths flat areas more."""
    content, style, painted = pictures(1, 0), pictures(1, 1), pictures(1, 2)
    config = StyleConfig(detail=0, flat_smoothing=0)
    targets = make_targets(content, style, NETWORK, torch.Generator().manual_seed(0), views=1, config=config)
    wanted = losses(painted, targets, 0, NETWORK, config)
    found = PairTargets.of(content, style, NETWORK, targets.shifts[0]).losses(painted, NETWORK)
    torch.testing.assert_close(found.content[0], wanted[0])
    torch.testing.assert_close(found.style[0], wanted[1].log1p())
    torch.testing.assert_close(found.variation[0], wanted[2])


def test_a_pair_has_the_same_losses_alone_and_in_a_batch() -> None:
    content, style, painted = pictures(3, 0), pictures(3, 1), pictures(3, 2)
    style[1] *= 0.05  # a dark painting must not outweigh the others
    together = PairTargets.of(content, style, NETWORK, CENTRED).losses(painted, NETWORK)
    for i in range(3):
        one = slice(i, i + 1)
        alone = PairTargets.of(content[one], style[one], NETWORK, CENTRED).losses(painted[one], NETWORK)
        for found, wanted in zip(together, alone, strict=True):
            torch.testing.assert_close(found[one], wanted, rtol=1e-4, atol=1e-5)


def test_a_picture_that_is_its_own_style_has_nothing_to_lose() -> None:
    content = pictures(2, 0)
    targets = PairTargets.of(content, content, NETWORK, CENTRED)
    found = targets.losses(content, NETWORK)
    assert found.content.max() < 1e-8 and found.variation.min() > 0
    assert targets.statistics.shape == (2, STATISTICS_DIM)


def test_the_total_is_weighted() -> None:
    parts = PairLosses(torch.tensor([1.0, 2.0]), torch.tensor([0.1, 0.2]), torch.tensor([0.01, 0.02]))
    weights = StyleConfig(content_weight=3, style_weight=10, tv_weight=100)
    assert parts.total(weights).tolist() == pytest.approx([5.0, 10.0])


def test_each_content_takes_the_colours_of_its_own_style() -> None:
    content, style = pictures(2, 0), torch.stack([pictures(1, 1)[0] * 0.3, 1 - pictures(1, 2)[0] * 0.3])
    matched = in_colours_of(content, style)
    for i in range(2):
        torch.testing.assert_close(matched[i : i + 1], match_colours(content[i : i + 1], style[i : i + 1]))


def test_the_smallest_pictures_can_be_shifted() -> None:
    content = torch.rand(1, 3, SMALLEST_PX, SMALLEST_PX)
    for shift in ((0, 0), (SHIFT_PX, SHIFT_PX)):
        assert PairTargets.of(content, content, NETWORK, shift).losses(content, NETWORK).content.isfinite().all()
