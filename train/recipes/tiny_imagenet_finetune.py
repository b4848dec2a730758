"""Tiny ImageNet by network surgery: the backbone gets a new head, then its last blocks learn on small pictures.

The pictures have 64 px and are shown enlarged. So the last blocks, which know sharp pictures, have to learn blurred
ones: the regression on frozen features, recipe tiny-imagenet-features, stops at 70.3 %. The first blocks stay as they
are.

`--data DIR` as for tiny-imagenet-features. The 200 classes are among the 1000 that the backbone was trained on, so this
is no number for learning from Tiny ImageNet alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from train.classify.finetune import FineTuneConfig
from train.classify.transfer_recipe import TransferRecipe
from train.recipes.tiny_imagenet_features import TINY_IMAGENET

_NOTES = """
Names one of 200 things, animals and scenes, in pictures as small as 64 px. The file holds the classifier and the last
blocks, in eight bits; the rest is efficientnet_lite0, which was trained on ImageNet at full size, the same 200 classes
among its 1000.
"""


@dataclass(frozen=True, kw_only=True)
class TinyFineTuneConfig(FineTuneConfig):
    """Hyper-parameters; each is an option on the command line."""

    input_px: int = 224
    train_px: int = 192
    first_block: int = 5
    epochs: int = 3
    warmup_steps: int = 150  # 200 classes: the head needs longer than for two


RECIPE = TransferRecipe(
    name="tiny-imagenet-finetune",
    weight="tiny_imagenet_finetune",
    data=TINY_IMAGENET,
    config=TinyFineTuneConfig,
    notes=_NOTES,
    goal="76 % rank-1 on val",
    dry_run={"input_px": 64, "train_px": 64, "batch_size": 8, "warmup_steps": 1},
)
