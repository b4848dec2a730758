"""Learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

ScheduleName = Literal["constant", "linear", "step", "polynomial", "cosine", "one-cycle"]


def lr_factor(schedule: ScheduleName, step: int, steps: int, warmup_fraction: float = 0.0) -> float:
    """Multiplier of the learning rate at `step` of `steps`, in [0, 1].

    A linear warm-up from zero comes first; the schedule runs over what is left. "step" divides by ten at one half and
    three quarters, "polynomial" falls with the square root, "one-cycle" brings its own warm-up of 30 %.
    """
    if schedule == "one-cycle":
        warmup_fraction = warmup_fraction or 0.3
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return _SHAPES[schedule](done)


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


_SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    "polynomial": lambda done: (1 - done) ** 0.5,
    "cosine": _cosine,
    "one-cycle": _cosine,
}
