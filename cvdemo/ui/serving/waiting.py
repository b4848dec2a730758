"""Tells a visitor how long a job takes: before it starts, while it runs, and where it waits in the backend.

All tabs run their work through `telling_time`, so that this is the one place where the page learns it. What is told
before the start comes from jobs before it; while a job runs, its own steps tell better. What is known before the first
job comes from what the page does when it starts, see `cvdemo.ui.serving.warm_up`.
"""

from collections.abc import Iterator
from functools import wraps
from typing import Any

from anyio import from_thread
from gradio.context import LocalContext
from gradio.queueing import Event
from gradio.server_messages import EstimationMessage, EventMessage, ProcessStartsMessage

from cvdemo.backends.durations import Durations, Stopwatch
from cvdemo.demo import Request, Run, Step
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.estimates import of_page
from cvdemo.ui.wiring.jobs import running_event

_DURATIONS = "durations"  # set on `telling_time`'s run


def durations_of(run: Run) -> Durations:
    """What `telling_time`'s run remembers; of any other run, what knows nothing."""
    known = getattr(run, _DURATIONS, None)
    return known if isinstance(known, Durations) else Durations()


def telling_time(run: Run, durations: Durations | None = None) -> Run:
    """`run` without the steps of a job that waits; their positions and seconds are told in the queue's own way.

    Args:
        durations: what jobs took; None begins with nothing.
    """
    known = durations or Durations()

    @wraps(run)
    def running_steps(request: Request) -> Iterator[Step[Any]]:
        event, estimates, expected_s = running_event(), of_page(), known.expected_s(request)
        watch = Stopwatch()
        if event is not None and estimates is not None and estimates.begin(event._id, expected_s) and expected_s:
            _send(event, ProcessStartsMessage(eta=expected_s))
        for step in run(request):
            if step.position is not None:
                watch = Stopwatch()
                _tell_place(event, step.position, step.seconds_left)
                continue
            watch.stepped(step)
            if event is not None and estimates is not None:
                estimates.tell(event._id, step.seconds_left)
            if step.result is not None and not Deadline().abandoned:
                known.note(request, watch.took_s, watch.again_s)
                if event is not None and estimates is not None:
                    estimates.finish(event._id)
            yield step

    setattr(running_steps, _DURATIONS, known)
    return running_steps


def _tell_place(event: Event | None, position: int, seconds_left: float | None) -> None:
    if event is not None:
        _send(event, EstimationMessage(rank=position - 1, rank_eta=seconds_left, queue_size=position))


def _send(event: Event, message: EventMessage) -> None:
    """To be called in the thread of a handler; outside the queue, as in tests of handlers, nobody is told."""
    page = LocalContext.blocks.get(None)
    if page is not None:
        from_thread.run_sync(page._queue.send_message, event, message)  # on the loop, which a queue of asyncio needs
