"""Objectives of dreams on numbers worked out by hand."""

import pytest
import torch

from cvdemo.dream.objectives import measure, objective
from cvdemo.errors import InputError
from tests.dream.tiny_network import TinyNetwork


def test_objective_is_the_mean_square_or_one_channels_mean() -> None:
    activations = torch.tensor([1.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert objective(activations).item() == 5
    assert objective(activations, 1).item() == -3


@pytest.mark.parametrize("channel", [-2, 2])
def test_a_channel_the_layer_lacks_is_refused(channel: int) -> None:
    with pytest.raises(InputError, match=rf"channels 0 to 1, or -1 for all of them; {channel} was"):
        objective(torch.zeros(1, 2, 4, 4), channel)


def test_the_measure_is_the_objective_of_the_layer() -> None:
    network, pixels = TinyNetwork(), torch.rand(1, 3, 8, 8)
    activations = network.features(pixels, ["stem"])["stem"]
    assert measure(pixels, network, "stem", 2) == activations[:, 2].mean()
    assert measure(pixels, network, "stem") == activations.square().mean()
