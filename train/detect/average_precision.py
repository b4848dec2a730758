"""How good boxes are: precision, recall, and average precision of three kinds, each named where it is told.

Boxes of one class are taken by score, best first, over all pictures. One that overlaps a true box by enough (IoU) is
right; each true box is matched once, so that a second box on it is wrong. Boxes on "difficult" truths count neither
for nor against.

- "area": the area under the interpolated curve, as PASCAL VOC has it since 2010 (M. Everingham et al., "The PASCAL
  Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2, and the development kit of 2012).
- "11-point": the mean precision at recalls 0, 0.1, ... 1, as VOC had it until 2009. Lower: do not mix them.
- "101-point": at recalls 0, 0.01, ... 1, as COCO has it (T.-Y. Lin et al., "Microsoft COCO", ECCV 2014, and its
  evaluation code). COCO matches a box with the best truth that is still free, VOC with the best of all, free or not.

A test holds all three against faster-coco-eval, COCO's by size too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cvdemo.ops.boxes import FloatArray, IntArray, iou_matrix
from train.detect.annotations import BoolArray, Truth

Kind = Literal["area", "11-point", "101-point"]
AreaRange = tuple[float, float]  # px of the picture, squared; both ends belong to it
ANY_AREA: AreaRange = (0.0, float("inf"))
COCO_AREAS: dict[str, AreaRange] = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
COCO_IOUS = tuple(percent / 100 for percent in range(50, 100, 5))

_DoubleArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """A detector's answer for one picture: xyxy (N, 4) px, scores (N,), classes (N,), in any order."""

    xyxy: FloatArray
    scores: FloatArray
    classes: IntArray

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.xyxy.shape != (count, 4) or self.classes.shape != (count,):
            shapes = f"{self.xyxy.shape}, {self.scores.shape}, {self.classes.shape}"
            raise ValueError(f"need (N, 4) boxes, (N,) scores and (N,) classes, got {shapes}")


@dataclass(frozen=True)
class PrecisionRecall:
    """What is right among the boxes, best score first.

    Attributes:
        scores: (N,). hits: (N,) bool, whether each box is right; boxes on difficult truths are left out.
        truths: number of true boxes that count.
    """

    scores: FloatArray
    hits: BoolArray
    truths: int

    @property
    def recall(self) -> _DoubleArray:
        """Share of the true boxes among the first 1, 2, ... N boxes, (N,); NaN without true boxes."""
        with np.errstate(invalid="ignore"):
            recall: _DoubleArray = np.cumsum(self.hits) / np.float64(self.truths)
        return recall

    @property
    def precision(self) -> _DoubleArray:
        """Share of right ones among the first 1, 2, ... N boxes, (N,)."""
        precision: _DoubleArray = np.cumsum(self.hits) / np.arange(1, len(self.hits) + 1)
        return precision

    @property
    def interpolated(self) -> _DoubleArray:
        """The best precision at this recall or a higher one, (N,)."""
        best: _DoubleArray = np.maximum.accumulate(self.precision[::-1])[::-1]
        return best

    def average(self, kind: Kind) -> float:
        """Average precision in [0, 1]; NaN without true boxes."""
        if not self.truths:
            return float("nan")
        best, found = self.interpolated, np.cumsum(self.hits)
        if kind == "area":
            return float(best[self.hits].sum()) / self.truths
        if kind == "11-point":  # in whole numbers: 0.1 * 3 is more than 0.3
            first = np.searchsorted(found * 10, np.arange(11) * self.truths)
        elif kind == "101-point":
            first = np.searchsorted(found / self.truths, np.linspace(0, 1, 101))  # its own rounding
        else:
            raise ValueError(f"kind must be area, 11-point or 101-point, got {kind!r}")
        return float(np.append(best, 0.0)[first].mean())

    def recall_at(self, false_positives: int) -> float:
        """The recall that is reached with at most so many wrong boxes in all; NaN without true boxes."""
        if not self.truths:
            return float("nan")
        allowed = np.cumsum(~self.hits) <= false_positives
        return float(self.hits[allowed].sum()) / self.truths


def precision_recall(
    found: Sequence[Found],
    truths: Sequence[Truth],
    iou: float,
    class_index: int,
    *,
    coco: bool = False,
    area_px2: AreaRange = ANY_AREA,
) -> PrecisionRecall:
    """Which boxes of a class are right, over all pictures.

    Args:
        found, truths: one for each picture, in the same order.
        iou: that a right box has at least, in (0, 1].
        coco: match with the best truth that is free, not with the best of all.
        area_px2: with `coco`, the true boxes that count have such areas. Those of others are matched but do not count,
            nor do boxes of other areas that are on no true one.

    Raises:
        ValueError: unequal lengths, an overlap outside (0, 1], or areas without `coco`.
    """
    if len(found) != len(truths):
        raise ValueError(f"need an answer for each picture, got {len(found)} for {len(truths)}")
    if not 0 < iou <= 1:
        raise ValueError(f"the overlap must lie in (0, 1], got {iou}")
    if area_px2 != ANY_AREA and not coco:
        raise ValueError(f"areas are COCO's way to measure, got {area_px2} without coco")
    each = [
        _matches_of(answer, truth, iou, class_index, coco=coco, area_px2=area_px2)
        for answer, truth in zip(found, truths, strict=True)
    ]
    scores = np.concatenate([np.empty(0, np.float32), *(one.scores[one.counted] for one in each)])
    hits = np.concatenate([np.empty(0, np.bool_), *(one.taken[one.counted] >= 0 for one in each)])
    order = np.argsort(-scores, kind="stable")
    return PrecisionRecall(scores[order], hits[order], sum(one.truths for one in each))


