"""Ways between latents: known arcs, endpoints, lengths, constant steps, closed loops, vectors without a direction."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from cvdemo.sample.generate import latents
from cvdemo.sample.latents import angle, arithmetic, loop, path, slerp

TWO, DIM = torch.tensor([[1.0, 0, 0], [0, 1, 0]]), 128


def steps_of(points: Tensor) -> Tensor:
    """Euclidean length of each step."""
    return points.diff(dim=0).norm(dim=1)


def angles_of(points: Tensor) -> Tensor:
    return torch.tensor([angle(a, b) for a, b in pairwise(points)])


def close(actual: Tensor, expected: Tensor, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(actual, expected, atol=tolerance, rtol=0)


def test_a_quarter_circle() -> None:
    half = math.sqrt(0.5)
    shares = torch.tensor([0, 1 / 3, 0.5, 1])
    expected = torch.tensor([[1, 0, 0], [math.sqrt(3) / 2, 0.5, 0], [half, half, 0], [0, 1, 0]])
    close(slerp(TWO[0], TWO[1], shares), expected)


def test_it_is_whites_formula_for_latents_of_one_length() -> None:
    a, b = (point / point.norm() for point in latents(2, DIM, seed=4))
    shares, omega = torch.linspace(0, 1, 7), math.acos(float(a @ b))
    white = [(math.sin((1 - t) * omega) * a + math.sin(t * omega) * b) / math.sin(omega) for t in shares.tolist()]
    close(slerp(a, b, shares), torch.stack(white))


def test_endpoints_length_and_angle_of_latents() -> None:
    a, b = latents(2, DIM, seed=1)
    points = slerp(a, b, torch.linspace(0, 1, 11))
    assert points.shape == (11, DIM) and points.dtype == a.dtype
    close(points[[0, -1]], torch.stack([a, b]), 1e-5)
    close(points.norm(dim=1), torch.linspace(a.norm().item(), b.norm().item(), 11), 1e-4)
    close(angles_of(points), torch.full((10,), angle(a, b) / 10), 1e-5)


def test_the_middle_does_not_fall_into_the_inside() -> None:
    a, b = latents(2, DIM, seed=1)
    (middle,) = slerp(a, b, torch.tensor([0.5]))
    assert middle.norm() > 0.99 * min(a.norm(), b.norm())
    assert torch.lerp(a, b, 0.5).norm() < 0.8 * middle.norm()  # where the straight line would be


def test_parallel_latents_change_their_length_only() -> None:
    points = slerp(TWO[0], 3 * TWO[0], torch.tensor([0, 0.5, 1]))
    close(points, torch.tensor([1.0, 2, 3])[:, None] * TWO[0])


@pytest.mark.parametrize("dim", [2, 3, DIM])
def test_opposite_latents_are_joined_by_a_half_circle(dim: int) -> None:
    (a,) = latents(1, dim, seed=2)
    points = slerp(a, -a, torch.linspace(0, 1, 5))
    close(points[[0, -1]], torch.stack([a, -a]), 1e-5)
    close(points.norm(dim=1), a.norm().expand(5), 1e-5)
    close(angles_of(points), torch.full((4,), math.pi / 4), 1e-3)
    assert torch.equal(points, slerp(a, -a, torch.linspace(0, 1, 5)))


def test_nearly_opposite_latents_keep_to_their_plane() -> None:
    nearly = torch.tensor([-1.0, 1e-4, 0])
    (middle,) = slerp(TWO[0], nearly, torch.tensor([0.5]))
    close(middle, torch.tensor([5e-5, 1.0, 0]))


def test_from_zero_the_way_is_straight() -> None:
    zero = torch.zeros(3)
    close(slerp(zero, TWO[1], torch.tensor([0, 0.25, 1])), torch.tensor([0, 0.25, 1.0])[:, None] * TWO[1])
    close(slerp(zero, zero, torch.tensor([0, 0.5])), torch.zeros(2, 3))
    assert angle(zero, TWO[0]) == 0


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((1,), (1,)), ((2, 3), (2, 3))])
def test_what_are_no_two_latents_is_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="need two vectors of one length, 2 or more, got"):
        slerp(torch.ones(shapes[0]), torch.ones(shapes[1]), torch.tensor([0.5]))


@pytest.mark.parametrize(("b", "radians"), [([0, 2, 0], math.pi / 2), ([-3, 0, 0], math.pi), ([5, 0, 0], 0)])
def test_known_angles(b: list[float], radians: float) -> None:
    assert angle(TWO[0], torch.tensor(b, dtype=torch.float32)) == pytest.approx(radians)


def test_a_path_of_two_is_the_arc_between_them() -> None:
    a, b = latents(2, DIM, seed=3)
    close(path(torch.stack([a, b]), 9), slerp(a, b, torch.linspace(0, 1, 9)))


def test_a_path_gives_longer_ways_more_steps() -> None:
    stops = torch.tensor([[1.0, 0], [0, 1], [-math.sqrt(0.5), math.sqrt(0.5)]])  # 90 degrees, then 45
    points = path(stops, 7)
    close(angles_of(points), torch.full((6,), math.radians(22.5)), 1e-5)
    close(points[[0, 4, 6]], stops)


def test_a_loop_of_three_axes_turns_evenly_and_closes() -> None:
    points = loop(torch.eye(3), 12)
    close(points[[0, 4, 8]], torch.eye(3))
    close(steps_of(torch.cat([points, points[:1]])), torch.full((12,), 2 * math.sin(math.pi / 16)), 1e-5)
    assert len({tuple(row) for row in points.tolist()}) == 12  # the first is not repeated at the end


def test_a_loop_through_latents_is_seamless_and_of_constant_speed() -> None:
    stops = latents(6, DIM, seed=5)
    points = loop(stops, 480)
    steps = steps_of(torch.cat([points, points[:1]]))
    assert steps[-1] == pytest.approx(steps.mean().item(), rel=0.1)
    assert steps.max() < 1.1 * steps.mean()
    assert (steps < 0.9 * steps.mean()).sum() <= len(stops)  # only where a step cuts a corner
    nearest = torch.cdist(stops, points).min(dim=1).values
    assert nearest.max() < steps.max()  # it does pass every stop


def test_a_loop_of_two_goes_there_and_back() -> None:
    points = loop(TWO, 8)
    close(points[1:4], points.flip(0)[:3])
    close(points[4], TWO[1])


@pytest.mark.parametrize("way", [path, loop])
def test_a_stop_that_is_repeated_takes_no_time(way: Callable[[Tensor, int], Tensor]) -> None:
    a, b = TWO
    points = way(torch.stack([a, a, b, b]), 9)
    close(points, way(TWO, 9))


def test_stops_that_differ_in_length_only_are_passed_evenly() -> None:
    close(path(torch.stack([TWO[0], 5 * TWO[0]]), 5)[:, 0], torch.tensor([1.0, 2, 3, 4, 5]))


@pytest.mark.parametrize(
    ("stops", "count", "words"),
    [(TWO[:1], 5, "one point"), (TWO, 1, "count=1"), (TWO, 0, "count=0"), (TWO[[0, 0]], 5, "one point")]
    + [(latents(1, DIM, seed)[[0, 0]], 5, "one point") for seed in range(5)],  # their angle is not quite 0 in floats
)
def test_a_loop_needs_somewhere_to_go(stops: Tensor, count: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        loop(stops, count)


@pytest.mark.parametrize(("stops", "count"), [(TWO[:1], 5), (TWO, 1)])
def test_a_path_needs_two_of_each(stops: Tensor, count: int) -> None:
    with pytest.raises(ValueError, match=f"got {len(stops)} corners, count={count}"):
        path(stops, count)


def test_arithmetic_keeps_the_direction_and_a_latents_length() -> None:
    a, b, c = latents(3, DIM, seed=6)
    result, plain = arithmetic(a, b, c), a - b + c
    assert angle(result, plain) < 1e-3
    assert plain.norm() > 1.5 * result.norm()
    assert min(a.norm(), b.norm(), c.norm()) <= result.norm() + 1e-4
    assert result.norm() <= max(a.norm(), b.norm(), c.norm()) + 1e-4


def test_taking_away_what_was_added_gives_back_the_other() -> None:
    a, b, _ = latents(3, DIM, seed=6)
    close(arithmetic(a, a, b), b, 1e-5)
    close(arithmetic(a, b, b), a, 1e-5)


def test_arithmetic_of_zeros_is_zero() -> None:
    zero = torch.zeros(3)
    close(arithmetic(zero, zero, zero), zero)
