"""Imagenette from scratch: a small pre-activation ResNet on patches of 128 px, ten easy classes of ImageNet.

fast.ai's leaderboard at 128 px has 91 % after 20 epochs and 94 % after 80, by an XResNet-50 of 23 million weights. This
network has 2.8 million. Pictures go the way of `train.data.preprocess`: HDF5 at 160 px, mean subtraction, random
patches of 128 px, ten crops. Patches grow from 64 px, Muon trains the convolutions, and mixup works against learning
9,000 pictures by heart.

One thread with bfloat16 in hardware trained 300 pictures a second at 64 px and 88 at 128 px, beside other work, without
their augmentation: about 2.5 hours for 100 epochs.

`--data DIR` holds the folders `train` and `val` of the official archive, or the archive's folder with them. The last 50
pictures of each class of `train` choose the checkpoint; `val` is the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchvision.datasets import Imagenette

from cvdemo.config import setting
from train.classify.classifier_task import MuonDefaults
from train.classify.patch_recipe import PatchRecipe
from train.classify.patch_task import PatchConfig
from train.classify.transfer_data import TransferData
from train.data.datasets import class_files, hold_out_last
from train.data.picture_files import check_folder
from train.data.read_pictures import Listing

_HELD_OUT_PER_CLASS = 50
_FOLDERS = ("imagenette2-160", "imagenette2-320", "imagenette2")  # of fast.ai's archives
_WORDS: dict[str, tuple[str, ...]] = Imagenette._WNID_TO_CLASS  # WordNet's ids -> their words
_NOTES = """
Names one of ten things: tench, English springer, cassette player, chain saw, church, French horn, garbage truck, gas
pump, golf ball, parachute. It learned from 9,000 pictures and from nothing else. Whatever is shown, the answer is one
of the ten.
"""


def read(data: Path, split: str) -> Listing:
    """The files of a split: the last 50 of each class of train are validation, and val is the test."""
    check_folder(data)
    root = next((data / name for name in _FOLDERS if (data / name).is_dir()), data)
    files, labels, ids = class_files(root / ("val" if split == "test" else "train"))
    names = [_WORDS.get(wnid, (wnid,))[0] for wnid in ids]  # class folders of one's own keep their names
    if split == "test":
        return Listing(files, labels, names)
    kept, held_out = hold_out_last(labels, _HELD_OUT_PER_CLASS)
    chosen = kept if split == "train" else held_out
    return Listing([files[index] for index in chosen], labels[chosen], names)


IMAGENETTE = TransferData(
    name="Imagenette (fast.ai), ten classes of ImageNet, here at 224 px from github.com/thunderInfy/imagenette",
    licence="Apache-2.0 for the weights; the pictures are ImageNet's, for research",
    read=read,
    labels="imagenette.txt",
    classes=10,
    test_split="pictures of val",
    total=13_394,
    ten_crop=True,
    where="DIR is or holds imagenette2-160 as fast.ai publishes it; --download fetches it",
    official="imagenette",
)


@dataclass(frozen=True, kw_only=True)
class ImagenetteConfig(MuonDefaults, PatchConfig):
    """Hyper-parameters."""

    stored_px: int = 160
    input_px: int = 128
    epochs: int = 100
    batch_size: int = 250
    micro_batch: int = 125
    log_every: int = 10
    rescale: tuple[float, float] = (0.8, 1.6)
    brightness: float = 0.2
    saturation: float = 0.2
    mixup_alpha: float = 0.2
    first_px: int = 64
    depths: tuple[int, ...] = setting((2, 2, 2, 2), help="blocks of each stage", minimum=1, min_count=1)
    widths: tuple[int, ...] = setting((32, 64, 128, 256), help="channels of each stage", minimum=1, min_count=1)
    stem_stride: int = setting(2, help="of the first convolution", minimum=1)


def network(config: ImagenetteConfig) -> dict[str, Any]:
    """The manifest's `network`."""
    sizes = {"depths": list(config.depths), "widths": list(config.widths), "stem_stride": config.stem_stride}
    return {"name": "preact_resnet", "num_classes": 10, **sizes}


RECIPE = PatchRecipe(
    name="imagenette",
    weight="imagenette",
    data=IMAGENETTE,
    config=ImagenetteConfig,
    network=network,
    notes=_NOTES,
    goal="90 % rank-1 on val by the central patch",
    # not 8 wide: the backward pass of torch 2.11 then writes beyond its memory at 120 px or more, in float32
    dry_run={"batch_size": 4, "micro_batch": 4, "depths": (1, 1, 1, 1), "widths": (16, 16, 16, 16)},
)
