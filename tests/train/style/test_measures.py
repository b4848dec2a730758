"""The losses of held-out pairs and what they are held against."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cvdemo.data_folders import data_folder
from cvdemo.nets.backbone import load_backbone
from cvdemo.style.feed_forward import read_style_net
from cvdemo.style.optimise import StyleConfig
from tests.helpers.painters import loud_style_net, random_backbone
from train.data.read_pictures import read_resized
from train.style.contact_sheet import example_photographs
from train.style.measures import by_network, by_optimiser, measure, untouched
from train.style.pictures import noise_pictures

NETWORK = random_backbone()
WEIGHTS = StyleConfig()


def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
    contents, styles = noise_pictures(count, 48, 0), noise_pictures(count, 48, 1)
    read = [np.stack([source.read(i) for i in range(count)]) for source in (contents, styles)]
    return read[0], read[1]


def test_what_is_left_untouched_has_no_content_loss() -> None:
    found = measure(untouched, pairs(2), NETWORK, WEIGHTS)
    assert found["content"] == 0 and found["style"] > 0
    assert found["loss"] == pytest.approx(10 * found["style"] + 40 * found["variation"], rel=1e-5)


def test_the_mean_counts_every_pair_alike_however_they_are_parted() -> None:
    contents, styles = pairs(9)  # two parts, of 5 and 4
    paint = by_network(loud_style_net())
    alone = [measure(paint, (contents[i : i + 1], styles[i : i + 1]), NETWORK, WEIGHTS)["loss"] for i in range(9)]
    assert measure(paint, (contents, styles), NETWORK, WEIGHTS)["loss"] == pytest.approx(np.mean(alone), rel=1e-4)


def test_the_network_gets_the_statistics_of_the_style() -> None:
    contents, styles = pairs(2)
    network, seen = loud_style_net(), []
    network.style_encoder.register_forward_hook(lambda module, given, code: seen.append(given[0]))
    measure(by_network(network), (contents, styles), NETWORK, WEIGHTS)
    measure(by_network(network), (contents[::-1].copy(), styles), NETWORK, WEIGHTS)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0][0], seen[0][1])


def test_the_shipped_network_comes_nearer_to_a_style_than_its_colours_alone() -> None:
    contents, features = np.stack(example_photographs(192)), load_backbone("cpu")
    mosaic = Path(data_folder("examples")) / "styles" / "mosaic.jpg"
    given = contents, np.stack([np.array(read_resized(mosaic, 192))] * len(contents))
    ways = by_network(read_style_net("instant_style")), untouched
    painted, before = (measure(way, given, features, WEIGHTS)["style"] for way in ways)
    assert painted < 0.7 * before  # 0.356 and 0.614 were measured


def test_optimising_lowers_the_loss() -> None:
    few, more = (measure(by_optimiser(NETWORK, WEIGHTS, steps), pairs(1), NETWORK, WEIGHTS) for steps in (1, 12))
    assert more["loss"] < few["loss"]
