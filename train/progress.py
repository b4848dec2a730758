"""A progress bar on a terminal, one line now and then elsewhere."""

from __future__ import annotations

import sys
import time
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

    def __init__(self, total: int, *, start: int = 0, stream: TextIO = sys.stderr) -> None:
        self.total = total
        self.start = start
        self.stream = stream
        self.began = time.monotonic()
        self.shown = -_LINE_SECONDS

    def update(self, done: int, note: str = "") -> None:
        now = time.monotonic()
        on_terminal = self.stream.isatty()
        if done < self.total and now - self.shown < (0.1 if on_terminal else _LINE_SECONDS):
            return
        self.shown = now
        rate = (done - self.start) / max(now - self.began, 1e-9)
        left_s = (self.total - done) / rate if rate > 0 else float("nan")
        text = f"{done}/{self.total} {rate:.2f}/s, {left_s / 60:.1f} min left  {note}"
        if on_terminal:
            filled = _BAR_CELLS * done // max(self.total, 1)
            self.stream.write(f"\r[{'#' * filled}{'.' * (_BAR_CELLS - filled)}] {text}\x1b[K")
            if done >= self.total:
                self.stream.write("\n")
        else:
            self.stream.write(text + "\n")
        self.stream.flush()
