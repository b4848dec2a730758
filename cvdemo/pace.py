"""How many steps each size still gets, so that the finest is worked on before the time is over.

Styles and dreams go from coarse to fine. Where the machine is too slow for all steps, it is better to take fewer at
every size than to stop before the finest, which would show an enlarged coarse picture. So the speed is measured from
the first steps on, and all sizes that are left get the same, smaller number of steps.
"""

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvdemo.demo import Step
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline

RECENT = 5  # steps whose median tells the speed: the first one also prepares the network's memory
MARGIN = 0.95  # of the time that is planned with; the rest is for what comes after the last step


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
    """Plans the steps of sizes from coarse to fine by a deadline.

    Args:
        deadline: without seconds, every size gets all its steps.
        costs: work of one step at each size in any unit, such as pixels; from coarse to fine.
        steps: wanted at each size, at least 1.
    """

    def __init__(self, deadline: Deadline, costs: Sequence[float], steps: int) -> None:
        self.deadline, self.costs, self.steps = deadline, list(costs), steps
        self.size = 0  # the one that is worked on
        self.done = [0] * len(self.costs)
        self._seconds: deque[float] = deque(maxlen=RECENT)  # for one unit of work
        self._preparation = 0.0  # seconds for one unit, before the first step of a size
        self._began = time.monotonic()

    def sizes(self) -> Iterator[int]:
        """The sizes to work on, each begun: without those for which no time is left, but never without the finest.

        Where nobody waits any more, the size under way is the last.
        """
        for size in range(len(self.costs)):
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
        self._preparation = (now - self._began) / self.costs[self.size]
        self._began = now

    def step_done(self) -> None:
        """One more step of the size is done, and whatever was done with its picture."""
        now = time.monotonic()
        self._seconds.append((now - self._began) / self.costs[self.size])
        self.done[self.size] += 1
        self._began = now

    @property
    def _speed(self) -> float:
        """Seconds that one unit of work takes; there has been a step."""
        return sorted(self._seconds)[len(self._seconds) // 2]

    @property
    def _later(self) -> float:
        """Work of one step at each of the sizes to come."""
        return sum(self.costs[self.size + 1 :])

    @property
    def planned(self) -> int:
        """Steps that the size under way gets in all: from 1 to those wanted."""
        if self.deadline.seconds is None or not self._seconds:
            return self.steps
        speed, later = self._speed, self._later
        left_s = MARGIN * self.deadline.seconds - self.deadline.elapsed_ms / 1000 - self._preparation * later
        # the same number n for this size and all later ones: (n - done) * cost + n * later = what is left
        cost = self.costs[self.size]
        affordable = (left_s / speed + self.done[self.size] * cost) / (cost + later)
        return max(1, min(self.steps, int(affordable)))

    @property
    def total(self) -> int:
        """Steps of all sizes together, as far as they are planned."""
        planned = self.planned
        here = max(planned, self.done[self.size])
        return sum(self.done[: self.size]) + here + (len(self.costs) - self.size - 1) * planned

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
            sizes=len(self.costs),
            step=self.done[self.size],
            done=sum(self.done),
            total=self.total,
            wanted=len(self.costs) * self.steps,
            seconds_left=self._seconds_left,
        )

    @property
    def _seconds_left(self) -> float:
        """Expected for the planned steps, and no more than the deadline leaves."""
        planned = self.planned
        here = max(0, planned - self.done[self.size]) * self.costs[self.size]
        expected_s = self._speed * (here + planned * self._later) + self._preparation * self._later
        if self.deadline.seconds is None:
            return expected_s
        return min(expected_s, max(0.0, self.deadline.seconds - self.deadline.elapsed_ms / 1000))


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
