"""Train your first generator: clothes of Fashion-MNIST at 32 px, grey, in ten minutes on two cores or less.

This file is the one to copy for a generator of your own: name the data, how they are read and the numbers, and add
the recipe to `_RECIPES` in `train/recipes/__init__.py`. `--data DIR` holds the four `*-ubyte.gz` files of Fashion-MNIST
(`--download` fetches them). The 28-px pictures get a black margin of 2 px, nothing is resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.data.datasets import read_fashion_mnist
from train.data.hdf5 import Pictures
from train.recipes.lenet import FASHION_MNIST
from train.sample.sample_recipe import SampleRecipe
from train.sample.sample_task import SampleTrainingConfig

_NOTES = """
Draws clothes, shoes and bags as grey pictures of 32 px, bright on black, as they stand in Fashion-MNIST. It knows no
classes: nothing can be asked for but a seed.
"""


@dataclass(frozen=True, kw_only=True)
class DcganFashionConfig(SampleTrainingConfig):
    """Hyper-parameters; each is an option on the command line."""

    steps: int = 6000
    evaluate_every: int = 1000
    preview_every: int = 100
    size: int = 32
    latent_dim: int = 64
    width: int = 32
    ema_decay: float = 0.998
    flips: bool = False  # shoes all point to the left
    label_smoothing: float = 0.1
    lr_generator: float = 3e-4
    decay_steps: int = 3000


def read(data: Path, size: int) -> Pictures:
    """The 60,000 training pictures, (60000, size, size, 1), on black.

    Raises:
        ValueError: a size below 28 px.
    """
    pictures = read_fashion_mnist(data, "train").pictures
    margin = size - pictures.shape[1]
    if margin < 0 or margin % 2:
        raise ValueError(f"Fashion-MNIST has {pictures.shape[1]} px, to which a margin is added: got size {size}")
    side = (margin // 2, margin // 2)
    return np.pad(pictures, ((0, 0), side, side, (0, 0)))


RECIPE = SampleRecipe(
    name="dcgan-fashion",
    weight="dcgan_fashion",
    dataset=FASHION_MNIST.name,
    count=FASHION_MNIST.counts["train"],
    licence=FASHION_MNIST.licence,
    where=FASHION_MNIST.where,
    config=DcganFashionConfig,
    notes=_NOTES,
    read=read,
    channels=1,
    download=FASHION_MNIST.download,
    goal="clothes that a person names at once, in ten minutes on two cores",
    dry_run={"size": 16, "width": 8, "latent_dim": 8, "batch_size": 8, "fd_pictures": 16, "decay_steps": 0},
)
