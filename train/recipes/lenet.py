"""Train your first network: LeNet-5 on Fashion-MNIST, in minutes on two cores.

This file is the one to copy for a recipe of your own: name the data set, the network and the numbers, and add the
recipe to `RECIPES` in `train/recipes/__init__.py`. `--data DIR` holds the four `*-ubyte.gz` files of Fashion-MNIST
(`--download` fetches them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.classify.classifier_recipe import ClassifierRecipe, Source
from train.classify.classifier_task import ClassifierConfig, Normalisation
from train.data.datasets import read_fashion_mnist
from train.engine.optimisers import OptimizerName
from train.engine.schedules import ScheduleName

# what the pictures are, how they are normalised, and where their test split is
FASHION_MNIST = Source(
    name="Fashion-MNIST (Xiao et al. 2017, MIT licence)",
    licence="Apache-2.0",
    read=read_fashion_mnist,
    labels="fashion_mnist.txt",
    size_px=28,
    channels=1,
    dark_ground=True,
    num_classes=10,
    normalisation=Normalisation((0.2860,), (0.3530,)),
    test_split="test pictures",
    counts={"train": 60_000, "test": 10_000},
    where="DIR holds the four files *-ubyte.gz; --download fetches them",
    official="fashion-mnist",
)
_NOTES = """
Names one of ten kinds of clothing in a grey picture of 28 px. Its training pictures show one piece, bright on black,
cut out of a catalogue; a photograph of other things, or of clothing on a light ground, is far from them.
"""


@dataclass(frozen=True, kw_only=True)
class LenetConfig(ClassifierConfig):
    """Hyper-parameters; each is an option on the command line."""

    epochs: int = 15
    batch_size: int = 128
    log_every: int = 100
    ema_decay: float = 0.99
    optimizer: OptimizerName = "adamw"
    lr: float = 3e-3
    weight_decay: float = 0.01
    schedule: ScheduleName = "one-cycle"
    label_smoothing: float = 0.05
    flip: bool = True
    translate_px: int = 1
    dropout: float = setting(0.3, help="before the classifier", minimum=0, below=1)


def network(config: LenetConfig) -> dict[str, Any]:
    """The manifest's `network`: a name of `cvdemo.nets.build` with the constructor's arguments."""
    return {"name": "lenet5", "num_classes": 10, "dropout": config.dropout}


RECIPE = ClassifierRecipe(
    name="lenet-fashion-mnist",
    weight="lenet_fashion_mnist",
    source=FASHION_MNIST,
    config=LenetConfig,
    network=network,
    notes=_NOTES,
    goal="92 % on the test split, in under ten minutes on two cores",
    dry_run={"batch_size": 8, "micro_batch": 8},
)
