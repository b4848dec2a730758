"""What was installed for detection before networks, to compare: OpenCV's Haar cascade and its HOG people detector.

The cascade is `haarcascade_frontalface_alt2` (P. Viola and M. Jones, CVPR 2001; trained by R. Lienhart), the people
detector the linear SVM of N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005,
that OpenCV brings. Neither gives probabilities. What each gives instead is mapped to [0, 1] by a fixed curve that keeps
its order, so that the curve of precision and recall is the detector's own; the score is no probability.

haar        the votes v of the last stage above what it asks for: 1 - exp(-(v - HAAR_LEAST) / HAAR_SPREAD).
people_hog  the distance d from the SVM's plane: 1 - exp(-d / HOG_SPREAD).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from cvdemo.detect.candidates import Scan, ScanConfig, ScanStep, of_size
from cvdemo.images import ImageArray
from cvdemo.ops.boxes import FloatArray, scale_boxes
from cvdemo.ops.pyramid import resized
from cvdemo.runtime import Deadline

CASCADES = Path(cv2.__file__).parent / "data"
MAX_MEGAPIXELS = 2.0  # of the picture that is searched: a megapixel takes half a second
HAAR_WINDOW_PX = 20  # side of the cascade's window
HAAR_SCALE = 1.1  # OpenCV's default; between the sizes of windows
HAAR_NEIGHBOURS = 1  # 1 gives the best curve on photographs of faces; OpenCV's default, 3, hides weak faces
HAAR_LEAST = 53.75  # votes that the last stage asks for: its threshold in the file
HAAR_SPREAD = 1.5  # votes above that are given a score of 63 %; faces of photographs have 0 to 4, half of them 1.8
HOG_WINDOW_WH = (64, 128)
HOG_STRIDE_PX = 8
HOG_SCALE_FACTOR = 1.05  # OpenCV's default
HOG_SPREAD = 0.5  # distance from the plane that is given a score of 63 %; people in photographs have 0 to 2


def shrunk_to(image: ImageArray, megapixels: float) -> ImageArray:
    """The picture with no more pixels than that; never enlarged, as is usual with these detectors."""
    height, width = image.shape[:2]
    scale = min(1.0, (megapixels * 1e6 / (height * width)) ** 0.5)
    return resized(image, (max(1, round(height * scale)), max(1, round(width * scale))))


@dataclass(frozen=True)
class HaarFaces:
    """OpenCV's cascade for frontal faces. It answers once, at the end."""

    labels: list[str] = field(default_factory=lambda: ["face"])

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """See `cvdemo.detect.detector.Detector`; one step."""
        clock = deadline or Deadline()
        searched = _searched(image, config)
        grey, windows = cv2.cvtColor(searched, cv2.COLOR_RGB2GRAY), haar_windows(searched.shape)
        scale = searched.shape[0] / image.shape[0]
        least = max(HAAR_WINDOW_PX, round(config.min_object_px * scale))
        most = round(config.max_object_px * scale)
        # The cascade keeps state while it runs: each scan has its own. Reading the file takes 15 ms.
        cascade = cv2.CascadeClassifier(str(CASCADES / "haarcascade_frontalface_alt2.xml"))
        found, _, votes = cascade.detectMultiScale3(
            cv2.equalizeHist(grey),
            HAAR_SCALE,
            HAAR_NEIGHBOURS,
            minSize=(least, least),
            maxSize=(most, most),
            outputRejectLevels=True,
        )
        yield _only_step(image, searched, found, haar_scores(votes), self.labels, config, clock, windows)


@dataclass(frozen=True)
class HogPeople:
    """OpenCV's detector of upright people, with their box as it gives it. It answers once, at the end."""

    labels: list[str] = field(default_factory=lambda: ["person"])

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """See `cvdemo.detect.detector.Detector`; one step. What is smaller than the window holds nobody."""
        clock = deadline or Deadline()
        searched = _searched(image, config)
        found: Sequence[Sequence[int]] = ()
        distances: Sequence[float] = ()
        if searched.shape[1] >= HOG_WINDOW_WH[0] and searched.shape[0] >= HOG_WINDOW_WH[1]:
            hog = cv2.HOGDescriptor()
            hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
            stride = (HOG_STRIDE_PX, HOG_STRIDE_PX)
            found, distances = hog.detectMultiScale(
                cv2.cvtColor(searched, cv2.COLOR_RGB2BGR), winStride=stride, scale=HOG_SCALE_FACTOR
            )
        windows = hog_windows(searched.shape)
        yield _only_step(image, searched, found, hog_scores(distances), self.labels, config, clock, windows)


def haar_scores(votes: object) -> FloatArray:
    """The last stage's votes as scores in [0, 1)."""
    return _score(np.asarray(votes, np.float32) - np.float32(HAAR_LEAST), HAAR_SPREAD)


def hog_scores(distances: object) -> FloatArray:
    """Distances from the SVM's plane as scores in [0, 1)."""
    return _score(np.asarray(distances, np.float32), HOG_SPREAD)


def _score(values: FloatArray, spread: float) -> FloatArray:
    scores: FloatArray = 1 - np.exp(-values.reshape(-1).clip(min=0) / np.float32(spread))
    return scores


def haar_windows(shape: tuple[int, ...]) -> int:
    """How many windows the cascade begins: 2 px apart on each shrunken picture, 1 px once it has half the sides."""
    total, factor = 0, 1.0
    while min(shape[0], shape[1]) / factor >= HAAR_WINDOW_PX:
        step = 1 if factor > 2 else 2
        rows, columns = ((round(side / factor) - HAAR_WINDOW_PX) // step + 1 for side in shape[:2])
        total, factor = total + rows * columns, factor * HAAR_SCALE
    return total


def hog_windows(shape: tuple[int, ...]) -> int:
    """How many windows the people detector scores."""
    total, factor = 0, 1.0
    while shape[0] / factor >= HOG_WINDOW_WH[1] and shape[1] / factor >= HOG_WINDOW_WH[0]:
        sides = zip((shape[1], shape[0]), HOG_WINDOW_WH, strict=True)
        columns, rows = ((round(side / factor) - window) // HOG_STRIDE_PX + 1 for side, window in sides)
        total, factor = total + rows * columns, factor * HOG_SCALE_FACTOR
    return total


def _searched(image: ImageArray, config: ScanConfig) -> ImageArray:
    return shrunk_to(image, min(config.megapixels, MAX_MEGAPIXELS))


def _only_step(
    image: ImageArray,
    searched: ImageArray,
    found_xywh: object,
    scores: FloatArray,
    labels: list[str],
    config: ScanConfig,
    clock: Deadline,
    windows: int,
) -> ScanStep:
    """The whole scan as one step; boxes are brought to px of the picture."""
    boxes = np.asarray(found_xywh, np.float32).reshape(-1, 4)
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    size_hw = (image.shape[0], image.shape[1])
    xyxy = scale_boxes(corners, (searched.shape[0], searched.shape[1]), size_hw)
    xyxy = xyxy.clip(0, np.array([size_hw[1], size_hw[0]] * 2, np.float32))
    wanted = of_size(xyxy, config)
    scan = Scan(
        size_wh=(size_hw[1], size_hw[0]),
        labels=labels,
        levels=(),
        windows_xyxy=xyxy[wanted],
        fitted_xyxy=xyxy[wanted],
        scores=scores[wanted],
        classes=np.zeros(len(wanted), np.int64),
        windows=windows,
        elapsed_ms=clock.elapsed_ms,
        complete=True,
    )
    return ScanStep(1, 1, scan, windows, 1.0)
