"""Cats against dogs by network surgery: the backbone gets a new head, then its last blocks learn on.

The head is trained first, so that its random start does not spoil the body; the first blocks, the most general
(Yosinski et al. 2014, "How transferable are features in deep neural networks?", arXiv:1411.1792), stay as they are.

`--data DIR` as for cats-dogs-features; `--help` says where the pictures come from.
"""

from __future__ import annotations

from train.classify.finetune import FineTuneConfig
from train.classify.transfer_recipe import TransferRecipe
from train.recipes.cats_dogs_features import CATS_DOGS

_NOTES = """
Says whether a picture shows a cat or a dog; it knows nothing else and names one of the two for every picture. The file
holds the classifier and the last blocks, in eight bits; the rest is efficientnet_lite0.
"""

RECIPE = TransferRecipe(
    name="cats-dogs-finetune",
    weight="cats_dogs_finetune",
    data=CATS_DOGS,
    config=FineTuneConfig,
    notes=_NOTES,
    goal="99.0 % rank-1 on the test split",
    dry_run={"input_px": 64, "train_px": 64, "batch_size": 8, "warmup_steps": 1},
)
