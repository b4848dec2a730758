"""Pages in processes of their own that start in a second: forked from one that holds all modules already.

Most of what `python app.py` takes until it answers is the import of torch and gradio, some four seconds of CPU time.
Here the standard library's fork server imports them once, and every page is a fork of it: its memory, signals,
environment, limits and streams are its own. The session's page (`running` in conftest.py) is still started by its
command.
"""

import functools
import io
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import resource_tracker
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from cvdemo.limits import LIMITS
from cvdemo.ui import page

ROOT = Path(__file__).resolve().parents[2]
READ_AT_IMPORT = {"CVDEMO_WEIGHTS", *(limit.variable for limit in LIMITS.values())}
PRELOADED = [__name__, "tests.ui.small_page", "cvdemo.nets.forward", "cvdemo.detect.sliding_window", "torchvision"]


def serve_at_once() -> None:
    """The page without what it does first by itself (`prepare`), which takes seconds of the tests' CPU time."""
    setattr(page, "prepare", lambda run: None)  # noqa: B010  # mypy: it is not ours
    page.main()


class PageProcess:
    """A function that serves a page, in a forked process; it is used as a `subprocess.Popen` is."""

    def __init__(
        self, log: Path, environment: Mapping[str, str], serve: Callable[..., None] = serve_at_once, *arguments: Any
    ) -> None:
        self._process = _context().Process(
            target=_serve, args=(str(log), dict(environment), serve, arguments), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 60) -> int:
        """Its exit code.

        Raises:
            TimeoutError: it has not ended in time.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout} s")
        return self._process.exitcode


def start_page(log: Path, environment: Mapping[str, str]) -> PageProcess | subprocess.Popen[bytes]:
    """The page, forked from a process that holds all modules; `python app.py` where modules read the environment."""
    if not any(environment[name] != os.environ.get(name) for name in READ_AT_IMPORT & set(environment)):
        return PageProcess(log, environment)
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=file, stderr=file)


@functools.cache
def _context() -> ForkServerContext:
    """The fork server, whose tracker does not warn of the locks that a page leaves which is killed."""
    with pytest.MonkeyPatch.context() as quiet:
        quiet.setenv("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
        resource_tracker.ensure_running()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _serve(log: str, environment: dict[str, str], serve: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """In the fork: the log in place of both streams, the environment, and then what a program would do."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(line_buffering=True)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    serve(*arguments)
