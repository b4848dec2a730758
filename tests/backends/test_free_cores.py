"""What other processes leave of the cores, by the system's own counts."""

import os
import time
from pathlib import Path

import pytest

from cvdemo.backends.free_cores import FreeCores

TICKS = os.sysconf("SC_CLK_TCK")


class Machine:
    """A file as /proc/stat, clocks, and the cores that this process may use."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, cores: set[int]) -> None:
        self.stat, self.clock, self.own = folder / "stat", 100.0, 0.0
        self.busy = dict.fromkeys(range(4), 0.0)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores)
        monkeypatch.setattr(time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(time, "process_time", lambda: self.own)
        self.write()

    def write(self) -> None:
        lines = ["cpu  99999 0 99999 1 1 0 0 0 0 0"]
        for core, seconds in self.busy.items():
            ticks = int(seconds * TICKS)
            lines.append(f"cpu{core} {ticks - ticks // 4} 0 {ticks // 4} 12345 6789 0 0 0 555 0")
        self.stat.write_text("\n".join([*lines, "intr 1 2 3", "ctxt 5"]), encoding="ascii")

    def passes(self, seconds: float, own: float, busy: dict[int, float]) -> None:
        self.clock += seconds
        self.own += own
        for core, more in busy.items():
            self.busy[core] += more
        self.write()


@pytest.mark.parametrize(
    ("own", "busy", "free"),
    [
        (0.0, {}, 2),
        (2.0, {0: 1.0, 1: 1.0}, 2),  # it is this process that is busy
        (0.0, {1: 1.0}, 1),
        (1.4, {0: 1.0, 1: 1.0}, 1),  # another one beside two spinning threads gets less than a core
        (0.2, {0: 1.0, 1: 1.0}, 1),  # never none
        (0.0, {0: 0.3}, 2),
        (0.0, {2: 1.0, 3: 1.0}, 2),  # cores that this process may not use anyway
    ],
)
def test_what_others_use_is_not_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: float, busy: dict[int, float], free: int
) -> None:
    machine = Machine(tmp_path, monkeypatch, {0, 1})
    cores = FreeCores(2, machine.stat)
    machine.passes(1.0, own, busy)
    cores.look()
    assert cores.free == free
    assert cores.busy_by_others == pytest.approx(max(0.0, busy.get(0, 0.0) + busy.get(1, 0.0) - own), abs=0.02)


def test_each_look_begins_at_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch, {0, 1})
    cores = FreeCores(2, machine.stat)
    for busy, free in (({0: 2.0}, 1), ({}, 2), ({1: 2.0}, 1)):
        machine.passes(2.0, 0.0, busy)
        cores.look()
        assert cores.free == free


def test_a_share_smaller_than_the_machine_is_full_while_the_rest_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container may use two cores' time on any of four."""
    machine = Machine(tmp_path, monkeypatch, {0, 1, 2, 3})
    cores = FreeCores(2, machine.stat)
    for busy, free in (({0: 1.0, 1: 1.0}, 2), ({0: 1.0, 1: 1.0, 2: 1.0}, 1)):
        machine.passes(1.0, 0.0, busy)
        cores.look()
        assert cores.free == free


@pytest.mark.parametrize("content", [None, "", "rubbish", "cpu0 a b c"])
def test_where_nothing_is_told_all_cores_are_free(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "stat").write_text(content, encoding="ascii")
    cores = FreeCores(3, tmp_path / "stat")
    cores.look()
    assert cores.free == 3


def test_it_looks_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    cores = FreeCores(2, tmp_path / "none", every_s=0.001)
    looks: list[float] = []
    cores.look = lambda: looks.append(time.monotonic())  # type: ignore[method-assign]  # counts them
    cores.start()
    cores.start()
    while len(looks) < 3:
        time.sleep(0.002)
    cores.stop()
    time.sleep(0.05)
    seen = len(looks)
    time.sleep(0.05)
    assert len(looks) == seen
