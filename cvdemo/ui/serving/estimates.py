"""Seconds that are true: of jobs that run, as their own steps tell, and of those that wait, as such jobs took.

Gradio's queue tells the mean of all jobs of a handler, whatever their settings: 65 s for a job of 3.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable
from statistics import median
from typing import Any

from gradio.context import LocalContext
from gradio.queueing import Event

REMEMBERED = 7  # last durations of jobs with the same settings
KINDS = 300  # handlers with settings; the one unused for longest goes first
TEXT_LENGTH = 40  # of a setting, of which the rest does not count
LEAST_S = 1.0  # what is shorter is over before it can be read


class Estimates:
    """Of one queue. Threads of handlers tell, the loop asks."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}  # when a step said how many seconds are left, and how many
        self._finished: set[str] = set()
        self._whole: set[str] = set()  # jobs of several requests, which tell of all of them together
        self._runs: dict[str, tuple[float, int]] = {}  # when the first request of a job began, and how many there were
        self._took: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def begin(self, event_id: str, expected_s: float | None) -> bool:
        """A request of a job begins; whether it is the first one."""
        began, runs = self._runs.get(event_id, (time.monotonic(), 0))
        self._runs[event_id] = began, runs + 1
        if runs == 0:
            self.tell(event_id, expected_s)
        return runs == 0 and event_id not in self._whole

    def tell(self, event_id: str, seconds_left: float | None) -> None:
        """A request has said how long it still takes; of a job that tells of the whole, that is of no interest."""
        if seconds_left is not None and event_id not in self._whole:
            self._left[event_id] = time.monotonic(), seconds_left

    def tell_whole(self, event_id: str, seconds_left: float | None) -> None:
        """A job of several requests says how long all that is left of it takes; None where it cannot know yet."""
        self._whole.add(event_id)
        if seconds_left is not None:
            self._left[event_id] = time.monotonic(), seconds_left

    def finish(self, event_id: str) -> None:
        """A request has its whole result; where the job is one request, its duration is that of such jobs."""
        self._finished.add(event_id)
        self.tell(event_id, 0.0)

    def left_s(self, event: Event) -> float | None:
        """Seconds until the result of a job that runs or begins; None where nothing is known."""
        if event._id in self._whole and event._id not in self._left:
            return None
        began, runs = self._runs.get(event._id, (0.0, 0))
        if runs > 1 and event._id not in self._whole:  # the steps of one request say nothing of the others
            expected_s = self.expected_s(event)
            return None if expected_s is None else max(0.0, began + expected_s - time.monotonic())
        if event._id not in self._left:
            return self.expected_s(event)
        said_at, seconds = self._left[event._id]
        return max(0.0, said_at + seconds - time.monotonic())

    def expected_s(self, event: Event) -> float | None:
        """Seconds that a job takes once it runs: as those with its settings did, else as others of its handler."""
        for kind in _kinds(event):
            if took := self._took.get(kind):
                return median(took)
        return None

    def ended(self, event: Event, took_s: float) -> None:
        """A job is over; it is remembered where it has come to its end."""
        if event._id in self._finished:
            for kind in _kinds(event):
                self._took.setdefault(kind, deque(maxlen=REMEMBERED)).append(took_s)
                self._took.move_to_end(kind)
            while len(self._took) > KINDS:
                self._took.popitem(last=False)
        self._finished.discard(event._id)
        self._whole.discard(event._id)
        self._left.pop(event._id, None)
        self._runs.pop(event._id, None)


def _kinds(event: Event) -> Iterable[Hashable]:
    """A job's handler with its settings, then the handler alone; of pictures only their number is a setting."""
    values: Any = getattr(event.data, "data", None) or ()
    settings = tuple(
        f"{len(value)} items" if isinstance(value, list) else str(value)[:TEXT_LENGTH]
        for value in values
        if not isinstance(value, dict)
    )
    return (event.fn._id, settings), (event.fn._id,)


def of_page() -> Estimates | None:
    """Those of the page whose handler is running; None outside of one, as in tests of handlers."""
    page = LocalContext.blocks.get(None)
    return None if page is None else getattr(page._queue, "estimates", None)


def in_words(seconds: float | None, sentence: str) -> str:
    """The sentence with the seconds, for `{}`; empty where they are not known, or so few that they need no words."""
    if seconds is None or seconds < LEAST_S:
        return ""
    return sentence.format(f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min")
