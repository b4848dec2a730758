"""The demos: which function answers which request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cvdemo.classify.run import ClassifyRequest, run_classify
from cvdemo.demo import Request, Run, Step
from cvdemo.dream.run import DreamRequest, run_dream
from cvdemo.style.run import StyleRequest, run_style

RUNS: Mapping[type[Request], Run] = {
    ClassifyRequest: run_classify,
    DreamRequest: run_dream,
    StyleRequest: run_style,
}


def run(request: Request) -> Iterator[Step[Any]]:
    """The steps of any demo's request, in this thread.

    Raises:
        ValueError: no demo takes such a request.
        DemoError: what the visitor can mend; see `cvdemo.errors`.
    """
    if type(request) not in RUNS:
        raise ValueError(f"no demo takes a {type(request).__name__}; there are {[kind.__name__ for kind in RUNS]}")
    yield from RUNS[type(request)](request)
