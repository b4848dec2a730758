"""The benchmark of memory: what it reads, and its table."""

import os
import subprocess
import sys
import time

import pytest

from bench import memory

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


TAKES_MEMORY = """import os
print(1, flush=True)
input()
taken = bytearray(os.urandom(10**6)) * 100
print(2, flush=True)
input()"""


def test_memory_that_is_taken_is_seen() -> None:
    """By a process of its own: in this one other tests' memory is given back at any moment."""
    command = [sys.executable, "-c", TAKES_MEMORY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        before, _ = memory.resident_mb(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        after, files = memory.resident_mb(process.pid)
        process.kill()
    assert 90 < after - before < 120 and files > 1


def test_a_page_that_still_loads_ahead_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([5.0, 5.9, 6.4, 6.41])
    monkeypatch.setattr(memory, "cpu_s", lambda pid: next(told))
    monkeypatch.setattr(memory, "SETTLE_S", 0.2)  # of which it may take 0.01
    memory.wait_until_idle(1)
    assert list(told) == []


def test_the_cpu_time_of_a_process_is_read() -> None:
    before = memory.cpu_s(os.getpid())
    while time.process_time() < before + 0.1:
        pass
    assert memory.cpu_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


def test_rows_are_measured_in_order_against_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([(100.0, 50.0), (180.0, 60.0), (150.0, 60.0)])
    asked: list[str] = []
    monkeypatch.setattr(memory, "resident_mb", lambda pid: next(told))
    monkeypatch.setattr(memory, "SETTLE_S", 0)
    monkeypatch.setattr(memory, "wait_until_idle", lambda pid: None)
    rows = memory.measured(1, {name: lambda name=name: asked.append(name) for name in ("classify", "dream")})
    assert asked == ["classify", "dream"]
    lines = memory.table(rows).splitlines()
    assert lines[2:] == [
        "| at rest | 150 | +0 | 50 | 0.0 |",
        "| classify | 240 | +90 | 60 | 0.0 |",
        "| dream | 210 | +60 | 60 | 0.0 |",
    ]


@pytest.mark.slow
def test_a_page_is_started_asked_and_ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(memory, "SETTLE_S", 0.2)
    memory.main(["--only", "classify", "sample"])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| at rest", "| classify", "| sample"]
    assert 0 < float(rows[2].split(" | ")[2]) < 300
