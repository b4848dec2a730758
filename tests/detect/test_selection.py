"""What is kept of a scan: score threshold, non-maximum suppression, and the JSON of the interface."""

import json

import numpy as np
import pytest

from cvdemo.detect.candidates import Scan
from cvdemo.detect.selection import DetectConfig, Detections, select


def test_selection_thresholds_suppresses_and_names_each_place_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11], [30, 30, 40, 40]], np.float32)
    scan = Scan((50, 50), list("ab"), (), boxes, boxes + 1, np.array([0.9, 0.8, 0.7, 0.2], np.float32),
                np.array([0, 0, 1, 1]), 4, 2, 1.5, True)  # fmt: skip

    def chosen(**settings: float | bool) -> list[tuple[str, float]]:
        found = select(scan, DetectConfig(**settings))
        return [(label, round(float(score), 3)) for label, score in zip(found.labels, found.scores, strict=True)]

    assert chosen() == [("a", 0.9)]
    assert chosen(one_name=False) == [("a", 0.9), ("b", 0.7)]
    assert chosen(score_threshold=0.1) == [("a", 0.9), ("b", 0.2)]
    assert chosen(nms_iou=1.0) == [("a", 0.9), ("a", 0.8), ("b", 0.7)]
    assert chosen(score_threshold=0.95) == []
    assert select(scan, DetectConfig(), only=[1]).labels == ["b"]  # no longer hidden behind the better "a"
    assert select(scan, DetectConfig()).xyxy.tolist() == [[1, 1, 11, 11]]
    assert select(scan, DetectConfig(fit_boxes=False)).xyxy.tolist() == [[0, 0, 10, 10]]


def test_the_json_object_is_the_one_of_the_interface() -> None:
    found = Detections(
        np.array([[1.04, 2, 3, 4]], np.float32),
        np.array([0.123456], np.float32),
        ["cat"],
        np.array([7]),
        (9, 5),
        3,
        1.26,
        True,
    )
    assert json.loads(json.dumps(found.as_dict())) == {
        "size_wh": [9, 5],
        "detections": [{"label": "cat", "score": 0.1235, "xyxy": [1.0, 2.0, 3.0, 4.0]}],
        "windows": 3,
        "elapsed_ms": 1.3,
        "complete": True,
    }


def test_a_threshold_below_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="score_threshold must be at least"):
        DetectConfig(score_threshold=0.0)
