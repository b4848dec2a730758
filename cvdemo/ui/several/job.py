"""Picture after picture: one that cannot be used is named and left out; what is told of the whole is its time.

How long the rest takes is told from the sizes in the files' headers and from the seconds that pictures of such jobs
took. Before the first picture of the first such job it is foretold, see `cvdemo.ui.several.foretold`.
"""

import time
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cvdemo.backends.durations import UnitTimes, without_loading
from cvdemo.demo import Step
from cvdemo.errors import DemoError, InputError, LeftError, RoomError
from cvdemo.limits import PICTURE_MEGAPIXELS
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.estimates import of_page
from cvdemo.ui.serving.lines import pixels_of_upload
from cvdemo.ui.several.files import count_of, unique_names
from cvdemo.ui.several.foretold import Foretold
from cvdemo.ui.wiring.jobs import running_event
from cvdemo.ui.wiring.plain_text import plain

T = TypeVar("T", covariant=True)
Made = TypeVar("Made")
TOLD_EVERY_S = 0.5  # within a picture
UNKNOWN_MEGAPIXELS = 12.0  # of a file whose header nobody can read, such as HEIC: a phone's photograph
LEAST_S = 0.1  # of a picture, however little time is left


@dataclass(frozen=True)
class Refused:
    """A picture that could not be used, and the sentence on why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What became of several pictures so far.

    Attributes:
        total: how many there are. pictures: what was made of those that are done. refused: the others that were tried.
        stopped: why the page could not go on, or not give all of it, as a sentence; empty where it could.
    """

    total: int
    pictures: tuple[T, ...] = ()
    refused: tuple[Refused, ...] = ()
    stopped: str = ""

    @property
    def tried(self) -> int:
        return len(self.pictures) + len(self.refused)

    @property
    def missing(self) -> int:
        """How many were not reached."""
        return self.total - self.tried

    def sentences(self, done: str) -> list[str]:
        """How many pictures are not `done`, such as "searched", and why; nothing where all of it could be given."""
        reason = "." if self.stopped else ": time ran out."
        said = [f"{count_of(self.missing)} not {done}{reason}"] if self.missing else []
        return [*said, self.stopped] if self.stopped else said

    def lines(self) -> list[str]:
        """A line of Markdown on each picture that was refused."""
        return [f"- {plain(f'{one.name}: {one.reason}')}" for one in self.refused]

    def report(self, pictures: Sequence[Any]) -> dict[str, Any]:
        """What programs are told: of each picture that is done, of each refused one, what is missing, and why."""
        refused = [{"file": one.name, "reason": one.reason} for one in self.refused]
        stopped = self.stopped or None
        return {"pictures": list(pictures), "refused": refused, "not_reached": self.missing, "stopped": stopped}


@dataclass(frozen=True)
class Moment(Generic[T]):
    """Where a job stands.

    Attributes:
        batch: so far. line: for the status, Markdown; empty at the end. news: whether one more picture has been tried.
    """

    batch: Batch[T]
    line: str = ""
    news: bool = False


class One(Protocol[T]):
    """The work on one picture: yields its steps, returns what is kept of it.

    `InputError` is about this picture alone: the others go on.
    """

    def __call__(self, path: str, name: str, seconds: float) -> Generator[Step[Any], None, T]:
        """`name` is the file's, unlike those of all others; `seconds` are left for the whole job."""


@dataclass(frozen=True, kw_only=True)
class Job(Generic[T]):
    """Several pictures and what is done with each.

    Attributes:
        units: the work of each picture until its request has its result, above 0, to which its time is proportional.
        after_units: of what is done with each result, in units of its own; empty where that is a part of the work.
        foretold: what tells the time before a picture of the kind was done.
        kind: of the work; that of one kind takes as long for each unit.
        limit_s: after it no further picture is begun.
        times: what units took before; kept from job to job.
    """

    paths: Sequence[str]
    units: Sequence[float]
    kind: Hashable
    one: One[T]
    limit_s: float
    times: UnitTimes
    after_units: Sequence[float] = ()
    foretold: Foretold = field(default_factory=Foretold)

    @property
    def after_kind(self) -> Hashable:
        """Of what is done with a result."""
        return self.kind, "after"


def moments(job: Job[T]) -> Iterator[Moment[T]]:
    """Where the job stands before each picture, at times within it, and at the end.

    A batch that is cancelled or runs out of time ends after the picture that is worked on. Where the page cannot go on,
    for lack of room or of a place in the line, the batch ends with the pictures so far and tells why.

    Raises:
        DemoError: the page could not go on before there was any picture, or nobody waits any more.
    """
    clock, batch = Deadline(job.limit_s), Batch[T](len(job.paths))
    names = unique_names([Path(path).name for path in job.paths])
    for number, (path, name) in enumerate(zip(job.paths, names, strict=True), 1):
        line = f"Picture {number} of {batch.total}: {plain(Path(path).name)}"
        _tell_left(job, clock, number - 1)
        yield Moment(batch, line, news=number > 1)
        watch = _Watch(job, number - 1)
        try:
            kept = yield from _within(watch, clock, job.one(path, name, _left_s(clock)), Moment(batch, line))
        except InputError as error:
            batch = replace(batch, refused=(*batch.refused, Refused(Path(path).name, str(error))))
        except LeftError:
            raise
        except DemoError as error:
            if not batch.pictures:
                raise
            batch = replace(batch, stopped=str(error))
        else:
            batch = replace(batch, pictures=(*batch.pictures, kept))
            if not clock.expired:  # else it may have been done in part
                watch.note()
        if clock.expired or batch.stopped:
            break
    _tell_left(job, clock, len(job.paths))
    _tell_end(batch)
    yield Moment(batch, news=True)


