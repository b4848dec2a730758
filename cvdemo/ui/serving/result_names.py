"""Names of result files that say what they are: cheetah_dream.png, not image.png.

Gradio names every picture that a handler returns as an array "image". A job begins with its values and ends with its
results in one task of the event loop, so that a context variable carries the name from the one to the other.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gradio.block_function import BlockFunction

STEM_BYTES = 120  # of the picture's own name; file systems take 255 in all
GRADIOS = "image"  # what gradio calls every picture


@dataclass
class _Names:
    """The name of a job's pictures, and how many its last output has so far."""

    base: str
    used: int = 0


_current: ContextVar[_Names | None] = ContextVar("names_of_results", default=None)


def name_results(function: BlockFunction, values: Sequence[Any]) -> None:
    """From now on pictures of this task are named after what the job does, and after the first picture it was sent."""
    _current.set(_Names("_".join(filter(None, [_stem(values), _work(function)]))))


def start_output() -> None:
    """The next picture is the first of an output."""
    if (names := _current.get()) is not None:
        names.used = 0


def result_name(name: str = GRADIOS) -> str:
    """The name of the next picture, without its ending; another name than gradio's stays."""
    names = _current.get()
    if names is None or name != GRADIOS:
        return name
    names.used += 1
    return names.base if names.used == 1 else f"{names.base}_{names.used}"


def are_pictures(value: Any) -> bool:
    """Whether a gallery's value is a list of arrays, which gradio would name in threads that know no context."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, np.ndarray) for item in value)


def _work(function: BlockFunction) -> str:
    """What a job does: the name of its endpoint, or of the tab that shows its first output."""
    if isinstance(function.api_name, str) and function.api_visibility == "public":
        return function.api_name
    shown = getattr(function.outputs[0], "elem_id", None) if function.outputs else None
    return str(shown).split("-")[0] if shown else GRADIOS


def _stem(values: Sequence[Any]) -> str:
    for value in values:
        if isinstance(value, Mapping) and isinstance(value.get("path"), str):
            return Path(value["path"]).stem.encode()[:STEM_BYTES].decode(errors="ignore")
    return ""
