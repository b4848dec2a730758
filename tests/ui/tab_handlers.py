"""The handlers of a tab as the page wires them, to be called without a page."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import gradio as gr

from cvdemo.demo import Lane, Run
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


def job_of(tab: Tab, run: Run, shows: str) -> Callable[..., Any]:
    """What starts the work whose results are shown in a field by its element id, where `run` does the work."""
    jobs = [function for function in _functions(tab, run) if function.concurrency_id in LANES]
    return [job.fn for job in jobs if job.api_visibility == "private" and shows in map(_id_of, job.outputs)][-1]


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
