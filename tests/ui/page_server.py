"""Starts the page, or a small one, in a process of its own for as long as a `with` block lasts."""

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ui import small_page
from tests.ui.api_caller import Caller
from tests.ui.forked_pages import PageProcess, start_page

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180
RESTING_CPU_S = 0.15  # in a second, of a page at which nothing runs; its loops look for work a thousand times


@dataclass(frozen=True)
class Server:
    """A page that runs in a process of its own.

    `start_s`, `start_cpu_s`: from the command to the first answer, by the clock and in CPU time. `load_before`: mean
    number of other busy processes in the minute before. `pid`: of the process.
    """

    url: str
    start_s: float
    start_cpu_s: float
    load_before: float
    pid: int


def cpu_seconds(pid: int) -> float:
    """User and system time of a running process."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def computed_for(pid: int, seconds: float, limit_s: float = 60.0) -> bool:
    """Waits until a process has used so much CPU time from now on."""
    before, end = cpu_seconds(pid), time.monotonic() + limit_s
    while time.monotonic() < end:
        if cpu_seconds(pid) - before >= seconds:
            return True
        time.sleep(0.1)
    return False


def rests(pid: int, limit_s: float) -> bool:
    """Waits until a process has used hardly any CPU time for a second."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(1)
        if cpu_seconds(pid) - before < RESTING_CPU_S:
            return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes] | PageProcess) -> float:
    started = time.monotonic()
    while time.monotonic() - started < START_LIMIT_S:
        if process.poll() is not None:
            raise RuntimeError(f"the page ended with code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return time.monotonic() - started
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_LIMIT_S} s")


@contextmanager
def serve(folder: Path, command: list[str] | None = None, **variables: str) -> Iterator[Server]:
    """The page with its files in `folder` and these variables in its environment, until the block ends.

    With `command` it is started by that.
    """
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "GRADIO_TEMP_DIR": str(folder / "files")}
    environment |= variables
    load_before = os.getloadavg()[0]
    with (folder / "log.txt").open("wb") as log:
        process: PageProcess | subprocess.Popen[bytes]
        if command is None:
            process = start_page(folder / "log.txt", environment)
        else:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            start_s = wait_until_it_answers(url, process)
            yield Server(url, start_s, cpu_seconds(process.pid), load_before, process.pid)
        finally:
            process.terminate()
            process.wait(timeout=20)
    print((folder / "log.txt").read_text(encoding="utf-8")[-4000:])


@contextmanager
def serve_small(
    folder: Path, limits: dict[str, float], max_files: int | None = None, **variables: str
) -> Iterator[Caller]:
    """A client of `tests.ui.small_page` in a process of its own, with these limits in the place of the page's."""
    port = free_port()
    environment = {**os.environ, **variables}
    process = PageProcess(folder / "log.txt", environment, small_page.main, port, limits, max_files)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        with Caller(f"http://127.0.0.1:{port}", folder / "log.txt") as caller:
            yield caller
    finally:
        process.kill()
        process.wait()
