"""Whitening matrices: a known answer in two dimensions, and what makes PCA and ZCA what they are."""

import math

import pytest
import torch
from torch import Tensor

from cvdemo.ops.whitening import KINDS, WhiteningKind, principal_components, whitening_matrix

# values that vary together: 3 along (1, 1), 1 along (1, -1)
PLANE = torch.tensor([[2.0, 1.0], [1.0, 2.0]])


def covariance_of(size: int, seed: int = 0) -> Tensor:
    mixed = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mixed @ mixed.T


def test_components_come_by_their_variance() -> None:
    variances, components = principal_components(PLANE)
    assert variances.tolist() == pytest.approx([3, 1])
    root = math.sqrt(0.5)
    assert components.abs().flatten().tolist() == pytest.approx([root] * 4)
    assert components[0].prod() > 0 > components[1].prod()


def test_pca_divides_components_by_their_deviation() -> None:
    matrix = whitening_matrix(PLANE, "pca", 0.0)
    assert matrix[0].abs().tolist() == pytest.approx([1 / math.sqrt(6)] * 2) and matrix[0].prod() > 0
    assert matrix[1].abs().tolist() == pytest.approx([1 / math.sqrt(2)] * 2) and matrix[1].prod() < 0


def test_zca_is_the_inverse_root_of_the_covariance() -> None:
    same, other = (1 / math.sqrt(3) + 1) / 2, (1 / math.sqrt(3) - 1) / 2
    expected = torch.tensor([[same, other], [other, same]])
    assert torch.allclose(whitening_matrix(PLANE, "zca", 0.0), expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_whitened_has_the_identity_as_its_covariance(kind: WhiteningKind) -> None:
    covariance = covariance_of(12)
    matrix = whitening_matrix(covariance, kind, 0.0)
    assert torch.allclose(matrix @ covariance @ matrix.T, torch.eye(12).double(), atol=1e-8)


def test_eps_leaves_less_of_what_hardly_varies() -> None:
    covariance = torch.diag(torch.tensor([4.0, 1.0, 0.01]))
    matrix = whitening_matrix(covariance, "zca", 0.01)
    left = (matrix @ covariance @ matrix.T).diagonal()
    assert left.tolist() == pytest.approx([4 / 4.01, 1 / 1.01, 0.5])


def test_no_whitened_data_are_nearer_to_the_original_than_those_of_zca() -> None:
    """The mean squared distance is the trace of (W - 1) C (W - 1)^T; every other W is a rotation of ZCA's."""
    covariance = covariance_of(6)

    def distance(matrix: Tensor) -> float:
        apart = matrix - torch.eye(6).double()
        return (apart @ covariance @ apart.T).trace().item()

    nearest = distance(whitening_matrix(covariance, "zca", 0.0))
    assert nearest < distance(whitening_matrix(covariance, "pca", 0.0))
    for seed in range(20):
        rotation = torch.linalg.qr(covariance_of(6, seed + 1)).Q
        assert nearest < distance(rotation @ whitening_matrix(covariance, "zca", 0.0))


@pytest.mark.parametrize(
    ("covariance", "kind", "eps", "message"),
    [
        (PLANE, "none", 0.0, r"whitening must be one of \['pca', 'zca'\], got 'none'"),
        (PLANE[:1], "pca", 0.0, "need a square covariance"),
        (PLANE, "pca", -1.0, "eps of 0 or more"),
    ],
)
def test_what_cannot_be_whitened_is_refused(covariance: Tensor, kind: WhiteningKind, eps: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        whitening_matrix(covariance, kind, eps)
