"""Requests and steps: pickled, worked through to the last, and how long there is left."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from cvdemo import demos
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Request, Step, last_step, result_of, seconds_left
from cvdemo.runtime import Deadline


def counting(count: int) -> Iterator[Step[str]]:
    yield from (Step(done=number, total=count) for number in range(1, count))
    yield Step(done=count, total=count, result="all")


def test_the_last_step_carries_the_result() -> None:
    assert last_step(counting(3)).done == 3
    assert result_of(counting(1)) == "all"


@pytest.mark.parametrize("steps", [[], [Step(done=1, total=2)]], ids=["none", "no result"])
def test_work_without_a_result_is_a_defect(steps: list[Step[str]]) -> None:
    with pytest.raises(RuntimeError, match="last step"):
        last_step(steps)


def test_requests_and_steps_pickle() -> None:
    request = ClassifyRequest(image=np.zeros((4, 5, 3), np.uint8), time_limit_s=2)
    copy = pickle.loads(pickle.dumps(request))
    assert copy.config == request.config and (copy.image == request.image).all() and copy.time_limit_s == 2
    step = pickle.loads(pickle.dumps(Step(done=1, total=2, preview=request.image, measures={"loss": 0.5})))
    assert step.measures == {"loss": 0.5} and step.preview.shape == (4, 5, 3)


def test_seconds_left_follow_the_speed_so_far_and_end_with_the_deadline() -> None:
    deadline = Deadline(100)
    deadline.started -= 10
    assert seconds_left(deadline, 0, 4) is None
    assert seconds_left(deadline, 1, 4) == pytest.approx(30, abs=1)
    assert seconds_left(deadline, 1, 100) == pytest.approx(90, abs=1)
    assert seconds_left(deadline, 4, 4) == 0
    assert seconds_left(deadline, 1, 4, began_ms=8_000) == pytest.approx(6, abs=1)


def test_a_request_that_no_demo_takes_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True, eq=False)
    class Unknown(Request):
        pass

    with pytest.raises(ValueError, match="no demo takes a Unknown"):
        next(demos.run(Unknown()))
