"""Memory of the page: at rest, and after each demo has run once at its defaults: `python -m bench.memory`.

The page is started as people start it, in a process of its own, and asked over its public interface. What counts is its
resident memory; the share of files such as PyTorch's libraries, which the system may drop, is told beside it.

Measured on Linux, two cores with much else running, torch 2.11: 1,034 MB at rest, of which 282 are loaded ahead and 381
are files; all six demos add 89 MB.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 120
SETTLE_S = 2.0  # after an answer, until the page has tidied up
IDLE_SHARE = 0.05  # of a core: what the page takes while nobody asks for anything
HEADINGS = ("| after | MB | above rest | files, MB | s |", "|---|---:|---:|---:|---:|")

Ask = Callable[[], Any]


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process in MB: its own, and that of files which it has mapped."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kilobytes = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
    return int(kilobytes["RssAnon"]) / 1000, int(kilobytes["RssFile"]) / 1000


@contextmanager
def page() -> Iterator[tuple[int, str]]:
    """A page of its own on a free port: its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1"}
    process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_until_it_listens(process, port)
        yield process.pid, f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"The page did not start within {START_TIMEOUT_S} s.")


def wait_until_idle(pid: int) -> None:
    """Until the page has loaded ahead what first presses need."""
    end, before = time.monotonic() + START_TIMEOUT_S, cpu_s(pid)
    while time.monotonic() < end:
        time.sleep(SETTLE_S)
        now = cpu_s(pid)
        if now - before <= IDLE_SHARE * SETTLE_S + 1e-9:
            return
        before = now
    raise SystemExit(f"The page was still busy after {START_TIMEOUT_S} s.")


def cpu_s(pid: int) -> float:
    """Seconds of CPU time that a process has taken; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def demos(url: str, picture: Path, style: Path) -> dict[str, Ask]:
    """Each demo at its defaults, by its endpoint."""
    from gradio_client import Client, handle_file

    client = Client(url, verbose=False)
    image, reference = handle_file(picture), handle_file(style)
    given: dict[str, dict[str, Any]] = {
        "classify": {"image": image},
        "detect": {"image": image},
        "sample": {},
        "upscale": {"image": image},
        "dream": {"image": image},
        "stylize": {"content": image, "style": reference},
        "classify again": {"image": image},
    }

    def asking(name: str) -> Ask:
        return lambda: client.predict(**given[name], api_name=f"/{name.split()[0]}")

    return {name: asking(name) for name in given}


def measured(pid: int, asks: dict[str, Ask]) -> list[tuple[str, float, float, float]]:
    """At rest and after each demo: name, own memory and files in MB, seconds that the answer took."""
    wait_until_idle(pid)
    rows = [("at rest", *resident_mb(pid), 0.0)]
    for name, ask in asks.items():
        started = time.monotonic()
        ask()
        elapsed_s = time.monotonic() - started
        time.sleep(SETTLE_S)
        rows.append((name, *resident_mb(pid), elapsed_s))
    return rows


def table(rows: list[tuple[str, float, float, float]]) -> str:
    """Markdown: a row for each demo, in the order in which they ran."""
    rest = rows[0][1] + rows[0][2]
    lines = [
        f"| {name} | {own + files:.0f} | {own + files - rest:+.0f} | {files:.0f} | {elapsed_s:.1f} |"
        for name, own, files, elapsed_s in rows
    ]
    return "\n".join([*HEADINGS, *lines])


def main(argv: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__)
    parser.add_argument("--picture", type=Path, default=ROOT / "examples" / "chelsea.jpg")
    parser.add_argument("--style", type=Path, default=ROOT / "examples" / "styles" / "woodcut_waves.jpg")
    parser.add_argument("--only", nargs="*", help="names of demos; all are the default")
    args = parser.parse_args(argv)
    if not sys.platform.startswith("linux"):
        parser.error("memory is read from /proc, which Linux alone has")
    with page() as (pid, url):
        asks = demos(url, args.picture, args.style)
        print(table(measured(pid, {name: ask for name, ask in asks.items() if not args.only or name in args.only})))


if __name__ == "__main__":
    main()
