"""Checkpoints that survive a crash while they are written, and one that was cut short."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import torch

State = dict[str, Any]

LAST = "last.pt"
PREVIOUS = "previous.pt"
BEST = "best.pt"


def save_atomically(state: State, target: Path) -> None:
    """Writes `state` so that `target` is at every moment the old file or the whole new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)


def save_last(state: State, folder: Path) -> None:
    """Writes `last.pt`; the one before it becomes `previous.pt`."""
    last = folder / LAST
    partial = folder / "next.pt"
    save_atomically(state, partial)
    if last.exists():
        last.replace(folder / PREVIOUS)
    partial.replace(last)


def load(path: Path) -> State:
    """The state in one file, on the CPU; only tensors and plain values are unpickled."""
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def load_last(folder: Path) -> State:
    """The newest readable checkpoint of a run; warns when that is not `last.pt`.

    Raises:
        FileNotFoundError: the run has no readable checkpoint.
    """
    problems = []
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            problems.append(f"{name}: missing")
            continue
        try:
            state = load(path)
        # a cut file is a RuntimeError, EOFError or UnpicklingError depending on where it was cut
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}")
            continue
        if problems:
            warnings.warn(f"resuming from {path} ({'; '.join(problems)})", stacklevel=2)
        return state
    raise FileNotFoundError(f"no readable checkpoint in {folder} ({'; '.join(problems)})")
