"""Which of a detector's candidates are shown: score threshold and non-maximum suppression, with their defaults.

A scan keeps every candidate above a low floor; `select` chooses among them at once and as often as a slider moves. What
suits a detector stands in its line of `cvdemo.detect.detector.DETECTORS`. A classifier slid over a picture names places
and does not count: of nested boxes the best is kept, and so is the best of several names for a place. A detector that
was trained with boxes keeps both: a face may lie inside another's box, a rider on a horse. But two boxes of different
classes that are nearly one and the same are two names for one thing, of which the better one is kept.

By eye, `imagenet` boxes a cheetah, a lion, an espresso and a helmet once each.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cvdemo.config import setting
from cvdemo.detect.candidates import SCORE_FLOOR, Scan, ScanConfig
from cvdemo.detect.detector import DEFAULT_DETECTOR, DETECTORS, DetectorKind
from cvdemo.ops.boxes import FloatArray, IntArray, class_wise_nms, nms
from cvdemo.ops.suppression import fused_boxes, hard_nms, soft_nms

SUPPRESSIONS = HARD, SOFT, FUSION = ("hard", "soft", "fusion")


@dataclass(frozen=True, kw_only=True)
class DetectConfig(ScanConfig):
    """How a picture is searched, and which of the boxes found are shown."""

    detector: str = setting(DEFAULT_DETECTOR, "Detector", choices=tuple(DETECTORS), help="What is looked for.")
    score_threshold: float | None = setting(
        None,
        "Certainty needed",
        minimum=SCORE_FLOOR,
        maximum=1.0,
        step=0.01,
        help="Hides boxes that it is less sure of than this. Each detector has its own default. (Score)",
    )
    nms_iou: float | None = setting(
        None,
        "Overlap allowed",
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="Where two boxes of one kind cover more of each other than this, only the better is kept. 1 shows all. "
        "Each detector has its own default. (Non-maximum suppression by IoU)",
    )
    agnostic_nms_iou: float | None = setting(
        None,
        "Overlap allowed between kinds",
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="Where two boxes of different kinds cover more of each other than this, they count as one thing, and the "
        "better name is kept. 1 shows all. Each detector has its own default. (Class-agnostic suppression by IoU)",
    )
    suppression: str = setting(
        HARD,
        "Boxes that overlap",
        choices=SUPPRESSIONS,
        choice_words={
            HARD: "only the best one stays",
            SOFT: "the best one stays, the others count less",
            FUSION: "they become one box, their average",
        },
        help="What happens to boxes that cover more of each other than is allowed. (Non-maximum suppression)",
    )
    fit_boxes: bool = setting(
        True,
        "Boxes fit the object",
        help="Off: each box is the square part of the picture that was looked at. (A window; imagenet only)",
    )
    one_name: bool = setting(
        True,
        "One name for each place",
        help="Off: a place may have several names, each with a box. (imagenet only)",
    )

    @property
    def kind(self) -> DetectorKind:
        """The detector's line of the table."""
        return DETECTORS[self.detector]

    def finest_pixels(self, picture_pixels: float) -> float:
        """Most pixels that the finest level of a picture has, a level of the network's own size aside.

        Args:
            picture_pixels: height times width.
        """
        enlarged = (self.max_upscale or self.kind.max_upscale) ** 2 * picture_pixels
        return min(enlarged, 1e6 * self.megapixels, 1e6 * self.kind.max_megapixels)

    @property
    def least_score(self) -> float:
        """`score_threshold`, or the detector's own."""
        return self.kind.score_threshold if self.score_threshold is None else self.score_threshold

    @property
    def most_overlap(self) -> float:
        """`nms_iou`, or the detector's own."""
        return self.kind.nms_iou if self.nms_iou is None else self.nms_iou

    @property
    def most_overlap_of_classes(self) -> float:
        """`agnostic_nms_iou`, or the detector's own."""
        return self.kind.agnostic_nms_iou if self.agnostic_nms_iou is None else self.agnostic_nms_iou

    @property
    def needs_torchvision(self) -> bool:
        """Whether boxes are chosen by `hard_nms`, which imports it."""
        by_class = self.suppression == HARD and self.kind.nested_share >= 1
        return by_class or self.most_overlap_of_classes < 1


