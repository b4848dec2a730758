"""Optimisers by name, and which weights decay."""

import typing

import pytest
import torch
from torch import nn

from train.engine.optimisers import OptimizerName, decay_groups, optimizers_for

NAMES = typing.get_args(OptimizerName)


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


@pytest.mark.parametrize("name", NAMES)
def test_every_optimiser_lowers_the_loss(name: OptimizerName) -> None:
    network = small_network()
    lr = {"adadelta": 1.0, "adagrad": 0.05, "muon": 0.1, "sgd": 0.05}.get(name, 0.005)
    optimizers = optimizers_for(network, name, lr, lr_rest=0.05, momentum=0.9, weight_decay=1e-4)
    pixels, labels = torch.randn(16, 3, 4, 4), torch.arange(16) % 2
    losses = []
    for _ in range(15):
        loss = nn.functional.cross_entropy(network(pixels), labels)
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers.values():
            optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_every_trained_weight_has_exactly_one_optimiser(name: OptimizerName) -> None:
    network = small_network()
    network[1].weight.requires_grad_(False)
    optimizers = optimizers_for(network, name, 0.1, lr_rest=0.1, momentum=0.9, weight_decay=0.1)
    held = [id(w) for optimizer in optimizers.values() for group in optimizer.param_groups for w in group["params"]]
    assert sorted(held) == sorted(id(w) for w in network.parameters() if w.requires_grad)


def test_an_unknown_optimiser_is_refused() -> None:
    with pytest.raises(ValueError, match=r"optimiser must be one of .*'adam'"):
        optimizers_for(small_network(), "lion", 0.1, lr_rest=0.1, momentum=0.9, weight_decay=0.0)  # type: ignore[arg-type]


def test_vectors_are_not_decayed() -> None:
    decayed, free = decay_groups(small_network().parameters(), 0.1)
    assert decayed["weight_decay"] == 0.1 and {w.ndim for w in decayed["params"]} == {2, 4}
    assert free["weight_decay"] == 0.0 and {w.ndim for w in free["params"]} == {1}
