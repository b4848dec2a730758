"""Where work runs and for how long: device, threads, models loaded once, deadlines."""

import inspect
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU; anything else is taken as it is.

    Raises:
        ValueError: a GPU is asked for and there is none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {device!r} was asked for, but no CUDA GPU is visible")
    return resolved


CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """How many cores this process may use: of its affinity, and no more than its container's share of CPU time.

    Torch counts the cores of the machine. A container with two of 64 would compute with 32 threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, _share_of_cpu(cgroup))))


def _share_of_cpu(cgroup: Path) -> float:
    """Seconds of CPU time a second that the container may use (cgroup 2, else 1); infinite where nothing says."""
    for quota_file, period_file in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = (cgroup / quota_file).read_text(encoding="ascii").split()
            if period_file is not None:
                words += (cgroup / period_file).read_text(encoding="ascii").split()
            quota, period = float(words[0]), float(words[1])  # "max" and -1 stand for no limit
        except (OSError, ValueError, IndexError):
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


PROCESS_THREADS = min(torch.get_num_threads(), usable_cores())  # as the process begins; OMP_NUM_THREADS lowers it


_stop_asked: ContextVar[Callable[[], bool]] = ContextVar("stop_asked", default=lambda: False)


@contextmanager
def stopping_when(asked: Callable[[], bool]) -> Iterator[None]:
    """Every `Deadline` that is made within the block expires too as soon as `asked()` is true.

    The page gives each job a question of its own: whether its visitor has left or cancelled. So plain functions end
    within one step, as generators do. Threads that are started with a copy of the context take it along.
    """
    outer = _stop_asked.get()
    token = _stop_asked.set(lambda: asked() or outer())
    try:
        yield
    finally:
        _stop_asked.reset(token)


class Deadline:
    """A moment after which long work stops at its next step and returns what it has.

    It comes earlier where nobody waits for the result any more; see `stopping_when`.

    Args:
        seconds: from now; None never expires.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self.started = time.monotonic()
        self.seconds = seconds
        self._stop_asked = _stop_asked.get()

    @property
    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.started) * 1000

    @property
    def abandoned(self) -> bool:
        """Whether the one who asked for the work has left or cancelled it."""
        return self._stop_asked()

    @property
    def expired(self) -> bool:
        late = self.seconds is not None and time.monotonic() - self.started >= self.seconds
        return late or self.abandoned


def load_once(loader: Callable[..., T]) -> Callable[..., T]:
    """Calls `loader` once for each set of arguments, under a lock, and hands the same object to everyone.

    However the arguments are written: defaults left out or given, by position or by name, are the same set.

    Two visitors who come at the same time wait for one load. A loader that raises is tried again next time.
    `wrapper.cache` is the dict of what is loaded, for tests and for freeing memory.
    """
    lock = threading.RLock()
    signature = inspect.signature(loader)
    cache: dict[Any, T] = {}

    @wraps(loader)
    def wrapper(*args: Any, **kwargs: Any) -> T:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        key = tuple(bound.arguments.items())
        with lock:
            if key not in cache:
                with torch.inference_mode(False):  # else its parameters could never take part in a gradient
                    cache[key] = loader(*args, **kwargs)
            return cache[key]

    wrapper.cache = cache  # type: ignore[attr-defined]  # functions carry no declared attributes
    return wrapper
