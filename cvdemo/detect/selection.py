"""Detection the classic way: image pyramid, sliding windows, a classifier on each, class-wise non-maximum suppression.

`cvdemo.detect.sliding_window` runs the network once and keeps every candidate above a low floor; `select` thresholds
and suppresses them, at once and as often as a slider moves. Departures from the classic recipe: a box is shrunk or
grown from its window to what speaks for its class; of nested boxes the best is kept, and so is the best of several
names for a place.

Measured by eye on six pictures: a cheetah, a lion, an espresso and a helmet are boxed once each at the defaults.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvdemo.config import setting
from cvdemo.detect.candidates import SCORE_FLOOR, Scan, ScanConfig
from cvdemo.detect.detector import DETECTORS
from cvdemo.ops.boxes import FloatArray, IntArray, class_wise_nms, nms

NESTED_SHARE = 0.6  # a box with more than this share of it inside a better one of its class is a part of it


@dataclass(frozen=True, kw_only=True)
class DetectConfig(ScanConfig):
    """How a picture is searched, and which of the boxes found are shown."""

    detector: str = setting("imagenet", "Detector", choices=tuple(DETECTORS), help="What is looked for.")
    score_threshold: float = setting(
        0.35, "Score", minimum=SCORE_FLOOR, maximum=1.0, step=0.01, help="Less probable boxes are hidden."
    )
    nms_iou: float = setting(
        0.3, "Overlap (IoU)", minimum=0.0, maximum=1.0, step=0.01, help="Overlap allowed; 1 shows all."
    )
    fit_boxes: bool = setting(True, "Fit boxes to the object", help="Off: the bare square windows.")
    one_name: bool = setting(True, "One name for each place", help="Off: each class for itself.")


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
    """The boxes of a scan that pass the score threshold and non-maximum suppression, best first.

    No network runs. Boxes are suppressed within their class and then, with `one_name`, across classes; either way also
    where one lies inside another. All of it depends only on better boxes, so that the threshold may come first.

    Args:
        only: indices of the classes that are looked at; all where there are none.
    """
    wanted = np.isin(scan.classes, list(only)) if only else np.ones(len(scan.classes), bool)
    (passing,) = np.nonzero(wanted & (scan.scores >= config.score_threshold))
    xyxy = (scan.fitted_xyxy if config.fit_boxes else scan.windows_xyxy)[passing]
    scores, classes = scan.scores[passing], scan.classes[passing]
    overlaps = (config.nms_iou, max(NESTED_SHARE, config.nms_iou))
    kept = class_wise_nms(xyxy, scores, classes, *overlaps)
    if config.one_name:
        kept = kept[nms(xyxy[kept], scores[kept], *overlaps)]
    return Detections(
        xyxy=xyxy[kept],
        scores=scores[kept],
        labels=[scan.labels[c] for c in classes[kept]],
        classes=classes[kept],
        size_wh=scan.size_wh,
        windows=scan.windows,
        elapsed_ms=scan.elapsed_ms,
        complete=scan.complete,
    )
