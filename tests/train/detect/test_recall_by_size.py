"""Recall by size: bands and their edges, known answers at the threshold and at the floor, what does not count."""

from collections.abc import Sequence

import numpy as np
import pytest

from cvdemo.detect.candidates import SCORE_FLOOR
from train.detect.annotations import truth_of
from train.detect.average_precision import COCO_AREAS, Found
from train.detect.recall_by_size import AREA_BANDS, FACE_BANDS, recall_by_size


def box(side: float, left: float = 0.0, longer: float = 0.0) -> list[float]:
    """A box whose shorter side is `side`, wide; at `left`."""
    return [left, 0.0, left + side + longer, side]


def answer(boxes: Sequence[Sequence[float]], scores: Sequence[float], classes: Sequence[int] | None = None) -> Found:
    truth = truth_of(boxes, classes)
    return Found(truth.xyxy, np.array(scores, np.float32), truth.classes)


def test_a_size_at_an_edge_belongs_to_the_band_above_it() -> None:
    sides = [1, 23.9, 24, 31, 32, 47, 48, 95, 96, 500]
    boxes = truth_of([box(side, longer=9) for side in sides]).xyxy
    assert FACE_BANDS.of(boxes).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    squares = truth_of([box(side) for side in (31, 32, 95, 96)]).xyxy
    assert [AREA_BANDS.names[index] for index in AREA_BANDS.of(squares)] == ["small", "medium", "medium", "large"]
    assert AREA_BANDS.edges == (COCO_AREAS["small"][1], COCO_AREAS["medium"][1])
    for bands in (FACE_BANDS, AREA_BANDS):
        assert len(bands.names) == len(bands.edges) + 1


def test_known_answers() -> None:
    """Faces of 20, 28, 28, 40 and 100 px; found: one of 28 surely, one weakly, that of 100 below the floor."""
    one = truth_of([box(20), box(28, 100), box(40, 200)])
    other = truth_of([box(28), box(100, 200)])
    found = [
        answer([box(28, 100), box(28, 101), box(40, 300)], [0.9, 0.8, 0.99]),  # a second box, and one on nothing
        answer([box(28), box(100, 200)], [0.3, SCORE_FLOOR / 2]),
    ]
    result = recall_by_size(found, [one, other], FACE_BANDS, 0.5)
    assert result["rows"] == [
        {"size": "under 24", "n": 1, "recall": 0.0, "recall_at_floor": 0.0},
        {"size": "24 to 32", "n": 2, "recall": 0.5, "recall_at_floor": 1.0},
        {"size": "32 to 48", "n": 1, "recall": 0.0, "recall_at_floor": 0.0},
        {"size": "48 to 96", "n": 0, "recall": None, "recall_at_floor": None},
        {"size": "96 and more", "n": 1, "recall": 0.0, "recall_at_floor": 0.0},
    ]
    assert (result["threshold"], result["floor"], result["iou"]) == (0.5, SCORE_FLOOR, 0.5)


@pytest.mark.parametrize(("threshold", "recall"), [(0.8, 1.0), (0.8001, 0.0)])
def test_a_score_at_the_threshold_is_shown(threshold: float, recall: float) -> None:
    rows = recall_by_size([answer([box(30)], [0.8])], [truth_of([box(30)])], FACE_BANDS, threshold)["rows"]
    assert rows[1]["recall"] == recall


def test_the_overlap_decides_what_is_found() -> None:
    found, truths = [answer([box(30, 10)], [0.9])], [truth_of([box(30)])]  # 20 of 40 px overlap
    recalls = [recall_by_size(found, truths, FACE_BANDS, 0.5, iou)["rows"][1]["recall"] for iou in (0.3, 0.5, 0.51)]
    assert recalls == [1.0, 1.0, 0.0]


def test_classes_go_together_and_difficult_ones_do_not_count() -> None:
    truth = truth_of([box(20), box(20, 50), box(20, 100)], [0, 1, 1], [False, False, True])
    found = answer([box(20), box(20, 50), box(20, 100)], [0.9, 0.9, 0.9], [0, 0, 1])  # the second has a wrong name
    (small, *others) = recall_by_size([found], [truth], AREA_BANDS, 0.5)["rows"]
    assert small == {"size": "small", "n": 2, "recall": 0.5, "recall_at_floor": 0.5}
    assert all(row["n"] == 0 and row["recall"] is None for row in others)


def test_without_pictures_there_is_nothing_to_find() -> None:
    assert [row["n"] for row in recall_by_size([], [], AREA_BANDS, 0.5)["rows"]] == [0, 0, 0]
