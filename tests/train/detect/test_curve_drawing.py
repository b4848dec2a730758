"""The drawing of precision over recall."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from train.detect.annotations import truth_of
from train.detect.average_precision import Found, PrecisionRecall
from train.detect.curve_drawing import MOST_CLASSES, MOST_POINTS, _curve, curves_of, draw_precision_recall


def _precision_recall(hits: list[bool], truths: int) -> PrecisionRecall:
    return PrecisionRecall(np.linspace(1, 0, len(hits), dtype=np.float32), np.array(hits, np.bool_), truths)


def test_a_curve_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    draw_precision_recall({"cat": _precision_recall([True, False, True], 4)}, path, "two of four cats")
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert len(picture.convert("L").getcolors() or []) > 10  # lines and words, not an empty sheet


def test_the_points_are_those_of_the_area() -> None:
    curve = _curve("cat", _precision_recall([True, False, True], 4))
    assert list(curve.x) == [0.25, 0.25, 0.5]
    assert list(curve.y) == pytest.approx([1, 2 / 3, 2 / 3])
    assert "AP 0.417" in curve.name


def test_a_long_curve_keeps_its_ends() -> None:
    whole = _precision_recall([True] + [False] * 5000, 1)
    curve = _curve("cat", whole)
    assert len(curve.x) <= MOST_POINTS
    assert curve.y[0] == 1
    assert curve.y[-1] == pytest.approx(whole.interpolated[-1])


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    for nothing in ({}, {"cat": _precision_recall([], 4)}, {"cat": _precision_recall([False], 0)}):
        with pytest.raises(ValueError, match="nothing to draw"):
            draw_precision_recall(nothing, tmp_path / "curve.png")


def test_of_many_classes_the_best_and_the_worst_are_drawn() -> None:
    count = MOST_CLASSES + 2
    box = [0.0, 0.0, 10.0, 10.0]
    truths = [truth_of([box] * count, list(range(count)))] * 2
    # class c is found by score c at the right place in one picture, and in the other by a wrong box with more or less
    found = []
    for picture in range(2):
        boxes = [box if picture == 0 or c < 2 else [50.0, 50.0, 60.0, 60.0] for c in range(count)]
        truth = truth_of(boxes, list(range(count)))
        scores = np.array([0.5 if picture == 0 else 0.1 * c for c in range(count)], np.float32)
        found.append(Found(truth.xyxy, scores, truth.classes))
    labels = [f"class {c}" for c in range(count)]
    curves = curves_of(found, truths, labels)
    assert len(curves) == MOST_CLASSES
    averages = [curve.average("area") for curve in curves.values()]
    assert averages == sorted(averages, reverse=True)
    assert list(curves)[:2] == ["class 0", "class 1"]
    assert curves_of(found, truths, [*labels, "never there"]).keys() == curves.keys()
