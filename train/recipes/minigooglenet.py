"""CIFAR-10 with MiniGoogLeNet (Zhang et al. 2017, arXiv:1611.03530, figure 3): inception modules of two branches.

`--data DIR` as for the recipe `cifar10`, and the same validation pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.nets.googlenet import MiniGoogLeNet
from train.classify.classifier_recipe import ClassifierRecipe
from train.classify.classifier_task import ClassifierConfig, MuonDefaults
from train.recipes.cifar10 import CIFAR10

Whitening = Literal["none", "pca", "zca"]

_NOTES = """
The book's own network for CIFAR-10, with a schedule of today. Names one of ten things in a picture of 32 px; a
photograph is cropped to its central square and shrunk first.
"""


@dataclass(frozen=True, kw_only=True)
class MiniGoogLeNetConfig(MuonDefaults, ClassifierConfig):
    """Hyper-parameters."""

    epochs: int = 12
    translate_px: int = 3
    dropout: float = setting(0.2, help="before the classifier", minimum=0, below=1)
    whitening: Whitening = setting(
        "none", help="a fixed first layer that whitens patches of 3 x 3 px", choices=get_args(Whitening)
    )


def network(config: MiniGoogLeNetConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    whitening = {} if config.whitening == "none" else {"whitening": config.whitening}
    return {"name": "mini_googlenet", "num_classes": 10, "dropout": config.dropout, **whitening}


def whiten(network: nn.Module, sample: Tensor) -> None:
    """Fits the first layer, where it whitens, to training pictures."""
    assert isinstance(network, MiniGoogLeNet)
    if network.whiten is not None:
        network.whiten.fit(sample)


RECIPE = ClassifierRecipe(
    name="cifar10-minigooglenet",
    weight="cifar10_minigooglenet",
    source=CIFAR10,
    config=MiniGoogLeNetConfig,
    network=network,
    prepare=whiten,
    notes=_NOTES,
    goal="above 90.81 % on the test split, the book's best",
    dry_run={"batch_size": 8, "micro_batch": 4},
)
