"""Lanes and threads of the backend in this process, with stand-ins for the demos that take milliseconds."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from cvdemo.backends.free_cores import FreeCores
from cvdemo.backends.local import LocalBackend, finished_in_s
from cvdemo.demo import Lane, Request, Step, lane_by_pixels, last_step, result_of
from cvdemo.errors import BusyError, InputError, LeftError
from cvdemo.limits import STEPS_AHEAD
from cvdemo.runtime import Deadline, stopping_when

LIMIT_S = 10.0  # for what takes milliseconds; the machine may be busy
Gate = threading.Event


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask(Request):
    """Work that begins, and ends once its gate is open."""

    name: str
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True, kw_only=True, eq=False)
class SlowAsk(Ask):
    usual_lane: ClassVar[Lane] = Lane.SLOW


def quiet(cores: int) -> FreeCores:
    """Cores that are all free, whatever else runs here."""
    return FreeCores(cores, stat=Path("nowhere"))


class Demos:
    """Stands in for the demos: notes what begins and ends, in which thread and with how many of torch's."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.threads: dict[str, list[int]] = {}

    def run(self, request: Ask) -> Iterator[Step[str]]:
        deadline = Deadline(request.time_limit_s)
        self.begun.append(request.name)
        steps = 0
        try:
            while not request.gate.is_set() and not deadline.expired:
                self.threads.setdefault(request.name, []).append(torch.get_num_threads())
                steps += 1
                yield Step(done=steps, total=steps + 1)
                time.sleep(0.002)
            yield Step(done=steps, total=steps, result=request.name, complete=request.gate.is_set())
        finally:
            self.ended.append(request.name)


class Reader:
    """Somebody who asked, in a thread of their own."""

    def __init__(self, backend: LocalBackend, request: Request) -> None:
        self.left = threading.Event()
        self.positions: list[int] = []
        self.seconds: list[float | None] = []
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._read, args=(backend, request), daemon=True)
        self._thread.start()

    def _read(self, backend: LocalBackend, request: Request) -> None:
        try:
            with stopping_when(self.left.is_set):
                for step in backend.run(request):
                    self.outcome = step
                    if step.position is not None:
                        self.positions.append(step.position)
                        self.seconds.append(step.seconds_left)
        except Exception as error:  # the test looks at it
            self.outcome = error

    def end(self) -> Any:
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        return self.outcome


def waited_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return False


@pytest.fixture
def demos() -> Demos:
    return Demos()


@pytest.fixture
def backend(demos: Demos) -> Iterator[LocalBackend]:
    made = LocalBackend(demos.run, cores=quiet(2), most_waiting=3)
    yield made
    made.close()


def test_a_quick_job_does_not_wait_for_slow_ones(backend: LocalBackend, demos: Demos) -> None:
    slow = [SlowAsk(name=f"slow {number}") for number in range(4)]
    readers = [Reader(backend, request) for request in slow]
    assert waited_for(lambda: len(demos.begun) == 2 and any(reader.positions for reader in readers))
    quick = Ask(name="quick")
    quick.gate.set()
    assert result_of(backend.run(quick)) == "quick"
    assert not [name for name in demos.ended if name != "quick"]
    for request in slow:
        request.gate.set()
    assert sorted(reader.end().result for reader in readers) == [request.name for request in slow]


def test_as_many_jobs_of_a_lane_run_as_there_are_cores_and_the_rest_in_order(
    backend: LocalBackend, demos: Demos
) -> None:
    requests = [SlowAsk(name=str(number)) for number in range(5)]
    readers = []
    for number, request in enumerate(requests):
        readers.append(Reader(backend, request))
        assert waited_for(lambda: len(demos.begun) == min(number + 1, 2))  # noqa: B023  # used at once
        assert number < 2 or waited_for(lambda: bool(readers[-1].positions))
    assert [reader.positions[0] for reader in readers[2:]] == [1, 2, 3] and not readers[0].positions
    for request in requests:
        request.gate.set()
        assert waited_for(lambda: request.name in demos.ended)  # noqa: B023
    assert demos.begun == ["0", "1", "2", "3", "4"]
    assert [reader.end().result for reader in readers] == ["0", "1", "2", "3", "4"]
    assert readers[4].positions[:1] == [3] and readers[4].positions == sorted(readers[4].positions, reverse=True)


def test_a_full_lane_refuses_and_the_other_does_not(backend: LocalBackend, demos: Demos) -> None:
    requests = [SlowAsk(name=str(number)) for number in range(5)]
    readers = [Reader(backend, request) for request in requests]
    assert waited_for(lambda: sum(bool(reader.positions) for reader in readers) == 3)
    with pytest.raises(BusyError, match="Too many jobs are waiting: 3"):
        next(backend.run(SlowAsk(name="one more")))
    quick = Ask(name="quick")
    quick.gate.set()
    assert result_of(backend.run(quick)) == "quick"
    for request in requests:
        request.gate.set()
    for reader in readers:
        assert reader.end().complete