class _Watch:
    """What a picture of a job takes: until its request has its result, and after it."""

    def __init__(self, job: Job[Any], index: int) -> None:
        self.job, self.index = job, index
        self.result_at: float | None = None
        self._foretold = job.foretold.loading_s(index), job.foretold.work_s(index, index + 1)
        self._began = time.monotonic()

    def note(self) -> None:
        """The picture is done. What its request was told to load is not counted."""
        job, now = self.job, time.monotonic()
        result_at = self.result_at if self.result_at is not None and job.after_units else now
        work_s = without_loading(result_at - self._began, *self._foretold)
        job.times.note(job.kind, job.units[self.index], work_s)
        if job.after_units:
            job.times.note(job.after_kind, job.after_units[self.index], now - result_at)


def _within(
    watch: _Watch, clock: Deadline, work: Generator[Step[Any], None, T], moment: Moment[T]
) -> Generator[Moment[T], None, T]:
    """The moment again and again while a picture is worked on, with the time that is left; returns what is kept."""
    told, job = time.monotonic(), watch.job
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            kept: T = end.value
            return kept
        now = time.monotonic()
        watch.result_at = now if step.result is not None else None
        if (step.result is None or job.after_units) and step.total and now - told >= TOLD_EVERY_S:
            told = now
            share = step.done / step.total if step.share is None else step.share
            _tell_left(job, clock, watch.index, share if step.result is None else 1.0)
            yield moment


def _left_s(clock: Deadline) -> float:
    """Of the job's limit."""
    return LEAST_S if clock.seconds is None else max(LEAST_S, clock.seconds - clock.elapsed_ms / 1000)


def _tell_left(job: Job[T], clock: Deadline, done: int, part: float = 0.0) -> None:
    """Tells the page how long the rest takes, once `done` pictures and a part of the next one are over."""
    event, estimates = running_event(), of_page()
    if event is not None and estimates is not None:
        estimates.tell_whole(event._id, rest_s(job, clock, done, part))


def _tell_end(batch: Batch[T]) -> None:
    """Tells the page that the whole took its time, unless it was cut off: a part takes fewer seconds than all of it."""
    event, estimates = running_event(), of_page()
    if event is not None and estimates is not None and not batch.stopped and not Deadline().abandoned:
        estimates.finish_whole(event._id)


def rest_s(job: Job[T], clock: Deadline, done: int, part: float = 0.0) -> float | None:
    """Seconds for what is left, no more than the limit leaves; None where nothing tells of such pictures.

    Args:
        done: pictures that are over. part: of the next one, until its request has its result; from 0 to 1.
    """
    if done == len(job.units):
        return 0.0
    known_s = _known_s(job, done, part)
    expected_s = job.foretold.rest_s(done, part) if known_s is None else known_s
    return None if expected_s is None else min(expected_s, _left_s(clock))


def _known_s(job: Job[T], done: int, part: float) -> float | None:
    """As such pictures took; None where there was none."""
    work_s = job.times.expected_s(job.kind, sum(job.units[done:]) - part * job.units[done])
    after_s = job.times.expected_s(job.after_kind, sum(job.after_units[done:])) if job.after_units else 0.0
    return None if work_s is None or after_s is None else work_s + after_s


def on_the_way(
    job: Job[T], outputs: Callable[[str, Batch[T] | None], tuple[Any, ...]]
) -> Generator[tuple[Any, ...], None, Batch[T]]:
    """What the page shows until the end, of whose batch it returns.

    Args:
        outputs: of the line for the status, and of the batch so far where one more picture has been tried.
    """
    for moment in moments(job):
        if moment.line:
            yield outputs(moment.line, moment.batch if moment.news else None)
    return moment.batch


def passed_on(steps: Iterator[Step[Made]]) -> Generator[Step[Made], None, Made]:
    """The steps of the request for one picture; returns its result."""
    for step in steps:
        yield step
    assert step.result is not None  # a demo's last step has a result
    return step.result


def last_moment(job: Job[T]) -> Batch[T]:
    """What became of all pictures, for programs, which are told nothing on the way."""
    for moment in moments(job):
        batch = moment.batch
    return batch


def made_if_room(batch: Batch[T], make: Callable[[], Made]) -> tuple[Made | None, Batch[T]]:
    """The files of a batch, and the batch; where the page has no room for them, None, and a batch that tells so."""
    try:
        return make(), batch
    except RoomError as error:
        return None, replace(batch, stopped=str(error))


def megapixels_of(path: str) -> float:
    """Of a picture file, by its header; no more than can be read."""
    pixels = pixels_of_upload({"path": path})
    megapixels = pixels / 1e6 if pixels < float("inf") else UNKNOWN_MEGAPIXELS
    return min(megapixels, PICTURE_MEGAPIXELS)
