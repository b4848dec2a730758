"""What the recipes of detectors share: boxes of pictures become a PlaceNet in `weights/`.

A recipe says what its classes are and how its splits are read. What is published holds, in float16, what differs from
the backbone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from train.detect.annotations import Annotated, truth_of
from train.detect.place_task import PlaceConfig, PlaceTask
from train.publishing.recipe import Context, PublishOptions

SPLITS = ("train", "validation", "test")
_DRY_RUN_PICTURES, _DRY_RUN_PX = 24, 96


@dataclass(frozen=True, kw_only=True)
class BoxData:
    """A set of pictures with boxes.

    Attributes:
        name: in words. where: see `Recipe`. licence: of weights made from it.
        labels: names of the classes, by index. labels_file: in `weights/labels`.
        read: folder and split, one of `SPLITS` -> its pictures.
        test_split: the test pictures in words, their number apart.
    """

    name: str
    where: str
    licence: str
    labels: tuple[str, ...]
    labels_file: str
    read: Callable[[Path, str], list[Annotated]]
    test_split: str


@dataclass(frozen=True, kw_only=True)
class PlaceRecipe:
    """A `Recipe` for a PlaceNet: what one adds to the shared machinery.

    Attributes:
        name: on the command line. weight: the name of what it makes in the manifest.
        goal, dry_run: see `Recipe`.
        data: the pictures with boxes.
        config: their hyper-parameters.
        notes: Markdown for the card.
    """

    name: str
    weight: str
    goal: str
    data: BoxData
    config: type[PlaceConfig]
    dry_run: dict[str, Any]
    notes: str
    losses = ("loss", "class_loss", "box_loss")
    download = None

    @property
    def dataset(self) -> str:
        return self.data.name

    @property
    def where(self) -> str:
        return self.data.where

    @property
    def weights(self) -> tuple[str, ...]:
        return (self.weight,)

    def build(self, config: PlaceConfig, context: Context) -> PlaceTask:
        """The task on the training and validation splits; on drawn rectangles without data."""
        if context.data is None:
            drawn = _drawn_pictures(len(self.data.labels), config.seed)
            return PlaceTask(config, self.data.labels, drawn, drawn[:2], context.device, context.amp)
        train, validation = (self.data.read(context.data, split) for split in SPLITS[:2])
        task = PlaceTask(config, self.data.labels, train, validation, context.device, context.amp)
        task.trained_on = {"train": len(train), "validation": len(validation)}
        return task

    def publish(self, config: PlaceConfig, out: Path, context: Context, options: PublishOptions) -> str:
        raise NotImplementedError

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        raise NotImplementedError


def _drawn_pictures(classes: int, seed: int) -> list[Annotated]:
    """Pictures with one bright rectangle each, in files that last as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="cvdemo_rectangles_"))
    generator = np.random.default_rng(seed)
    found = []
    for number in range(_DRY_RUN_PICTURES):
        picture = generator.integers(0, 80, (_DRY_RUN_PX, _DRY_RUN_PX, 3), np.uint8)
        x, y, wide, high = (int(v) for v in generator.integers(16, 48, 4))
        picture[y : y + high, x : x + wide] = generator.integers(120, 255, 3, np.uint8)
        path = folder / f"{number}.png"
        cv2.imwrite(str(path), picture)
        truth = truth_of([[x, y, x + wide, y + high]], [number % classes])
        found.append(Annotated(path, (_DRY_RUN_PX, _DRY_RUN_PX), truth))
    return found
