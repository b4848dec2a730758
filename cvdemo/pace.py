"""How many steps each size still gets, so that the finest is worked on before the time is over.

Styles and dreams go from coarse to fine. Where the machine is too slow for all steps, it is better to take fewer at
every size than to stop before the finest, which would show an enlarged coarse picture. So the speed is measured from
the first steps on, and all sizes that are left get fewer steps, in the proportion that was wanted.

Or there is no number of steps but a time to use. Then as many steps are planned as fit in, and only up to the largest
size that still gets enough of them.

The plan and what is told of it go by different costs of a step. The plan has to be fair to all sizes on the slowest of
machines, so it goes by pixels and a few milliseconds. The seconds that are told go by `step_work`.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_high, median_low
from typing import Any

from cvdemo.demo import Step
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline

RECENT = 5  # steps whose median tells the speed: the first one also prepares the network's memory
MARGIN = 0.95  # of the time that is planned with; the rest is for what comes after the last step
STEP_OVERHEAD_S = 0.008  # of a step on a picture of any size: measured on dreams and styles, two x86 cores
OVERHEAD_SHARE = 0.7  # the most of a step that is taken to be overhead, on a machine that is faster
FIXED_PX, STYLE_FIXED_PX = 40_000, 20_000  # of a step on a picture of any size, in pixels: see `step_work`
PREPARATION_STEPS = 4  # the most that preparing a later size is expected to take; the first one also loads the network


def step_work(pixels: float, fixed_px: float = FIXED_PX) -> float:
    """What a step on a picture of so many pixels costs, in pixels, for the seconds that are told: `fixed_px` more.

    A step runs a network forward and back, and each layer takes some time however small the picture is. Dreams are
    also shifted in a frame of 32 px, which is a larger share of a small picture.

    Measured, milliseconds of one step, the least of three or seven, by the CPU time of one thread (x86, torch 2.11):

    | pixels | 16,384 | 36,864 | 65,536 | 147,456 | 262,144 | 589,824 |
    |---|---:|---:|---:|---:|---:|---:|
    | dream | 14.1 | 22.8 | 32.4 | 66.1 | 104.7 | 268.6 |
    | style | 9.6 | 17.4 | 31.0 | 70.7 | 125.0 | 357.1 |

    Lines through the steps of dreams and styles up to 262,144 px begin at 22,000 and 7,000 px. With two threads, which
    share the pixels but not what is fixed, a style's steps at 256 and 512 px (`bench/threads.py`) begin at 37,000. One
    number has to do for any number of threads, as an estimate may be a third off: `FIXED_PX` for dreams, whose steps
    are shifted, and `STYLE_FIXED_PX`, between the two lines, for styles.
    """
    return fixed_px + pixels


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the work is after a step.

    Attributes:
        size: the one that is worked on, from 0, the coarsest, up. sizes: how many there are.
        step: within the size, from 1.
        done, total: steps of all sizes together, so far and as planned by the speed measured so far.
        wanted: steps that were asked for; more than `total` where a deadline leaves no time for all.
        seconds_left: expected until the last step is done.
    """

    size: int
    sizes: int
    step: int
    done: int
    total: int
    wanted: int
    seconds_left: float

    def step_shown(self, measures: Mapping[str, float], preview: ImageArray | None) -> Step[Any]:
        """What is told of the work after this step, while there is no result yet."""
        return Step(
            done=self.done, total=self.total, seconds_left=self.seconds_left, preview=preview, measures=measures
        )


