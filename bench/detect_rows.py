"""What the parts of `bench.detect` share: a line of the table, and how answers are timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cvdemo.images import ImageArray
from train.detect.average_precision import Found

COMPARED_WH = (640, 480)  # of the picture on which all windows at once are held against one crop at a time

Finder = Callable[[ImageArray], Found]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: is measured. values: by name, for --json. words: the same for people.
        target: of this project. beside: what others reach, measured in this run unless it says otherwise.
    """

    what: str
    values: Mapping[str, Any]
    words: str
    target: str
    beside: str


@dataclass(frozen=True)
class Timed:
    """Answers to pictures, and milliseconds that each took: on the clock and of CPU."""

    found: list[Found]
    clock_ms: list[float]
    cpu_ms: list[float]

    def add(self, found: Found, clock_ms: float, cpu_ms: float) -> None:
        """One more answer with its time."""
        self.found.append(found)
        self.clock_ms.append(clock_ms)
        self.cpu_ms.append(cpu_ms)

    @property
    def mean_ms(self) -> dict[str, float]:
        """Means a picture."""
        return {"ms": statistics.fmean(self.clock_ms), "cpu_ms": statistics.fmean(self.cpu_ms)}


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What the work gives, and its milliseconds on the clock and of CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    value = work()
    return value, 1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu)


def plain(value: float) -> str:
    """The number with one digit that counts, written out: 0.5, 0.00000009."""
    return np.format_float_positional(float(f"{value:.0e}"), trim="-")


def smooth_noise(size_wh: tuple[int, int]) -> ImageArray:
    """uint8 (H, W, 3); what is on a picture does not change the time of a network."""
    width, height = size_wh
    coarse = np.random.default_rng(0).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
