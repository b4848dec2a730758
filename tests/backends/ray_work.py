"""A demo that only counts and waits, for the tests of the Ray backend; replicas import it by its name."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvdemo import demos
from cvdemo.demo import Request, Step
from cvdemo.errors import InputError
from cvdemo.runtime import Deadline


@dataclass(frozen=True, kw_only=True, eq=False)
class CountRequest(Request):
    """Counts to `steps`, a step after each `seconds`; the result is what was counted.

    Attributes:
        noted: a file that gets the process's id at the beginning and "ended" at the end, whatever ends it.
        refuse: what the visitor is told in place of the second step.
    """

    steps: int = 3
    seconds: float = 0.0
    noted: str = ""
    refuse: str = ""


def run_count(request: CountRequest) -> Iterator[Step[int]]:
    deadline = Deadline(request.time_limit_s)
    _note(request.noted, f"{os.getpid()}\n")
    try:
        for number in range(1, request.steps + 1):
            time.sleep(request.seconds)
            if request.refuse and number == 2:
                raise InputError(request.refuse)
            over = number == request.steps or deadline.expired
            yield Step(
                done=number,
                total=request.steps,
                result=number if over else None,
                complete=number == request.steps,
            )
            if over:
                return
    finally:
        _note(request.noted, "ended\n")


def run_any(request: Request) -> Iterator[Step[Any]]:
    """What a replica does: a demo's request, or this one."""
    return run_count(request) if isinstance(request, CountRequest) else demos.run(request)


def _note(path: str, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
