"""A stand-in for the function that does the demos' work: tests of the page take milliseconds with it."""

from collections.abc import Iterator
from typing import Any

from cvdemo.demo import Request, Step


class StandIn:
    """Answers every request with the same steps and keeps the requests."""

    def __init__(self, *steps: Step[Any]) -> None:
        self.steps = steps
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Iterator[Step[Any]]:
        self.requests.append(request)
        yield from self.steps
