"""Any detector of the page on every set whose classes it has, by one protocol.

A class of a detector is a class of a set where both have the same name. `imagenet` has other names: `GROUPS` puts them
together by hand, which is coarse. "pot" is a pot with or without its plant; of chairs, cows, sheep and horses ImageNet
has a few kinds only; trams and lorries are left out. So are its three kinds of people (baseball player, bridegroom,
scuba diver): `imagenet` finds no person. Boxes of classes that a set lacks are dropped; true boxes of classes that a
detector lacks do not count.

The average precision is told at IoU 0.3 too: the boxes of `people_hog` have a margin round the person, as OpenCV gives
them, those of `imagenet` are guessed from what speaks for a class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.detect_answers import measured, spread
from bench.detect_rows import Row
from cvdemo.detect.detector import load_detector
from cvdemo.detect.selection import DetectConfig
from train.detect.annotations import Annotated
from train.detect.average_precision import Found, average_precision
from train.detect.face_data import LABELS, TEST_FOLDS, cmu_mit, fddb
from train.detect.face_measure import in_squares
from train.recipes import bccd_detector, objects_detector

IOUS = (0.3, 0.5)
CMU_MIT = "CMU+MIT, validation half"
TOLD_ONE_BY_ONE = 3  # classes at most whose average precision is told in words; --json has all

# Names of ImageNet that are a class of VOC: single ones, and (first, last) of neighbours in its order.
GROUPS: Mapping[str, tuple[str | tuple[str, str], ...]] = {
    "aeroplane": ("airliner", "military aircraft"),
    "bicycle": ("tandem bicycle", "mountain bike"),
    "bird": (("cock", "great grey owl"), ("black grouse", "black swan"), ("white stork", "albatross")),
    "boat": (
        "canoe", "catamaran", "container ship", "fireboat", "gondola", "lifeboat", "motorboat", "ocean liner",
        "pirate ship", "schooner", "trimaran", "yawl",
    ),
    "bottle": ("beer bottle", "pill bottle", "soda bottle", "water bottle", "whiskey jug", "wine bottle"),
    "bus": ("minibus", "school bus", "trolleybus"),
    "car": (
        "ambulance", "convertible", "jeep", "limousine", "minivan", "Model T", "pickup truck", "race car",
        "sports car", "station wagon", "taxicab",
    ),
    "cat": (("tabby cat", "Egyptian Mau"),),
    "chair": ("barber chair", "folding chair", "rocking chair", "throne"),
    "cow": ("ox",),
    "dining table": ("dining table",),
    "dog": (("Chihuahua", "Mexican hairless dog"),),
    "horse": ("common sorrel",),
    "motorbike": ("moped", "scooter"),
    "potted plant": ("pot",),
    "sheep": ("ram",),
    "sofa": ("couch",),
    "train": ("high-speed train", "electric locomotive", "passenger car", "steam locomotive"),
    "tv monitor": ("monitor", "CRT screen", "television"),
}  # fmt: skip


@dataclass(frozen=True)
class BoxSet:
    """Pictures with boxes, and the names of their classes."""

    name: str
    items: Sequence[Annotated]
    labels: Sequence[str]


def box_sets(faces: Path | None, voc: Path | None, bccd: Path | None, n: int) -> Iterator[BoxSet]:
    """The test splits of those whose folder is given, `n` pictures of each; all of them for 0."""
    if faces:
        yield BoxSet("FDDB, fold 9", spread(fddb(faces, TEST_FOLDS), n), LABELS)
        yield BoxSet(CMU_MIT, spread(cmu_mit(faces), n), LABELS)
    if voc:
        items, labels = objects_detector.read_split(voc, "test"), objects_detector.VOC_LABELS
        yield BoxSet("internal split of VOC 2007 test", spread(items, n), labels)
    if bccd:
        items, cells = bccd_detector.read_split(bccd, "test"), bccd_detector.BCCD_LABELS
        yield BoxSet("test split of BCCD", spread(items, n), cells)


def members(groups: Sequence[str | tuple[str, str]], labels: Sequence[str]) -> list[int]:
    """Indices of a group's names among the labels.

    Raises:
        ValueError: there is no such name.
    """
    places = {label: index for index, label in enumerate(labels)}
    ends = [group if isinstance(group, tuple) else (group, group) for group in groups]
    if unknown := {name for pair in ends for name in pair} - set(places):
        raise ValueError(f"no labels {sorted(unknown)}")
    return [index for first, last in ends for index in range(places[first], places[last] + 1)]


def shared_classes(detector: str, own: Sequence[str], wanted: Sequence[str]) -> dict[int, int]:
    """From a detector's class to the set's, of those that both have."""
    if detector == "imagenet":
        return {
            index: wanted.index(label)
            for label, groups in GROUPS.items()
            if label in wanted
            for index in members(groups, own)
        }
    return {index: wanted.index(label) for index, label in enumerate(own) if label in wanted}


def renamed(found: Found, classes: Mapping[int, int]) -> Found:
    """The boxes of these classes under the set's."""
    kept = np.isin(found.classes, list(classes))
    names = np.array([classes[index] for index in found.classes[kept].tolist()], np.int64)
    return Found(found.xyxy[kept], found.scores[kept], names)


def choice_rows(detectors: Sequence[str], sets: Sequence[BoxSet]) -> Iterator[Row]:
    """One for each detector and set that have classes in common."""
    for box_set in sets:
        for detector in detectors:
            classes = shared_classes(detector, load_detector(detector).labels, box_set.labels)
            if classes:
                yield _row(detector, box_set, classes)


def _row(detector: str, box_set: BoxSet, classes: Mapping[int, int]) -> Row:
    timed = measured(box_set.items, DetectConfig(detector=detector))
    found = [renamed(one, classes) for one in timed.found]
    if detector == "face" and box_set.name == CMU_MIT:
        found = in_squares(found)
    truths, known = [item.truth for item in box_set.items], sorted(set(classes.values()))
    each = {
        f"ap{100 * iou:.0f}": {
            box_set.labels[index]: value
            for index in known
            if not np.isnan(value := average_precision(found, truths, iou, index))
        }
        for iou in IOUS
    }
    means = {name: float(np.mean(list(values.values()))) for name, values in each.items()}
    told = [label for label in each["ap50"] if len(known) <= TOLD_ONE_BY_ONE or label == "person"]
    ones = [f"{label} {_pair({name: values[label] for name, values in each.items()})}" for label in told]
    mean = [f"mean of {len(each['ap50'])} classes {_pair(means)}"] if len(each["ap50"]) > 1 else []
    return Row(
        f"`{detector}` on {box_set.name}: AP (area) at IoU 0.3 / 0.5",
        {**means, "classes": each, "n": len(box_set.items), **timed.mean_ms},
        "; ".join([*mean, *ones]),
        "",
        f"{timed.mean_ms['ms']:.0f} ms a picture",
    )


def _pair(values: Mapping[str, float]) -> str:
    return f"{values['ap30']:.3f} / {values['ap50']:.3f}"