class Pace:
    """Plans the steps of sizes from coarse to fine by a deadline, or by a time to use.

    Args:
        deadline: without seconds, every size gets all its steps.
        costs: work of one step at each size in any unit, such as pixels; from coarse to fine.
        steps: wanted at each size, at least 1.
        shares: how many times `steps` each size wants; None: once. Each gets at least one step.
        budget_s: seconds to use from the deadline's beginning; `steps` are then the most. None: no such time.
        least_steps: with a budget, sizes at which so many are not affordable are left out; the coarsest never is.
        least_size: with a budget, neither are the sizes up to this one: coarser ones are too small to be of use.
        overhead_s: seconds that the plan takes a step to need beside its work, whatever the size.
        told_costs: as `costs`, for the seconds that are told; None: the same.
    """

    def __init__(
        self,
        deadline: Deadline,
        costs: Sequence[float],
        steps: int,
        *,
        shares: Sequence[float] | None = None,
        budget_s: float | None = None,
        least_steps: int = 1,
        least_size: int = 0,
        overhead_s: float = 0.0,
        told_costs: Sequence[float] | None = None,
    ) -> None:
        self.deadline, self.costs, self.steps = deadline, list(costs), steps
        self.told_costs = self.costs if told_costs is None else list(told_costs)
        self.shares = [1.0] * len(self.costs) if shares is None else list(shares)
        self.budget_s, self.least_steps = budget_s, least_steps
        self.least_size = min(least_size, len(self.costs) - 1)
        self.size = 0  # the one that is worked on
        self.finest = len(self.costs) - 1  # the last one, as far as it is planned after a step
        self.done = [0] * len(self.costs)
        self.overhead_s = overhead_s
        self._seconds: deque[tuple[float, float]] = deque(maxlen=RECENT)  # that steps took, and their work
        self._told: deque[float] = deque(maxlen=RECENT)  # seconds that a unit of work took, as it is told
        self._preparation_s = 0.0  # before the first step of the size under way
        self._began = time.monotonic()

    def sizes(self) -> Iterator[int]:
        """The sizes to work on, each begun: without those for which no time is left, but never without the finest.

        Where nobody waits any more, the size under way is the last. With a budget, the finest is the last affordable.
        """
        for size in range(len(self.costs)):
            if self.budget_s is not None and size > self.finest:
                return
            if self.deadline.expired and 0 < size < len(self.costs) - 1:
                continue
            self.begin(size)
            yield size
            if self.deadline.abandoned:
                return

    def begin(self, size: int) -> None:
        """What is done from now to the first step prepares this size."""
        self.size = size
        self._began = time.monotonic()

    def prepared(self) -> None:
        """The steps of the size begin."""
        now = time.monotonic()
        self._preparation_s = now - self._began
        self._began = now

    def step_done(self) -> None:
        """One more step of the size is done, and whatever was done with its picture."""
        now = time.monotonic()
        self._seconds.append((now - self._began, self.costs[self.size]))
        self._told.append((now - self._began) / self.told_costs[self.size])
        self.done[self.size] += 1
        self._began = now
        if self.budget_s is not None:
            affordable = (size for size in range(len(self.costs) - 1, self.size, -1) if self._enough_at(size))
            self.finest = max(next(affordable, self.size), self.least_size)

    @property
    def _speed(self) -> float:
        """Seconds that one unit of work takes, without the overhead; there has been a step."""
        return median_high((took_s - self._overhead_s) / cost for took_s, cost in self._seconds)

    @property
    def _overhead_s(self) -> float:
        """Of a step, as far as steps are long enough for it; there has been one."""
        return min(self.overhead_s, OVERHEAD_SHARE * min(took_s for took_s, _ in self._seconds))

    def _step_s(self, size: int) -> float:
        """Seconds that a step at a size takes; there has been a step."""
        return self._overhead_s + self._speed * self.costs[size]

    def _preparing_s(self, size: int, step_s: Callable[[int], float]) -> float:
        """Seconds before the first step of a later size: as many steps as the size under way took for it."""
        here_s = step_s(self.size)
        return min(self._preparation_s / here_s, PREPARATION_STEPS) * step_s(size) if here_s > 0 else 0.0

    @property
    def _by_time(self) -> bool:
        """Whether a budget, which is no longer than the deadline's time, says how many steps there are."""
        limit_s = self.deadline.seconds
        return self.budget_s is not None and (limit_s is None or self.budget_s <= limit_s)

    @property
    def _limit_s(self) -> float | None:
        """The time that the plan has to fit in."""
        limits = [limit for limit in (self.deadline.seconds, self.budget_s) if limit is not None]
        return min(limits, default=None)

    def _enough_at(self, size: int) -> bool:
        """Whether a plan up to this size leaves it enough steps."""
        return self._affordable(size) * self.shares[size] >= min(self.least_steps, self.steps * self.shares[size])

    def _later(self, finest: int) -> range:
        """The sizes to come."""
        return range(self.size + 1, finest + 1)

    def _affordable(self, finest: int) -> float:
        """How many times its share each size can have from now on, by the speed so far; infinite without a limit."""
        if self._limit_s is None or not self._seconds:
            return math.inf
        later = self._later(finest)
        preparing_s = sum(self._preparing_s(size, self._step_s) for size in later)
        left_s = MARGIN * self._limit_s - self.deadline.elapsed_ms / 1000 - preparing_s
        # n times its share for this size and all later ones: (n * share - done) * step + n * later = what is left
        here_s = self._step_s(self.size)
        once_s = sum(self._step_s(size) * self.shares[size] for size in later) + here_s * self.shares[self.size]
        return (left_s + self.done[self.size] * here_s) / once_s if once_s > 0 else math.inf

    def _planned_at(self, size: int) -> int:
        """Steps that a size, this one or a later one, gets in all: from 1 to those wanted."""
        return max(1, min(self._wanted_at(size), _whole(self._affordable(self.finest) * self.shares[size])))

    def _wanted_at(self, size: int) -> int:
        return max(1, round(self.steps * self.shares[size]))

    @property
    def planned(self) -> int:
        """Steps that the size under way gets in all: from 1 to those wanted."""
        return self._planned_at(self.size)

    @property
    def total(self) -> int:
        """Steps of all sizes together, as far as they are planned."""
        here = max(self.planned, self.done[self.size])
        return sum(self.done[: self.size]) + here + sum(self._planned_at(size) for size in self._later(self.finest))

    @property
    def wanted(self) -> int:
        """Steps that were asked for; with a budget, those of the plan."""
        return self.total if self._by_time else sum(map(self._wanted_at, range(len(self.costs))))

    @property
    def size_done(self) -> bool:
        """Whether the size under way has had its steps."""
        return self.done[self.size] >= self.planned

    @property
    def progress(self) -> Progress:
        """How far the work is.

        Raises:
            ValueError: no step is done yet.
        """
        if not self._seconds:
            raise ValueError("no step is done yet")
        return Progress(
            size=self.size,
            sizes=self.finest + 1,
            step=self.done[self.size],
            done=sum(self.done),
            total=self.total,
            wanted=self.wanted,
            seconds_left=self._seconds_left,
        )

    def _told_step_s(self, size: int) -> float:
        """Seconds that a step at a size is told to take: of few steps the quicker ones count, not the first."""
        return median_low(self._told) * self.told_costs[size]

    @property
    def _seconds_left(self) -> float:
        """Expected for the planned steps, and no more than the deadline leaves."""
        step_s, later = self._told_step_s, self._later(self.finest)
        here_s = max(0, self.planned - self.done[self.size]) * step_s(self.size)
        expected_s = here_s + sum(
            self._planned_at(size) * step_s(size) + self._preparing_s(size, step_s) for size in later
        )
        limit_s = self._limit_s
        return expected_s if limit_s is None else min(expected_s, max(0.0, limit_s - self.deadline.elapsed_ms / 1000))


def _whole(count: float) -> int:
    """The whole steps of a count that may be infinite."""
    return int(min(count, 1e9))


class PreviewTimer:
    """Says when a preview is due.

    Args:
        every_s: least seconds from the moment when one has been shown until the next is due; None is never.
    """

    def __init__(self, every_s: float | None) -> None:
        self.every_s = every_s
        self._shown_at = -math.inf

    @property
    def due(self) -> bool:
        return self.every_s is not None and time.monotonic() - self._shown_at >= self.every_s

    def shown(self) -> None:
        self._shown_at = time.monotonic()
