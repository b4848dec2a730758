"""The shapes of the learning-rate schedules."""

import typing

import pytest

from train.engine.schedules import ScheduleName, lr_factor

SCHEDULES = typing.get_args(ScheduleName)


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
