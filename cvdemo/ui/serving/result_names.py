"""Names of result files that say what they are: dream-peacock-cheetah.png, not image.png.

A name is made of words of the page and of the names of the pictures sent, see `file_stem`. Files that handlers write
have it from the start. Gradio names every picture that a handler returns as an array "image": such a handler says what
its results are with `call_results`. A job begins with its values and ends with its results in one task of the event
loop, and its handler runs in a copy of that task's context, so that a context variable leads from the one to the other.
"""

import re
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gradio.block_function import BlockFunction

STEM_BYTES = 120  # of a part that may be of any length; file systems take 255 in all
GRADIOS = "image"  # what gradio calls every picture
_KIND = "kind_of_file"  # set on a field for results, see `tell_apart`


@dataclass
class _Names:
    """The name of a job's pictures, and how many its last output has so far."""

    base: str
    used: int = 0


_current: ContextVar[_Names | None] = ContextVar("names_of_results", default=None)


def file_stem(*parts: str) -> str:
    """The name of a file without its ending: what it is, of what, from `in_file_name` and `stem_of`, with hyphens."""
    return "-".join(filter(None, parts))


def in_file_name(words: str) -> str:
    """Words of the page as a part of a name: "Any of 1,000 things: which and where" is "any-of-1000-things"."""
    short = words.partition(":")[0].removesuffix(", to compare").lower()
    return re.sub(r"\W+", "-", re.sub(r"(?<=\d),(?=\d)|['’]", "", short)).strip("-")


def stem_of(path: str | None, otherwise: str = "picture") -> str:
    """The name of a file that was sent, without its ending; long ones are cut."""
    return otherwise if path is None else shortened(Path(path).stem)


def shortened(part: str) -> str:
    """A part of a name, cut where it is long."""
    return part.encode()[:STEM_BYTES].decode(errors="ignore")


def call_results(*parts: str) -> None:
    """From now on the arrays that this job returns as pictures are named so; nothing happens outside of a job."""
    if (names := _current.get()) is not None:
        names.base = file_stem(*parts)


def name_results(function: BlockFunction, values: Sequence[Any]) -> None:
    """Until the handler says better, pictures of this task are named after the job and the first picture sent."""
    _current.set(_Names(file_stem(in_file_name(_work(function).replace("_", " ")), _stem(values))))


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
    return file_stem(names.base, str(names.used) if names.used > 1 else "")


def tell_apart(field: Any, kind: str) -> None:
    """The pictures of this field for results have this word at the end of their names, beside those of other fields."""
    setattr(field, _KIND, kind)


def names_for(field: Any, pictures: int) -> list[str]:
    """The names of all pictures of a field, without their ending; several are numbered from 1."""
    names = _current.get()
    base = file_stem(GRADIOS if names is None else names.base, getattr(field, _KIND, ""))
    return [base] if pictures == 1 else [numbered(base, number) for number in range(1, pictures + 1)]


def numbered(stem: str, number: int) -> str:
    """The name of one of several, counted from 1."""
    return file_stem(stem, f"no-{number:02d}")


def are_pictures(value: Any) -> bool:
    """Whether a gallery's value is a list of arrays, which gradio would name in threads that know no context."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, np.ndarray) for item in value)


def is_told_apart(field: Any) -> bool:
    """Whether `tell_apart` was asked for it."""
    return hasattr(field, _KIND)


def _work(function: BlockFunction) -> str:
    """What a job does: the name of its endpoint, or of the tab that shows its first output."""
    if isinstance(function.api_name, str) and function.api_visibility == "public":
        return function.api_name
    shown = getattr(function.outputs[0], "elem_id", None) if function.outputs else None
    return str(shown).split("-")[0] if shown else GRADIOS


def _stem(values: Sequence[Any]) -> str:
    sent = (value["path"] for value in values if isinstance(value, Mapping) and isinstance(value.get("path"), str))
    return stem_of(next(sent, None), "")
