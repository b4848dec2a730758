"""What else runs on the machine while something is measured: found and told, or made on purpose."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event

from cvdemo.backends.free_cores import FreeCores


@contextmanager
def busy_processes(count: int = 1) -> Iterator[None]:
    """Within the block so many other processes keep a core busy each."""
    context = multiprocessing.get_context("spawn")  # a fork of a process whose OpenMP threads run may hang
    ready = [context.Event() for _ in range(count)]
    others = [context.Process(target=_compute, args=(event,), daemon=True) for event in ready]
    for other in others:
        other.start()
    try:
        for event in ready:
            event.wait(60)
        yield
    finally:
        for other in others:
            other.terminate()
            other.join()


def _compute(ready: Event) -> None:
    ready.set()
    while True:
        pass


def found(seconds: float = 2.0) -> str:
    """One line on the load before anything is measured."""
    cores = FreeCores()
    time.sleep(seconds)
    cores.look()
    line = f"Load found: {cores.busy_by_others:.1f} of {cores.cores} cores busy with other work"
    return f"{line}; no number below is of free cores." if cores.busy_by_others > 0.2 else f"{line}."
