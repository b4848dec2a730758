"""Tells a visitor where a job stands that waits in the backend, where the page tells it of those in its queue.

Jobs seldom wait there, for the queue lets as many through as run; sliders, and what another handler has begun, may be
before them.
"""

from collections.abc import Iterator
from functools import wraps
from typing import Any

from anyio import from_thread
from gradio.context import LocalContext
from gradio.server_messages import EstimationMessage

from cvdemo.demo import Request, Run, Step
from cvdemo.ui.wiring.jobs import running_event


def telling_places(run: Run) -> Run:
    """`run` without the steps of a job that waits; their positions and seconds are told in the queue's own way."""

    @wraps(run)
    def running_steps(request: Request) -> Iterator[Step[Any]]:
        for step in run(request):
            if step.position is None:
                yield step
            else:
                _tell(step.position, step.seconds_left)

    return running_steps


def _tell(position: int, seconds_left: float | None) -> None:
    """To be called in the thread of a handler; outside the queue, as in tests of handlers, nobody is told."""
    page, event = LocalContext.blocks.get(None), running_event()
    if page is not None and event is not None:
        message = EstimationMessage(rank=position - 1, rank_eta=seconds_left, queue_size=position)
        from_thread.run_sync(page._queue.send_message, event, message)  # on the loop, which a queue of asyncio needs
