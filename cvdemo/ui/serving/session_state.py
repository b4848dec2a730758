"""What sessions may hold together: some of them, and some bytes; the one unused for longest goes first.

Gradio keeps 10,000 sessions. Each copies the page's configuration, which is 0.5 MB, and keeps the values of `gr.State`,
among which Detect's picture with its scan is several: without a limit they would reach many gigabytes.
"""

import dataclasses
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gradio.state_holder import SessionState

from cvdemo.limits import STATE_BYTES


def size_of(value: Any) -> int:
    """The bytes of arrays, tensors and texts that a value holds, at any depth; other objects count little."""
    total, seen, todo = 0, set[int](), [value]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray | torch.Tensor):
            total += int(item.nbytes)
        elif isinstance(item, str | bytes | bytearray):
            total += len(item)
        elif isinstance(item, Mapping):
            todo.extend([*item.keys(), *item.values()])
        elif isinstance(item, list | tuple | set):
            todo.extend(item)
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            todo.extend(getattr(item, field.name) for field in dataclasses.fields(item))
        total += 64
    return total


class StateBudget:
    """Keeps the state of all sessions together within `max_bytes`."""

    def __init__(self, max_bytes: int = STATE_BYTES) -> None:
        self.max_bytes = max_bytes
        self._held: OrderedDict[int, tuple[weakref.ref[SessionState], int]] = OrderedDict()

    @property
    def used(self) -> int:
        return sum(size for reference, size in self._held.values() if reference() is not None)

    def note(self, session: SessionState) -> None:
        """Measures a session whose state has changed, as the newest; drops the oldest states that do not fit."""
        self._held.pop(id(session), None)
        for key in [key for key, (reference, _) in self._held.items() if reference() is None]:
            del self._held[key]
        self._held[id(session)] = (weakref.ref(session), size_of(list(session.state_data.values())))
        while self._held and self.used > self.max_bytes:
            _, (reference, _) = self._held.popitem(last=False)
            if (oldest := reference()) is not None:
                oldest.state_data.clear()
