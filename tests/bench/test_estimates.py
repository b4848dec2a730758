"""The bench of estimates: what counts as right, and that short runs do not count."""

from collections.abc import Iterator

import pytest

from bench import estimates
from cvdemo import backends
from cvdemo.backends.durations import Durations, UnitTimes
from cvdemo.demo import Request, Step


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


def test_every_demo_is_asked() -> None:
    asked = estimates.requests()
    assert list(asked) == ["classify", "detect", "sample", "upscale", "dream", "style"]
    assert all(isinstance(next(each), Request) for each in (*asked.values(), *estimates.films().values()))
    names = {name.split(",")[0] for name in (*estimates.films(), *estimates.batches(UnitTimes()))}
    assert names == set(asked)
    assert estimates.share([True, False]) == "1 of 2" and estimates.share([]) == "none"