def test_who_leaves_while_waiting_frees_the_place(backend: LocalBackend, demos: Demos) -> None:
    running = [SlowAsk(name="a"), SlowAsk(name="b")]
    readers = [Reader(backend, request) for request in running]
    assert waited_for(lambda: len(demos.begun) == 2)
    waiting = Reader(backend, SlowAsk(name="who leaves"))
    assert waited_for(lambda: waiting.positions == [1])
    next_one = SlowAsk(name="next")
    next_one.gate.set()
    behind = Reader(backend, next_one)
    assert waited_for(lambda: behind.positions == [2])
    waiting.left.set()
    assert isinstance(waiting.end(), LeftError)
    assert waited_for(lambda: behind.positions[-1] == 1)
    running[0].gate.set()
    assert behind.end().result == "next"
    assert "who leaves" not in demos.begun
    running[1].gate.set()
    assert [reader.end().complete for reader in readers] == [True, True]


def test_steps_that_are_read_no_more_end_the_work(backend: LocalBackend, demos: Demos) -> None:
    steps = backend.run(Ask(name="a"))
    next(steps)
    assert demos.begun == ["a"] and not demos.ended
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert waited_for(lambda: demos.ended == ["a"])


def test_steps_that_are_read_no_more_end_a_long_step() -> None:
    """The reader goes between two steps, and the worker is in the middle of the next."""
    ended = threading.Event()

    def run(request: Ask) -> Iterator[Step[str]]:
        yield Step(done=0, total=1)
        deadline = Deadline(LIMIT_S)
        while not deadline.expired:
            time.sleep(0.002)
        if deadline.abandoned:
            ended.set()
        yield Step(done=1, total=1, result="late")

    backend = LocalBackend(run, quiet(1))
    steps = backend.run(Ask(name="a"))
    next(steps)
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert ended.wait(LIMIT_S / 2)
    backend.close()


def test_closing_while_waiting_frees_the_place(backend: LocalBackend, demos: Demos) -> None:
    running = [Ask(name="a"), Ask(name="b")]
    readers = [Reader(backend, request) for request in running]
    assert waited_for(lambda: len(demos.begun) == 2)
    steps = backend.run(Ask(name="c"))
    assert next(steps).position == 1
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    for request in running:
        request.gate.set()
    assert [reader.end().complete for reader in readers] == [True, True]
    assert result_of(backend.run(Ask(name="d", time_limit_s=0.0))) == "d"
    assert demos.begun == ["a", "b", "d"]


def test_a_running_job_knows_that_its_visitor_has_left(backend: LocalBackend, demos: Demos) -> None:
    """The question that `stopping_when` gives is asked in the worker too."""
    reader = Reader(backend, Ask(name="a"))
    assert waited_for(lambda: demos.begun == ["a"])
    reader.left.set()
    last = reader.end()
    assert last.result == "a" and not last.complete


def test_a_time_limit_ends_a_job(backend: LocalBackend) -> None:
    assert not last_step(backend.run(Ask(name="a", time_limit_s=0.02))).complete


def test_a_job_is_never_far_ahead_of_its_reader(backend: LocalBackend, demos: Demos) -> None:
    steps = backend.run(Ask(name="a"))
    next(steps)
    time.sleep(0.2)
    assert len(demos.threads["a"]) <= STEPS_AHEAD + 3  # one read, one on its way, one being made
    steps.close()  # type: ignore[attr-defined]  # it is a generator


def test_an_error_reaches_the_one_who_asked_and_the_worker_goes_on() -> None:
    def fails(request: Ask) -> Iterator[Step[str]]:
        yield Step(done=0, total=1)
        raise InputError(f"No {request.name}.")

    backend = LocalBackend(fails, cores=quiet(1))
    for name in ("first", "second", "third"):
        with pytest.raises(InputError, match=f"No {name}"):
            list(backend.run(Ask(name=name)))
    backend.close()


def test_closing_ends_what_runs_and_refuses_what_waits(backend: LocalBackend, demos: Demos) -> None:
    readers = [Reader(backend, Ask(name=name)) for name in "abc"]
    assert waited_for(lambda: len(demos.begun) == 2 and any(reader.positions for reader in readers))
    backend.close()
    assert waited_for(lambda: len(demos.ended) == 2)
    assert [type(reader.end()) for reader in readers] == [LeftError] * 3


def threads_of_last_step(demos: Demos, name: str) -> int:
    return demos.threads.get(name, [0])[-1]


