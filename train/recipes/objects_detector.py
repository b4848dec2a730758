"""Boxes around twenty kinds of objects: a PlaceNet on PASCAL VOC 2007.

`--data DIR` holds `Annotations` and `JPEGImages` of the VOC 2007 test set, whose boxes were published later. It is
split by the number of the picture: below 007000 to train, 007000 to 007999 to choose the checkpoint, from 008000 to
measure. So the result is not comparable with published ones, which train on 5,011 other pictures and measure on all of
these. `python -m train evaluate objects --split coco128` measures on another set, see `train.detect.coco128`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from train.detect.annotations import VOC2007, Annotated, read_voc
from train.detect.coco128 import read_coco128
from train.detect.place_recipe import BoxData, PlaceRecipe
from train.detect.place_task import PlaceConfig

VOC_LABELS = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog",
    "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip
_XML_NAMES = tuple(label.replace(" ", "") for label in VOC_LABELS)
_FIRST_AND_LAST = {"train": (1, 6999), "validation": (7000, 7999), "test": (8000, 9963)}

NOTES = """
Boxes twenty kinds of things: people, animals, vehicles, furniture and a few more. Other things are not found, and where
they look like one of the twenty they may be taken for it. Things smaller than about 20 px, crowds, and things of which
little shows are often missed. Each place of its grid gives one box, so things of one kind that stand close or overlap
may share a box: of pictures with two people, 20 of 32 are counted exactly, and of those with two to four bottles, 3 of
12.
"""


def read_split(data: Path, split: str) -> list[Annotated]:
    """The pictures of VOC 2007 test whose numbers belong to a split."""
    first, last = _FIRST_AND_LAST[split]
    return read_voc(data, _XML_NAMES, only=VOC2007, names={f"{number:06d}" for number in range(first, last + 1)})


RECIPE = PlaceRecipe(
    name="objects-detector",
    weight="objects_detector",
    goal="mAP@0.5 (area) 0.66 on the internal split of VOC 2007 test",
    data=BoxData(
        name="PASCAL VOC 2007 test, an internal split by number: below 007000",
        where="DIR holds Annotations and JPEGImages of VOC 2007 test, host.robots.ox.ac.uk/pascal/VOC/voc2007",
        licence="Apache-2.0; the training photographs are Flickr users' own",
        labels=VOC_LABELS,
        labels_file="voc.txt",
        read=read_split,
        test_split="pictures from 008000, of an internal split of VOC 2007 test",
        others={"coco128": partial(read_coco128, labels=VOC_LABELS)},
    ),
    config=PlaceConfig,
    notes=NOTES,
)
