"""How long requests will take, from how long such requests took.

What is remembered is the seconds that one unit of work took, by the kind of a request; see `cvdemo.backends.work`. The
median of the last few is not moved by a network that was loaded first. Of two it is the lower one, as it may have been
loaded in the other. Of the first of its kind loading is taken out, as far as its steps show it: see `Stopwatch`.

Where none of a kind has ended yet, its family tells, and then whatever has run: how many times the reference machine's
seconds that took. So one run of anything tells of all others.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from statistics import median_low
from typing import Any

from cvdemo.backends.work import chosen_s, reference_of, work_of
from cvdemo.demo import Request, Step

REMEMBERED = 7  # last durations of a kind: the median of them forgets a slow hour soon
KINDS = 200  # that are remembered; the one unused for longest goes first
MACHINE = "machine"  # the key of all requests together, whose units are seconds of the reference machine
TELLING_S = 0.1  # of the reference machine: shorter requests say little of the machine


class UnitTimes:
    """What one unit of work took, by its kind; for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unit_s: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def expected_s(self, kind: Hashable, units: float) -> float | None:
        """Seconds for so many units; None where no work of the kind has ended yet."""
        with self._lock:
            unit_s = self._unit_s.get(kind)
            return median_low(unit_s) * units if unit_s else None

    def note(self, kind: Hashable, units: float, took_s: float) -> None:
        """So many units, more than none, took so many seconds."""
        with self._lock:
            self._unit_s.setdefault(kind, deque(maxlen=REMEMBERED)).append(took_s / units)
            self._unit_s.move_to_end(kind)
            while len(self._unit_s) > KINDS:
                self._unit_s.popitem(last=False)


class Stopwatch:
    """What a run takes, from now on, and what it would take again."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None  # when there was a step that had done something, and how much
        self._total = 0

    def stepped(self, step: Step[Any]) -> None:
        """The run has come to this step."""
        self._total = step.total
        if self._first is None and step.done > 0:
            self._first = time.monotonic(), step.done

    @property
    def took_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def again_s(self) -> float:
        """What it took, but its first step no longer than those after it.

        The network is loaded before the first step, and its memory is prepared in it.
        """
        if self._first is None or self._first[1] >= self._total:
            return self.took_s
        at, done = self._first
        return min(self.took_s, (time.monotonic() - at) * self._total / (self._total - done))


class Durations:
    """What requests took, by kind; for many threads.

    Args:
        noted: is called after each request that was noted.
    """

    def __init__(self, noted: Callable[[], None] = lambda: None) -> None:
        self._times = UnitTimes()
        self.noted = noted

    def expected_s(self, request: Request) -> float | None:
        """Seconds until the result, no more than the request's time limit; None where nothing is known."""
        told = (self._times.expected_s(key, units) for key, units in _keys(request))
        expected_s = next((seconds for seconds in told if seconds is not None), chosen_s(request))
        limit_s = request.time_limit_s
        return expected_s if expected_s is None or limit_s is None else min(expected_s, limit_s)

    def note(self, request: Request, took_s: float, again_s: float | None = None) -> None:
        """A request has ended with its whole result after so many seconds.

        Args:
            again_s: what it would take again; counts where it is the first of its kind. None: the same.
        """
        (kind, units), *wider = _keys(request)
        first = self._times.expected_s(kind, units) is None
        counted_s = again_s if first and again_s is not None else took_s
        self._times.note(kind, units, counted_s)
        loaded = first and counted_s == took_s  # perhaps: its steps do not show it
        for key, reference_s in wider:
            if reference_s >= TELLING_S and not loaded:
                self._times.note(key, reference_s, counted_s)
        self.noted()


def _keys(request: Request) -> list[tuple[Hashable, float]]:
    """What tells the time of a request, the nearest first, each with its units: its kind, its family, the machine."""
    reference = reference_of(request)
    wider = [] if reference is None else [(key, reference.seconds) for key in (reference.family, MACHINE)]
    return [work_of(request), *wider]
