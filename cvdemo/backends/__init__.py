"""Where requests run: `CVDEMO_BACKEND` chooses. "local" is this process, "ray" is Ray Serve.

All of them take the same requests and give the same steps. `cvdemo.demos.run` is the plain way, in the calling thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from cvdemo.demo import Lane, Request, Step
from cvdemo.errors import InputError, brief
from cvdemo.runtime import load_once

VARIABLE = "CVDEMO_BACKEND"


class Backend(Protocol):
    """What runs requests."""

    def run(self, request: Request) -> Iterator[Step[Any]]:
        """The steps of a request; those with a `position` come while it waits for its turn.

        Raises:
            BusyError: too many wait already.
            LeftError: nobody waits for it any more, and it had not begun.
            DemoError: what the visitor can mend; see `cvdemo.errors`.
        """
        ...

    def at_once(self, lane: Lane) -> int:
        """How many jobs of a lane run at the same time."""
        ...


def _local() -> Backend:
    from cvdemo.backends.local import LocalBackend

    return LocalBackend()


def _ray() -> Backend:
    try:
        from cvdemo.backends.ray import RayBackend
    except ModuleNotFoundError as error:
        raise InputError("Ray is not installed: pip install '.[ray]', or leave CVDEMO_BACKEND out.") from error
    return RayBackend()


BACKENDS: Mapping[str, Callable[[], Backend]] = {"local": _local, "ray": _ray}


def backend() -> Backend:
    """The chosen one, made once.

    Raises:
        InputError: there is none of that name.
    """
    name = os.environ.get(VARIABLE) or "local"
    if name not in BACKENDS:
        raise InputError(f"{VARIABLE} has to be one of {', '.join(BACKENDS)}; it is {brief(name)}.")
    return _made(name)


@load_once
def _made(name: str) -> Backend:
    return BACKENDS[name]()


def run(request: Request) -> Iterator[Step[Any]]:
    """The steps of any demo's request, wherever the chosen backend runs it; see `Backend.run`."""
    yield from backend().run(request)
