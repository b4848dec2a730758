"""Words for a card that come from what was read and measured, where a recipe's own would be untrue.

A recipe names its data set with its numbers. Given other pictures, in number or in classes, the card must not repeat
that: it tells what was there instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from train.data.splits import Labels
from train.engine.checkpoint import BEST
from train.engine.class_names import shown

UNKNOWN_LICENCE = "that of the training pictures, which is not known here"

_COUNTED_CLASSES = 5  # up to so many are counted one by one


def checkpoint_words(state: dict[str, Any], file: str, readings: int) -> str:
    """Which checkpoint a measured network is from, and whether the run's test split had been read before."""
    chosen = "chosen by validation" if file == BEST else "not chosen"
    times = "once" if readings == 1 else f"{readings} times"
    read_before = f"; read {times} before for this run" if readings else ""
    return f"step {state['step']} of {state['config']['steps']}, {chosen}{read_before}"


def split_words(labels: Labels, class_names: Sequence[str], what: str) -> str:
    """A measured split in words: its number of pictures, by class where these are few, and what they are."""
    counted = f"{len(labels):,} {what}"
    if len(class_names) > _COUNTED_CLASSES:
        return counted
    each = [f"{int((labels == label).sum()):,} {name}" for label, name in enumerate(class_names)]
    return f"{counted} ({', '.join(each)})"


@dataclass(frozen=True)
class About:
    """What a card says of the data: which they are, the licence of the weights, and Markdown on what they make."""

    dataset: str
    licence: str
    notes: str


def own_classes(class_names: Sequence[str], counts: Mapping[str, int], input_px: int) -> About:
    """Of pictures with classes that no recipe names.

    Args:
        counts: pictures by what they were used for, as known.
        input_px: side of the square that the network sees.
    """
    parts = [f"{count:,} {use}" for use, count in counts.items()]
    dataset = f"pictures of one's own ({', '.join(parts)}) in {len(class_names)} classes: {shown(class_names)}"
    notes = (
        f"Names one of {len(class_names)} classes and nothing else. A picture is cropped to its central square and "
        f"brought to {input_px} px first."
    )
    return About(dataset, UNKNOWN_LICENCE, notes)
