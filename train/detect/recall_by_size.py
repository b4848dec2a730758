"""Which sizes of things are found: the recall of true boxes by their size on the picture.

A true box is found where a box of its class overlaps it by enough (IoU) and has at least the score that is asked for;
each box finds one. Sizes are those of the true boxes, in px of the picture as it was sent, whatever the size at which
it is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.ops.boxes import FloatArray, IntArray
from train.detect.annotations import Truth
from train.detect.average_precision import COCO_AREAS, Found, reached_scores


@dataclass(frozen=True)
class SizeBands:
    """Sizes of boxes in bands, smallest first.

    Attributes:
        what: a size is, for people. names: of the bands, one more than `edges`.
        edges: rising; a size that is an edge belongs to the band above it.
        size: (N, 4) xyxy -> (N,) sizes.
    """

    what: str
    names: tuple[str, ...]
    edges: tuple[float, ...]
    size: Callable[[FloatArray], FloatArray]

    def of(self, xyxy: FloatArray) -> IntArray:
        """The index of the band of each box, (N,)."""
        bands: IntArray = np.searchsorted(self.edges, self.size(xyxy), side="right")
        return bands


def shorter_side(xyxy: FloatArray) -> FloatArray:
    """Of each box, px, (N,)."""
    shorter: FloatArray = (xyxy[:, 2:] - xyxy[:, :2]).min(axis=1)
    return shorter


def area(xyxy: FloatArray) -> FloatArray:
    """Of each box, px squared, (N,)."""
    areas: FloatArray = (xyxy[:, 2:] - xyxy[:, :2]).prod(axis=1)
    return areas


FACE_BANDS = SizeBands(
    "shorter side of the true box, px of the picture",
    ("under 24", "24 to 32", "32 to 48", "48 to 96", "96 and more"),
    (24, 32, 48, 96),
    shorter_side,
)
AREA_BANDS = SizeBands(
    "area of the true box, px of the picture, as COCO parts it: small below 32 x 32, large from 96 x 96",
    tuple(COCO_AREAS),
    tuple(least for least, _ in COCO_AREAS.values())[1:],
    area,
)


def recall_by_size(
    found: Sequence[Found], truths: Sequence[Truth], bands: SizeBands, threshold: float, iou: float = 0.5
) -> dict[str, Any]:
    """A row for each band, JSON-ready, of all classes together, and what the rows are.

    `size` is the name of the band, `n` the number of true boxes that count. `recall` is that of boxes with a score of
    `threshold` or more, `recall_at_floor` that of boxes from `SCORE_FLOOR` on, the lowest threshold that the page
    offers; both in [0, 1], None where n is 0.
    """
    counted = [~truth.difficult for truth in truths]
    sizes = [bands.of(truth.xyxy)[mine] for truth, mine in zip(truths, counted, strict=True)]
    scores = [
        reached_scores(answer, truth, iou)[mine] for answer, truth, mine in zip(found, truths, counted, strict=True)
    ]
    all_sizes = np.concatenate([np.empty(0, np.int64), *sizes])
    all_scores = np.concatenate([np.empty(0, np.float32), *scores])
    rows = [
        {"size": name, **_recalls(all_scores[all_sizes == index], threshold)} for index, name in enumerate(bands.names)
    ]
    return {"of": bands.what, "iou": iou, "threshold": threshold, "floor": SCORE_FLOOR, "rows": rows}


def _recalls(reached: FloatArray, threshold: float) -> dict[str, int | float | None]:
    """Of the true boxes of one band."""
    recall, at_floor = (
        round(float((reached >= least).mean()), 4) if len(reached) else None for least in (threshold, SCORE_FLOOR)
    )
    return {"n": len(reached), "recall": recall, "recall_at_floor": at_floor}
