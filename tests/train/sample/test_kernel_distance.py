"""KID against its definition, and what makes it a measure: no bias, an honest standard error."""

import pytest
import torch

from train.sample.kernel_distance import kernel_distance, mmd_squared


def random(n: int, d: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_equals_the_sums_of_its_definition() -> None:
    a, b = random(4), random(5, seed=1) + 1

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return ((x @ y).item() / 6 + 1) ** 3

    within_a = sum(kernel(a[i], a[j]) for i in range(4) for j in range(4) if i != j) / 12
    within_b = sum(kernel(b[i], b[j]) for i in range(5) for j in range(5) if i != j) / 20
    between = sum(kernel(x, y) for x in a for y in b) / 20
    assert mmd_squared(a, b) == pytest.approx(within_a + within_b - 2 * between, rel=1e-5)


def test_points_have_a_closed_form() -> None:
    a, b = torch.zeros(8, 2), torch.ones(8, 2)  # kernels 1 within a, 8 within b, 1 between
    found = kernel_distance(a, b, subsets=2)
    assert found.value == pytest.approx(7.0)
    assert found.standard_error == pytest.approx(0.0, abs=1e-9)


def test_is_unbiased_where_the_frechet_distance_is_not() -> None:
    values = [kernel_distance(random(20, seed=2 * i), random(20, seed=2 * i + 1)).value for i in range(200)]
    mean, error = torch.tensor(values).mean().item(), torch.tensor(values).std().item() / 200**0.5
    assert abs(mean) < 3 * error
    assert min(values) < 0 < max(values)


def test_the_standard_error_is_the_scatter_of_repetitions() -> None:
    found = [kernel_distance(random(200, seed=i), random(200, seed=1000 + i) + 0.5) for i in range(60)]
    scatter = torch.tensor([one.value for one in found]).std().item()
    told = torch.tensor([one.standard_error for one in found]).mean().item()
    assert told == pytest.approx(scatter, rel=0.3)
    assert min(one.value for one in found) > 0


def test_sets_may_differ_in_size() -> None:
    near = kernel_distance(random(400), random(40, seed=1)).value
    assert kernel_distance(random(400), random(40, seed=1) + 1).value > 10 * abs(near)


@pytest.mark.parametrize(("a", "b"), [((8, 3), (8, 4)), ((8,), (8, 3))])
def test_refuses_other_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="need features"):
        kernel_distance(torch.zeros(a), torch.zeros(b))


def test_refuses_too_few_rows() -> None:
    with pytest.raises(ValueError, match="at least two subsets of two rows, got 3 and 9"):
        kernel_distance(torch.zeros(3, 2), torch.zeros(9, 2))
