"""OpenCV's detectors behind the protocol: what they find, in pixels of the picture, with scores in order."""

import cv2
import numpy as np
import pytest

from cvdemo.demo import last_step
from cvdemo.detect import opencv_baselines
from cvdemo.detect.candidates import Scan, ScanConfig
from cvdemo.detect.opencv_baselines import (
    CASCADES,
    HAAR_NEIGHBOURS,
    HAAR_SCALE,
    HOG_SCALE_FACTOR,
    HOG_STRIDE_PX,
    HaarFaces,
    HogPeople,
    Level,
    haar_levels,
    haar_scores,
    hog_levels,
    hog_scores,
)
from cvdemo.detect.run import DetectRequest, run_detect
from cvdemo.detect.selection import DetectConfig
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.ops.boxes import iou_matrix
from cvdemo.runtime import Deadline

FACE_XYXY = (180, 70, 275, 180)  # drawn by hand round the astronaut's face


@pytest.fixture(scope="module")
def astronaut() -> ImageArray:
    return read_image(example_picture("astronaut"))


def scan(detector: HaarFaces | HogPeople, image: ImageArray, config: ScanConfig | None = None) -> Scan:
    *_, step = detector.scan(image, config or ScanConfig())
    assert (step.done, step.share, step.windows) == (step.total, 1.0, step.scan.windows)
    return step.scan


def at_once_by_opencv(detector: HaarFaces | HogPeople, image: ImageArray) -> tuple[object, object]:
    """Boxes and scores of OpenCV's own call for all sizes."""
    if isinstance(detector, HaarFaces):
        cascade = cv2.CascadeClassifier(str(CASCADES / "haarcascade_frontalface_alt2.xml"))
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        found, _, votes = cascade.detectMultiScale3(grey, HAAR_SCALE, HAAR_NEIGHBOURS, outputRejectLevels=True)
        return found, haar_scores(votes)
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    found, distances = hog.detectMultiScale(bgr, winStride=(HOG_STRIDE_PX, HOG_STRIDE_PX), scale=HOG_SCALE_FACTOR)
    return found, hog_scores(distances)


@pytest.mark.parametrize("detector", [HaarFaces(), HogPeople()])
def test_size_by_size_gives_what_opencv_gives_at_once(detector: HaarFaces | HogPeople) -> None:
    image = read_image(example_picture("faces"))
    found, (boxes, scores) = scan(detector, image), at_once_by_opencv(detector, image)
    xywh = np.asarray(boxes, np.float32)
    theirs = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    theirs = theirs.clip(0, np.array([image.shape[1], image.shape[0]] * 2, np.float32))
    ours, order = found.fitted_xyxy, np.lexsort(found.fitted_xyxy.T)
    expected = np.lexsort(theirs.T)
    assert len(ours) >= 5 and np.array_equal(ours[order], theirs[expected])
    np.testing.assert_allclose(found.scores[order], np.asarray(scores)[expected], atol=1e-4)


class EndsAfter(Deadline):
    """Expires when it has been asked so often."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.left = asked

    @property
    def expired(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("detector", [HaarFaces(), HogPeople()])
def test_a_deadline_ends_it_between_two_sizes_and_keeps_the_large_ones(detector: HaarFaces | HogPeople) -> None:
    image = read_image(example_picture("faces"))
    whole = list(detector.scan(image, ScanConfig()))
    assert len(whole) > 10 and len({id(step.scan) for step in whole}) < 10  # drawn after an octave, not after each
    for asked in (0, len(whole) // 2):
        *_, last = detector.scan(image, ScanConfig(), EndsAfter(asked))
        assert not last.scan.complete and last.done < last.total and last.share < 1
        assert last.scan.windows == last.windows == whole[asked].windows


@pytest.mark.parametrize("detector", [HaarFaces(), HogPeople()])
def test_no_more_pixels_are_searched_than_the_limit_allows(
    detector: HaarFaces | HogPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    monkeypatch.setattr(opencv_baselines, "DETECT_MEGAPIXELS", 0.04)
    small = image[:200, :200]
    assert scan(detector, image, ScanConfig(megapixels=40.0)).windows == scan(detector, small).windows


def test_a_search_that_was_ended_is_told_as_incomplete() -> None:
    config = DetectConfig(detector="haar")
    request = DetectRequest(image=read_image(example_picture("faces")), config=config, time_limit_s=1e-6)
    last = last_step(run_detect(request))
    assert not last.complete and last.result is not None and not last.result.detections.complete


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


def test_windows_are_counted_and_the_largest_come_first() -> None:
    def windows(levels: list[Level]) -> list[int]:
        assert [level.scale for level in levels] == sorted((level.scale for level in levels), reverse=True)
        return [level.windows for level in levels]

    assert windows(haar_levels((20, 20))) == [1] and windows(haar_levels((19, 99))) == []
    assert windows(haar_levels((24, 40))) == [7, 2 * 9, 3 * 11]  # of 20 x 33, 22 x 36, 24 x 40 px
    assert windows(hog_levels((128, 64))) == [1] and windows(hog_levels((127, 64))) == []
    assert windows(hog_levels((144, 80, 3))) == [2 * 1, 2 * 2, 3 * 3]  # of 131 x 73, 137 x 76, 144 x 80
