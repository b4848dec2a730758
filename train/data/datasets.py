"""The data sets of the classification recipes, as their makers publish them, read into memory.

Each reader takes the folder given with `--data` and names what is missing from it. Class folders are packed into an
HDF5 file beside them on the first reading, where that can be written, and again when they change.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from torchvision.datasets import CIFAR10

from train.data.hdf5 import load_labelled_pictures
from train.data.packing import is_packed, packed_listing, read_list
from train.data.picture_files import check_folder, is_picture, kind_of, report_passed_over
from train.data.read_pictures import Listing, check_size, class_files
from train.data.splits import (
    READINGS,
    LabelledPictures,
    Labels,
    SealedSplit,
    class_weights,
    hold_out_last,
    stratified_split,
)
from train.engine.class_names import order_of, shown
from train.engine.progress import Progress
from train.engine.writing import kept_at

__all__ = [
    "CATS_DOGS_COUNTS",
    "FASHION_CLASSES",
    "READINGS",
    "LabelledPictures",
    "PictureFolder",
    "SealedSplit",
    "cats_dogs_split",
    "cifar10_folder",
    "class_files",
    "class_weights",
    "hold_out_last",
    "read_cats_dogs",
    "read_cifar10",
    "read_class_folders",
    "read_fashion_mnist",
    "read_pictures_of",
    "read_tiny_imagenet",
    "stratified_split",
    "tiny_imagenet_files",
    "tiny_imagenet_folder",
]

FASHION_CLASSES = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
]  # fmt: skip
CATS_DOGS_COUNTS = (20_000, 2_500, 2_500)  # train, validation, test


class PictureFolder(NamedTuple):
    """Picture files of one split, which have been found and not read.

    Attributes:
        root: folder that all of them are below.
        listing: files, labels and class names.
        target: HDF5 file that they are packed into.
    """

    root: Path
    listing: Listing
    target: Path


def class_folder(root: Path) -> PictureFolder:
    """The files of `root/class/picture.jpg`."""
    return PictureFolder(root, class_files(root), root.with_name(root.name + ".h5"))


def read_class_folders(root: Path, size_px: int | None = None) -> LabelledPictures:
    """The pictures of `root/class/picture.jpg`, at `size_px` or as they are, then all of one size."""
    return _read_listing(class_folder(root), size_px)


def read_pictures_of(
    folder: PictureFolder, size_px: int, *, resize: bool, cache: Path | None = None
) -> LabelledPictures:
    """Pictures of `size_px`, from their packing where there is one.

    Args:
        resize: pictures of other sizes are brought to it, by their central squares.
        cache: folder for the packing where it cannot be written beside the pictures.

    Raises:
        ValueError: pictures are of other sizes and not to be resized, or cannot be read.
    """
    wanted = size_px if resize else None
    for place in [folder.target, *([cache / folder.target.name] if cache else [])]:
        if is_packed(folder.root, folder.listing, place, wanted):
            return load_labelled_pictures(place)
    if not resize:
        check_size(folder.listing.files, size_px)
    return _read_listing(folder, wanted, cache)


def _read_listing(folder: PictureFolder, size_px: int | None = None, cache: Path | None = None) -> LabelledPictures:
    """By way of its HDF5 file, there or in `cache`; file by file where neither can be written."""
    root, listing, beside = folder
    if target := kept_at(beside, cache):
        counter = Progress(len(listing.files)).counter(f"pictures packed into {target.name}")
        return load_labelled_pictures(packed_listing(root, listing, target, size_px, progress=counter))
    return LabelledPictures(read_list(listing.files, size_px), listing.labels, listing.class_names)


def cifar10_folder(data: Path, split: Literal["train", "test"]) -> PictureFolder | None:
    """The class folders of a split; None where `data` holds the official batches, or nothing, in their place."""
    return class_folder(data / split) if (data / split).is_dir() else None


def read_cifar10(data: Path, split: Literal["train", "test"]) -> LabelledPictures:
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
    return LabelledPictures(official.data, np.array(official.targets, np.int64), list(official.classes))


def read_fashion_mnist(data: Path, split: Literal["train", "test"]) -> LabelledPictures:
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
    return LabelledPictures(pictures[..., None], labels.astype(np.int64), list(FASHION_CLASSES))


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


def read_tiny_imagenet(data: Path, split: Literal["train", "val"]) -> LabelledPictures:
    """100,000 or 10,000 pictures of 64 px in 200 classes (Stanford's CS231n); see `tiny_imagenet_files`."""
    root = _tiny_root(data)
    return _read_listing(PictureFolder(root / split, tiny_imagenet_files(data, split), root / f"{split}.h5"))


def tiny_imagenet_folder(data: Path, split: Literal["train", "val"]) -> PictureFolder | None:
    """The files of `tiny_imagenet_files` and their packing; None where there is no folder `val`."""
    root = _tiny_root(data)
    if split == "val" and not (root / split).exists():
        return None
    return PictureFolder(root / split, tiny_imagenet_files(data, split), root / f"{split}.h5")


def tiny_imagenet_files(data: Path, split: Literal["train", "val"]) -> Listing:
    """Files of Tiny ImageNet with labels and class names; classes in the order of their WordNet ids.

    A class is named by the first of its words in `words.txt`. The labels of `test` were never published, so `val`
    serves as the test split.

    Raises:
        FileNotFoundError: `data` is not the folder `tiny-imagenet-200`, nor holds it.
        ValueError: a class has no words, or the annotations name other classes than there are to train on.
    """
    root = _tiny_root(data)
    lines = (root / "words.txt").read_text(encoding="utf-8").splitlines()
    words = {wnid: name for wnid, _, name in (line.partition("\t") for line in lines)}
    listing = class_files(root / "train")
    ids = listing.class_names
    if unknown := [wnid for wnid in ids if not words.get(wnid)]:
        raise ValueError(f"{root / 'words.txt'} has no words for the class folders {shown(unknown)}")
    names = [words[wnid].split(",")[0].strip() for wnid in ids]
    if split == "train":
        return listing._replace(class_names=names)
    rows = [line.split("\t") for line in (root / "val" / "val_annotations.txt").read_text().splitlines()]
    rows.sort(key=lambda row: (row[1], row[0]))
    order_of(ids, f"{root / 'train'}", sorted({row[1] for row in rows}), f"the annotations in {root / 'val'}")
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

    Other kinds of pictures than JPEGs are taken too.

    Raises:
        NotADirectoryError: `data` is a file.
        FileNotFoundError: one of the two is missing.
    """
    check_folder(data)
    names = ["cat", "dog"]
    inside = list(data.iterdir())
    found = [(path, re.fullmatch(r"(cat|dog)\.(\d+)", path.stem)) for path in inside if is_picture(path)]
    passed = Counter(kind_of(path) for path in inside if not is_picture(path))
    passed["pictures not named cat.N or dog.N"] = sum(match is None for _, match in found)
    report_passed_over(data, passed)
    rows = sorted((names.index(match[1]), int(match[2]), path) for path, match in found if match)
    labels = np.array([row[0] for row in rows], np.int64)
    if len(np.unique(labels)) < 2:
        raise FileNotFoundError(f"no cat.N.jpg and dog.N.jpg in {data}")
    return Listing([row[2] for row in rows], labels, names)


def cats_dogs_split(labels: Labels, seed: int = 0) -> tuple[Labels, Labels, Labels]:
    """Indices for training, validation and test: 20,000, 2,500 and 2,500, half of each cats."""
    train, validation, test = stratified_split(labels, CATS_DOGS_COUNTS, seed)
    return train, validation, test
