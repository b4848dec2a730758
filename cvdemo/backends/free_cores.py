"""How many of the cores that this process may use other processes leave free.

Linux tells the busy time of each core; what this process has not used of it, others have. Elsewhere all cores count as
free.
"""

import os
import threading
import time
from pathlib import Path

from cvdemo.runtime import usable_cores

STAT = Path("/proc/stat")
LOOK_EVERY_S = 0.5  # how long a job may go on with a thread too many; the times are in hundredths of a second


class FreeCores:
    """Looks twice a second, in a thread of its own, from `start` to `stop`.

    Args:
        cores: that jobs may use; None is all of this process.
        stat: the file with the times of each core.
        every_s: seconds between two looks.
    """

    def __init__(self, cores: int | None = None, stat: Path = STAT, every_s: float = LOOK_EVERY_S) -> None:
        self.cores = usable_cores() if cores is None else cores
        self.free = self.cores  # at least 1
        self.busy_by_others = 0.0  # mean number of cores since the last look
        self._stat, self._every_s = stat, every_s
        self._before = self._times()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to look, if it has not begun."""
        if self._thread is None:
            self._before = self._times()
            self._thread = threading.Thread(target=self._watch, name="free-cores", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Looks no more."""
        self._over.set()

    def _watch(self) -> None:
        while not self._over.wait(self._every_s):
            self.look()

    def look(self) -> None:
        """Counts from the last look until now."""
        now, before = self._times(), self._before
        if now is None or before is None or now[0] <= before[0]:
            return
        elapsed, busy, own = (after - earlier for after, earlier in zip(now, before, strict=True))
        self.busy_by_others = max(0.0, (busy - own) / elapsed)
        self.free = max(1, min(self.cores, round(_allowed() - self.busy_by_others)))
        self._before = now

    def _times(self) -> tuple[float, float, float] | None:
        """The clock, busy seconds of the allowed cores, those of this process; None where the system does not tell."""
        try:
            cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
            lines = self._stat.read_text(encoding="ascii").splitlines()
            ticks = [_busy_ticks(line) for line in lines if line.split(" ", 1)[0] in cores]
            busy_s = sum(ticks) / os.sysconf("SC_CLK_TCK")
            return (time.monotonic(), busy_s, time.process_time()) if ticks else None
        except (OSError, ValueError, IndexError, AttributeError):  # the last: no affinity outside Linux
            return None


def _busy_ticks(line: str) -> int:
    """All but idle (4th) and waiting for a disk (5th); guests (9th, 10th) count as user already. See proc(5)."""
    times = [int(word) for word in line.split()[1:9]]
    return sum(times) - times[3] - times[4]


def _allowed() -> int:
    """How many cores `_times` sums over; a container's share may be less."""
    return len(os.sched_getaffinity(0))
