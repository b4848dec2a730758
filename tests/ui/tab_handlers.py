"""The handlers of a tab as the page wires them, to be called without a page."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import gradio as gr
import pytest

from cvdemo.demo import Lane, Request, Run, Step
from cvdemo.errors import InputError
from cvdemo.ui.wiring.controls import Tab

T = TypeVar("T")
LANES = {lane.value for lane in Lane}


def endpoint_of(tab: Tab, run: Run, name: str) -> Callable[..., Any]:
    """What answers the endpoint `/name` where `run` does the work."""
    (handler,) = (function.fn for function in _functions(tab, run) if function.api_name == name)
    return handler


def button_of(tab: Tab, run: Run) -> Callable[..., Any]:
    """What the tab's button starts where `run` does the work."""
    jobs = [function for function in _functions(tab, run) if function.concurrency_id in LANES]
    return [function.fn for function in jobs if function.api_visibility == "private"][-1]


def asked_by_default(tab: Tab, given: Mapping[str, Any]) -> list[Request]:
    """What the tab asks for with its fields as they are drawn, but for those given by element id."""
    asked: list[Request] = []

    def run(request: Request) -> Iterator[Step[Any]]:
        asked.append(request)
        raise InputError("That is enough.")
        yield

    jobs = [job for job in _functions(tab, run) if job.concurrency_id in LANES and job.api_visibility == "private"]
    job = [job for job in jobs if f"{tab.slug}-status" in map(_id_of, job.outputs)][-1]
    values = [given.get(_id_of(field) or "", _as_drawn(field)) for field in job.inputs]
    with pytest.raises(gr.Error, match=re.escape("That is enough.")):
        list(job.fn(*values))
    return asked


def job_of(tab: Tab, run: Run, shows: str) -> Callable[..., Any]:
    """What starts the work whose results are shown in a field by its element id, where `run` does the work."""
    jobs = [function for function in _functions(tab, run) if function.concurrency_id in LANES]
    return [job.fn for job in jobs if job.api_visibility == "private" and shows in map(_id_of, job.outputs)][-1]


def _as_drawn(field: Any) -> Any:
    """What a handler gets of a field that nobody has touched; of a picture its path."""
    return field.value["path"] if isinstance(field.value, dict) else field.value


def _id_of(component: Any) -> str | None:
    return getattr(component, "elem_id", None)


def _functions(tab: Tab, run: Run) -> list[Any]:
    return list(drawn(lambda: tab.build(run)).fns.values())


def drawn(draw: Callable[[], Any]) -> gr.Blocks:
    """A page on which nothing but this is drawn."""

    def page() -> gr.Blocks:
        with gr.Blocks(analytics_enabled=False) as page:
            draw()
        return page

    return with_a_loop(page)


def with_a_loop(function: Callable[[], T]) -> T:
    """What the function gives in a thread with an event loop that is closed: gradio would make one and leave it open.

    The thread of a test with a browser has a running loop already.
    """

    async def call() -> T:
        return function()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(call())).result()
