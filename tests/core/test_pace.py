"""Steps planned by measured speed: all of them where there is time, else as many at every size, the finest too."""

from typing import Any

import pytest

from cvdemo.pace import FIXED_PX, PREPARATION_STEPS, STYLE_FIXED_PX, Pace, PreviewTimer, step_work
from cvdemo.runtime import Deadline
from tests.helpers.hand_turned_clock import Clock, set_clock

COSTS = (1.0, 2.0, 4.0, 8.0)
STEPS = 100


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch)


def work(pace: Pace, clock: Clock, seconds_per_unit: float, preparation: float = 0.0) -> list[int]:
    """Steps taken at each size where a unit of work takes so long."""
    for size, cost in enumerate(pace.costs):
        pace.begin(size)
        clock.passes(preparation * cost)
        pace.prepared()
        while not pace.size_done:
            clock.passes(seconds_per_unit * cost)
            pace.step_done()
    return pace.done


def test_without_a_deadline_every_size_gets_all_its_steps(clock: Clock) -> None:
    assert work(Pace(Deadline(), COSTS, STEPS), clock, 10.0) == [STEPS] * 4


def test_what_a_step_takes_at_every_size_is_told_apart_from_its_work(clock: Clock) -> None:
    """In proportion to the work of the first size, 5 s would be said to be 8 s."""
    pace = Pace(Deadline(), (1.0, 4.0), 1, told_costs=(2.0, 5.0))
    pace.begin(0)
    pace.prepared()
    clock.passes(2.0)
    pace.step_done()
    assert pace.progress.seconds_left == pytest.approx(1.0 + 4.0)


@pytest.mark.parametrize(
    ("told_px", "fixed_px", "right"),
    [
        (FIXED_PX, 0, True),
        (FIXED_PX, 22_000, True),
        (FIXED_PX, 45_000, True),
        (FIXED_PX, 300_000, False),
        (STYLE_FIXED_PX, 7_000, True),
        (STYLE_FIXED_PX, 37_000, True),
    ],
)
def test_what_is_told_is_right_within_a_third_whatever_part_of_a_step_is_fixed(
    clock: Clock, told_px: int, fixed_px: int, right: bool
) -> None:
    """As it differs by demo and threads, see `step_work`; but there are limits to what one number can do."""
    pixels = (50_000, 100_000, 200_000)
    pace = Pace(Deadline(), pixels, 10, told_costs=[step_work(each, told_px) for each in pixels])
    told = []
    for size, each in enumerate(pixels):
        pace.begin(size)
        pace.prepared()
        for _ in range(10):
            clock.passes((fixed_px + each) * 1e-6)
            pace.step_done()
            told.append((clock.now, pace.progress.seconds_left))
    ratios = [left_s / (clock.now - at) for at, left_s in told[:-1]]
    assert all(abs(ratio - 1) <= 1 / 3 for ratio in ratios) is right
    assert told[-1][1] == 0


def test_the_work_of_a_step_is_its_pixels_and_what_is_fixed() -> None:
    assert step_work(0) == FIXED_PX and step_work(50_000) - step_work(20_000) == 30_000


@pytest.mark.parametrize("options", [{}, {"budget_s": 60.0, "least_steps": 12}], ids=["deadline", "budget"])
def test_the_plan_does_not_go_by_what_is_told(clock: Clock, options: dict[str, Any]) -> None:
    """Told costs that are nearly the same at all sizes would give the coarse ones twice the steps of the finest."""
    found = []
    for told in (None, [100.0 + cost for cost in COSTS]):
        clock.now = 0.0
        found.append(list(work_by_time(Pace(Deadline(60), COSTS, STEPS, told_costs=told, **options), clock, 0.5)))
    assert found[0] == found[1] and sum(found[0]) < 4 * STEPS


def test_the_plan_goes_by_an_overhead_of_every_step(clock: Clock) -> None:
    """A step here took 2 s. By its work alone the next size would need 8 s for one, and not 5 s."""
    for overhead_s, planned in ((0.0, 9), (1.0, 13)):
        clock.now = 0.0
        pace = Pace(Deadline(100), (1.0, 4.0), STEPS, overhead_s=overhead_s)
        pace.begin(0)
        pace.prepared()
        clock.passes(2.0)
        pace.step_done()
        assert pace.planned == planned  # so many of 2 s, and so many of 8 or 5 s, within 95 s


def test_of_two_steps_the_slower_first_one_is_not_told_of(clock: Clock) -> None:
    """It has prepared the network's memory."""
    pace = Pace(Deadline(), (1.0,), 12)
    pace.begin(0)
    pace.prepared()
    for seconds in (30.0, 1.0):
        clock.passes(seconds)
        pace.step_done()
    assert pace.progress.seconds_left == pytest.approx(10.0)


def test_loading_a_network_before_the_first_step_is_not_expected_again(clock: Clock) -> None:
    pace = Pace(Deadline(), (1.0, 1.0), 1)
    pace.begin(0)
    clock.passes(100.0)
    pace.prepared()
    clock.passes(1.0)
    pace.step_done()
    assert pace.progress.seconds_left == pytest.approx(1.0 + PREPARATION_STEPS)


def test_with_time_enough_every_size_gets_all_its_steps(clock: Clock) -> None:
    pace = Pace(Deadline(120), COSTS, STEPS)  # 1,500 units of work
    assert work(pace, clock, 0.05) == [STEPS] * 4
    assert pace.total == 4 * STEPS


