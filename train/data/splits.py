"""Pictures with classes in memory: how they are split, weighed, and how the test pictures are kept for the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from train.engine.class_names import order_of

READINGS = "test_readings.jsonl"  # in a run's folder: what its test split was read for

Labels = npt.NDArray[np.int64]

T = TypeVar("T")


class PictureSet(Protocol):
    """Pictures of one size with their classes, in memory (`LabelledPictures`) or in a file (`Hdf5Dataset`)."""

    @property
    def labels(self) -> Labels:
        """(N,), indices into `class_names`."""

    @property
    def class_names(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def read(self, indices: Labels | None = None) -> npt.NDArray[Any]:
        """uint8 (n, H, W, C) of these indices, in this order; of all without."""

    def batches(self, size: int) -> Iterator[tuple[npt.NDArray[Any], Labels]]:
        """All pictures in order, (n, H, W, C), with their labels; the last batch may be smaller."""


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures of one size with their classes.

    Attributes:
        pictures: (N, H, W, C) uint8; RGB, or one grey channel.
        labels: (N,) int64, indices into `class_names`.
    """

    pictures: npt.NDArray[np.uint8]
    labels: Labels
    class_names: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.labels):
            raise ValueError(f"{len(self.pictures)} pictures, {len(self.labels)} labels")

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, indices: Labels | None = None) -> npt.NDArray[np.uint8]:
        """The pictures at these indices, in this order; all of them without."""
        return self.pictures if indices is None else self.pictures[indices]

    def batches(self, size: int) -> Iterator[tuple[npt.NDArray[np.uint8], Labels]]:
        """All pictures in order with their labels; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.pictures[start : start + size], self.labels[start : start + size]

    def take(self, indices: Labels) -> LabelledPictures:
        """The pictures at these indices, in this order."""
        return LabelledPictures(self.pictures[indices], self.labels[indices], self.class_names)

    def in_order(self, wanted: Sequence[str], whose: str) -> LabelledPictures:
        """The same pictures with labels in the order of `wanted`; see `order_of`."""
        return LabelledPictures(self.pictures, order_of(wanted, whose, self.class_names)[self.labels], list(wanted))


def stratified_split(labels: Labels, counts: Sequence[int], seed: int) -> list[Labels]:
    """Index arrays, ascending, of `counts[i]` samples each, without overlap; what is over belongs to none.

    Each part holds every class in its share of the whole, to within one sample: the samples of a class are shuffled
    and spread evenly over [0, 1), and the parts are cut from the line on which all classes then lie mixed.

    Args:
        labels: (N,).
        counts: size of each part.

    Raises:
        ValueError: a count is negative, or together they are more than there are.
    """
    if min(counts, default=0) < 0 or sum(counts) > len(labels):
        raise ValueError(f"cannot take {list(counts)} of {len(labels)} samples")
    random = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    order = np.lexsort((random.random(len(labels)), place))  # equal places in random order
    ends = np.cumsum([0, *counts])
    return [np.sort(order[start:end]) for start, end in pairwise(ends)]


def hold_out_last(labels: Labels, per_class: int) -> tuple[Labels, Labels]:
    """Indices, ascending, of all but the last `per_class` samples of each class, and of those last.

    With samples in the order of their file names this is the same on every machine, without a seed.

    Raises:
        ValueError: a class has not more than `per_class` samples.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    if per_class < 0 or (len(sizes) and sizes.min() <= per_class):
        raise ValueError(f"cannot hold {per_class} samples out of a class of {sizes.min()}")
    held = np.zeros(len(labels), bool)
    for label in classes:
        members = np.flatnonzero(labels == label)
        held[members[len(members) - per_class :]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def class_weights(labels: Labels, num_classes: int) -> npt.NDArray[np.float32]:
    """Weights (num_classes,) for a loss on unbalanced classes: one over the class's frequency.

    Their mean over the samples is 1, so the loss, and with it the step, is as large as without them.

    Raises:
        ValueError: a class has no samples.
    """
    sizes = np.bincount(labels, minlength=num_classes)
    if len(sizes) > num_classes or not sizes.all():
        raise ValueError(f"need samples of the {num_classes} classes and no other, got {sizes.tolist()}")
    weights: npt.NDArray[np.float32] = (len(labels) / (num_classes * sizes)).astype(np.float32)
    return weights


class SealedSplit(Generic[T]):
    """The test pictures, which are read once, at the end, when nothing can be chosen by them any more.

    Args:
        load: reads them; called by `read` only.
        *records: JSON-lines files to which each reading is added, so that those of earlier runs are known too.
    """

    def __init__(self, load: Callable[[], T], *records: Path) -> None:
        self._load, self._records = load, records
        self._opened_for = ""

    @property
    def readings(self) -> int:
        """How many readings the records hold."""
        found = [record for record in self._records if record.exists()]
        return sum(len(record.read_text(encoding="utf-8").splitlines()) for record in found)

    def read(self, purpose: str) -> T:
        """What `load` returns; the purpose and the time go into the records.

        Raises:
            RuntimeError: this object was read before.
        """
        if self._opened_for:
            raise RuntimeError(
                f"the test split was read for {self._opened_for!r}; it is read once, not for {purpose!r}"
            )
        loaded = self._load()  # where nothing can be loaded, nothing was read
        self._opened_for = purpose
        line = {"purpose": purpose, "time": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        for record in self._records:
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        return loaded
