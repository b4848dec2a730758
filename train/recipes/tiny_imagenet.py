"""Tiny ImageNet from scratch: a pre-activation ResNet on 64-px pictures of 200 classes.

ResNet-18's layout without pooling in the stem, CutMix and mixup, Muon, and pictures that grow from 32 to 64 px. 40
epochs took 6.4 minutes on an H200, beside four other trainings. docs/experiments has what was tried before.

Without a GPU, take a block a stage: 57.86 % after 2.04 h on two CPU cores.

    python -m train tiny-imagenet --depths 1 1 1 1 --stem-stride 2 --dropout 0 --epochs 22 --micro-batch 250
        --translate-px 4 --cutmix-alpha 0 --data DIR --out DIR

`--data DIR` holds `train` and `val` as in the official archive (`--download` fetches it). 5,000 training pictures
choose the checkpoint. The official validation pictures are the test split, for the official test pictures have no
public labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvdemo.config import setting
from train.classify.classifier_recipe import ClassifierRecipe, Source
from train.classify.classifier_task import ClassifierConfig, MuonDefaults, Normalisation
from train.data.datasets import read_tiny_imagenet, tiny_imagenet_folder

TINY_IMAGENET = Source(
    name="Tiny ImageNet (200 classes of ImageNet at 64 px), copy of github.com/seshuad/IMagenet",
    licence="Apache-2.0 for the weights; the pictures are ImageNet's, for research",
    read=lambda data, split: read_tiny_imagenet(data, "train" if split == "train" else "val"),
    folder=lambda data, split: tiny_imagenet_folder(data, "train" if split == "train" else "val"),
    labels="tiny_imagenet.txt",
    size_px=64,
    num_classes=200,
    normalisation=Normalisation((0.4802, 0.4481, 0.3975), (0.2770, 0.2691, 0.2821)),
    test_split="official validation pictures",
    counts={"train": 100_000, "test": 10_000},
    where="DIR is or holds tiny-imagenet-200 as Stanford publishes it; --download fetches it",
    official="tiny-imagenet",
)
_NOTES = """
Names one of 200 things in a picture of 64 px, learned from 500 small pictures of each and nothing else. Networks that
know ImageNet do better; this one shows what training from scratch gives.
"""


@dataclass(frozen=True, kw_only=True)
class TinyImageNetConfig(MuonDefaults, ClassifierConfig):
    """Hyper-parameters of the run on a GPU."""

    widths: tuple[int, ...] = setting((64, 128, 256, 512), help="channels of each stage", minimum=1, min_count=1)
    depths: tuple[int, ...] = setting((2, 2, 2, 2), help="blocks of each stage", minimum=1, min_count=1)
    stem_stride: int = setting(1, help="of the first convolution; 2: a quarter of the time", minimum=1)
    dropout: float = setting(0.2, help="before the classifier", minimum=0, below=1)
    epochs: int = 40
    micro_batch: int = 500
    first_px: int = 32
    translate_px: int = 8
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0


def network(config: TinyImageNetConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    return {
        "name": "preact_resnet",
        "num_classes": 200,
        "dropout": config.dropout,
        "widths": list(config.widths),
        "depths": list(config.depths),
        "stem_stride": config.stem_stride,
    }


RECIPE = ClassifierRecipe(
    name="tiny-imagenet",
    weight="tiny_imagenet",
    source=TINY_IMAGENET,
    config=TinyImageNetConfig,
    network=network,
    notes=_NOTES,
    averages_views=False,  # 10,000 pictures six times over would take half an hour of two cores
    goal="65 % rank-1 on the official validation pictures, on a GPU",
    dry_run={"batch_size": 4, "micro_batch": 4, "widths": (16, 16, 16, 16), "depths": (1, 1, 1, 1)},
)