def reached_scores(answer: Found, truth: Truth, iou: float) -> FloatArray:
    """Of each true box of a picture the score of the box that is right on it, (N,); -inf where none is.

    A true box is found at every threshold up to that score.
    """
    reached = np.full(len(truth.classes), -np.inf, np.float32)
    for class_index in np.unique(truth.classes).tolist():
        matches = _matches_of(answer, truth, iou, class_index)
        right = matches.taken >= 0
        reached[matches.taken[right]] = matches.scores[right]
    return reached


@dataclass(frozen=True)
class _Matches:
    """The boxes of one class on one picture, best score first.

    Attributes:
        scores: (N,). taken: (N,) index of the true box on which each is right; -1 where there is none.
        counted: (N,) bool, those that count for or against. truths: number of true boxes that count.
    """

    scores: FloatArray
    taken: IntArray
    counted: BoolArray
    truths: int


def _matches_of(
    answer: Found,
    truth: Truth,
    iou: float,
    class_index: int,
    *,
    coco: bool = False,
    area_px2: AreaRange = ANY_AREA,
) -> _Matches:
    mine = (truth.classes == class_index).nonzero()[0]
    own = (answer.classes == class_index).nonzero()[0]
    own = own[np.argsort(-answer.scores[own], kind="stable")]
    difficult, outside = truth.difficult[mine], ~_within(truth.xyxy[mine], area_px2)
    overlaps = iou_matrix(answer.xyxy[own], truth.xyxy[mine])
    taken, counted = _matched(overlaps, difficult, outside, iou, coco)
    right = taken >= 0
    counted &= right | _within(answer.xyxy[own], area_px2)
    taken[right] = mine[taken[right]]
    return _Matches(answer.scores[own], taken, counted, int((~(difficult | outside)).sum()))


def _within(xyxy: FloatArray, area_px2: AreaRange) -> BoolArray:
    least, most = area_px2
    areas = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    within: BoolArray = (areas >= least) & (areas <= most)
    return within


def _matched(
    overlaps: FloatArray, difficult: BoolArray, outside: BoolArray, iou: float, coco: bool
) -> tuple[IntArray, BoolArray]:
    """Of boxes by score, (N, truths) overlaps: the truth on which each is right, or -1, and which count at all."""
    taken = np.full(len(overlaps), -1, np.int64)
    counted = np.ones(len(overlaps), np.bool_)
    if not overlaps.shape[1]:
        return taken, counted
    free, left_out = np.ones(overlaps.shape[1], np.bool_), difficult | outside
    for index, row in enumerate(overlaps):
        if not coco:
            best = int(row.argmax())
        else:  # free ones that count before those left out; of equal ones the last, as its code has it
            merit = np.where((row >= iou) & free, row + (~left_out), -1.0)
            best = len(row) - 1 - int(merit[::-1].argmax())
        if row[best] < iou or (coco and not free[best]):
            continue
        if left_out[best]:
            counted[index] = False
            free[best] = difficult[best]  # one of another size takes one box, a difficult one any number
        elif free[best]:
            free[best], taken[index] = False, best
    return taken, counted


def average_precision(
    found: Sequence[Found], truths: Sequence[Truth], iou: float, class_index: int, kind: Kind = "area"
) -> float:
    """Average precision of one class in [0, 1]; NaN where no true box of it counts. See `precision_recall`."""
    return precision_recall(found, truths, iou, class_index, coco=kind == "101-point").average(kind)


def mean_average_precision(
    found: Sequence[Found], truths: Sequence[Truth], iou: float, classes: int, kind: Kind = "area"
) -> float:
    """Mean over the classes that have true boxes (mAP), in [0, 1].

    Raises:
        ValueError: no class has one.
    """
    each = [average_precision(found, truths, iou, index, kind) for index in range(classes)]
    known = [value for value in each if not np.isnan(value)]
    if not known:
        raise ValueError(f"none of {classes} classes has a true box that counts")
    return float(np.mean(known))


def coco_average_precision(found: Sequence[Found], truths: Sequence[Truth], classes: int) -> float:
    """COCO's "AP": the mean of the 101-point mAP at IoU 0.50, 0.55, ... 0.95."""
    return float(np.mean([mean_average_precision(found, truths, iou, classes, "101-point") for iou in COCO_IOUS]))


def coco_average_precision_by_size(found: Sequence[Found], truths: Sequence[Truth], classes: int) -> dict[str, float]:
    """COCO's "AP" of the true boxes of each of `COCO_AREAS`; NaN where there are none.

    COCO takes the area of the outline that was drawn; here it is that of the box.
    """
    values = {}
    for name, area_px2 in COCO_AREAS.items():
        each = [
            precision_recall(found, truths, iou, index, coco=True, area_px2=area_px2).average("101-point")
            for iou in COCO_IOUS
            for index in range(classes)
        ]
        known = [value for value in each if not np.isnan(value)]
        values[name] = float(np.mean(known)) if known else float("nan")
    return values