@pytest.mark.parametrize("seconds_per_unit", [0.1, 0.2, 0.5, 2.0])
def test_on_a_slow_machine_all_sizes_get_equally_many(clock: Clock, seconds_per_unit: float) -> None:
    pace = Pace(Deadline(120), COSTS, STEPS)
    done = work(pace, clock, seconds_per_unit, preparation=3 * seconds_per_unit)
    assert max(done) - min(done) <= 1 and max(done) < STEPS
    assert 80 < clock.now <= 120
    assert pace.total == sum(done)


def test_a_machine_that_becomes_slow_still_reaches_the_finest(clock: Clock) -> None:
    pace = Pace(Deadline(120), COSTS, STEPS)
    for size, cost in enumerate(COSTS):
        pace.begin(size)
        pace.prepared()
        while not pace.size_done:
            clock.passes((0.05 if size == 0 else 0.4) * cost)
            pace.step_done()
    assert pace.done[0] == STEPS > pace.done[3] >= 10
    assert clock.now <= 120


def test_sizes_get_steps_by_their_shares(clock: Clock) -> None:
    shares = (2.0, 1.0, 0.5, 0.001)
    pace = Pace(Deadline(), COSTS, 10, shares=shares)
    assert work(pace, clock, 0.1) == [20, 10, 5, 1]
    assert pace.total == pace.wanted == 36
    late = Pace(Deadline(clock.now + 4.0), COSTS, 100, shares=(2.0, 1.0, 1.0, 0.5))
    done = work(late, clock, 0.1)
    assert late.total == sum(done) < late.wanted == 450
    assert done[0] > 1.5 * done[1] and done[3] < 0.7 * done[2]


def work_by_time(pace: Pace, clock: Clock, seconds_per_unit: float) -> list[int]:
    """The same, with the sizes that the plan goes through."""
    for size in pace.sizes():
        clock.passes(2 * seconds_per_unit * pace.costs[size])
        pace.prepared()
        while not pace.size_done:
            clock.passes(seconds_per_unit * pace.costs[size])
            pace.step_done()
    return pace.done


@pytest.mark.parametrize(("budget_s", "sizes"), [(2.5, 2), (6.0, 3), (15.0, 4), (60.0, 4)])
def test_a_time_is_used_within_a_fifth_and_up_to_the_size_that_it_is_worth(
    clock: Clock, budget_s: float, sizes: int
) -> None:
    pace = Pace(Deadline(600), COSTS, 1000, budget_s=budget_s, least_steps=12)
    done = work_by_time(pace, clock, 0.05)
    assert 0.8 * budget_s <= clock.now <= 1.2 * budget_s
    assert [steps > 0 for steps in done] == [size < sizes for size in range(4)]
    assert pace.finest == sizes - 1 and done[pace.finest] >= 12
    found = pace.progress
    assert (found.done, found.total, found.wanted, found.sizes) == (sum(done), sum(done), sum(done), sizes)


def test_a_time_that_is_plenty_ends_with_the_most_steps(clock: Clock) -> None:
    pace = Pace(Deadline(), COSTS, 30, budget_s=600.0, least_steps=50)
    assert work_by_time(pace, clock, 0.05) == [30] * 4


def test_no_time_leaves_one_step_at_the_coarsest(clock: Clock) -> None:
    pace = Pace(Deadline(), COSTS, 30, budget_s=0.01, least_steps=12)
    assert work_by_time(pace, clock, 0.05) == [1, 0, 0, 0]


def test_sizes_that_are_too_small_to_be_of_use_are_passed_through(clock: Clock) -> None:
    """On however slow a machine: each gets a step."""
    pace = Pace(Deadline(), COSTS, 30, budget_s=0.01, least_steps=12, least_size=2)
    assert work_by_time(pace, clock, 0.05) == [1, 1, 1, 0]


def test_a_deadline_before_the_budget_makes_the_work_incomplete(clock: Clock) -> None:
    pace = Pace(Deadline(5.0), COSTS, 1000, budget_s=60.0, least_steps=12)
    done = work_by_time(pace, clock, 0.05)
    assert clock.now <= 6.0 and pace.wanted > sum(done)


def test_one_step_is_the_least(clock: Clock) -> None:
    pace = Pace(Deadline(0), COSTS, STEPS)
    pace.begin(3)
    pace.prepared()
    clock.passes(1)
    pace.step_done()
    assert pace.planned == 1 and pace.size_done


def test_progress_tells_the_steps_and_the_seconds_of_the_plan(clock: Clock) -> None:
    pace = Pace(Deadline(), COSTS, 10)
    with pytest.raises(ValueError, match="no step is done"):
        _ = pace.progress
    pace.begin(0)
    clock.passes(3.0)  # preparation, 3 s for a unit of work
    pace.prepared()
    clock.passes(2.0)
    pace.step_done()
    found = pace.progress
    assert (found.size, found.sizes, found.step) == (0, 4, 1)
    assert (found.done, found.total, found.wanted) == (1, 40, 40)
    assert found.seconds_left == pytest.approx(2 * (9 * 1 + 10 * (2 + 4 + 8)) + 3 * (2 + 4 + 8))


def test_no_more_seconds_are_left_than_the_deadline_leaves(clock: Clock) -> None:
    pace = Pace(Deadline(20), COSTS, STEPS)
    pace.begin(0)
    pace.prepared()
    clock.passes(4.0)
    pace.step_done()
    assert pace.progress.seconds_left == 16
    clock.passes(30.0)
    assert pace.progress.seconds_left == 0


def test_previews_are_due_at_once_and_then_some_time_after_they_were_shown(clock: Clock) -> None:
    timer = PreviewTimer(2.0)
    assert timer.due
    clock.passes(5.0)  # showing it takes long
    timer.shown()
    assert not timer.due
    clock.passes(1.9)
    assert not timer.due
    clock.passes(0.1)
    assert timer.due
    assert not PreviewTimer(None).due
