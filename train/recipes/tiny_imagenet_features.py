"""Tiny ImageNet by logistic regression on the backbone's features.

`--data DIR` holds `tiny-imagenet-200` as Stanford publishes it, or is that folder. The features are kept in DIR as HDF5
and made again when pictures or settings change. The 200 classes are among the 1000 that the backbone was trained on,
and its training pictures may include those measured here: this is a number about features, to be read beside the
recipe tiny-imagenet, which starts from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train.classify.features import FeatureConfig
from train.classify.transfer_data import TransferData
from train.classify.transfer_recipe import TransferRecipe
from train.data.datasets import hold_out_last, tiny_imagenet_files
from train.data.read_pictures import Listing

_HELD_OUT_PER_CLASS = 25
_NOTES = """
Names one of 200 things, animals and scenes, in pictures as small as 64 px. The file holds only a classifier; the
backbone is efficientnet_lite0, which was trained on ImageNet at full size, the same 200 classes among its 1000. So the
accuracy says how well features of small pictures separate, not what can be learnt from Tiny ImageNet alone.
"""


def read(data: Path, split: str) -> Listing:
    """The files of a split: the last 25 of each class of train are validation, and val is the test."""
    if split == "test":
        return tiny_imagenet_files(data, "val")
    files, labels, class_names = tiny_imagenet_files(data, "train")
    kept, held_out = hold_out_last(labels, _HELD_OUT_PER_CLASS)
    chosen = kept if split == "train" else held_out
    return Listing([files[index] for index in chosen], labels[chosen], class_names)


TINY_IMAGENET = TransferData(
    name="Tiny ImageNet (Stanford CS231n), 100,000 training pictures of 64 px in 200 classes of ImageNet, "
    "copy of github.com/seshuad/IMagenet",
    licence="Apache-2.0 for the weights; the pictures are ImageNet's, for research",
    read=read,
    labels="tiny_imagenet.txt",
    classes=200,
    test_split="pictures of val",
    total=110_000,
    ten_crop=False,
    where="DIR is or holds tiny-imagenet-200 as Stanford publishes it; --download fetches it",
    official="tiny-imagenet",
)


@dataclass(frozen=True, kw_only=True)
class TinyFeaturesConfig(FeatureConfig):
    """Hyper-parameters; each is an option on the command line."""

    mirrored: bool = False  # would cost as much again
    l2: tuple[float, ...] = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)


RECIPE = TransferRecipe(
    name="tiny-imagenet-features",
    weight="tiny_imagenet_features",
    data=TINY_IMAGENET,
    config=TinyFeaturesConfig,
    notes=_NOTES,
    goal="70 % rank-1 on val",
    dry_run={"input_px": 32, "batch_size": 8},
)
