"""A progress bar on a terminal, one line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import TextIO

_BAR_CELLS = 30
_LINE_SECONDS = 30.0


class Progress:
    """Shows how far a run is; call `update` as often as you like.

    Args:
        total: what counts as done.
        start: where this run begins, for the time estimate.
        stream: a bar is redrawn on it if it is a terminal, else a line is written every 30 s.
    """

    def __init__(self, total: int, *, start: int = 0, stream: TextIO | None = None) -> None:
        self.total = total
        self.start = start
        self.stream = sys.stderr if stream is None else stream
        self.began = time.monotonic()
        self.shown = -_LINE_SECONDS
        self.open_line = False

    def update(self, done: int, note: str = "") -> None:
        """Shows that `done` of the total are done, unless that was shown a moment ago."""
        now = time.monotonic()
        on_terminal = self.stream.isatty()
        if done < self.total and now - self.shown < (0.1 if on_terminal else _LINE_SECONDS):
            return
        self.shown = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        left_s = (self.total - done) / rate if rate > 0 else math.nan
        text = f"{done}/{self.total} {rate:.2f}/s, {duration(left_s)} left  {note}".rstrip()
        if on_terminal:
            filled = _BAR_CELLS * done // max(self.total, 1)
            self.stream.write(f"\r[{'#' * filled}{'.' * (_BAR_CELLS - filled)}] {text}\x1b[K")
            self.open_line = True
            if done >= self.total:
                self.close()
        else:
            self.stream.write(text + "\n")
        self.stream.flush()

    def say(self, text: str) -> None:
        """Writes a line of its own, above the bar."""
        self.stream.write(f"\r{text}\x1b[K\n" if self.open_line else f"{text}\n")
        self.open_line = False
        self.stream.flush()

    def counter(self, note: str) -> Callable[[int], None]:
        """`update` with a fixed note, as those that pack pictures call it."""
        return lambda done: self.update(done, note)

    def close(self) -> None:
        """Ends the bar's line."""
        if self.open_line:
            self.stream.write("\n")
            self.open_line = False
            self.stream.flush()


def duration(seconds: float) -> str:
    """A time span in words: 40 s, 12 min, 3 h 05 min; a question mark while it is not known."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
