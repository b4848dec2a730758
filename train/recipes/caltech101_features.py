"""Caltech-101 by a linear classifier on features of the backbone: 101 kinds of things, 31 to 800 pictures of each.

L. Fei-Fei, R. Fergus, P. Perona, "Learning generative visual models from few training examples", CVPR Workshop 2004.
`--block` says which layer of the backbone gives the features, `--classifier` whether logistic regression or a linear
support vector machine learns from them; docs/how-to/choose-features.md has what to choose when.

`--data DIR` is or holds the folder `101_ObjectCategories` of data.caltech.edu/records/mzrjq-6wc02 (caltech-101.zip, and
the archive in it). As is usual, 30 pictures of each class are known, drawn with a seed; five of these choose the
strength of L2, and all others are the test. `BACKGROUND_Google` is no class and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.classify.features import FeatureConfig
from train.classify.transfer_data import TransferData
from train.classify.transfer_recipe import TransferRecipe
from train.data.datasets import class_files
from train.data.read_pictures import Listing
from train.data.splits import Labels

_FOLDER, _BACKGROUND = "101_ObjectCategories", "BACKGROUND_Google"
_IN_WORDS = {  # folders whose names are no words for a visitor of the page; of others the underscores go
    "Faces": "face",
    "Faces_easy": "face, close up",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "airplanes": "airplane",
    "water_lilly": "water lily",
}
_TRAIN, _VALIDATION = 25, 5  # pictures of each class
_SEED = 0
_NOTES = """
Names one of 101 kinds of things, as Caltech-101 shows them: alone and in the middle of the picture. The file holds only
a classifier; the backbone is efficientnet_lite0.
"""


def read(data: Path, split: str) -> Listing:
    """The files of a split; the classes are those of the folders, in their order, named by words."""
    found = class_files(data / _FOLDER if (data / _FOLDER).is_dir() else data)
    names = [name for name in found.class_names if name != _BACKGROUND]
    number = {name: label for label, name in enumerate(names)}
    kept = [i for i, label in enumerate(found.labels) if found.class_names[label] in number]
    labels = np.array([number[found.class_names[found.labels[i]]] for i in kept], np.int64)
    chosen = split_of(labels, split)
    words = [_IN_WORDS.get(name, name.replace("_", " ")) for name in names]
    return Listing([found.files[kept[index]] for index in chosen], labels[chosen], words)


def split_of(labels: Labels, split: str) -> Labels:
    """Indices, ascending, of 25 pictures of each class to train on, 5 that choose, and all others to test.

    Raises:
        ValueError: a class has not more than these 30 pictures.
    """
    random = np.random.default_rng(_SEED)
    parts = {"train": slice(_TRAIN), "validation": slice(_TRAIN, _TRAIN + _VALIDATION)}
    part = parts.get(split, slice(_TRAIN + _VALIDATION, None))
    chosen = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        if len(members) <= _TRAIN + _VALIDATION:
            raise ValueError(f"need more than {_TRAIN + _VALIDATION} pictures of each class, got {len(members)}")
        chosen.append(members[part])
    return np.sort(np.concatenate(chosen))


CALTECH101 = TransferData(
    name="Caltech-101 (Fei-Fei et al. 2004), 101 classes without the background class",
    licence="Apache-2.0 for the weights; the pictures are CC BY 4.0",
    read=read,
    labels="caltech101.txt",
    classes=101,
    test_split="pictures, all but those drawn with seed 0 for training and choosing",
    total=8_677,
    ten_crop=False,
    where="DIR is or holds 101_ObjectCategories: caltech-101.zip of data.caltech.edu/records/mzrjq-6wc02",
)


@dataclass(frozen=True, kw_only=True)
class CaltechConfig(FeatureConfig):
    """Hyper-parameters; each is an option on the command line."""

    epochs: int = 100  # of 5 steps: the last layer is learned in 11 of them, earlier ones take more
    l2: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


RECIPE = TransferRecipe(
    name="caltech101-features",
    weight="caltech101_features",
    data=CALTECH101,
    config=CaltechConfig,
    notes=_NOTES,
    goal="a number for docs/how-to/choose-features.md: 91.5 % rank-1 on the test split, reached",
    dry_run={"input_px": 32, "batch_size": 8},
)
