"""Checkpoints that survive a kill at any moment, and one that was cut short.

A file is written whole under another name, flushed to the disk, then renamed. `next.pt` is there only between two
renames of `save_last`, and is then the newest.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import torch

from train.engine.writing import as_bytes, write_whole

State = dict[str, Any]

LAST = "last.pt"
PREVIOUS = "previous.pt"
BEST = "best.pt"
NEXT = "next.pt"


def save_atomically(state: State, target: Path) -> None:
    """Writes `state` so that `target` is at every moment the old file or the whole new one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, as_bytes(state))
    _flush_names(target.parent)


def save_last(state: State, folder: Path) -> None:
    """Writes `last.pt`; the one before it becomes `previous.pt`."""
    save_atomically(state, folder / NEXT)
    settle(folder)


def settle(folder: Path) -> None:
    """Makes `next.pt`, where there is one, `last.pt`: what a kill between the two renames left undone."""
    if (folder / NEXT).exists():
        if (folder / LAST).exists():
            (folder / LAST).replace(folder / PREVIOUS)
        (folder / NEXT).replace(folder / LAST)
        _flush_names(folder)


def _flush_names(folder: Path) -> None:
    """Has the renames in a folder survive a power failure; Windows has no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(path: Path) -> State:
    """The state in one file, on the CPU; only tensors and plain values are unpickled."""
    state: State = torch.load(path, map_location="cpu", weights_only=True)
    return state


def has_checkpoint(folder: Path) -> bool:
    """Whether a run was saved in this folder."""
    return any((folder / name).exists() for name in (NEXT, LAST, PREVIOUS))


def load_last(folder: Path) -> State:
    """The newest readable checkpoint of a run; warns when a newer one cannot be read.

    Raises:
        FileNotFoundError: the run has no readable checkpoint.
    """
    problems = []
    for name in (NEXT, LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            if name != NEXT:
                problems.append(f"{name}: missing")
            continue
        try:
            state = load(path)
        # a cut file is a RuntimeError, EOFError or UnpicklingError depending on where it was cut
        except Exception as error:
            problems.append(f"{name}: {type(error).__name__}")
            continue
        if problems:
            warnings.warn(f"the newest readable checkpoint is {path} ({'; '.join(problems)})", stacklevel=2)
        return state
    raise FileNotFoundError(f"no readable checkpoint in {folder} ({'; '.join(problems)})")


def hours_of(run: Path) -> float:
    """How many hours a run has been training in all, to two digits.

    Raises:
        FileNotFoundError: it has no readable checkpoint.
    """
    return round(float(load_last(run)["seconds"]) / 3600, 2)
