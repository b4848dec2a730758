"""Runs requests in this process: two lanes of worker threads, and few enough threads of torch's in each.

A quick job never waits behind a slow one: each lane has its own workers. A job computes in one worker from its first
step to its last, and its steps are handed to the one who asked.

Torch's threads spin while they wait for each other. Where one of them waits for a core that something else uses, a job
becomes many times slower; see `bench/threads.py`. So the cores that other processes leave free are divided among the
jobs that run, anew before each step: on two cores a job alone computes with two threads, two jobs with one each, and
one beside a busy process with one. A number of threads set in a thread counts for that thread.
"""

from __future__ import annotations

import atexit
import heapq
import queue
import threading
import time
from collections.abc import Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

import torch

from cvdemo import demos
from cvdemo.backends.durations import Durations, Stopwatch
from cvdemo.backends.free_cores import FreeCores
from cvdemo.demo import Lane, Request, Run, Step
from cvdemo.errors import BusyError, LeftError
from cvdemo.limits import CLOSING_S, JOBS_AT_ONCE, JOBS_WAITING, STEPS_AHEAD
from cvdemo.runtime import Deadline, stopping_when

POLL_S = 0.05  # how soon a job that waits for its lane, or for its reader, ends after its visitor has left
POSITION_EVERY_S = 1.0  # a waiting visitor hears at least so often how long it still takes
BUSY = "Too many jobs are waiting: {count}. Please try again in a minute."
LEFT = "Nobody waits for this job any more, so it has no result."
_END = object()


