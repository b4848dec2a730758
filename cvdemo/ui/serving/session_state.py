"""What sessions may hold together: some of them, and some bytes; the one unused for longest goes first.

Gradio keeps 10,000 sessions. Each holds a list of the page's fields and the values of `gr.State`, among which Detect's
picture with its scan is several megabytes: without a limit they would reach many gigabytes.
"""

import dataclasses
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gradio import route_utils, state_holder
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


class PageSession(SessionState):
    """A session without the page's configuration, which gradio writes anew for each visitor and call of a program.

    Only gradio's deep links read it, which this page does not serve. For its 540 fields that takes 43 ms of one core,
    in which the page answers nobody, and 0.9 MB as long as the session is kept. Without it: 0.04 ms and 0.03 MB.
    """

    def __init__(self, blocks: Any) -> None:
        no_fields: Any = SimpleNamespace(default_config=blocks.default_config, blocks=())
        super().__init__(no_fields)

    def _update_config(self, key: int) -> None:
        """Nothing: there is no configuration to follow."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing: the value is kept by who sent or made it."""


def use_page_sessions() -> None:
    """Makes gradio keep `PageSession`s from now on."""
    for module in (state_holder, route_utils):
        setattr(module, SessionState.__name__, PageSession)


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
