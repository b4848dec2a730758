"""How good boxes are: precision, recall, and average precision of three kinds, each named where it is told.

Boxes of one class are taken by score, best first, over all pictures. One that overlaps a true box by enough (IoU) is
right; each true box is matched once, so that a second box on it is wrong. Boxes on "difficult" truths count neither
for nor against.

- "area": the area under the interpolated curve, as PASCAL VOC has it since 2010 (M. Everingham et al., "The PASCAL
  Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2, and the development kit of 2012).
- "11-point": the mean precision at recalls 0, 0.1, ... 1, as VOC had it until 2009. Lower: do not mix them.
- "101-point": at recalls 0, 0.01, ... 1, as COCO has it (T.-Y. Lin et al., "Microsoft COCO", ECCV 2014, and its
  evaluation code). COCO matches a box with the best truth that is still free, VOC with the best of all, free or not.

A test holds all three against faster-coco-eval.
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
    found: Sequence[Found], truths: Sequence[Truth], iou: float, class_index: int, *, coco: bool = False
) -> PrecisionRecall:
    """Which boxes of a class are right, over all pictures.

    Args:
        found, truths: one for each picture, in the same order.
        iou: that a right box has at least, in (0, 1].
        coco: match with the best truth that is free, not with the best of all.

    Raises:
        ValueError: unequal lengths, or an overlap outside (0, 1].
    """
    if len(found) != len(truths):
        raise ValueError(f"need an answer for each picture, got {len(found)} for {len(truths)}")
    if not 0 < iou <= 1:
        raise ValueError(f"the overlap must lie in (0, 1], got {iou}")
    scores: list[FloatArray] = [np.empty(0, np.float32)]
    hits: list[BoolArray] = [np.empty(0, np.bool_)]
    count = 0
    for answer, truth in zip(found, truths, strict=True):
        mine, own = truth.classes == class_index, answer.classes == class_index
        difficult = truth.difficult[mine]
        count += int((~difficult).sum())
        order = np.argsort(-answer.scores[own], kind="stable")
        overlaps = iou_matrix(answer.xyxy[own][order], truth.xyxy[mine])
        right, counted = _matched(overlaps, difficult, iou, coco)
        scores.append(answer.scores[own][order][counted])
        hits.append(right[counted])
    joint = np.concatenate(scores)
    order = np.argsort(-joint, kind="stable")
    return PrecisionRecall(joint[order], np.concatenate(hits)[order], count)


def _matched(overlaps: FloatArray, difficult: BoolArray, iou: float, coco: bool) -> tuple[BoolArray, BoolArray]:
    """Of boxes by score, (N, truths) overlaps: which are right, and which count at all."""
    right = np.zeros(len(overlaps), np.bool_)
    counted = np.ones(len(overlaps), np.bool_)
    if not overlaps.shape[1]:
        return right, counted
    free = np.ones(overlaps.shape[1], np.bool_)
    for index, row in enumerate(overlaps):
        if not coco:
            best = int(row.argmax())
        else:  # free ones that count before difficult ones; of equal ones the last, as its code has it
            merit = np.where((row >= iou) & free, row + (~difficult), -1.0)
            best = len(row) - 1 - int(merit[::-1].argmax())
        if row[best] < iou or (coco and not free[best]):
            continue
        if difficult[best]:
            counted[index] = False
        elif free[best]:
            free[best], right[index] = False, True
    return right, counted


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
