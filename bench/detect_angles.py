"""Turned faces: the pictures that choose (FDDB, fold 8), turned by -90 to 90 degrees, and what is found in them.

A picture is turned about its middle on a grey square as wide as its diagonal, also by 0 degrees, so that its faces have
one size at all angles. Boxes are the extents of the turned ellipses that fill the true ones, as FDDB draws its faces.
`face` and Haar answer as on the page, with all their boxes for average precision, and with those of the page's
threshold for recall.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.detect_answers import all_boxes, detect, spread
from bench.detect_rows import Row
from cvdemo.detect.selection import DetectConfig
from cvdemo.images import ImageArray
from train.data.read_pictures import read_rgb
from train.detect.annotations import Annotated, Truth
from train.detect.average_precision import Found, precision_recall
from train.detect.face_data import CHOICE_FOLDS, fddb
from train.detect.face_views import affine_about, turned

ANGLES = range(-90, 91, 15)  # degrees, clockwise
IOU = 0.3
GROUND = (127, 127, 127)


def turned_picture(picture: ImageArray, truth: Truth, degrees: float) -> tuple[ImageArray, Truth]:
    """The picture on its square, turned clockwise, and its true boxes there."""
    height, width = picture.shape[:2]
    side = math.ceil(math.hypot(height, width))
    affine = affine_about((width / 2, height / 2), (side / 2, side / 2), 1, degrees, mirrored=False)
    square = cv2.warpAffine(picture, affine, (side, side), flags=cv2.INTER_LINEAR, borderValue=GROUND)
    return np.asarray(square, np.uint8), Truth(turned(truth.xyxy, affine), truth.classes, truth.difficult)


def found_of(found: Sequence[Found], truths: Sequence[Truth], threshold: float) -> dict[str, float]:
    """AP (area), and the recall and the false boxes of scores from the threshold on."""
    curve = precision_recall(found, truths, IOU, 0)
    shown = curve.hits[curve.scores >= threshold]
    return {
        "ap30": curve.average("area"),
        "recall": float(shown.sum()) / curve.truths,
        "false": int((~shown).sum()),
    }


def angle_rows(folder: Path, n: int, angles: Sequence[int] = ANGLES) -> Iterator[Row]:
    """One for each angle, of `n` pictures; all of them for 0."""
    items = spread(fddb(folder, CHOICE_FOLDS), n)
    for degrees in angles:
        yield _row(items, degrees)


def _row(items: Sequence[Annotated], degrees: int) -> Row:
    configs = {name: DetectConfig(detector=name) for name in ("face", "haar")}
    found: dict[str, list[Found]] = {name: [] for name in configs}
    truths = []
    for item in items:
        picture, truth = turned_picture(read_rgb(item.path), item.truth, degrees)
        truths.append(truth)
        for name, config in configs.items():
            found[name].append(all_boxes(detect(picture, config), config))
    values = {name: found_of(found[name], truths, config.least_score) for name, config in configs.items()}
    return Row(
        f"faces turned by {degrees} degrees, FDDB, fold 8: AP (area) at IoU {IOU}, recall",
        {**values, "n": len(items), "boxes": sum(len(truth.classes) for truth in truths)},
        _words(values["face"]),
        "",
        f"Haar {_words(values['haar'])}",
    )


def _words(values: dict[str, float]) -> str:
    return f"{values['ap30']:.3f}, {values['recall']:.3f} with {values['false']} false"
