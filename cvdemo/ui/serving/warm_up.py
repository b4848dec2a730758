"""What the page does by itself once it answers: it works through what new visitors ask for first.

So networks and libraries are loaded before somebody waits for them: without it the first search took 1.2 s, of which
1.0 s were the import of torchvision. And each tab promises what it has taken on this machine.

A dream comes first, as its speed tells most of all others. It is the tab's own, of all sizes but of few steps: with two
threads a grey square of 256 px promised 1.80 s where 2.74 were taken. It runs twice: in the first one the network is
loaded, and the backend learns how many cores are free. Quick jobs are done in full. Of other slow ones only the first
step is, after which everything is loaded.
"""

import logging
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import replace

from cvdemo.backends.durations import Stopwatch
from cvdemo.backends.work import PNG_S
from cvdemo.demo import Lane, Request, Run, result_of
from cvdemo.dream.run import DreamRequest
from cvdemo.errors import DemoError
from cvdemo.example_pictures import example_picture
from cvdemo.images import png_bytes, read_image
from cvdemo.memory import give_back_memory
from cvdemo.ui.serving.waiting import durations_of

DREAM_STEPS = 3  # at each size; 0.4 s of CPU time
PACKED = "cheetah"  # takes 0.04 s to be packed

log = logging.getLogger(__name__)


def warm_up(run: Run, requests: Iterable[Request]) -> None:
    """Runs what new visitors ask for first, through `telling_time`'s run, which remembers; nobody sees the results.

    What cannot be run, such as where a weight is missing, is left out: whoever asks for it is told.
    """
    for request in sorted(requests, key=lambda request: not isinstance(request, DreamRequest)):
        try:
            if isinstance(request, DreamRequest):
                _measure(run, request)
            elif request.lane is Lane.QUICK:
                result_of(run(request))
            else:
                _begin(run, request)
        except DemoError as error:
            log.warning("What %s loads is not loaded yet: %s", type(request).__name__, error)
    give_back_memory()  # 400 MB that the networks worked in


def _measure(run: Run, request: DreamRequest) -> None:
    """Runs a dream of few steps twice, and packs a photograph as PNG, which tells the speed of one thread."""
    short = replace(request, config=replace(request.config, steps=DREAM_STEPS))
    for _ in range(2):
        result_of(run(short))
    photograph = read_image(example_picture(PACKED))
    watch = Stopwatch()
    png_bytes(photograph)
    durations_of(run).note_beside(PNG_S * photograph[..., 0].size / 1e6, watch.took_s)


def _begin(run: Run, request: Request) -> None:
    """Works until the first step is done, by when all that it needs is loaded."""
    steps = run(request)
    assert isinstance(steps, Generator)  # as `telling_time` makes them
    with closing(steps):
        if any(step.done > 0 for step in steps):
            durations_of(run).note_loaded(request)
