"""Boxes around blood cells: a small PlaceNet on BCCD, 364 pictures of smears under a microscope.

`--data DIR` is the data set's folder `BCCD`, with `Annotations`, `JPEGImages` and the published splits in
`ImageSets/Main`: 205 pictures to train, 87 to choose the checkpoint, 72 to measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from train.detect.annotations import Annotated, read_voc
from train.detect.place_recipe import BoxData, PlaceRecipe
from train.detect.place_task import PlaceConfig

BCCD_LABELS = ("red blood cell", "white blood cell", "platelet")
_XML_NAMES = ("RBC", "WBC", "Platelets")
_FILES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}

NOTES = """
Boxes red blood cells, white blood cells and platelets in pictures of stained smears at one magnification, as BCCD has
them: a red cell is about a sixth of the picture's width. Other magnifications and stains were never seen. It is no
medical device.
"""


@dataclass(frozen=True, kw_only=True)
class BccdConfig(PlaceConfig):
    """Hyper-parameters; each is an option on the command line."""

    input_px: int = 512
    published_px: tuple[int, ...] = (416, 448, 512, 576, 640)
    train_px: tuple[int, ...] = (320, 352, 384)
    zoom: tuple[float, float] = (1.0, 1.8)
    strides: tuple[int, ...] = (8, 16)
    last_block: int = 10
    width: int = 64
    epochs: int = 30
    measure_epochs: int = 10
    ema_decay: float = 0.99


def read_split(data: Path, split: str) -> list[Annotated]:
    """The pictures of a published split.

    Raises:
        FileNotFoundError: the list of the split is not there.
    """
    names = (data / "ImageSets" / "Main" / _FILES[split]).read_text(encoding="utf-8").split()
    return read_voc(data, _XML_NAMES, names=frozenset(names))


RECIPE = PlaceRecipe(
    name="bccd-detector",
    weight="bccd_detector",
    goal="mAP@0.5 (area) 0.84 on the published test split of BCCD",
    data=BoxData(
        name="BCCD (Shenggan/BCCD_Dataset, MIT), 364 pictures of blood smears, published splits",
        where="DIR is the folder BCCD of github.com/Shenggan/BCCD_Dataset",
        licence="Apache-2.0 for the weights; the pictures are under MIT",
        labels=BCCD_LABELS,
        labels_file="bccd.txt",
        read=read_split,
        test_split="pictures of the published test split of BCCD",
    ),
    config=BccdConfig,
    notes=NOTES,
)
