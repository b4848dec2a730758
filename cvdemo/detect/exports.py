"""What was found, for tables and files: rows, CSV, JSON of several pictures in the form of COCO, and counts in words.

All of it is made from `Detections.as_dict`, the object of the page's API, so that it tells what the page shows. The
form of COCO is that of https://cocodataset.org/#format-data, with the score beside each box, which is x, y, width,
height.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Boxes = Mapping[str, Any]  # of `Detections.as_dict`
TABLE_HEADERS = ["What", "How sure", "Top left", "Bottom right"]  # corners as x, y
CSV_HEADERS = ["label", "score", "x1", "y1", "x2", "y2"]
IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "hoof": "hooves",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "man": "men",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "potato": "potatoes",
    "mango": "mangoes",
    "buffalo": "buffaloes",
    "shelf": "shelves",
    "tomato": "tomatoes",
    "tooth": "teeth",
    "wolf": "wolves",
    "woman": "women",
}  # last words of names whose plural no rule gives
NO_PLURAL = frozenset(
    {"aircraft", "bison", "deer", "fish", "moose", "offspring", "salmon", "series", "sheep", "shrimp", "species"}
)
PLURAL_ALREADY = frozenset(
    {"binoculars", "goggles", "jeans", "pajamas", "platelets", "scissors", "shorts", "sunglasses", "trunks"}
)


def table_rows(boxes: Boxes) -> list[list[str]]:
    """The rows of a table, as `TABLE_HEADERS` has them."""
    rows = []
    for entry in boxes["detections"]:
        x1, y1, x2, y2 = (round(v) for v in entry["xyxy"])
        rows.append([entry["label"], f"{entry['score']:.1%}", f"{x1},{y1}", f"{x2},{y2}"])
    return rows


def csv_text(boxes: Boxes) -> str:
    """The boxes of one picture as CSV, with a head."""
    return _csv([CSV_HEADERS, *_csv_rows(boxes)])


def csv_of_pictures(pictures: Iterable[tuple[str, Boxes]]) -> str:
    """The boxes of several pictures as CSV, with a head; the first column names the file."""
    rows = [[name, *row] for name, boxes in pictures for row in _csv_rows(boxes)]
    return _csv([["file", *CSV_HEADERS], *rows])


def _csv_rows(boxes: Boxes) -> list[list[Any]]:
    return [[entry["label"], entry["score"], *entry["xyxy"]] for entry in boxes["detections"]]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def coco_of_pictures(pictures: Iterable[tuple[str, Boxes]], labels: Sequence[str]) -> dict[str, Any]:
    """Pictures, boxes and classes in the form of COCO, numbered from 1.

    Args:
        pictures: file names and what was found in each.
        labels: all classes of the detector; the number of a class is its place among them.

    Raises:
        ValueError: a box has a label that is none of the detector's.
    """
    numbers = {label: number for number, label in reversed(list(enumerate(labels, start=1)))}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, boxes in pictures:
        width, height = boxes["size_wh"]
        images.append({"id": len(images) + 1, "file_name": name, "width": width, "height": height})
        for entry in boxes["detections"]:
            if entry["label"] not in numbers:
                raise ValueError(f"{entry['label']!r} is none of the {len(numbers)} classes")
            about = {"id": len(annotations) + 1, "image_id": len(images), "category_id": numbers[entry["label"]]}
            annotations.append(about | _coco_box(entry))
    categories = [{"id": number, "name": label} for number, label in enumerate(labels, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _coco_box(entry: Mapping[str, Any]) -> dict[str, Any]:
    x1, y1, x2, y2 = entry["xyxy"]
    width, height = round(x2 - x1, 1), round(y2 - y1, 1)
    return {
        "bbox": [x1, y1, width, height],
        "area": round(width * height, 2),
        "iscrowd": 0,
        "score": entry["score"],
    }


def counts(boxes: Boxes) -> dict[str, int]:
    """How many of each class, the most first, then by name."""
    found = Counter(entry["label"] for entry in boxes["detections"])
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def counts_in_words(boxes: Boxes) -> str:
    """ "5 bottles, 2 people, 1 dog"; empty where nothing was found."""
    return ", ".join(counted(number, label) for label, number in counts(boxes).items())


def counted(number: int, label: str) -> str:
    """The number with the name of the class, in the plural unless it is one."""
    return f"{number} {label if number == 1 else plural(label)}"


def plural(label: str) -> str:
    """The name of a class for several: "person" gives "people", "dining table" "dining tables", "RBC" "RBCs"."""
    words = label.split(" ")
    return " ".join([*words[:-1], _plural_of_word(words[-1])])


def _plural_of_word(word: str) -> str:
    lower = word.lower()
    if lower in IRREGULAR:
        return _as_capital(word, IRREGULAR[lower])
    if lower in PLURAL_ALREADY or any(lower.endswith(name) for name in NO_PLURAL):
        return word
    if lower.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if lower.endswith("y") and lower[-2:-1] not in ("a", "e", "o", "u", ""):
        return word[:-1] + "ies"
    return word + "s"


def _as_capital(like: str, word: str) -> str:
    return word.capitalize() if like[:1].isupper() else word
