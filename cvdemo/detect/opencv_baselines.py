"""What was installed for detection before networks, to compare: OpenCV's Haar cascade and its HOG people detector.

The cascade is `haarcascade_frontalface_alt2` (P. Viola and M. Jones, CVPR 2001; trained by R. Lienhart), the people
detector the linear SVM of N. Dalal and B. Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005,
that OpenCV brings. Neither gives probabilities. What each gives instead is mapped to [0, 1] by a fixed curve that keeps
its order, so that the curve of precision and recall is the detector's own; the score is no probability.

haar        the votes v of the last stage above what it asks for: 1 - exp(-(v - HAAR_LEAST) / HAAR_SPREAD).
people_hog  the distance d from the SVM's plane: 1 - exp(-d / HOG_SPREAD).

OpenCV searches all sizes in one call, which nothing can end. Here each size is a call of its own, the largest windows
first, so that a deadline ends the search between two sizes; the hits of all of them are grouped as OpenCV groups them,
and are the same (tests). The call for one size cannot be interrupted: 0.4 s for the finest of 2 megapixels, beside
other work on two cores.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from cvdemo.detect.candidates import Scan, ScanConfig, ScanStep, of_size
from cvdemo.images import ImageArray
from cvdemo.limits import DETECT_MEGAPIXELS
from cvdemo.ops.box_groups import Hits, grouped, together
from cvdemo.ops.boxes import FloatArray, scale_boxes
from cvdemo.ops.pyramid import resized
from cvdemo.runtime import Deadline

CASCADES = Path(cv2.__file__).parent / "data"
HAAR_WINDOW_PX = 20  # side of the cascade's window
HAAR_SCALE = 1.1  # OpenCV's default; between the sizes of windows
HAAR_NEIGHBOURS = 1  # 1 gives the best curve on photographs of faces; OpenCV's default, 3, hides weak faces
HAAR_LEAST = 53.75  # votes that the last stage asks for: its threshold in the file
HAAR_SPREAD = 1.5  # votes above that are given a score of 63 %; faces of photographs have 0 to 4, half of them 1.8
HOG_WINDOW_WH = (64, 128)
HOG_STRIDE_PX = 8
HOG_SCALE_FACTOR = 1.05  # OpenCV's default
HOG_NEIGHBOURS = 2  # OpenCV's default
HOG_LEVELS = 64  # OpenCV's default; at most
HOG_SPREAD = 0.5  # distance from the plane that is given a score of 63 %; people in photographs have 0 to 2
OCTAVE = 2.0  # between two sizes after which all that was found so far is told


@dataclass(frozen=True)
class Level:
    """One size of window: its side as a multiple of the smallest window's, and how many windows are scored."""

    scale: float
    windows: int


def shrunk_to(image: ImageArray, megapixels: float) -> ImageArray:
    """The picture with no more pixels than that; never enlarged, as is usual with these detectors."""
    height, width = image.shape[:2]
    scale = min(1.0, (megapixels * 1e6 / (height * width)) ** 0.5)
    return resized(image, (max(1, round(height * scale)), max(1, round(width * scale))))


@dataclass(frozen=True)
class HaarFaces:
    """OpenCV's cascade for frontal faces."""

    labels: list[str] = field(default_factory=lambda: ["face"])

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """See `cvdemo.detect.detector.Detector`; a level is a size of window. The deadline ends it between two."""
        search = _search(image, config, self.labels, deadline, HAAR_NEIGHBOURS, haar_scores)
        grey = cv2.equalizeHist(cv2.cvtColor(search.searched, cv2.COLOR_RGB2GRAY))
        # The cascade keeps state while it runs: each scan has its own. Reading the file takes 15 ms.
        cascade = cv2.CascadeClassifier(str(CASCADES / "haarcascade_frontalface_alt2.xml"))
        scale = search.searched.shape[0] / image.shape[0]
        least, most = (round(px * scale) for px in (config.min_object_px, config.max_object_px))
        levels = [
            level
            for level in haar_levels(grey.shape)
            if _haar_side(level) >= least and (not config.max_object_px or _haar_side(level) <= most)
        ]
        yield from search.steps([[level] for level in levels], lambda batch: _haar_hits(cascade, grey, batch[0]))


