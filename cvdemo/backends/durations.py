"""How long requests will take, from how long such requests took.

What is remembered is the seconds that one unit of work took, by the kind of a request; see `cvdemo.backends.work`. The
median of the last few is not moved by a network that was loaded first. Of two it is the lower one, as it may have been
loaded in the other. Of the first of its kind loading is taken out, as far as its steps show it: see `Stopwatch`.

Where none of a kind has ended yet, its family tells, and then whatever has run: how many times the reference machine's
seconds that took. So one run of anything tells of all others.

What the first request of a kind loads is told with it, once, and taken out of what is remembered of it: see
`cvdemo.backends.loading`.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from statistics import median_low
from typing import Any

from cvdemo.backends.loading import loads_of
from cvdemo.backends.work import chosen_s, reference_of, work_of
from cvdemo.demo import Request, Step

REMEMBERED = 7  # last durations of a kind: the median of them forgets a slow hour soon
KINDS = 200  # that are remembered; the one unused for longest goes first
MACHINE = "machine"  # the key of all requests together, whose units are seconds of the reference machine
BESIDE = "beside"  # the key of what one thread does beside networks, in seconds of the reference machine
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


def without_loading(took_s: float, loading_s: float, work_s: float | None) -> float:
    """What a first run took but for its loading; where too much was told of that, as much as its work was told to."""
    return took_s if loading_s <= 0 else min(took_s, max(took_s - loading_s, work_s or 0.0))


class Durations:
    """What requests took, by kind; for many threads.

    Args:
        noted: is called after each request that was noted.
    """

    def __init__(self, noted: Callable[[], None] = lambda: None) -> None:
        self._times, self._beside = UnitTimes(), UnitTimes()
        self._loaded: set[str] = set()
        self.noted = noted

    def expected_s(self, request: Request) -> float | None:
        """Seconds until the result, no more than the request's time limit; None where nothing is known."""
        work_s, limit_s = self.work_s(request), request.time_limit_s
        if work_s is None:
            return None
        expected_s = work_s + self.loading_s([request])
        return expected_s if limit_s is None else min(expected_s, limit_s)

    def work_s(self, request: Request) -> float | None:
        """Seconds until the result where everything is loaded, whatever the limit; None where nothing is known."""
        told = (self._times.expected_s(key, units) for key, units in _keys(request))
        return next((seconds for seconds in told if seconds is not None), chosen_s(request))

    def loading_s(self, requests: Sequence[Request]) -> float:
        """Seconds that go into loading what no request before these has needed.

        0 where the speed of the machine is not known, and of a request that says itself how long it takes.
        """
        loads = (loads_of(request) for request in requests if chosen_s(request) is None)
        missing = {name: seconds for each in loads for name, seconds in each.items() if name not in self._loaded}
        return self.beside_s(sum(missing.values())) or 0.0

    def beside_s(self, reference_s: float) -> float | None:
        """What one thread does in so many seconds of the reference machine, such as to import, read or pack; if known.

        By what such work took, see `note_beside`; where none is known, as networks' work.
        """
        told_s = self._beside.expected_s(BESIDE, reference_s)
        return self._times.expected_s(MACHINE, reference_s) if told_s is None else told_s

    def note(self, request: Request, took_s: float, again_s: float | None = None) -> None:
        """A request has ended with its whole result after so many seconds.

        Args:
            again_s: what it would take again; counts where it is the first of its kind. None: the same.
        """
        (kind, units), *wider = _keys(request)
        first = self._times.expected_s(kind, units) is None
        counted_s = again_s if first and again_s is not None else took_s
        loaded = first and counted_s == took_s  # perhaps: its steps do not show it
        if first:
            counted_s = min(counted_s, without_loading(took_s, self.loading_s([request]), self.work_s(request)))
        self._times.note(kind, units, counted_s)
        self._loaded |= loads_of(request).keys()
        for key, reference_s in wider:
            if reference_s >= TELLING_S and not loaded:
                self._times.note(key, reference_s, counted_s)
        self.noted()

    def note_loaded(self, request: Request) -> None:
        """All that a request needs is loaded, though it has not come to its end."""
        self._loaded |= loads_of(request).keys()
        self.noted()

    def note_beside(self, reference_s: float, took_s: float) -> None:
        """One thread has done what takes the reference machine so many seconds, more than none."""
        self._beside.note(BESIDE, reference_s, took_s)


def _keys(request: Request) -> list[tuple[Hashable, float]]:
    """What tells the time of a request, the nearest first, each with its units: its kind, its family, the machine."""
    reference = reference_of(request)
    wider = [] if reference is None else [(key, reference.seconds) for key in (reference.family, MACHINE)]
    return [work_of(request), *wider]
