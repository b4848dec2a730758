"""CIFAR-10 with a deep pre-activation ResNet of bottleneck blocks (He et al. 2016, arXiv:1603.05027), as in the book.

SGD with momentum, L2, and a rate of one cycle: it rises for three tenths of the steps and falls by a cosine. The book's
other ways are `--schedule step`, `polynomial` and `linear`. It reaches 93.58 % by nine blocks a stage of 64 to 256
channels (`--depths 9 9 9 --widths 64 128 256`, as long a training as the default).

The default has 56 layers, six wider blocks a stage: at the same speed twice the multiply-adds. Pictures have 24 px for
the first six tenths of the steps. 45 epochs took 5.4 minutes on an H200, beside four other trainings. One thread with
bfloat16 in hardware trained 181 pictures a second at 24 px and 117 at 32 px, beside other work: about 4 hours.

`--data DIR` as for the recipe `cifar10`, and the same validation pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.classify.classifier_recipe import ClassifierRecipe
from train.classify.classifier_task import ClassifierConfig
from train.engine.optimisers import OptimizerName
from train.engine.schedules import ScheduleName
from train.recipes.cifar10 import CIFAR10

_NOTES = """
The book's deep residual network for CIFAR-10. Names one of ten things in a picture of 32 px; a photograph is cropped to
its central square and shrunk first.
"""


@dataclass(frozen=True, kw_only=True)
class Cifar10ResNetConfig(ClassifierConfig):
    """Hyper-parameters."""

    epochs: int = 45
    batch_size: int = 250
    micro_batch: int = 250
    ema_decay: float = 0.0
    optimizer: OptimizerName = "sgd"
    lr: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: ScheduleName = "one-cycle"
    label_smoothing: float = 0.1
    flip: bool = True
    translate_px: int = 4
    cutout_px: int = 8
    first_px: int = 24
    grow_until: float = 0.6
    depths: tuple[int, ...] = setting((6, 6, 6), help="bottleneck blocks of each stage", minimum=1, min_count=1)
    widths: tuple[int, ...] = setting(
        (96, 192, 384), help="channels of each stage, multiples of 4", minimum=4, min_count=1
    )


def network(config: Cifar10ResNetConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    sizes = {"depths": list(config.depths), "widths": list(config.widths)}
    return {"name": "preact_resnet", "num_classes": 10, "bottleneck": True, **sizes}


RECIPE = ClassifierRecipe(
    name="cifar10-resnet",
    weight="cifar10_resnet",
    source=CIFAR10,
    config=Cifar10ResNetConfig,
    network=network,
    notes=_NOTES,
    goal="above 93.58 % on the test split, the book's result",
    dry_run={"batch_size": 8, "micro_batch": 4, "depths": (1, 1, 1), "widths": (16, 16, 16)},
)
