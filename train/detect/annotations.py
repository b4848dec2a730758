"""Boxes that people drew: VOC XML, tables of boxes and YOLO's text files, read into one form.

Boxes are xyxy in px of the picture, x2 and y2 exclusive. VOC counts pixels from 1 and includes the last one, so that
its (xmin, ymin, xmax, ymax) is (xmin - 1, ymin - 1, xmax, ymax) here.
"""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ET
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cvdemo.ops.boxes import FloatArray, IntArray
from train.data.picture_files import picture_files

BoolArray = npt.NDArray[np.bool_]

VOC2007 = "The VOC2007 Database"  # in the XML of every picture of that set


@dataclass(frozen=True)
class Truth:
    """The boxes of one picture.

    Attributes:
        xyxy: (N, 4) float32, px. classes: (N,) int64. difficult: (N,) bool, boxes that count neither for nor against.
    """

    xyxy: FloatArray
    classes: IntArray
    difficult: BoolArray

    def __post_init__(self) -> None:
        count = len(self.classes)
        if self.xyxy.shape != (count, 4) or self.difficult.shape != (count,):
            shapes = f"{self.xyxy.shape}, {self.classes.shape}, {self.difficult.shape}"
            raise ValueError(f"need (N, 4) boxes, (N,) classes and (N,) difficult, got {shapes}")


@dataclass(frozen=True)
class Annotated:
    """A picture file, its size in px, and its boxes."""

    path: Path
    size_wh: tuple[int, int]
    truth: Truth


def truth_of(
    boxes: Sequence[Sequence[float]], classes: Sequence[int] | None = None, difficult: Sequence[bool] | None = None
) -> Truth:
    """A `Truth` of plain numbers; of class 0 and none difficult unless told."""
    count = len(boxes)
    return Truth(
        np.array(boxes, np.float32).reshape(count, 4),
        np.array([0] * count if classes is None else classes, np.int64),
        np.array([False] * count if difficult is None else difficult, np.bool_),
    )


def read_voc(
    folder: Path, labels: Sequence[str], *, only: str = "", names: Collection[str] | None = None
) -> list[Annotated]:
    """The pictures of a folder with `Annotations/*.xml` and `JPEGImages`, by name of file.

    Args:
        labels: names of the classes, by index; boxes of other names are left out.
        only: XML without this text is left out; `VOC2007` keeps the pictures of that set.
        names: of files without suffix; all where None.

    Raises:
        FileNotFoundError: no such XML, or its picture is not there.
        ValueError: an XML that is none, or lacks a size or a box.
    """
    found = []
    for path in sorted((folder / "Annotations").glob("*.xml")):
        if names is not None and path.stem not in names:
            continue
        text = path.read_text(encoding="utf-8")
        if only in text:
            found.append(_of_xml(path, text, folder / "JPEGImages", labels))
    if not found:
        raise FileNotFoundError(f"no annotations{f' with {only!r}' * bool(only)} in {folder / 'Annotations'}")
    return found


def _of_xml(path: Path, text: str, pictures: Path, labels: Sequence[str]) -> Annotated:
    try:
        root = ET.fromstring(text)
        size = int(_text(root, "size/width")), int(_text(root, "size/height"))
        objects = [item for item in root.iter("object") if _text(item, "name") in labels]
        boxes = [_voc_box(item) for item in objects]
    except (ET.ParseError, ValueError) as error:
        raise ValueError(f"{path} is no annotation of VOC: {error}") from error
    classes = [labels.index(_text(item, "name")) for item in objects]
    difficult = [item.findtext("difficult", "0").strip() == "1" for item in objects]
    return Annotated(_existing(pictures / f"{path.stem}.jpg"), size, truth_of(boxes, classes, difficult))


