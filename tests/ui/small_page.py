"""A page of a few handlers on the project's own queue and server, with limits of time that a test can wait for.

`plain` and `stream` are slow, one at a time, and count their steps until a deadline ends them; `work` tells the steps
so far, and whether the last slow job has ended. `light`, `quick` and `sized` answer at once, the last in the line of an
upscaling. `placed` waits in a backend first. `look` looks at a camera. `use_memory` frees nearly all that it takes, and
glibc keeps that: what it still holds lies at the end.
"""

import importlib
import os
import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from cvdemo.demo import Lane, Request, Step, result_of
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.blocks import Page
from cvdemo.ui.serving.gradio_parts import adapt_gradio
from cvdemo.ui.serving.lines import by_result_size, line_options
from cvdemo.ui.serving.middleware import error_handlers, middleware
from cvdemo.ui.serving.waiting import telling_places
from cvdemo.ui.wiring.controls import picture_input
from cvdemo.ui.wiring.live_camera import camera_field
from cvdemo.ui.wiring.live_camera import stream as stream_of

LONG_S = 60.0
work = {"steps": 0, "ended": 0, "pid": 0}
BLOCKS, BLOCK_BYTES = 6000, 50_000  # 300 MB in blocks that are too small to get pages of their own
kept: list[bytearray] = []


def stream(text: str) -> Iterator[str]:
    deadline = Deadline(LONG_S)
    try:
        while not deadline.expired:
            work["steps"] += 1
            time.sleep(0.02)
            yield text
    finally:
        work["ended"] += 1


def plain(text: str) -> str:
    for _ in stream(text):
        pass
    return text


def use_memory(text: str) -> str:
    kept.append([bytearray(BLOCK_BYTES) for _ in range(BLOCKS)][-1])
    return text


def sized(path: str, scale: float) -> str:
    return f"{scale:g} times"


def _waits_in_a_backend(request: Request) -> Iterator[Step[str]]:
    yield Step(done=0, total=1, position=2, seconds_left=7.5)
    yield Step(done=0, total=1, position=1)
    yield Step(done=1, total=1, result="done")


def placed(text: str) -> str:
    return str(result_of(telling_places(_waits_in_a_backend)(Request())))


def look(frame: bytes | None) -> str:
    return "nothing" if frame is None else "a frame"


def set_limits(limits: dict[str, float]) -> None:
    """Puts other values in the place of the page's own: `{"serving.fair_queue.UNHEARD_S": 1.5}`."""
    for name, value in limits.items():
        module, _, constant = name.rpartition(".")
        changed = importlib.import_module(f"cvdemo.ui.{module}")
        assert isinstance(getattr(changed, constant), float), name
        setattr(changed, constant, value)


def main(port: int, limits: dict[str, float], max_files: int | None = None) -> None:
    """Serves the page; with `max_files` it may open so many files alone."""
    if max_files is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))
    set_limits(limits)
    work["pid"] = os.getpid()
    adapt_gradio()
    with Page(analytics_enabled=False) as page:
        text, told, button = gr.Textbox(label="Text"), gr.JSON(), gr.Button()
        picture, number = picture_input(), gr.Number()
        slow: dict[str, Any] = {"concurrency_id": Lane.SLOW.value, "concurrency_limit": 1}
        button.click(plain, text, text, api_name="plain", **slow)
        button.click(stream, text, text, api_name="stream", **slow)
        button.click(use_memory, text, text, api_name="use_memory", **slow)
        button.click(use_memory, text, text, api_name="use_memory_light")
        button.click(lambda sent: sent, text, text, api_name="light")
        button.click(lambda sent: sent, text, text, api_name="quick", **line_options(Lane.QUICK, placed))
        button.click(sized, [picture, number], text, api_name="sized", **line_options(by_result_size(), sized))
        button.click(placed, text, text, api_name="placed", **line_options(Lane.QUICK, placed))
        button.click(lambda: work, None, told, api_name="work")
        camera = camera_field("camera")
        stream_of(camera, look, [camera], [text])
    page.queue(max_size=30, default_concurrency_limit=1, api_open=False)
    options = {"middleware": middleware(), "exception_handlers": error_handlers()}
    page.launch(server_name="127.0.0.1", server_port=port, quiet=True, ssr_mode=False, app_kwargs=options)
