"""Measures of the face detector: what the page would find, and both framings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cvdemo.demo import result_of
from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.detect.detector import DETECTORS, FACE_FLOOR, load_detector
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.detect.run import DetectRequest, run_detect
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.images import Preprocessing
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.place_net import PlaceNet
from cvdemo.weights import entry_of
from train.data.read_pictures import read_rgb
from train.detect.annotations import truth_of
from train.detect.average_precision import Found
from train.detect.face_measure import FaceFinder, face_finder, face_values, in_squares, shown_values

_FACE = [20.0, 10.0, 40.0, 40.0]
_SQUARE = [20 - 0.204 * 20, 10 + 0.146 * 30, 20 + 1.186 * 20, 10 + 1.041 * 30]


def _found(boxes: list[list[float]], scores: list[float]) -> Found:
    truth = truth_of(boxes)
    return Found(truth.xyxy, np.array(scores, np.float32), truth.classes)


@pytest.fixture
def finder() -> Iterator[FaceFinder]:
    torch.manual_seed(0)
    network = PlaceNet(1, strides=(8, 16), width=8, depth=1)
    with torch.no_grad():
        network.classes.bias.fill_(0.0)  # scores about a half, so that there are boxes
    yield face_finder(network, Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing), 96)


def test_it_finds_what_the_page_would(finder: FaceFinder) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    found = finder(picture)
    threshold = float(np.median(found.scores))
    config = DetectConfig(detector="face", score_threshold=threshold)
    *_, last = finder.detector.scan(picture, config)
    shown = select(last.scan, config)
    above = found.scores >= threshold
    np.testing.assert_array_equal(found.xyxy[above], shown.xyxy)
    assert above.any() and not above.all()  # weaker ones follow
    assert len(found.scores) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert config.most_overlap == DETECTORS["face"].nms_iou


def test_another_first_level(finder: FaceFinder) -> None:
    assert finder.input_px == 96
    other = finder.at(64)
    assert (other.input_px, other.preprocessing.resize_px) == (64, 64)
    assert replace(other.preprocessing, input_px=96, resize_px=96) == finder.preprocessing


def test_boxes_are_compared_in_the_framing_of_the_set() -> None:
    truths = [truth_of([_SQUARE])]
    found = [_found([_FACE], [0.9])]
    assert face_values(in_squares(found), truths)["ap50"] == 1
    tight = [_found([[23.0, 5.0, 37.0, 40.0]], [0.9])]
    assert face_values(tight, truths)["ap50"] == 0
    assert face_values(tight, truths)["ap30"] == 1


def test_recall_at_allowed_numbers_of_false_boxes() -> None:
    """Twelve wrong boxes stand before the one face: it is not reached with ten false ones, but with 31."""
    wrong = [[100.0 + 30 * i, 0.0, 110.0 + 30 * i, 20.0] for i in range(12)]
    found = [_found([*wrong, _FACE], [0.9] * 12 + [0.1])]
    values = face_values(found, [truth_of([_FACE])])
    assert [values[f"recall_at_{count}"] for count in (10, 31, 65, 167)] == [0, 1, 1, 1]


def test_what_the_page_shows_is_counted() -> None:
    """At its threshold: one of two faces, and one false box; the second face is found by a box that is hidden."""
    least, other = DETECTORS["face"].score_threshold, [80.0, 10.0, 100.0, 40.0]
    found = [_found([_FACE, other, [0, 50, 20, 80]], [least, least - 0.01, 0.99])]
    assert shown_values(found, [truth_of([_FACE, other])]) == {"recall_shown": 0.5, "false_shown": 1}


def test_the_page_and_the_measure_keep_the_same_candidates(finder: FaceFinder) -> None:
    page = load_detector("face", "cpu")
    assert isinstance(page, PlaceDetector)
    assert page.floor == finder.detector.floor == FACE_FLOOR < SCORE_FLOOR
    assert page.max_upscale == finder.detector.max_upscale == DETECTORS["face"].max_upscale


def test_the_published_detector_finds_the_one_face_of_a_photograph() -> None:
    picture = read_rgb(Path(__file__).parents[3] / "examples" / "astronaut.jpg")
    found = result_of(run_detect(DetectRequest(image=picture, config=DetectConfig(detector="face")))).detections
    assert len(found.scores) == 1 and found.scores[0] > 0.8
    height, width = picture.shape[:2]
    x, y = found.xyxy[0, :2] + found.xyxy[0, 2:]
    assert 0.3 < x / 2 / width < 0.6 and 0.05 < y / 2 / height < 0.45
