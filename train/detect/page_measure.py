"""How good a detector is as the page has it, on any pictures with boxes: its levels, suppression and threshold.

Average precision is measured of all boxes that the scan keeps, class by class. What is counted are the boxes that the
page shows: above its threshold, after suppression across classes too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cvdemo.detect.selection import DetectConfig
from train.detect.annotations import Annotated
from train.detect.average_precision import coco_average_precision_by_size
from train.detect.calibration import score_bands
from train.detect.face_measure import candidates_kept
from train.detect.place_measure import measures_of
from train.detect.recall_by_size import AREA_BANDS, recall_by_size
from train.detect.thresholds import answers_of, quality_at, scans_of

PROTOCOL = (
    "the detector {name} as on the page, its levels, sizes and suppression; map50: AP by area at IoU 0.5, mean over "
    "the classes with true boxes; map_coco: mean over IoU 0.5 to 0.95, 101 points, by size too (area of the box); "
    "suppression class by class for these; precision, recall, f1 and counting_error of the boxes that the page shows "
    "at the threshold, where counting_error is the boxes of a class that a picture has too many or too few, for each "
    "true box; float32"
)


def measured_as_on_page(
    detector: str, items: Sequence[Annotated], labels: Sequence[str], curve: Path | None = None
) -> dict[str, Any]:
    """JSON-ready measures in [0, 1], see `PROTOCOL` and `measures_of`; the counting error is 0 or more.

    Args:
        detector: a choice of the page. labels: its classes, by index.
        curve: PNG of precision over recall; None: none is drawn.
    """
    config, truths = DetectConfig(detector=detector), [item.truth for item in items]
    scans = scans_of(detector, [item.path for item in items])
    found = [candidates_kept(scan, config) for scan in scans]
    by_size = coco_average_precision_by_size(found, truths, len(labels))
    shown = quality_at(answers_of(scans, truths, config), config.least_score)
    return {
        **measures_of(found, items, labels, curve),
        "map_coco_by_size": {name: None if math.isnan(value) else round(value, 4) for name, value in by_size.items()},
        "recall_by_size": recall_by_size(found, truths, AREA_BANDS, config.least_score),
        "calibration": score_bands(found, truths, len(labels)),
        "threshold": config.least_score,
        **{name: round(getattr(shown, name), 4) for name in ("precision", "recall", "f1", "counting_error")},
        "protocol": PROTOCOL.format(name=detector),
    }
