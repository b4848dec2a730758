"""What a demo is: a request goes in, steps come out, and the last of them carries the result.

Each demo has one function `run(request)`, a generator. The page, the API, the command line, the benchmarks and the
backends all call it, so that nothing is loaded, prepared or measured in two ways. Requests and steps pickle: the work
may happen in another process or on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

from cvdemo.images import ImageArray
from cvdemo.limits import QUICK_MEGAPIXELS
from cvdemo.runtime import Deadline

R = TypeVar("R")


class Lane(str, Enum):
    """Where a job waits. A quick job never waits behind a slow one."""

    QUICK = "quick"  # a few seconds of one core at most
    SLOW = "slow"  # up to its time limit


def lane_by_pixels(pixels: float) -> Lane:
    """The lane of work whose time grows with the pixels of its result."""
    return Lane.QUICK if pixels <= QUICK_MEGAPIXELS * 1e6 else Lane.SLOW


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """Pictures and settings of one job. Each demo has its own, with more fields.

    Attributes:
        usual_lane: of all requests of the class, where `lane` does not say otherwise.
        time_limit_s: seconds after which the best result so far is the result; None is no limit.
        device: auto, cpu or cuda.
    """

    usual_lane: ClassVar[Lane] = Lane.QUICK

    time_limit_s: float | None = None
    device: str = "auto"

    @property
    def lane(self) -> Lane:
        """Where this request waits; overridden where that depends on its pictures or settings."""
        return self.usual_lane


@dataclass(frozen=True, kw_only=True, eq=False)
class Step(Generic[R]):
    """How far a job is.

    Attributes:
        done, total: steps so far and in all, as far as they are planned; 0 <= done <= total.
        seconds_left: expected until the result; None where nothing is known yet.
        preview: uint8 (H, W, 3), what can be shown meanwhile; None where there is nothing new to show.
        partial: the result so far, where the demo has one that can be used.
        measures: what the demo measures on the way, by name, such as a loss.
        result: of the last step only.
        complete: False where a time limit, or a visitor who has left, ended the work early.
        position: of a job that has not begun, in its lane: 1 is the next to begin. None once it runs.
        share: of the work that is done, from 0 to 1, where steps are not equally large; None: done / total.
    """

    done: int
    total: int
    seconds_left: float | None = None
    preview: ImageArray | None = None
    partial: R | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    result: R | None = None
    complete: bool = True
    position: int | None = None
    share: float | None = None


Run = Callable[[Any], Iterator[Step[Any]]]  # takes a request; see `cvdemo.demos`


def last_step(steps: Iterable[Step[R]]) -> Step[R]:
    """Works through all steps and returns the last.

    Raises:
        RuntimeError: there was none, or it carries no result.
    """
    last: Step[R] | None = None
    for step in steps:
        last = step
    if last is None or last.result is None:
        raise RuntimeError("a demo's last step has to carry a result")
    return last


def result_of(steps: Iterable[Step[R]]) -> R:
    """The result of a job, for callers who want no steps."""
    result = last_step(steps).result
    assert result is not None  # `last_step` has seen to it
    return result


def seconds_left(deadline: Deadline, done: float, total: float, began_ms: float = 0.0) -> float | None:
    """Expected until the end, where `done` of `total` units of work took as long as the deadline has run.

    No more than the deadline leaves; None before the first unit is done.

    Args:
        began_ms: by the deadline, when this work began; 0 is with it.
    """
    elapsed_s = deadline.elapsed_ms / 1000
    limit_s = None if deadline.seconds is None else max(0.0, deadline.seconds - elapsed_s)
    if done <= 0:
        return None
    expected_s = (elapsed_s - began_ms / 1000) * max(0.0, total - done) / done
    return expected_s if limit_s is None else min(expected_s, limit_s)
