"""The pictures that classifiers on the backbone learn from: files with classes, of any size, read when wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cvdemo.weights import WEIGHTS_DIR
from train.data.data_set import DataSet
from train.data.read_pictures import Listing, Pictures, each_read, read_rgb
from train.engine.class_names import order_of
from train.engine.progress import Progress


@dataclass(frozen=True)
class TransferPictures:
    """Pictures with classes.

    Attributes:
        pictures: files, read when they are wanted; or (N, H, W, 3) uint8.
        labels: (N,) int64. class_names: by label.
    """

    pictures: Sequence[Path] | Pictures
    labels: Tensor
    class_names: list[str]

    def in_order(self, names: Sequence[str], whose: str) -> TransferPictures:
        """The same pictures with labels in the order of `names`; see `order_of`."""
        order = torch.from_numpy(order_of(names, whose, self.class_names))
        return TransferPictures(self.pictures, order[self.labels], list(names))


@dataclass(frozen=True, kw_only=True)
class TransferData(DataSet):
    """A data set of picture files.

    Attributes:
        name, licence, where, official: see `DataSet`.
        read: the folder given with --data and "train", "validation" or "test" -> files.
        labels: file in weights/labels. classes: K.
        test_split: what "test" is, in words without its number.
        total: pictures of the three splits as published; others are told as one's own. 0: any number.
        ten_crop: whether the accuracy with ten crops is measured too, which doubles the time.
    """

    read: Callable[[Path, str], Listing]
    labels: str
    classes: int
    test_split: str
    ten_crop: bool
    total: int = 0

    def examples(self, data: Path, split: str, names: Sequence[str] = (), whose: str = "") -> TransferPictures:
        """The files of a split, with labels in the order of `names` where these are given; see `order_of`."""
        files, labels, class_names = self.listing(data, split, names, whose)
        return TransferPictures(files, torch.from_numpy(labels), class_names)

    def listing(self, data: Path, split: str, names: Sequence[str] = (), whose: str = "") -> Listing:
        """As `examples`, as a listing."""
        files, labels, class_names = self.read(data, split)
        if not names:
            return Listing(files, labels, class_names)
        return Listing(files, order_of(names, whose, class_names)[labels], list(names))

    def is_own(self, class_names: Sequence[str], total: int | None = None) -> bool:
        """Whether pictures are others than those of the data set, by their classes and their number if it is known."""
        known = WEIGHTS_DIR / "labels" / self.labels
        if known.exists() and list(class_names) != known.read_text(encoding="utf-8").splitlines():
            return True
        return bool(self.total) and total not in (None, self.total)


def read_picture(source: Path | Pictures) -> Pictures:
    """(H, W, 3) uint8 of a picture file, or of a picture itself."""
    return read_rgb(source) if isinstance(source, Path) else source


def try_all_files(pictures: Sequence[Path]) -> None:
    """Reads every file once, so that a bad one ends no training hours later.

    Raises:
        ValueError: some cannot be read.
    """
    progress = Progress(len(pictures))
    for done, _ in enumerate(each_read(pictures, read_picture), start=1):
        progress.update(done, "pictures tried")
    progress.close()


def noise_pictures(class_names: Sequence[str], size_px: int, count: int, seed: int) -> TransferPictures:
    """Noise pictures of every class in turn, for --dry-run."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, size_px, size_px, 3), dtype=np.uint8)
    return TransferPictures(pictures, torch.arange(count) % len(class_names), list(class_names))
