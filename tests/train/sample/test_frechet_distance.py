"""The Frechet distance against cases with a closed form."""

import pytest
import torch

from train.sample.frechet_distance import Statistics, frechet_distance, statistics


def gaussian(mean: list[float], covariance: list[list[float]]) -> Statistics:
    factor = torch.linalg.cholesky(torch.tensor(covariance).double()).T
    return Statistics(torch.tensor(mean).double(), factor, 10)


def test_distance_to_itself_is_zero() -> None:
    features = torch.randn(50, 8)
    assert frechet_distance(statistics(features), statistics(features)) == pytest.approx(0.0, abs=1e-6)


def test_means_count_squared() -> None:
    eye = [[1.0, 0.0], [0.0, 1.0]]
    assert frechet_distance(gaussian([0.0, 0.0], eye), gaussian([3.0, 4.0], eye)) == pytest.approx(25.0)


def test_commuting_covariances_compare_standard_deviations() -> None:
    a, b = gaussian([0.0, 0.0], [[4.0, 0.0], [0.0, 9.0]]), gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 25.0]])
    assert frechet_distance(a, b) == pytest.approx((2 - 1) ** 2 + (3 - 5) ** 2)


def test_is_symmetric_and_fit_for_fewer_pictures_than_features() -> None:
    a, b = statistics(torch.randn(5, 12)), statistics(torch.randn(7, 12) + 1)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a, b) > 0


def test_statistics_are_unbiased() -> None:
    found = statistics(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    assert found.mean.tolist() == [1.0, 2.0]
    torch.testing.assert_close(found.factor.T @ found.factor, torch.tensor([[2.0, 4.0], [4.0, 8.0]]).double())
    assert found.n == 2


@pytest.mark.parametrize("shape", [(1, 4), (4,), (2, 3, 4)])
def test_refuses_what_is_no_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="N >= 2"):
        statistics(torch.zeros(shape))


def test_refuses_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        statistics(torch.tensor([[0.0, float("nan")], [1.0, 1.0]]))


def test_agrees_with_the_matrix_root() -> None:
    a, b = statistics(torch.randn(60, 6)), statistics(torch.randn(80, 6) @ torch.randn(6, 6) + 1)
    product = (a.factor.T @ a.factor) @ (b.factor.T @ b.factor)
    root_trace = torch.linalg.eigvals(product).sqrt().sum().real
    traces = a.factor.square().sum() + b.factor.square().sum()
    expected = (a.mean - b.mean).square().sum() + traces - 2 * root_trace
    assert frechet_distance(a, b) == pytest.approx(expected.item(), rel=1e-8)


def test_refuses_different_lengths() -> None:
    with pytest.raises(ValueError, match="lengths differ"):
        frechet_distance(statistics(torch.randn(4, 3)), statistics(torch.randn(4, 2)))