def _voc_box(item: ET.Element) -> list[float]:
    x1, y1, x2, y2 = (float(_text(item, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax"))
    if x2 < x1 or y2 < y1:
        raise ValueError(f"a box from ({x1}, {y1}) to ({x2}, {y2})")
    return [x1 - 1, y1 - 1, x2, y2]


def _text(element: ET.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"no {path}")
    return text.strip()


def read_box_csv(table: Path, pictures: Path, *, folds: Collection[int] | None = None) -> list[Annotated]:
    """The pictures of a table with a row for each box, all of class 0, by name of file.

    Columns: `file` or `image`, and `x1, y1, x2, y2` in px; `fold` where the set has folds. Boxes are clipped to their
    picture. A picture of the folder that no row names has no box; with `folds` only pictures that have rows are read.

    Args:
        table: CSV with a header. pictures: folder of the files.
        folds: those that are read; all where None.

    Raises:
        FileNotFoundError: a picture is not there.
        ValueError: a column is missing, a box lies outside its picture, or nothing is left.
    """
    boxes: dict[str, list[list[float]]] = {}
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            try:
                if folds is None or int(row["fold"]) in folds:
                    name = row["file"] if "file" in row else row["image"]
                    boxes.setdefault(name, []).append([float(row[side]) for side in ("x1", "y1", "x2", "y2")])
            except KeyError as error:
                raise ValueError(f"{table} has no column {error}") from error
    if folds is None:
        boxes = {path.name: [] for path in pictures.glob("*.jpg")} | boxes
    if not boxes:
        raise ValueError(f"{table} has no boxes of folds {sorted(folds or ())}")
    return [_clipped(_existing(pictures / name), boxes[name]) for name in sorted(boxes)]


def read_yolo(pictures: Path, texts: Path, classes: Mapping[int, int]) -> list[Annotated]:
    """The pictures of a folder with YOLO's boxes, by name of file: `NAME.txt` beside `NAME.jpg` in another folder.

    A line is a class and the centre, width and height of a box in shares of the picture. Boxes are clipped to their
    picture. As YOLO has it, a picture without a text has no box.

    Args:
        pictures: folder of the files. texts: folder of the texts.
        classes: from the class in the text to the index here; boxes of others are left out.

    Raises:
        FileNotFoundError: there are no pictures, or none of them has a text.
        ValueError: a line that is no box; with its file.
    """
    files = picture_files(pictures)
    if not any(_text_of(path, texts).is_file() for path in files):
        raise FileNotFoundError(f"no picture of {pictures} has a text in {texts}")
    return [_of_yolo(path, _text_of(path, texts), classes) for path in files]


def _text_of(picture: Path, texts: Path) -> Path:
    return texts / f"{picture.stem}.txt"


def _of_yolo(path: Path, text: Path, classes: Mapping[int, int]) -> Annotated:
    lines = text.read_text(encoding="utf-8").splitlines() if text.is_file() else []
    with Image.open(path) as picture:
        width, height = picture.size
    boxes, labels = [], []
    for number, line in enumerate(lines, 1):
        try:
            label, x, y, wide, high = _yolo_box(line)
        except ValueError as error:
            raise ValueError(f"{text}, line {number} is no box of YOLO: {error}") from error
        if label in classes:
            edges = [x - wide / 2, y - high / 2, x + wide / 2, y + high / 2]
            boxes.append([edge * side for edge, side in zip(edges, (width, height) * 2, strict=True)])
            labels.append(classes[label])
    return _clipped(path, boxes, labels)


def _yolo_box(line: str) -> tuple[int, float, float, float, float]:
    """Class, centre, width and height."""
    label, x, y, wide, high = line.split()
    shares = float(x), float(y), float(wide), float(high)
    if not all(0 <= share <= 1 for share in shares) or 0 in shares[2:]:
        raise ValueError(f"need shares in [0, 1] and a size above 0, got {line!r}")
    return int(label), *shares


def _clipped(path: Path, boxes: list[list[float]], classes: Sequence[int] | None = None) -> Annotated:
    with Image.open(path) as picture:
        size_wh = picture.size
    truth = truth_of(boxes, classes)
    limits = np.array([*size_wh, *size_wh], np.float32)
    inside = truth.xyxy.clip(0, limits)
    if (inside[:, 2:] <= inside[:, :2]).any():
        raise ValueError(f"a box of {path} lies outside its {size_wh[0]} x {size_wh[1]} px")
    return Annotated(path, size_wh, Truth(inside, truth.classes, truth.difficult))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there")
    return path