@pytest.mark.parametrize(("cores", "alone", "two", "three"), [(2, 2, 1, 1), (6, 6, 3, 2), (1, 1, 1, 1)])
def test_the_threads_of_a_job_follow_the_jobs_that_run(
    demos: Demos, cores: int, alone: int, two: int, three: int
) -> None:
    """Anew at each step, in the thread of each job, whatever its lane."""
    backend = LocalBackend(demos.run, cores=quiet(cores))
    requests = [SlowAsk(name="a"), Ask(name="b"), SlowAsk(name="c") if cores > 1 else Ask(name="c")]
    first = Reader(backend, requests[0])
    assert waited_for(lambda: threads_of_last_step(demos, "a") == alone)
    second = Reader(backend, requests[1])
    assert waited_for(lambda: threads_of_last_step(demos, "a") == threads_of_last_step(demos, "b") == two)
    if cores > 1:
        third = Reader(backend, requests[2])
        assert waited_for(lambda: {threads_of_last_step(demos, name) for name in "abc"} == {three})
        requests[2].gate.set()
        third.end()
    requests[1].gate.set()
    second.end()
    assert waited_for(lambda: threads_of_last_step(demos, "a") == alone)
    requests[0].gate.set()
    first.end()
    backend.close()


def test_a_core_that_others_use_is_not_used(demos: Demos) -> None:
    cores = quiet(2)
    backend, request = LocalBackend(demos.run, cores), Ask(name="a")
    reader = Reader(backend, request)
    assert waited_for(lambda: threads_of_last_step(demos, "a") == 2)
    cores.free = 1
    assert waited_for(lambda: threads_of_last_step(demos, "a") == 1)
    request.gate.set()
    reader.end()
    backend.close()


def test_the_cores_are_looked_at_from_the_first_job_until_the_end(demos: Demos) -> None:
    cores = quiet(1)
    noted: list[str] = []
    cores.start = lambda: noted.append("start")  # type: ignore[method-assign]  # notes it
    cores.stop = lambda: noted.append("stop")  # type: ignore[method-assign]  # notes it
    backend = LocalBackend(demos.run, cores)
    assert not noted
    last_step(backend.run(Ask(name="a", time_limit_s=0.0)))
    backend.close()
    assert noted == ["start", "stop"]


def test_a_job_stays_in_one_thread() -> None:
    """Gradio asks for each step in a thread of its choice; torch's pools and modes belong to a thread."""
    seen: list[int] = []

    def noting(request: Ask) -> Iterator[Step[str]]:
        for done in range(6):
            seen.append(threading.get_ident())
            yield Step(done=done, total=5, result="done")

    backend = LocalBackend(noting, cores=quiet(2))
    steps = backend.run(Ask(name="a"))
    for _ in range(6):
        thread = threading.Thread(target=lambda: next(steps))
        thread.start()
        thread.join()
    assert len(seen) == 6 and len(set(seen)) == 1 and seen[0] != threading.get_ident()
    backend.close()


def test_the_expected_seconds_are_told(demos: Demos) -> None:
    """Of a kind of job that has run before."""
    backend = LocalBackend(demos.run, cores=quiet(1))
    for _ in range(2):
        last_step(backend.run(Ask(name="before", time_limit_s=0.2)))
    running = Ask(name="a")
    readers = [Reader(backend, running)]
    assert waited_for(lambda: "a" in demos.begun)
    waiting = Ask(name="b", time_limit_s=0.2)
    readers.append(Reader(backend, waiting))
    assert waited_for(lambda: bool(readers[1].seconds))
    told = readers[1].seconds[0]
    assert told is not None and 0.1 < told < LIMIT_S
    running.gate.set()
    for reader in readers:
        reader.end()
    backend.close()


EXPECTED = [
    ([], [5.0], 1, 5.0),
    ([3.0], [5.0], 1, 8.0),
    ([3.0], [5.0], 2, 5.0),
    ([3.0, 4.0], [5.0, 1.0, 2.0], 2, 7.0),  # the second worker is free after 4, 5, 7
    ([None], [5.0], 1, None),
    ([1.0], [None, 5.0], 1, None),
]


@pytest.mark.parametrize(("busy", "durations", "workers", "expected"), EXPECTED)
def test_waiting_jobs_are_done_once_workers_are_free(
    busy: list[float | None], durations: list[float | None], workers: int, expected: float | None
) -> None:
    assert finished_in_s(busy, durations, workers) == expected


def test_a_large_result_is_slow_work() -> None:
    assert lane_by_pixels(1920 * 1080) is Lane.QUICK
    assert lane_by_pixels(4000 * 3000) is Lane.SLOW
