"""Seconds that are true: of jobs that run, as their own steps tell, and of those that wait, as such jobs took.

Gradio's queue tells the mean of all jobs of a handler, whatever their settings: 65 s for a job of 3.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from gradio.context import LocalContext
from gradio.queueing import Event

from cvdemo.ui.wiring.jobs import WHEN_CANCELLED

REMEMBERED = 7  # last durations of jobs with the same settings
JOBS = 500  # of which something is kept; more than wait and run at once
KINDS = 300  # parts with settings; the one unused for longest goes first
TEXT_LENGTH = 40  # of a setting, of which the rest does not count
LEAST_S = 1.0  # what is shorter is over before it can be read


@dataclass
class _Job:
    """What is known of a job that runs.

    Attributes:
        began, runs: when its first request began, and how many there were. left: when a step said how many seconds
        are left, and how many. whole: it is several requests and tells of all of them together. finished: it has its
        whole result.
    """

    began: float = 0.0
    runs: int = 0
    left: tuple[float, float] | None = None
    whole: bool = False
    finished: bool = False


class Estimates:
    """Of one queue. Threads of handlers tell, the loop asks."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._took: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def _job(self, event_id: str) -> _Job:
        """Of a job that tells something. Some tell after they have ended, in a thread that nobody waits for."""
        job = self._jobs.setdefault(event_id, _Job())
        while len(self._jobs) > JOBS:
            self._jobs.popitem(last=False)
        return job

    def begin(self, event_id: str, expected_s: float | None) -> bool:
        """A request of a job begins; whether it is the first one."""
        job = self._job(event_id)
        job.runs += 1
        if job.runs > 1:
            job.finished = False  # it goes on
            return False
        job.began = time.monotonic()
        self.tell(event_id, expected_s)
        return not job.whole

    def tell(self, event_id: str, seconds_left: float | None) -> None:
        """A request has said how long it still takes; of a job that tells of the whole, that is of no interest."""
        job = self._job(event_id)
        if seconds_left is not None and not job.whole:
            job.left = time.monotonic(), seconds_left

    def tell_whole(self, event_id: str, seconds_left: float | None) -> None:
        """A job of several requests says how long all that is left of it takes; None where it cannot know yet."""
        job = self._job(event_id)
        job.whole = True
        if seconds_left is not None:
            job.left = time.monotonic(), seconds_left

    def finish(self, event_id: str) -> None:
        """A request has its whole result; where no other follows, the job's duration is that of such jobs."""
        job = self._job(event_id)
        job.finished = job.finished or not job.whole
        self.tell(event_id, 0.0)

    def finish_whole(self, event_id: str) -> None:
        """A job of several requests has come to its own end: neither cancelled nor given up, so its duration counts."""
        self._job(event_id).finished = True

    def left_s(self, event: Event) -> float | None:
        """Seconds until the result of a job that runs or begins; None where nothing is known."""
        job = self._jobs.get(event._id) or _Job()
        if job.whole and job.left is None:
            return None
        if job.runs > 1 and not job.whole:  # the steps of one request say nothing of the others
            expected_s = self.expected_s(event)
            return None if expected_s is None else max(0.0, job.began + expected_s - time.monotonic())
        if job.left is None:
            return self.expected_s(event)
        said_at, seconds = job.left
        return max(0.0, said_at + seconds - time.monotonic())

    def expected_s(self, event: Event) -> float | None:
        """Seconds that a job takes once it runs: as those with its settings did, else as others of its handler."""
        for kind in _kinds(event):
            if took := self._took.get(kind):
                return median(took)
        return None

    def ended(self, event: Event, took_s: float) -> None:
        """A job is over; it is remembered where it has come to its end."""
        job = self._jobs.pop(event._id, None)
        if job is not None and job.finished:
            for kind in _kinds(event):
                self._took.setdefault(kind, deque(maxlen=REMEMBERED)).append(took_s)
                self._took.move_to_end(kind)
            while len(self._took) > KINDS:
                self._took.popitem(last=False)


def _kinds(event: Event) -> Iterable[Hashable]:
    """A job's part of the page with its settings, then the part alone; of pictures only their number is a setting.

    A part has two handlers: the one that its button starts, and the one that a new picture or setting starts. What no
    part belongs to, such as an endpoint, is told apart by its handler.
    """
    values: Any = getattr(event.data, "data", None) or ()
    settings = tuple(
        f"{len(value)} items" if isinstance(value, list) else str(value)[:TEXT_LENGTH]
        for value in values
        if not isinstance(value, dict)
    )
    part, *_ = getattr(event.fn.fn, WHEN_CANCELLED, (event.fn._id,))
    return (part, settings), (part,)


def of_page() -> Estimates | None:
    """Those of the page whose handler is running; None outside of one, as in tests of handlers."""
    page = LocalContext.blocks.get(None)
    return None if page is None else getattr(page._queue, "estimates", None)


def in_words(seconds: float | None, sentence: str) -> str:
    """The sentence with the seconds, for `{}`; empty where they are not known, or so few that they need no words."""
    if seconds is None or seconds < LEAST_S:
        return ""
    return sentence.format(f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min")
