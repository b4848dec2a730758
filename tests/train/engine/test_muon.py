"""Known properties of Muon."""

import math

import pytest
import torch
from torch import nn

from train.engine.muon import Muon, orthogonalise


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
