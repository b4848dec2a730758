"""OpenCV's detectors behind the protocol: what they find, in pixels of the picture, with scores in order."""

import cv2
import numpy as np
import pytest

from cvdemo.detect.candidates import Scan, ScanConfig
from cvdemo.detect.opencv_baselines import HaarFaces, HogPeople, haar_scores, haar_windows, hog_scores, hog_windows
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.ops.boxes import iou_matrix

FACE_XYXY = (180, 70, 275, 180)  # drawn by hand round the astronaut's face


@pytest.fixture(scope="module")
def astronaut() -> ImageArray:
    return read_image(example_picture("astronaut"))


def scan(detector: HaarFaces | HogPeople, image: ImageArray, config: ScanConfig | None = None) -> Scan:
    (step,) = detector.scan(image, config or ScanConfig())
    assert (step.done, step.total, step.share, step.windows) == (1, 1, 1.0, step.scan.windows)
    return step.scan


def test_the_cascade_finds_a_face_in_pixels_of_the_picture(astronaut: ImageArray) -> None:
    found = scan(HaarFaces(), astronaut)
    best = found.scores.argmax()
    assert found.labels == ["face"] and found.levels == () and not found.classes.any() and found.complete
    assert iou_matrix(found.fitted_xyxy[best][None], np.array([FACE_XYXY], np.float32))[0, 0] > 0.5
    large = np.repeat(np.repeat(astronaut, 3, axis=0), 3, axis=1)
    again = scan(HaarFaces(), large, ScanConfig(megapixels=0.3))
    overlaps = iou_matrix(again.fitted_xyxy / 3, found.fitted_xyxy[best][None])
    assert overlaps.max() > 0.7 and again.size_wh == (large.shape[1], large.shape[0])


def test_the_sizes_asked_for_bound_the_faces(astronaut: ImageArray) -> None:
    sides = scan(HaarFaces(), astronaut, ScanConfig(min_object_px=60)).fitted_xyxy
    assert len(sides) and ((sides[:, 2:] - sides[:, :2]).max(axis=1) >= 60).all()
    assert not len(scan(HaarFaces(), astronaut, ScanConfig(max_object_px=30, min_object_px=29)).scores)


def test_the_people_detector_finds_a_drawn_figure_of_a_person() -> None:
    """A dark upright figure on light ground has the outline that the SVM looks for."""
    figure, ink = np.full((400, 300, 3), 200, np.uint8), (40, 40, 40)
    cv2.circle(figure, (150, 90), 22, ink, -1)
    cv2.ellipse(figure, (150, 170), (36, 60), 0, 0, 360, ink, -1)
    cv2.rectangle(figure, (125, 215), (146, 340), ink, -1)
    cv2.rectangle(figure, (154, 215), (175, 340), ink, -1)
    figure = cv2.GaussianBlur(figure, (5, 5), 0).astype(np.uint8)
    found = scan(HogPeople(), figure)
    assert found.labels == ["person"] and len(found.scores)
    best = found.fitted_xyxy[found.scores.argmax()][None]
    assert iou_matrix(best, np.array([[75, 45, 225, 345]], np.float32))[0, 0] > 0.8 and found.scores.max() > 0.9


@pytest.mark.parametrize("detector", [HaarFaces(), HogPeople()])
@pytest.mark.parametrize("size_hw", [(1, 1), (5, 60), (300, 4), (130, 40)])
def test_pictures_of_any_size_are_searched(detector: HaarFaces | HogPeople, size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    found = scan(detector, image)
    assert found.fitted_xyxy.shape == (len(found.scores), 4)
    assert (found.fitted_xyxy >= 0).all() and (found.fitted_xyxy <= [size_hw[1], size_hw[0]] * 2).all()


def test_scores_keep_the_order_and_lie_between_0_and_1() -> None:
    for scores in (haar_scores([53.0, 53.75, 54.0, 56.0, 60.0, 99.0]), hog_scores([-1, 0, 0.1, 0.5, 2.0, 9.0])):
        assert scores[0] == scores[1] == 0 and (np.diff(scores[1:]) > 0).all() and scores[-1] <= 1
        assert scores.dtype == np.float32
    assert haar_scores(()).shape == hog_scores(()).shape == (0,)
    assert haar_scores([53.75 + 1.5])[0] == hog_scores([0.5])[0] == pytest.approx(1 - np.exp(-1))


def test_windows_are_counted() -> None:
    assert haar_windows((20, 20)) == 1 and haar_windows((19, 99)) == 0
    assert haar_windows((24, 40)) == 3 * 11 + 2 * 9  # of 24 x 40, then 22 x 36; two px apart
    assert hog_windows((128, 64)) == 1 and hog_windows((127, 64)) == 0
    assert hog_windows((144, 80, 3)) == 3 * 3 + 2 * 2 + 2 * 1  # of 144 x 80, 137 x 76, 131 x 73
