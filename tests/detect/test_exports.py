"""Rows, CSV, COCO and counts of what was found."""

import csv
import io
import json
from typing import Any

import pytest
from faster_coco_eval import COCO

from cvdemo.detect.exports import (
    TABLE_HEADERS,
    coco_of_pictures,
    counted,
    counts,
    counts_in_words,
    csv_of_pictures,
    csv_text,
    plural,
    table_rows,
)

LABELS = ["bottle", "person", "dog"]


def found(*boxes: tuple[str, float, list[float]], size_wh: tuple[int, int] = (640, 480)) -> dict[str, Any]:
    return {
        "size_wh": list(size_wh),
        "detections": [{"label": label, "score": score, "xyxy": xyxy} for label, score, xyxy in boxes],
        "windows": 9, "elapsed_ms": 1.0, "complete": True,
    }  # fmt: skip


BAR = found(
    ("bottle", 0.9312, [10.5, 20.0, 30.0, 80.2]),
    ("person", 0.8, [0.0, 0.0, 100.0, 200.0]),
    ("bottle", 0.5, [40.0, 20.0, 60.0, 80.0]),
)
PARK = found(("dog", 0.7, [1.0, 2.0, 4.0, 6.0]), size_wh=(50, 40))


def test_the_table_has_a_row_for_each_box() -> None:
    rows = table_rows(BAR)
    assert rows[0] == ["bottle", "93.1%", "10,20", "30,80"] and len(rows) == 3
    assert all(len(row) == len(TABLE_HEADERS) for row in rows) and table_rows(found()) == []


def test_csv_is_read_back_as_it_was() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(BAR))))
    assert [row["label"] for row in rows] == ["bottle", "person", "bottle"]
    assert [float(rows[0][key]) for key in ("score", "x1", "y1", "x2", "y2")] == [0.9312, 10.5, 20.0, 30.0, 80.2]
    odd = found(('a "dog", black', 0.5, [0.0, 0.0, 1.0, 1.0]))
    assert next(csv.DictReader(io.StringIO(csv_text(odd))))["label"] == 'a "dog", black'


def test_csv_of_several_pictures_names_their_files() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_of_pictures([("bar.jpg", BAR), ("no.jpg", found()), ("p.jpg", PARK)]))))
    assert [row["file"] for row in rows] == ["bar.jpg"] * 3 + ["p.jpg"] and rows[-1]["label"] == "dog"


def test_coco_has_boxes_by_corner_and_size_and_numbers_that_agree() -> None:
    coco = coco_of_pictures([("bar.jpg", BAR), ("empty.jpg", found()), ("sub/park.jpg", PARK)], LABELS)
    assert json.loads(json.dumps(coco)) == coco
    assert coco["categories"] == [{"id": 1, "name": "bottle"}, {"id": 2, "name": "person"}, {"id": 3, "name": "dog"}]
    assert coco["images"][2] == {"id": 3, "file_name": "sub/park.jpg", "width": 50, "height": 40}
    assert coco["annotations"][0] == {
        "id": 1, "image_id": 1, "category_id": 1, "bbox": [10.5, 20.0, 19.5, 60.2], "area": 1173.9, "iscrowd": 0,
        "score": 0.9312,
    }  # fmt: skip
    last = coco["annotations"][-1]
    assert (last["id"], last["image_id"], last["category_id"], last["bbox"]) == (4, 3, 3, [1.0, 2.0, 3.0, 4.0])


def test_an_independent_reader_of_coco_finds_the_same_boxes() -> None:
    read = COCO(coco_of_pictures([("bar.jpg", BAR), ("park.jpg", PARK)], LABELS))
    assert len(read.getImgIds()) == 2 and read.getCatIds(catNms=["bottle"]) == [1]
    bottles = read.loadAnns(read.getAnnIds(imgIds=[1], catIds=[1]))
    assert [entry["bbox"] for entry in bottles] == [[10.5, 20.0, 19.5, 60.2], [40.0, 20.0, 20.0, 60.0]]


def test_a_label_that_the_detector_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="'dog' is none of the 1 classes"):
        coco_of_pictures([("park.jpg", PARK)], ["bottle"])


def test_the_first_of_equal_names_numbers_them() -> None:
    coco = coco_of_pictures([("park.jpg", PARK)], ["dog", "crane", "dog"])
    assert coco["annotations"][0]["category_id"] == 1 and len(coco["categories"]) == 3


def test_counts_go_from_most_to_fewest_and_then_by_name() -> None:
    many = found(*[(label, 0.5, [0.0, 0.0, 1.0, 1.0]) for label in ("dog", "person", "cat", "person")])
    assert list(counts(many).items()) == [("person", 2), ("cat", 1), ("dog", 1)]
    assert counts_in_words(many) == "2 people, 1 cat, 1 dog" and counts_in_words(found()) == ""
    assert counts_in_words(BAR) == "2 bottles, 1 person"


PLURALS = {
    "person": "people", "sheep": "sheep", "bus": "buses", "dining table": "dining tables", "sofa": "sofas",
    "tv monitor": "tv monitors", "face": "faces", "RBC": "RBCs", "Platelets": "Platelets", "white blood cell":
    "white blood cells", "Person": "People", "canary": "canaries", "donkey": "donkeys", "fox": "foxes",
    "wine glass": "wine glasses", "church": "churches", "computer mouse": "computer mice", "timber wolf":
    "timber wolves", "goldfish": "goldfish", "sunglasses": "sunglasses", "guy": "guys", "y": "ys",
    "mongoose": "mongooses", "German": "Germans",
}  # fmt: skip


@pytest.mark.parametrize("label", PLURALS)
def test_plurals(label: str) -> None:
    assert plural(label) == PLURALS[label]
    assert counted(0, label) == f"0 {PLURALS[label]}" and counted(1, label) == f"1 {label}"
