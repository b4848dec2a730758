"""The data sets of the classification recipes, as their makers publish them, read into memory.

Each reader takes the folder given with `--data` and names what is missing from it. Class folders are packed into an
HDF5 file beside them on the first reading, where that can be written, and again when they change.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from torchvision.datasets import CIFAR10

from train.files import Listing, class_files
from train.hdf5 import load_labelled
from train.labelled import READINGS, Labelled, Labels, SealedSplit, class_weights, hold_out_last, stratified_split
from train.packing import packed_listing, read_list
from train.progress import Progress

__all__ = [
    "CATS_DOGS_COUNTS",
    "FASHION_CLASSES",
    "READINGS",
    "Labelled",
    "SealedSplit",
    "cats_dogs_split",
    "class_files",
    "class_weights",
    "hold_out_last",
    "read_cats_dogs",
    "read_cifar10",
    "read_class_folders",
    "read_fashion_mnist",
    "read_tiny_imagenet",
    "stratified_split",
    "tiny_imagenet_files",
]

FASHION_CLASSES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
]  # fmt: skip
CATS_DOGS_COUNTS = (20_000, 2_500, 2_500)  # train, validation, test


def read_class_folders(root: Path, size_px: int | None = None) -> Labelled:
    """The pictures of `root/class/picture.jpg`, at `size_px` or as they are, then all of one size."""
    return _read_listing(root, class_files(root), root.with_name(root.name + ".h5"), size_px)


def _read_listing(root: Path, listing: Listing, target: Path, size_px: int | None = None) -> Labelled:
    """By way of `target`, an HDF5 file, or file by file where that cannot be written."""
    if os.access(target.parent, os.W_OK):
        counter = Progress(len(listing.files)).counter(f"pictures packed into {target.name}")
        return load_labelled(packed_listing(root, listing, target, size_px, progress=counter))
    return Labelled(read_list(listing.files, size_px), listing.labels, listing.class_names)


def read_cifar10(data: Path, split: Literal["train", "test"]) -> Labelled:
    """50,000 or 10,000 pictures of 32 px in ten classes, by Alex Krizhevsky (2009).

    Args:
        data: holds class folders below `train` and `test`, or the official `cifar-10-batches-py`, whose files are
            checked against torchvision's MD5 sums before they are unpickled. Both give the same classes; the order of
            pictures differs.

    Raises:
        FileNotFoundError: it holds neither.
    """
    if (data / split).is_dir():
        return read_class_folders(data / split)
    if not (data / CIFAR10.base_folder).is_dir():
        raise FileNotFoundError(f"{data} holds neither class folders in {split}/ nor {CIFAR10.base_folder}/")
    official = CIFAR10(data, train=split == "train")
    return Labelled(official.data, np.array(official.targets, np.int64), list(official.classes))


def read_fashion_mnist(data: Path, split: Literal["train", "test"]) -> Labelled:
    """60,000 or 10,000 grey pictures (N, 28, 28, 1) in ten classes, by Zalando Research (Xiao et al. 2017).

    Args:
        data: holds the four official files `train-images-idx3-ubyte.gz` and so on, packed or not.

    Raises:
        FileNotFoundError: one of them is missing.
        ValueError: one of them is not an IDX file of bytes, or is cut off.
    """
    stem = "train" if split == "train" else "t10k"
    pictures = _read_idx(data / f"{stem}-images-idx3-ubyte")
    labels = _read_idx(data / f"{stem}-labels-idx1-ubyte")
    return Labelled(pictures[..., None], labels.astype(np.int64), list(FASHION_CLASSES))


def _read_idx(path: Path) -> npt.NDArray[np.uint8]:
    """The array of an IDX file of bytes: 0, 0, 8, n, then n sizes as big-endian uint32, then the bytes."""
    zipped = path.with_name(path.name + ".gz")
    if not path.exists() and not zipped.exists():
        raise FileNotFoundError(f"no {path} and no {zipped.name}")
    try:
        content = path.read_bytes() if path.exists() else gzip.decompress(zipped.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{zipped}: {error}") from error
    start = 4 + 4 * content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, start, 4)]
    if not start or len(content) != start + math.prod(shape):
        raise ValueError(f"{path} is cut off, or no IDX file of bytes")
    array: npt.NDArray[np.uint8] = np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
    return array


def read_tiny_imagenet(data: Path, split: Literal["train", "val"]) -> Labelled:
    """100,000 or 10,000 pictures of 64 px in 200 classes (Stanford's CS231n); see `tiny_imagenet_files`."""
    root = _tiny_root(data)
    return _read_listing(root / split, tiny_imagenet_files(data, split), root / f"{split}.h5")


def tiny_imagenet_files(data: Path, split: Literal["train", "val"]) -> Listing:
    """Files of Tiny ImageNet with labels and class names; classes in the order of their WordNet ids.

    A class is named by the first of its words in `words.txt`. The labels of `test` were never published, so `val`
    serves as the test split.

    Raises:
        FileNotFoundError: `data` is not the folder `tiny-imagenet-200`, nor holds it.
    """
    root = _tiny_root(data)
    words = dict(line.split("\t") for line in (root / "words.txt").read_text(encoding="utf-8").splitlines())
    listing = class_files(root / "train")
    ids = listing.class_names
    names = [words[wnid].split(",")[0].strip() for wnid in ids]
    if split == "train":
        return listing._replace(class_names=names)
    rows = [line.split("\t") for line in (root / "val" / "val_annotations.txt").read_text().splitlines()]
    rows.sort(key=lambda row: (row[1], row[0]))
    number = {wnid: label for label, wnid in enumerate(ids)}
    files = [root / "val" / "images" / row[0] for row in rows]
    return Listing(files, np.array([number[row[1]] for row in rows], np.int64), names)


def _tiny_root(data: Path) -> Path:
    for root in (data, data / "tiny-imagenet-200"):
        if (root / "words.txt").exists():
            return root
    raise FileNotFoundError(f"{data} is not the folder tiny-imagenet-200 with train, val and words.txt, nor holds it")


def read_cats_dogs(data: Path) -> Listing:
    """The 25,000 files `cat.N.jpg` and `dog.N.jpg` of Kaggle's Dogs vs. Cats (2013); cats, label 0, first, by number.

    Raises:
        FileNotFoundError: one of the two is missing.
    """
    names = ["cat", "dog"]
    found = [(path, re.fullmatch(r"(cat|dog)\.(\d+)\.jpg", path.name)) for path in data.iterdir()]
    rows = sorted((names.index(match[1]), int(match[2]), path) for path, match in found if match)
    labels = np.array([row[0] for row in rows], np.int64)
    if len(np.unique(labels)) < 2:
        raise FileNotFoundError(f"no cat.N.jpg and dog.N.jpg in {data}")
    return Listing([row[2] for row in rows], labels, names)


def cats_dogs_split(labels: Labels, seed: int = 0) -> tuple[Labels, Labels, Labels]:
    """Indices for training, validation and test: 20,000, 2,500 and 2,500, half of each cats."""
    train, validation, test = stratified_split(labels, CATS_DOGS_COUNTS, seed)
    return train, validation, test
