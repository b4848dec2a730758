"""The averaged copy of a network."""

import pytest
import torch
from torch import nn

from train.engine.ema import Ema


def test_early_updates_average_over_what_there_is() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = Ema(network, decay=0.999)
    nn.init.ones_(network.weight)
    ema.update(network)
    assert ema.network.get_parameter("weight").item() == pytest.approx(0.9)  # decay (1 + 0) / (10 + 0)


def test_decay_holds_later() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    ema = Ema(network, decay=0.5)
    ema.updates = 1000
    nn.init.ones_(network.weight)
    ema.update(network)
    ema.update(network)
    assert ema.network.get_parameter("weight").item() == pytest.approx(0.75)


def test_buffers_follow_and_the_network_is_left_alone() -> None:
    network = nn.BatchNorm1d(2)
    ema = Ema(network, decay=0.0)
    network(torch.randn(8, 2) + 5)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    ema.update(network)
    for key, value in ema.network.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])
        assert torch.equal(before[key], network.state_dict()[key])
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_refuses_a_decay_out_of_range(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        Ema(nn.Linear(1, 1), decay)
