"""What is kept of a scan: score threshold, non-maximum suppression, and the JSON of the interface."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cvdemo.config import settings_of
from cvdemo.detect.candidates import SCORE_FLOOR, Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.selection import SUPPRESSIONS, DetectConfig, Detections, select


def test_selection_thresholds_suppresses_and_names_each_place_once() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11], [30, 30, 40, 40]], np.float32)
    scan = Scan((50, 50), list("ab"), (), boxes, boxes + 1, np.array([0.9, 0.8, 0.7, 0.2], np.float32),
                np.array([0, 0, 1, 1]), 4, 1.5, True)  # fmt: skip

    def chosen(**settings: float | bool) -> list[tuple[str, float]]:
        found = select(scan, DetectConfig(detector="imagenet", **settings))
        return [(label, round(float(score), 3)) for label, score in zip(found.labels, found.scores, strict=True)]

    assert chosen() == [("a", 0.9)]
    assert chosen(one_name=False) == [("a", 0.9), ("b", 0.7)]
    assert chosen(score_threshold=0.1) == [("a", 0.9), ("b", 0.2)]
    assert chosen(nms_iou=1.0) == [("a", 0.9), ("a", 0.8), ("b", 0.7)]
    assert chosen(score_threshold=0.95) == []
    assert select(scan, DetectConfig(detector="imagenet"), only=[1]).labels == [
        "b"
    ]  # no longer hidden behind the better "a"
    assert select(scan, DetectConfig(detector="imagenet")).xyxy.tolist() == [[1, 1, 11, 11]]
    assert select(scan, DetectConfig(detector="imagenet", fit_boxes=False)).xyxy.tolist() == [[0, 0, 10, 10]]


@pytest.mark.parametrize("detector", DETECTORS)
def test_bare_windows_are_shown_only_where_windows_are_classified(detector: str) -> None:
    """What a network of places has scored are places; the squares round them are drawn, not scored."""
    windows = np.array([[0, 0, 10, 10]], np.float32)
    scan = Scan((50, 50), ["a"], (), windows, windows + 5, np.array([0.9], np.float32), np.array([0]), 1, 1.5, True)
    shown = select(scan, DetectConfig(detector=detector, fit_boxes=False)).xyxy
    assert np.array_equal(shown, windows if detector == "imagenet" else windows + 5)


def crowd(seed: int = 0, count: int = 150) -> Scan:
    """Candidates of three classes that overlap a good deal, with scores above the floor that differ."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(0, 150, (count, 2)), rng.uniform(10, 60, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    scores = rng.permutation(np.linspace(0.06, 0.99, count)).astype(np.float32)
    return Scan((210, 210), list("abc"), (), boxes, boxes, scores, rng.integers(0, 3, count), count, 1.0, True)


@pytest.mark.parametrize("detector", ["objects", "imagenet", "haar"])
@pytest.mark.parametrize("suppression", SUPPRESSIONS)
@pytest.mark.parametrize("threshold", [0.15, 0.35, 0.8])
def test_a_threshold_only_hides_what_a_lower_one_shows(detector: str, suppression: str, threshold: float) -> None:
    scan = crowd()
    low, high = (
        select(scan, DetectConfig(detector=detector, suppression=suppression, score_threshold=score))
        for score in (SCORE_FLOOR, threshold)
    )
    assert 0 < len(high.scores) < len(low.scores) and (np.diff(high.scores) <= 0).all()
    assert high.xyxy.tolist() == low.xyxy[low.scores >= threshold].tolist()


def test_the_kinds_of_suppression_differ_and_each_is_its_own() -> None:
    scan, config = crowd(), DetectConfig(detector="objects", nms_iou=0.3, score_threshold=0.3)
    hard, soft, fusion = (select(scan, replace(config, suppression=kind)) for kind in SUPPRESSIONS)
    assert set(map(tuple, hard.xyxy.tolist())) < set(map(tuple, scan.fitted_xyxy.tolist()))
    assert len(soft.scores) > len(hard.scores) and not set(soft.scores.tolist()) <= set(scan.scores.tolist())
    assert not set(map(tuple, fusion.xyxy.tolist())) <= set(map(tuple, scan.fitted_xyxy.tolist()))


def test_only_the_classifier_takes_a_part_for_its_whole_and_one_name_for_a_place() -> None:
    """A face in another's box, and a rider on a horse."""
    boxes = np.array([[0, 0, 100, 100], [10, 10, 40, 40], [0, 10, 120, 110]], np.float32)
    scan = Scan((120, 110), ["person", "horse"], (), boxes, boxes, np.array([0.9, 0.8, 0.7], np.float32),
                np.array([0, 0, 1]), 3, 1.0, True)  # fmt: skip
    assert select(scan, DetectConfig(detector="objects")).labels == ["person", "person", "horse"]
    assert select(scan, DetectConfig(detector="imagenet")).labels == ["person"]
    assert select(scan, DetectConfig(detector="imagenet", one_name=False)).labels == ["person", "horse"]


@pytest.mark.parametrize("suppression", SUPPRESSIONS)
def test_one_thing_with_two_names_keeps_the_better_one(suppression: str) -> None:
    """A dog that is a sheep too, and a rider on a horse, who are two."""
    boxes = np.array([[0, 0, 100, 100], [2, 0, 101, 98], [200, 0, 260, 90], [200, 30, 300, 130]], np.float32)
    scan = Scan((300, 130), ["dog", "sheep", "person", "horse"], (), boxes, boxes,
                np.array([0.83, 0.41, 0.9, 0.8], np.float32), np.arange(4), 4, 1.0, True)  # fmt: skip
    config = DetectConfig(detector="objects", suppression=suppression, score_threshold=0.4, agnostic_nms_iou=0.8)
    assert select(scan, config).labels == ["person", "dog", "horse"]
    assert select(scan, replace(config, agnostic_nms_iou=1.0)).labels == ["person", "dog", "horse", "sheep"]
    assert select(scan, config, only=[1]).labels == ["sheep"]  # the dog is not looked at


def test_each_detector_hides_below_its_own_threshold_unless_told() -> None:
    scan = crowd()
    for name, kind in DETECTORS.items():
        assert select(scan, DetectConfig(detector=name)).scores.min() >= kind.score_threshold
        assert select(scan, DetectConfig(detector=name, score_threshold=0.06)).scores.min() < kind.score_threshold


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


@pytest.mark.parametrize(
    ("name", "term"),
    [("nms_iou", "IoU"), ("megapixels", "Finest level"), ("pyramid_factor", "Pyramid factor"),
     ("suppression", "Non-maximum suppression"), ("crop_by_crop", "Crop by crop")],
)  # fmt: skip
def test_the_term_of_the_papers_stands_in_the_help_and_not_in_the_label(name: str, term: str) -> None:
    described = settings_of(DetectConfig)[name]
    assert term in described.help and term.lower() not in described.label.lower()
