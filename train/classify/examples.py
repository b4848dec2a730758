"""Picture files with classes before they are trained on or measured: all readable, labels in the network's order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from train.classify.features import Examples, read_picture
from train.data.read_pictures import each_read
from train.engine.class_names import order_of
from train.engine.progress import Progress


def in_order(test: Examples, names: Sequence[str], whose: str) -> Examples:
    """The same pictures with labels in the order of `names`; see `order_of`."""
    order = torch.from_numpy(order_of(names, whose, test.class_names))
    return Examples(test.pictures, order[test.labels], list(names))


def try_all(pictures: Sequence[Path]) -> None:
    """Reads every file once, so that a bad one ends no training hours later.

    Raises:
        ValueError: some cannot be read.
    """
    progress = Progress(len(pictures))
    for done, _ in enumerate(each_read(pictures, read_picture), start=1):
        progress.update(done, "pictures tried")
    progress.close()
