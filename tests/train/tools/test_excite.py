"""What excites a channel: ascent raises it, and the place that is found in a folder is where the patch lies."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.classify.classifier import Classifier, Member
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing
from cvdemo.nets.layer_table import layer_table
from cvdemo.nets.map_layers import MapLayer, map_layers
from train.tools.excite import AscentConfig, Find, by_ascent, by_data, find_tiles, patch_box

FAST = AscentConfig(steps=8)


class Redness(nn.Module):
    """Channel 0 is the mean of red over 3x3 pixels, channel 1 that of blue, at stride 2; no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = nn.Conv2d(3, 2, 3, stride=2, bias=False)
        nn.init.zeros_(self.detector.weight)
        with torch.no_grad():
            self.detector.weight[0, 0] = self.detector.weight[1, 2] = 1 / 9

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.detector(pixels).mean(dim=(2, 3))


@pytest.fixture(scope="module")
def redness() -> Classifier:
    preprocessing = Preprocessing(input_px=33, resize_px=33, mean=(0.0,) * 3, std=(1.0,) * 3)
    network = Redness().eval().requires_grad_(False)
    return Classifier((Member(network, preprocessing),), ["red", "blue"], torch.device("cpu"))


@pytest.fixture(scope="module")
def layer(redness: Classifier) -> MapLayer:
    (found,) = map_layers(layer_table(redness.network, (3, 33, 33)))
    return found


def picture(row: int, column: int, colour: tuple[int, int, int]) -> ImageArray:
    """Black, with a spot of 3 x 3 pixels at the given corner."""
    image = np.zeros((33, 33, 3), np.uint8)
    image[row : row + 3, column : column + 3] = colour
    return image


def test_ascent_finds_the_colour_that_the_channel_looks_for(redness: Classifier, layer: MapLayer) -> None:
    config = AscentConfig(steps=8, step_size=30)
    red, reached = by_ascent(redness, layer, 0, config)
    assert red.shape == (33, 33, 3) and red.dtype == np.uint8
    means = red.mean(axis=(0, 1))
    assert means[0] > 200 and means[1:].max() < 160
    assert reached == pytest.approx(means[0] / 255, abs=0.05)  # places at the border count less
    blue, _ = by_ascent(redness, layer, 1, config)
    assert blue.mean(axis=(0, 1)).argmax() == 2


def test_more_steps_excite_more_and_a_seed_gives_the_same_again(redness: Classifier, layer: MapLayer) -> None:
    few, again, many = (by_ascent(redness, layer, 0, AscentConfig(steps=steps)) for steps in (2, 2, 12))
    assert many[1] > few[1] and np.array_equal(few[0], again[0])
    other, _ = by_ascent(redness, layer, 0, AscentConfig(steps=2, seed=1))
    assert not np.array_equal(few[0], other)


def test_a_channel_that_is_not_there_is_told(redness: Classifier, layer: MapLayer) -> None:
    with pytest.raises(InputError, match="channels 0 to 1"):
        by_ascent(redness, layer, 2, FAST)


def test_the_pictures_with_the_highest_activation_come_first(redness: Classifier, layer: MapLayer) -> None:
    pictures = [picture(4, 8, (level, 0, 0)) for level in range(0, 250, 10)] + [picture(20, 2, (0, 0, 255))]
    finds = by_data(iter(pictures), redness, layer, [0, 1], 3)
    assert [(find.number, find.row, find.column) for find in finds[0]] == [(24, 2, 4), (23, 2, 4), (22, 2, 4)]
    assert finds[0][0].value == pytest.approx(240 / 255, abs=1e-5)
    assert (finds[1][0].number, finds[1][0].row, finds[1][0].column) == (25, 10, 1)


def test_fewer_pictures_than_asked_for_are_all(redness: Classifier, layer: MapLayer) -> None:
    assert len(by_data([picture(0, 0, (9, 0, 0))], redness, layer, [0], 5)[0]) == 1


def test_the_patch_is_what_the_place_sees(redness: Classifier, layer: MapLayer) -> None:
    assert patch_box(Find(1.0, 0, 2, 4), layer, 33) == (8, 4, 11, 7)
    framed, patch = find_tiles(Find(1.0, 0, 2, 4), Path("spot.png"), picture(4, 8, (255, 0, 0)), redness, layer)
    assert framed[1] == "1: spot.png" and framed[0].shape == patch[0].shape == (165, 165, 3)
    assert patch[0].reshape(-1, 3).min(axis=0).tolist() == [255, 0, 0]


def test_a_field_larger_than_the_picture_is_cut_at_its_border() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 9, padding=4), nn.ReLU(), nn.Conv2d(4, 4, 9, padding=4))
    last = map_layers(layer_table(network, (3, 12, 12)))[-1]
    assert last.field.size_hw == (17, 17)
    assert patch_box(Find(1.0, 0, 0, 11), last, 12) == (3, 0, 12, 9)