@dataclass(frozen=True)
class Detections:
    """The boxes kept, best score first.

    Attributes:
        xyxy: (N, 4) px of the picture. scores: (N,). labels, classes: name and index of each box.
        size_wh: of the picture. windows: how many were scored. elapsed_ms: of the scan.
        complete: False where a deadline left out the finer levels.
    """

    xyxy: FloatArray
    scores: FloatArray
    labels: list[str]
    classes: IntArray
    size_wh: tuple[int, int]
    windows: int
    elapsed_ms: float
    complete: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of the page's API: px to a tenth, probabilities to four places."""
        boxes = zip(self.labels, self.scores.tolist(), self.xyxy.tolist(), strict=True)
        return {
            "size_wh": list(self.size_wh),
            "detections": [
                {"label": label, "score": round(score, 4), "xyxy": [round(v, 1) for v in xyxy]}
                for label, score, xyxy in boxes
            ],
            "windows": self.windows,
            "elapsed_ms": round(self.elapsed_ms, 1),
            "complete": self.complete,
        }


def select(scan: Scan, config: DetectConfig, only: Collection[int] = ()) -> Detections:
    """The boxes of a scan that pass non-maximum suppression and the score threshold, best first. No network runs.

    Args:
        config: its `detector` is the one that made the scan.
        only: indices of the classes that are looked at; all where there are none.
    """
    wanted = np.isin(scan.classes, list(only)) if only else np.ones(len(scan.classes), bool)
    if config.suppression == HARD:  # it depends only on better boxes, so that the threshold may come first
        wanted &= scan.scores >= config.least_score
    xyxy, scores, classes = _kept(scan, config, wanted)
    high = scores >= config.least_score
    return Detections(
        xyxy=xyxy[high],
        scores=scores[high],
        labels=[scan.labels[c] for c in classes[high]],
        classes=classes[high],
        size_wh=scan.size_wh,
        windows=scan.windows,
        elapsed_ms=scan.elapsed_ms,
        complete=scan.complete,
    )


def all_kept(scan: Scan, config: DetectConfig) -> tuple[FloatArray, FloatArray, IntArray]:
    """Boxes, scores and classes that pass non-maximum suppression, whatever their score, best first."""
    return _kept(scan, config, np.ones(len(scan.classes), bool))


def _kept(scan: Scan, config: DetectConfig, wanted: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, IntArray]:
    """As `all_kept`, among the wanted candidates."""
    shows_windows = config.kind.classifies_windows and not config.fit_boxes
    xyxy = (scan.windows_xyxy if shows_windows else scan.fitted_xyxy)[wanted]
    xyxy, scores, classes = _suppressed(xyxy, scan.scores[wanted], scan.classes[wanted], config)
    kept = np.arange(len(scores))
    if config.one_name and config.kind.names_places:
        kept = nms(xyxy, scores, *_overlaps(config))
    if config.most_overlap_of_classes < 1:
        kept = kept[hard_nms(xyxy[kept], scores[kept], np.zeros(len(kept), np.int64), config.most_overlap_of_classes)]
    return xyxy[kept], scores[kept], classes[kept]


def _suppressed(
    xyxy: FloatArray, scores: FloatArray, classes: IntArray, config: DetectConfig
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Boxes, scores and classes after the suppression that the settings ask for, class by class, best first."""
    if config.suppression == FUSION:
        return fused_boxes(xyxy, scores, classes, config.most_overlap)
    if config.suppression == SOFT:
        kept, scores = soft_nms(xyxy, scores, classes, SCORE_FLOOR)
        return xyxy[kept], scores, classes[kept]
    if config.kind.nested_share < 1:
        kept = class_wise_nms(xyxy, scores, classes, *_overlaps(config))
    else:
        kept = hard_nms(xyxy, scores, classes, config.most_overlap)
    return xyxy[kept], scores[kept], classes[kept]


def _overlaps(config: DetectConfig) -> tuple[float, float]:
    """Overlap allowed, and how much of a box may lie in a better one."""
    return config.most_overlap, max(config.kind.nested_share, config.most_overlap)