def _haar_side(level: Level) -> int:
    return round(HAAR_WINDOW_PX * level.scale)


def _haar_hits(cascade: cv2.CascadeClassifier, grey: MatLike, level: Level) -> Hits:
    """What windows of one size give, ungrouped."""
    side, most = _haar_side(level), round(HAAR_WINDOW_PX * level.scale * HAAR_SCALE) - 1
    found, _, votes = cascade.detectMultiScale3(
        grey, HAAR_SCALE, 0, minSize=(side, side), maxSize=(most, most), outputRejectLevels=True
    )
    return Hits(np.asarray(found, np.int64).reshape(-1, 4), np.asarray(votes, np.float32).reshape(-1))


@dataclass(frozen=True)
class HogPeople:
    """OpenCV's detector of upright people, with their box as it gives it."""

    labels: list[str] = field(default_factory=lambda: ["person"])

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """See `cvdemo.detect.detector.Detector`; a level is a size of window. The deadline ends it between two.

        As many levels run at once as OpenCV has threads. What is smaller than the window holds nobody.
        """
        search = _search(image, config, self.labels, deadline, HOG_NEIGHBOURS, hog_scores)
        bgr = cv2.cvtColor(search.searched, cv2.COLOR_RGB2BGR)
        hog = cv2.HOGDescriptor()
        hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))
        levels, at_once = hog_levels(bgr.shape), max(1, cv2.getNumThreads())
        batches = [levels[start : start + at_once] for start in range(0, len(levels), at_once)]
        with ThreadPoolExecutor(at_once) as pool:
            yield from search.steps(
                batches, lambda batch: together(list(pool.map(lambda level: _hog_hits(hog, bgr, level), batch)))
            )


def _hog_hits(hog: cv2.HOGDescriptor, bgr: MatLike, level: Level) -> Hits:
    """What windows of one size give, ungrouped."""
    size_wh = (round(bgr.shape[1] / level.scale), round(bgr.shape[0] / level.scale))
    smaller = cv2.resize(bgr, size_wh, interpolation=cv2.INTER_LINEAR_EXACT)  # as OpenCV shrinks it itself
    found, distances = hog.detect(smaller, winStride=(HOG_STRIDE_PX, HOG_STRIDE_PX))
    corners = np.rint(np.asarray(found, np.float64).reshape(-1, 2) * level.scale)
    sides = np.tile(np.rint(np.array(HOG_WINDOW_WH) * level.scale), (len(corners), 1))
    xywh = np.concatenate([corners, sides], axis=1).astype(np.int64)
    return Hits(xywh, np.asarray(distances, np.float32).reshape(-1))


def haar_scores(votes: object) -> FloatArray:
    """The last stage's votes as scores in [0, 1)."""
    return _score(np.asarray(votes, np.float32) - np.float32(HAAR_LEAST), HAAR_SPREAD)


def hog_scores(distances: object) -> FloatArray:
    """Distances from the SVM's plane as scores in [0, 1)."""
    return _score(np.asarray(distances, np.float32), HOG_SPREAD)


def _score(values: FloatArray, spread: float) -> FloatArray:
    scores: FloatArray = 1 - np.exp(-values.reshape(-1).clip(min=0) / np.float32(spread))
    return scores


