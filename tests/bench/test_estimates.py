"""The bench of estimates: what counts as right, and that short runs do not count."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import estimates
from cvdemo import backends
from cvdemo.backends.durations import Durations, UnitTimes
from cvdemo.demo import Request, Step
from cvdemo.sample.run import SampleRequest
from cvdemo.style.run import StyleRequest


@pytest.mark.parametrize(
    ("said_s", "true_s", "is_right"), [(4, 3, True), (4.1, 3, False), (2, 3, True), (1.9, 3, False)]
)
def test_right_is_within_a_third(said_s: float, true_s: float, is_right: bool) -> None:
    assert estimates.right(said_s, true_s) is is_right


def test_a_short_run_teaches_and_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(request: Request) -> Iterator[Step[str]]:
        yield Step(done=0, total=1, seconds_left=9.0)
        yield Step(done=1, total=1, result="done")

    monkeypatch.setattr(backends, "run", run)
    durations, score = Durations(), estimates.Score()
    seen: set[object] = set()
    estimates.run_one(Request(), durations, score, seen)
    assert not score.first and not score.during and durations.expected_s(Request()) is not None
    monkeypatch.setattr(estimates, "LEAST_S", 0.0)
    estimates.run_one(Request(), durations, score, seen)
    assert not score.first and len(score.before) == 1 and score.during == [False]
    estimates.run_one(Request(), durations, score, set())
    assert len(score.first) == 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that moves when it is told to, in the place of the modules' `time`."""
    made = SimpleNamespace(now=100.0)
    made.monotonic = lambda: made.now
    monkeypatch.setattr("cvdemo.backends.durations.time", made)
    return made


def test_what_all_six_tabs_promise_is_held_against_what_they_take(clock: SimpleNamespace) -> None:
    def run(request: Request) -> Iterator[Step[str]]:
        ran.append(request)
        clock.now += 15.0 if isinstance(request, StyleRequest) else 9.0 if isinstance(request, SampleRequest) else 0.2
        yield Step(done=1, total=1, result="done")

    ran: list[Request] = []
    lines: list[str] = []
    estimates.tell_promises(Durations(), lines.append, run)
    rows = {name.strip(): cells for _, name, *cells, _ in (line.split("|") for line in lines[2:])}
    assert list(rows) == ["classify", "detect", "dream", "style", "sample", "upscale", "all"]
    assert [len(list(group)) for _, group in groupby(ran, type)] == [4] * 6
    assert [cell.strip() for cell in rows["style"]] == ["15.00", "15.00", "15.00", "15.00", "2 of 2"]
    assert [cell.strip() for cell in rows["sample"]] == ["0.00", "9.00", "9.00", "9.00", "1 of 2"]
    assert rows["classify"][-1].strip() == "none" and rows["all"][-1].strip() == "3 of 4"


def test_the_clock_is_told() -> None:
    assert estimates.conditions(cpu=True).startswith("By CPU time of the process, OMP_NUM_THREADS=")
    assert estimates.conditions(cpu=False).startswith("By the wall's clock")


def test_every_demo_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    asked = estimates.requests()
    assert list(asked) == ["classify", "detect", "sample", "upscale", "dream", "style"]
    assert all(isinstance(next(each), Request) for each in (*asked.values(), *estimates.films().values()))
    batches = estimates.batches(backends.run, UnitTimes())
    names = {name.split(",")[0] for name in (*estimates.films(), *batches)}
    assert names == set(asked)
    assert all(size > 0.6 for size in next(batches["upscale, several"]).units)  # their headers are read
    assert estimates.share([True, False]) == "1 of 2" and estimates.share([]) == "none"
