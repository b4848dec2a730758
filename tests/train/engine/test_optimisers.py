"""Optimisers by name, Muon's known properties, and the shapes of the schedules."""

import math
import typing

import pytest
import torch
from torch import nn

from train.engine.optimisers import (
    Muon,
    OptimizerName,
    ScheduleName,
    decay_groups,
    lr_factor,
    optimizers_for,
    orthogonalise,
)

NAMES = typing.get_args(OptimizerName)
SCHEDULES = typing.get_args(ScheduleName)


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


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (6, 6)])
def test_orthogonalise_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrix, iterations=5))
    assert values.min() > 0.5 and values.max() < 1.4
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    aligned = torch.nn.functional.cosine_similarity(orthogonalise(matrix, 5).flatten(), (left @ right).flatten(), dim=0)
    assert aligned > 0.95


def test_muon_keeps_the_length_of_a_filter_bank_and_moves_by_the_rate() -> None:
    weight = nn.Parameter(torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(1)) * 5)
    optimizer = Muon([weight], lr=0.1, momentum=0.0, iterations=5)
    weight.grad = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(2))
    direction = weight.detach() / weight.detach().norm() * math.sqrt(8)
    optimizer.step()
    moved = (weight.detach() - direction).norm() / math.sqrt(8)
    assert 0.06 < moved < 0.14  # lr times an update whose singular values are near one


def test_muon_refuses_bad_values() -> None:
    with pytest.raises(ValueError, match="lr=-1"):
        Muon([nn.Parameter(torch.ones(2, 2))], lr=-1)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_stay_within_zero_and_one_and_end_low(schedule: ScheduleName) -> None:
    factors = [lr_factor(schedule, step, 100, 0.1) for step in range(100)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert max(factors) == 1.0 and factors[0] == pytest.approx(0.1)
    assert schedule == "constant" or factors[-1] < 0.15


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("step", [1, 1, 0.1, 0.01]),
        ("polynomial", [1, 0.75**0.5, 0.5**0.5, 0.5]),
        ("cosine", [1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_schedules_have_their_known_values(schedule: ScheduleName, expected: list[float]) -> None:
    assert [lr_factor(schedule, step, 4) for step in range(4)] == pytest.approx(expected, abs=1e-6)


def test_cosine_warms_up_and_falls_to_zero() -> None:
    factors = [lr_factor("cosine", step, 10, 0.2) for step in range(11)]
    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors[2:] == sorted(factors[2:], reverse=True)
    assert factors[-1] == pytest.approx(0.0)


def test_one_cycle_rises_over_its_first_third() -> None:
    factors = [lr_factor("one-cycle", step, 10) for step in range(10)]
    assert factors[:3] == pytest.approx([1 / 3, 2 / 3, 1])
    assert factors[3:] == sorted(factors[3:], reverse=True)