def haar_levels(shape: tuple[int, ...]) -> list[Level]:
    """The sizes of windows, the largest first: 2 px apart on each shrunken picture, 1 px once it has half the sides."""
    levels: list[Level] = []
    scale = 1.0
    while round(HAAR_WINDOW_PX * scale) <= min(shape[:2]):
        step = 1 if scale > 2 else 2
        rows, columns = (max(0, round(side / scale) - HAAR_WINDOW_PX) // step + 1 for side in shape[:2])
        levels.append(Level(scale, rows * columns))
        scale *= HAAR_SCALE
    return levels[::-1]


def hog_levels(shape: tuple[int, ...]) -> list[Level]:
    """The sizes of windows, the largest first."""
    levels: list[Level] = []
    scale = 1.0
    while len(levels) < HOG_LEVELS:
        sides = [round(side / scale) - window for side, window in zip((shape[1], shape[0]), HOG_WINDOW_WH, strict=True)]
        if min(sides) < 0:
            break
        columns, rows = (side // HOG_STRIDE_PX + 1 for side in sides)
        levels.append(Level(scale, rows * columns))
        scale *= HOG_SCALE_FACTOR
    return levels[::-1]


@dataclass(frozen=True)
class _Search:
    """One scan, size by size.

    Attributes:
        picture_hw: of the picture, px. searched: the picture as it is searched.
        neighbours: a box has to have more hits than this. scores: of what spoke for hits.
    """

    picture_hw: tuple[int, int]
    searched: ImageArray
    config: ScanConfig
    labels: list[str]
    clock: Deadline
    neighbours: int
    scores: Callable[[FloatArray], FloatArray]

    def steps(
        self, batches: Sequence[Sequence[Level]], hits_of: Callable[[Sequence[Level]], Hits]
    ) -> Iterator[ScanStep]:
        """A step a batch; all that was found so far is new in it after each octave, at the end, and where time ends."""
        levels = [level for batch in batches for level in batch]
        found: list[Hits] = []
        done, told_scale = 0, math.inf
        for batch in batches:
            if found and self.clock.expired:
                break
            found.append(hits_of(batch))
            done += len(batch)
            if done == len(levels) or batch[-1].scale * OCTAVE <= told_scale:
                told_scale, scan = batch[-1].scale, self._scan(found, levels, done)
            yield _step(scan, levels, done)
        if done < len(levels) or not levels:
            yield _step(self._scan(found, levels, done), levels, done)

    def _scan(self, found: list[Hits], levels: Sequence[Level], done: int) -> Scan:
        """What was found so far, in px of the picture."""
        hits = grouped(together(found), self.neighbours)
        boxes = hits.xywh.astype(np.float32)
        corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        xyxy = scale_boxes(corners, (self.searched.shape[0], self.searched.shape[1]), self.picture_hw)
        xyxy = xyxy.clip(0, np.array([self.picture_hw[1], self.picture_hw[0]] * 2, np.float32))
        wanted = of_size(xyxy, self.config)
        return Scan(
            size_wh=(self.picture_hw[1], self.picture_hw[0]),
            labels=self.labels,
            levels=(),
            windows_xyxy=xyxy[wanted],
            fitted_xyxy=xyxy[wanted],
            scores=self.scores(hits.values)[wanted],
            classes=np.zeros(len(wanted), np.int64),
            windows=sum(level.windows for level in levels[:done]),
            elapsed_ms=self.clock.elapsed_ms,
            complete=done == len(levels),
        )


def _search(
    image: ImageArray,
    config: ScanConfig,
    labels: list[str],
    deadline: Deadline | None,
    neighbours: int,
    scores: Callable[[FloatArray], FloatArray],
) -> _Search:
    searched = shrunk_to(image, min(config.megapixels, DETECT_MEGAPIXELS))
    picture_hw = (image.shape[0], image.shape[1])
    return _Search(picture_hw, searched, config, labels, deadline or Deadline(), neighbours, scores)


def _step(scan: Scan, levels: Sequence[Level], done: int) -> ScanStep:
    """After so many levels; a picture that is smaller than every window counts as one."""
    if not levels:
        return ScanStep(1, 1, scan, 0, 1.0)
    windows, of = (sum(level.windows for level in some) for some in (levels[:done], levels))
    return ScanStep(done, len(levels), scan, windows, windows / of)