@dataclass(eq=False)
class _Job:
    """A request on its way; `left` is set once nobody reads its steps."""

    request: Request
    context: Context
    steps: queue.Queue[Any] = field(default_factory=lambda: queue.Queue(STEPS_AHEAD))
    begun: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    began_at: float = 0.0
    watch: Stopwatch = field(default_factory=Stopwatch)  # from the moment when it has begun
    expected: tuple[float, float] | None = None  # when a step said how many seconds are left, and how many

    def hand_over(self, item: Any) -> bool:
        """Gives the reader a step, or what ends them; False where there is no reader."""
        if isinstance(item, Step) and item.seconds_left is not None:
            self.expected = time.monotonic(), item.seconds_left
        while not self.left.is_set():
            try:
                self.steps.put(item, timeout=POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def read(self) -> Iterator[Step[Any]]:
        """The steps, as they come; raises what the work raised."""
        while (item := self._next()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _next(self) -> Any:
        while True:
            try:
                return self.steps.get(timeout=POSITION_EVERY_S)
            except queue.Empty:
                if self.left.is_set():  # by the closing backend
                    raise LeftError(LEFT) from None


@dataclass(eq=False)
class _Line:
    """The jobs of one lane, and its workers, which start with the first of them."""

    workers: list[threading.Thread] = field(default_factory=list)
    waiting: list[_Job] = field(default_factory=list)
    running: list[_Job] = field(default_factory=list)


class LocalBackend:
    """See the module; `run` and `at_once` are those of `cvdemo.backends.Backend`.

    Args:
        work: answers a request, in a worker.
        cores: that jobs may use; None is what this process may.
        most_waiting: jobs of one lane, beside those that run.
    """

    def __init__(self, work: Run = demos.run, cores: FreeCores | None = None, most_waiting: int = JOBS_WAITING) -> None:
        self.cores = cores or FreeCores()
        self._work = work
        self._most_waiting = most_waiting
        self._changed = threading.Condition()  # and the lock of all that follows
        self._closed = False
        self._durations = Durations()
        self._lines = {lane: _Line() for lane in Lane}
        atexit.register(self.close)

    def at_once(self, lane: Lane) -> int:
        """As many jobs as cores in each lane: while no quick one runs, the slow ones have all of them."""
        return min(self.cores.cores, JOBS_AT_ONCE)

    def run(self, request: Request) -> Iterator[Step[Any]]:
        """The steps of a request. Closing the iterator ends the work at its next step."""
        job, line = _Job(request, copy_context()), self._lines[request.lane]
        self._enter(job, line)
        try:
            yield from self._until_it_begins(job, line)
            yield from job.read()
        finally:
            job.left.set()
            with self._changed:
                if job in line.waiting:
                    line.waiting.remove(job)

    def close(self) -> None:
        """Asks every job to end at its next step, and waits a moment for the workers."""
        with self._changed:
            self._closed = True
            self.cores.stop()
            for line in self._lines.values():
                for job in line.running:
                    job.left.set()
            self._changed.notify_all()
        atexit.unregister(self.close)
        end = time.monotonic() + CLOSING_S
        for line in self._lines.values():
            for worker in line.workers:
                worker.join(max(0.0, end - time.monotonic()))

    def _enter(self, job: _Job, line: _Line) -> None:
        lane = job.request.lane
        with self._changed:
            idle = self.at_once(lane) - len(line.running)
            if len(line.waiting) >= self._most_waiting + idle:
                raise BusyError(BUSY.format(count=len(line.waiting)))
            line.waiting.append(job)
            self.cores.start()
            while len(line.workers) < self.at_once(lane):
                name = f"{lane.value}-{len(line.workers)}"
                line.workers.append(threading.Thread(target=self._serve, args=(line,), name=name, daemon=True))
                line.workers[-1].start()
            self._changed.notify_all()

    def _serve(self, line: _Line) -> None:
        """A worker: one job of its lane after the other."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or line.waiting)
                if self._closed:
                    return
                job = line.waiting.pop(0)
                line.running.append(job)
                job.began_at, job.watch = time.monotonic(), Stopwatch()
            job.begun.set()
            job.context.run(self._answer, job, line)

    def _answer(self, job: _Job, line: _Line) -> None:
        """Does the work of a job, in a worker and in the context of the one who asked."""
        asked, ending = Deadline(), _END
        try:
            with stopping_when(job.left.is_set):
                self._hand_over_steps(job)
        except BaseException as error:  # whatever it is belongs to the one who asked, and is raised there
            ending = error
        job.hand_over(ending)
        with self._changed:
            line.running.remove(job)
        if ending is _END and not asked.abandoned and not job.left.is_set():
            self._durations.note(job.request, job.watch.took_s, job.watch.again_s)

    def _hand_over_steps(self, job: _Job) -> None:
        steps = self._work(job.request)
        try:
            while not job.left.is_set():
                self._share_cores()
                step = next(steps, None)
                if step is not None:
                    job.watch.stepped(step)
                if step is None or not job.hand_over(step):
                    return
        finally:
            close = getattr(steps, "close", None)  # of generators
            if close is not None:
                close()

    def _share_cores(self) -> None:
        """Gives the calling worker its part of the cores, until its next step."""
        running = sum(len(line.running) for line in self._lines.values())
        threads = max(1, self.cores.free // max(1, running))
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    def _until_it_begins(self, job: _Job, line: _Line) -> Iterator[Step[Any]]:
        """Where the job stands, whenever that changes and once a second."""
        asked, said_at, said = Deadline(), 0.0, 0
        while not job.begun.wait(POLL_S):
            if asked.abandoned or self._closed:
                raise LeftError(LEFT)
            position, seconds_left = self._place(job, line)
            if position and (position != said or time.monotonic() - said_at >= POSITION_EVERY_S):
                yield Step(done=0, total=1, position=position, seconds_left=seconds_left)
                said, said_at = position, time.monotonic()

    def _place(self, job: _Job, line: _Line) -> tuple[int, float | None]:
        """The job's position in its lane, 0 where it begins right now, and the seconds to its result, if known."""
        with self._changed:
            if job not in line.waiting:
                return 0, None
            ahead = line.waiting[: line.waiting.index(job)]
            busy = [self._seconds_left(running) for running in line.running]
            durations = [self._durations.expected_s(each.request) for each in (*ahead, job)]
        return len(ahead) + 1, finished_in_s(busy, durations, self.at_once(job.request.lane))

    def _seconds_left(self, job: _Job) -> float | None:
        """Of a running job: as its last step said, else as such jobs took."""
        if job.expected is not None:
            said_at, seconds = job.expected
            return max(0.0, said_at + seconds - time.monotonic())
        typical = self._durations.expected_s(job.request)
        return None if typical is None else max(0.0, job.began_at + typical - time.monotonic())


def finished_in_s(busy_s: list[float | None], durations_s: list[float | None], workers: int) -> float | None:
    """Seconds until the last of some waiting jobs is done; None where a number is not known that it depends on.

    Args:
        busy_s: of each worker that is busy, how long it still is.
        durations_s: of the waiting jobs, in order.
        workers: how many there are.
    """
    known = [each for each in (*busy_s, *durations_s) if each is not None]
    if len(known) < len(busy_s) + len(durations_s):
        return None
    free_in = known[: len(busy_s)] + [0.0] * (workers - len(busy_s))
    heapq.heapify(free_in)
    ends = [0.0]
    for duration in known[len(busy_s) :]:
        ends.append(heapq.heappop(free_in) + duration)
        heapq.heappush(free_in, ends[-1])
    return ends[-1]
