"""Tiny ImageNet from scratch with DeeperGoogLeNet: the book's inception network for 64-px pictures of 200 classes.

C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, with BatchNorm. The book trains it in stages and lowers
the rate by hand. Here Muon trains the convolutions and SGD the rest, the rates fall linearly, and pictures grow from
32 to 64 px.

28 epochs took 7.5 minutes on an H200, beside four other trainings. Without a GPU the same takes about 6 hours of one
thread with bfloat16 in hardware: a step of 500 pictures took 1.8 s at 32 px and 6.8 s at 64 px, beside other work.

For two CPU cores, 10 epochs and less augmentation:

    python -m train tiny-imagenet-deepergooglenet --epochs 10 --cutmix-alpha 0 --mixup-alpha 0 --translate-px 4
        --micro-batch 250 --data DIR --out DIR

`--data DIR` and the splits are those of the recipe `tiny-imagenet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.classify.classifier_recipe import ClassifierRecipe
from train.classify.classifier_task import ClassifierConfig, MuonDefaults
from train.recipes.tiny_imagenet import TINY_IMAGENET

_NOTES = """
The book's own network for Tiny ImageNet, with a schedule of today. Names one of 200 things in a picture of 64 px,
learned from 500 small pictures of each and nothing else.
"""


@dataclass(frozen=True, kw_only=True)
class DeeperGoogLeNetConfig(MuonDefaults, ClassifierConfig):
    """Hyper-parameters."""

    epochs: int = 28
    micro_batch: int = 500
    translate_px: int = 6
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 0.5
    first_px: int = 32
    dropout: float = setting(0.2, help="before the classifier", minimum=0, below=1)


def network(config: DeeperGoogLeNetConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    return {"name": "deeper_googlenet", "num_classes": 200, "dropout": config.dropout}


RECIPE = ClassifierRecipe(
    name="tiny-imagenet-deepergooglenet",
    weight="tiny_imagenet_deepergooglenet",
    source=TINY_IMAGENET,
    config=DeeperGoogLeNetConfig,
    network=network,
    notes=_NOTES,
    goal="50 % rank-1 on the official validation pictures on two cores, 56 % on a GPU",
    dry_run={"batch_size": 4, "micro_batch": 4},
)
