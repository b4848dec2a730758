"""Tells a visitor how long a job takes: before it starts, while it runs, and where it waits in the backend.

All tabs run their work through `telling_time`, so that this is the one place where the page learns it. What is told
before the start comes from jobs before it; while a job runs, its own steps tell better. So that something is known
before the first job, the page runs a small dream when it starts.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
from anyio import from_thread
from gradio.context import LocalContext
from gradio.queueing import Event
from gradio.server_messages import EstimationMessage, EventMessage, ProcessStartsMessage

from cvdemo.backends.durations import Durations, Stopwatch
from cvdemo.backends.work import PNG_S
from cvdemo.demo import Request, Run, Step, result_of
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import DreamRequest
from cvdemo.errors import DemoError
from cvdemo.example_pictures import example_picture
from cvdemo.images import png_bytes, read_image
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.estimates import of_page
from cvdemo.ui.wiring.jobs import running_event

SMALL_DREAM_PX, SMALL_DREAM_STEPS = 256, 6  # takes 0.2 s of CPU time, and says what larger ones take
PACKED = "cheetah"  # takes 0.04 s to be packed
_DURATIONS = "durations"  # set on `telling_time`'s run

log = logging.getLogger(__name__)


def measure_speed(run: Run) -> None:
    """Runs a small dream through `telling_time`'s run, which remembers the machine's speed; nobody sees the dream.

    Twice: in the first one the network is loaded, and the backend learns how many cores are free. Then a photograph is
    packed as PNG, which tells the speed of one thread.
    """
    config = replace(PRESETS[DEFAULT_PRESET], octaves=1, steps=SMALL_DREAM_STEPS, size_px=SMALL_DREAM_PX)
    picture = np.zeros((SMALL_DREAM_PX, SMALL_DREAM_PX, 3), np.uint8)
    try:
        for _ in range(2):
            result_of(run(DreamRequest(image=picture, config=config)))
    except DemoError as error:  # such as a weight that is missing; whoever dreams is told
        log.warning("The speed of this machine is not known yet: %s", error)
        return
    photograph = read_image(example_picture(PACKED))
    watch = Stopwatch()
    png_bytes(photograph)
    durations_of(run).note_beside(PNG_S * photograph[..., 0].size / 1e6, watch.took_s)


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
