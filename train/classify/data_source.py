"""Where a classification recipe's pictures come from: the data set, how its splits are read, and what may differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from cvdemo.weights import WEIGHTS_DIR
from train.classify.classifier_task import Normalisation
from train.data.data_set import DataSet
from train.data.datasets import LabelledPictures, PictureFolder, read_pictures_of
from train.publishing.recipe import Context

Split = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class Source(DataSet):
    """A data set of pictures of one size.

    Attributes:
        name, licence, where, official: see `DataSet`.
        read: the folder given with --data and "train" or "test" -> pictures.
        folder: likewise -> the picture files of a split, before any is read; None where it has no files. Classes and
            settings are then checked before they are packed, and --resize acts.
        labels: file in weights/labels.
        size_px, channels: of a picture; num_classes: K, of the data set as published; others may have more or fewer.
        normalisation: of its pixels.
        test_split: what "test" is, in words without their number.
        counts: pictures of "train" and "test" as published; pictures of other numbers are told as one's own.
        dark_ground: whether things are bright on black, so that other pictures must be inverted for the network.
    """

    read: Callable[[Path, Split], LabelledPictures]
    folder: Callable[[Path, Split], PictureFolder | None] | None = None
    labels: str
    size_px: int
    num_classes: int
    normalisation: Normalisation
    test_split: str
    channels: int = 3
    dark_ground: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)

    def found(self, data: Path, split: Split) -> PictureFolder | None:
        """The picture files of a split; None where it is not made of files."""
        return self.folder(data, split) if self.folder else None

    def pictures(self, split: Split, context: Context) -> LabelledPictures:
        """The pictures of a split.

        Raises:
            ValueError: no data, or pictures of another size than the recipe's.
        """
        if context.data is None:
            raise ValueError("accuracy needs the test pictures: give --data")
        found = self.found(context.data, split)
        if found:
            data = read_pictures_of(found, self.size_px, resize=context.resize, cache=context.cache)
        else:
            data = self.read(context.data, split)
        height, width, channels = data.pictures.shape[1:]
        if (height, width) != (self.size_px, self.size_px):
            hint = ": give --resize" if self.folder and not context.resize else ""
            raise ValueError(f"the pictures are {width} x {height} px, the recipe takes {self.size_px} px{hint}")
        if channels != self.channels:
            raise ValueError(f"the pictures have {channels} channels, the recipe takes {self.channels}")
        return data

    def is_own(self, class_names: Sequence[str], counts: Mapping[str, int]) -> bool:
        """Whether pictures are others than those of the data set, by their classes and known numbers."""
        known = WEIGHTS_DIR / "labels" / self.labels
        if known.exists() and list(class_names) != known.read_text(encoding="utf-8").splitlines():
            return True
        return any(self.counts[split] != count for split, count in counts.items() if split in self.counts)

    def generated(self, count: int, seed: int) -> LabelledPictures:
        """Noise pictures of every class, for --dry-run."""
        rng = np.random.default_rng(seed)
        pictures = rng.integers(0, 256, (count, self.size_px, self.size_px, self.channels), dtype=np.uint8)
        names = [f"class {i}" for i in range(self.num_classes)]
        return LabelledPictures(pictures, np.arange(count, dtype=np.int64) % self.num_classes, names)
