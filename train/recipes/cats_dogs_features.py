"""Cats against dogs by logistic regression on the backbone's features: minutes of extraction, then seconds.

Features of a network that learned ImageNet serve tasks it never saw (Donahue et al. 2014, "DeCAF", arXiv:1310.1531).

`--data DIR` holds the 25,000 files `cat.N.jpg` and `dog.N.jpg`, or a folder `train` with them. The features are kept
in DIR as HDF5 and made again when pictures or settings change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train.classify.features import FeatureConfig
from train.classify.transfer_data import TransferData
from train.classify.transfer_recipe import TransferRecipe
from train.data.datasets import cats_dogs_split, read_cats_dogs
from train.data.read_pictures import Listing

_SPLITS = ("train", "validation", "test")
_NOTES = """
Says whether a picture shows a cat or a dog; it knows nothing else and names one of the two for every picture. The file
holds only a classifier; the backbone is efficientnet_lite0.
"""


def read(data: Path, split: str) -> Listing:
    """The files of one of `cats_dogs_split`'s three parts."""
    files, labels, class_names = read_cats_dogs(data / "train" if (data / "train").is_dir() else data)
    chosen = dict(zip(_SPLITS, cats_dogs_split(labels), strict=True))[split]
    return Listing([files[index] for index in chosen], labels[chosen], class_names)


CATS_DOGS = TransferData(
    name="Dogs vs. Cats (Kaggle 2013, from Asirra), 25,000 pictures, here at 200 px from "
    "github.com/4GeeksAcademy/Deep-Learning-CarlosFS",
    licence="Apache-2.0 for the weights; the pictures are Petfinder's, for research",
    read=read,
    labels="cats_dogs.txt",
    classes=2,
    test_split="pictures, drawn with seed 0 and kept apart from training and choosing",
    total=25_000,
    ten_crop=True,
    where="DIR holds cat.N.jpg and dog.N.jpg, or a folder train with them: train.zip of kaggle.com/c/dogs-vs-cats/data",
)


@dataclass(frozen=True, kw_only=True)
class CatsDogsConfig(FeatureConfig):
    """Hyper-parameters; each is an option on the command line."""

    l2: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


RECIPE = TransferRecipe(
    name="cats-dogs-features",
    weight="cats_dogs_features",
    data=CATS_DOGS,
    config=CatsDogsConfig,
    notes=_NOTES,
    goal="98.69 % rank-1 on the test split, the book's ResNet-50 result",
    dry_run={"input_px": 64, "batch_size": 8},
)
