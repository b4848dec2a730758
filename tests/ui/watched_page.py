"""The real page, which notes in a file when its jobs compute: `Notes` reads it.

Each line holds what happened, the time of the monotonic clock, which all processes of a machine share, and the CPU time
that the page had used.

begins, ends        a handler is entered and left; a generator, at each of its steps
goes_on, is_ended   a job has done a step and has asked whether to go on: the answer
leaves              the page has noticed that a client left
"""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

from cvdemo.runtime import Deadline
from cvdemo.ui.serving import fair_queue as places
from cvdemo.ui.wiring import controls as common
from cvdemo.ui.wiring import parts
from cvdemo.ui.wiring.guard import guarded
from tests.ui.forked_pages import serve_at_once


@dataclass(frozen=True)
class Note:
    """A line of the file; `at_s` by the clock, `cpu_s` of the page."""

    what: str
    at_s: float
    cpu_s: float


@dataclass(frozen=True)
class Notes:
    """What a watched page has noted so far."""

    path: Path

    def since(self, at_s: float) -> list[Note]:
        """In the order in which it happened."""
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # the last one may be half written
        notes = [Note(what, float(at), float(cpu)) for what, at, cpu in map(str.split, lines)]
        return [note for note in notes if note.at_s >= at_s]


def computing(notes: list[Note]) -> bool:
    """Whether a handler is at work at the end of the notes."""
    return sum((note.what == "begins") - (note.what == "ends") for note in notes) > 0


def longest_step_s(notes: list[Note]) -> float:
    """The most CPU time between two places at which a job can be ended."""
    told = [note for note in notes if note.what != "leaves"]
    return max((after.cpu_s - before.cpu_s for before, after in pairwise(told) if before.what != "ends"), default=0.0)


def main(path: str) -> None:
    """Serves the page, with its notes in a new file of that path."""
    file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115  # open as long as the page is there
    lock = threading.Lock()

    def note(what: str) -> None:
        with lock:
            file.write(f"{what} {time.monotonic()} {time.process_time()}\n")

    def watched_and_guarded(function: Callable[..., Any]) -> Callable[..., Any]:
        return guarded(watched(function, note))

    for module in (common, parts):
        setattr(module, "guarded", watched_and_guarded)  # noqa: B010  # mypy: it is not theirs
    _watch_deadlines(note)
    _watch_leaving(note)
    serve_at_once()


def watched(function: Callable[..., Any], note: Callable[[str], None]) -> Callable[..., Any]:
    """The handler, which notes when it computes."""

    @contextmanager
    def noting() -> Iterator[None]:
        note("begins")
        try:
            yield
        finally:
            note("ends")

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with noting():
            return function(*args, **kwargs)

    @wraps(function)
    def stream(*args: Any, **kwargs: Any) -> Iterator[Any]:
        work, done = function(*args, **kwargs), object()
        while True:
            with noting():
                value = next(work, done)
            if value is done:
                return
            yield value

    return stream if inspect.isgeneratorfunction(function) else call


def _watch_deadlines(note: Callable[[str], None]) -> None:
    expired = vars(Deadline)["expired"].fget
    assert expired is not None

    def noted(deadline: Deadline) -> bool:
        over = bool(expired(deadline))
        note("is_ended" if over else "goes_on")
        return over

    setattr(Deadline, "expired", property(noted))  # noqa: B010  # mypy takes no other property in its place


def _watch_leaving(note: Callable[[str], None]) -> None:
    clean_events = places.FairQueue.clean_events

    async def noted(queue: places.FairQueue, **which: Any) -> None:
        await clean_events(queue, **which)
        note("leaves")

    setattr(places.FairQueue, "clean_events", noted)  # noqa: B010  # mypy takes no other function in its place
