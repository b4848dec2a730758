"""Cats against dogs from scratch with AlexNet (Krizhevsky et al. 2012), by way of HDF5 as in the book.

Pictures are brought to 256 px and packed into HDF5; the mean of the training pictures is taken off; AlexNet learns from
random patches of 227 px and their mirror images, by Adam and binary cross-entropy; it is measured on the central patch
and on ten crops. The book reaches 92.60 %, and 94.00 % with ten crops. Departures from it: the network, see
`cvdemo.nets.alexnet`; a rate that falls by a cosine; pictures that grow from 128 to 227 px, which takes two thirds of
the time; mild changes of scale and brightness.

A step of 128 pictures took 0.5 s at 128 px and 1.8 s at 227 px: one thread with bfloat16 in hardware, beside other
work. So the defaults take about 2.7 hours. The published weight is of `--epochs 30`: 96.16 %, and 96.68 % with ten
crops, after 25 of them.

`--data DIR` and the splits are those of the recipe `cats-dogs-features`. The HDF5 files, 5 GB, are kept in DIR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.classify.patch_recipe import PatchRecipe
from train.classify.patch_task import PatchConfig
from train.engine.optimisers import OptimizerName
from train.engine.schedules import ScheduleName
from train.recipes.cats_dogs_features import CATS_DOGS

_NOTES = """
Says whether a picture shows a cat or a dog; it knows nothing else and names one of the two for every picture. It
learned from 20,000 pictures and from nothing else: `cats_dogs_features`, which knows ImageNet, is right more often.
"""


@dataclass(frozen=True, kw_only=True)
class AlexNetConfig(PatchConfig):
    """Hyper-parameters."""

    epochs: int = 50
    batch_size: int = 128
    micro_batch: int = 128
    ema_decay: float = 0.0
    optimizer: OptimizerName = "adam"
    lr: float = 1e-3
    weight_decay: float = 2e-4
    schedule: ScheduleName = "cosine"
    warmup_fraction: float = 0.02
    flip: bool = True
    rescale: tuple[float, float] = (0.8, 1.4)
    brightness: float = 0.2
    first_px: int = 128
    grow_until: float = 0.8
    widths: tuple[int, ...] = setting(
        (64, 192, 384, 256, 256), help="channels of the five convolutions", minimum=1, min_count=5
    )
    dense: tuple[int, ...] = setting(
        (128, 128), help="of the hidden dense layers; the book's 4096", minimum=1, min_count=2
    )
    dropout: float = setting(0.5, help="after each hidden dense layer", minimum=0, below=1)


def network(config: AlexNetConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    sizes = {"widths": list(config.widths), "dense": list(config.dense), "dropout": config.dropout}
    return {"name": "alexnet", "num_classes": 2, **sizes}


RECIPE = PatchRecipe(
    name="cats-dogs-alexnet",
    weight="cats_dogs_alexnet",
    data=CATS_DOGS,
    config=AlexNetConfig,
    network=network,
    notes=_NOTES,
    goal="94.0 % with ten crops on the test split, as in the book",
    dry_run={"batch_size": 4, "micro_batch": 4, "widths": (16, 16, 16, 16, 16)},
)
