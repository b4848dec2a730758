"""Shifted views of a picture, and what its regions are compared with."""

import pytest
import torch

from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import Statistics
from cvdemo.style.targets import (
    BORDER_PX,
    LAYER_STRIDES,
    SHIFT_PX,
    STYLE_LAYERS,
    Strokes,
    content_weights,
    describe_style,
    losses,
    make_region,
    make_targets,
    shifted,
    views_for,
)
from tests.helpers.painters import random_backbone

NETWORK = random_backbone()


def test_a_shift_moves_the_picture_inside_a_reflected_border() -> None:
    pixels = torch.rand(1, 3, 20, 24)
    still, moved = shifted(pixels, (0, 0)), shifted(pixels, (3, 5))
    assert still.shape == moved.shape == (1, 3, 29, 33)
    torch.testing.assert_close(still[..., 8:28, 8:32], pixels)
    torch.testing.assert_close(moved[..., 5:25, 3:27], pixels)
    torch.testing.assert_close(moved[..., 4, 3:27], pixels[..., 1, :])  # mirrored about the first row


def test_a_view_can_be_filled_up_to_a_multiple() -> None:
    pixels = torch.rand(1, 3, 21, 24)
    plain, filled = shifted(pixels, (3, 5)), shifted(pixels, (3, 5), 16)
    assert filled.shape == (1, 3, 32, 48)
    torch.testing.assert_close(filled[..., : plain.shape[-2], : plain.shape[-1]], plain)


@pytest.mark.parametrize(("steps", "views"), [(1, 1), (7, 1), (8, 2), (20, 5), (400, 12)])
def test_few_steps_take_few_views(steps: int, views: int) -> None:
    assert views_for(steps) == views


def test_the_strides_of_the_layers_are_those_of_the_network() -> None:
    found = NETWORK.features(torch.rand(1, 3, 64, 64), list(STYLE_LAYERS))
    assert {name: 64 // maps.shape[-1] for name, maps in found.items()} == LAYER_STRIDES


def test_styles_mix_by_their_weights() -> None:
    torch.manual_seed(0)
    one, other = torch.rand(1, 3, 48, 48), torch.rand(1, 3, 64, 48) * 0.3
    parts = [describe_style(pixels, NETWORK) for pixels in (one, other)]
    region = make_region(Strokes([(one, 3.0), (other, 1.0)]), NETWORK)
    for name in STYLE_LAYERS:
        expected = 0.75 * parts[0][name].moment + 0.25 * parts[1][name].moment
        torch.testing.assert_close(region.layers[name].moment, expected)
        torch.testing.assert_close(region.layers[name].mean, 0.75 * parts[0][name].mean + 0.25 * parts[1][name].mean)
    mean = 0.75 * one.mean(dim=(2, 3)) + 0.25 * other.mean(dim=(2, 3))
    torch.testing.assert_close(region.colours.mean[:, 0], mean[0])


@pytest.mark.parametrize("distance", ["gram", "wasserstein"])
def test_a_mask_holds_each_region_to_its_own_style(distance: str) -> None:
    """A picture of two halves, each its own style, is at its target; with the styles swapped it is far from it."""
    torch.manual_seed(0)
    left, right = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64) * torch.tensor([1.0, 0.3, 0.1]).view(1, 3, 1, 1)
    picture, mask = torch.cat([left, right], dim=3), torch.ones(1, 1, 64, 128)
    mask[..., 64:] = 0
    config = StyleConfig(style_loss=distance)
    found = []
    for styles in ((left, right), (right, left)):
        strokes = [Strokes([(styles[0], 1.0)], mask), Strokes([(styles[1], 1.0)], 1 - mask)]
        targets = make_targets(picture, strokes, NETWORK, torch.Generator().manual_seed(0), views=1)
        assert [region.share for region in targets.regions] == [0.5, 0.5]
        found.append(losses(picture, targets, 0, NETWORK, config).style.item())
    assert found[0] < 0.2 * found[1]


def test_detail_weighs_the_finer_layer() -> None:
    torch.manual_seed(0)
    content, other = torch.rand(1, 3, 48, 48), torch.rand(1, 3, 48, 48)
    values = []
    for config in (StyleConfig(detail=detail) for detail in (0.0, 0.25, 1.0)):
        targets = make_targets(content, other, NETWORK, torch.Generator().manual_seed(0), views=1, config=config)
        assert targets.content[0].keys() == content_weights(config).keys()  # no layer is kept that does not count
        assert losses(content, targets, 0, NETWORK, config).content == 0
        values.append(losses(other, targets, 0, NETWORK, config).content)
    torch.testing.assert_close(values[1], 0.75 * values[0] + 0.25 * values[2])
    assert values[0] != values[2]


def test_the_statistics_of_a_masked_view_are_those_of_the_part() -> None:
    region = make_region(Strokes([(torch.rand(1, 3, 32, 32), 1.0)], torch.ones(1, 1, 32, 32)), NETWORK)
    side = 32 + 2 * BORDER_PX + SHIFT_PX
    weights = region.weights((0, 0), (side, side))
    assert weights is not None and weights.shape == (side, side) and (weights == 1).all()
    maps = torch.rand(1, 4, side, side)
    torch.testing.assert_close(Statistics.of(maps, weights).moment, Statistics.of(maps).moment)
