"""Non-maximum suppression of three kinds, each within its class: many boxes round one object become one.

hard    keeps the best box and drops what overlaps it (torchvision's `batched_nms`).
soft    N. Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", ICCV 2017, equation 3: lowers the
        scores of what overlaps by exp(-IoU² / sigma), and drops nothing.
fusion  R. Solovyev et al., "Weighted boxes fusion: Ensembling boxes from different object detection models", Image and
        Vision Computing 2021, section 3: boxes of one object are averaged, weighted by their scores. Departure: the
        score of the mean is the best of its boxes, not their mean, for these come from one network: weak boxes beside
        a sure one are no doubt about it.

A score threshold may come before or after the hard kind; it has to come after the others, since weak boxes change
what becomes of strong ones (tests).
"""

import numpy as np
import torch

from cvdemo.ops.boxes import FloatArray, IntArray, iou_matrix

SOFT_SIGMA = 0.5  # of the paper, section 6.1
SAME_IOU = 0.5  # boxes of a class that overlap by more are taken for one object where there is no room for all
CONSIDERED = 8  # times as many boxes as are kept: bounds the time that choosing among them takes


def _check(xyxy: FloatArray, scores: FloatArray, classes: IntArray, iou_threshold: float = 0.5) -> None:
    if xyxy.shape != (len(scores), 4) or classes.shape != scores.shape:
        raise ValueError(
            f"need (N, 4) boxes, (N,) scores and classes, got {xyxy.shape}, {scores.shape}, {classes.shape}"
        )
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"thresholds must lie in [0, 1], got {iou_threshold=}")


def hard_nms(xyxy: FloatArray, scores: FloatArray, classes: IntArray, iou_threshold: float) -> IntArray:
    """Indices of the boxes that are kept, best score first: none overlaps a better one of its class by more.

    Args:
        xyxy: (N, 4). scores, classes: (N,). iou_threshold: in [0, 1].

    Raises:
        ValueError: shapes that do not fit, or a threshold outside [0, 1].
    """
    from torchvision.ops import batched_nms  # here: torchvision takes a second of the page's start

    _check(xyxy, scores, classes, iou_threshold)
    kept: IntArray = batched_nms(
        torch.from_numpy(np.ascontiguousarray(xyxy, np.float32)),
        torch.from_numpy(np.ascontiguousarray(scores, np.float32)),
        torch.from_numpy(np.ascontiguousarray(classes, np.int64)),
        iou_threshold,
    ).numpy()
    return kept


def best_of_many(xyxy: FloatArray, scores: FloatArray, classes: IntArray, most: int) -> IntArray:
    """Indices of the best boxes, `most` of them, and of as many weaker ones at most that stand alone; best first.

    Alone stands a box that overlaps no better one of its class by more than `SAME_IOU`: many boxes round one object do
    not push out another object. Only the best `CONSIDERED` times `most` are looked at.

    Measured with room for 1,000, on one core beside other work: 2,700 boxes round 300 objects take 2 ms, 8,000 round
    800 take 12 ms, 8,000 boxes that nowhere overlap 70 ms. Fewer than there is room for take only their sorting.

    Args:
        xyxy: (N, 4). scores, classes: (N,).

    Raises:
        ValueError: shapes that do not fit.
    """
    _check(xyxy, scores, classes)
    order: IntArray = np.argsort(-scores, kind="stable")[: CONSIDERED * most]
    if len(order) <= most:
        return order
    alone = np.zeros(len(order), bool)
    alone[hard_nms(xyxy[order], scores[order], classes[order], SAME_IOU)] = True
    weaker: IntArray = alone[most:].nonzero()[0][:most]
    return np.concatenate([order[:most], order[most:][weaker]])


def soft_nms(
    xyxy: FloatArray, scores: FloatArray, classes: IntArray, floor: float, sigma: float = SOFT_SIGMA
) -> tuple[IntArray, FloatArray]:
    """Indices of the boxes whose lowered score reaches a floor, and those scores, the best first.

    Args:
        xyxy: (N, 4). scores, classes: (N,). floor: least score, after lowering. sigma: less of it lowers more.

    Raises:
        ValueError: shapes that do not fit, or a sigma that is not above 0.
    """
    _check(xyxy, scores, classes)
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, got {sigma}")
    lowered = np.zeros(len(scores), np.float32)
    for label in np.unique(classes):
        (mine,) = np.nonzero(classes == label)
        lowered[mine] = _lowered(xyxy[mine], scores[mine], floor, sigma)
    order = np.argsort(-lowered, kind="stable")
    kept = order[lowered[order] >= floor]
    return kept.astype(np.int64), lowered[kept]


def _lowered(xyxy: FloatArray, scores: FloatArray, floor: float, sigma: float) -> FloatArray:
    """The scores of one class after each box, from the best on, has lowered those that are left; 0 below the floor."""
    left, now = np.arange(len(scores)), scores.astype(np.float32)
    lowered = np.zeros_like(now)
    while left.size:
        at = int(now.argmax())
        best = left[at]
        lowered[best] = now[at]
        left, now = np.delete(left, at), np.delete(now, at)
        now = now * np.exp(-(iou_matrix(xyxy[best][None], xyxy[left])[0] ** 2) / np.float32(sigma))
        left, now = left[now >= floor], now[now >= floor]
    return lowered


def fused_boxes(
    xyxy: FloatArray, scores: FloatArray, classes: IntArray, iou_threshold: float
) -> tuple[FloatArray, FloatArray, IntArray]:
    """The weighted means of the boxes that overlap, best first: boxes (M, 4), scores (M,), classes (M,).

    From the best score on, each box joins the mean of its class that it overlaps most and by more than the threshold,
    and moves it; or it begins one.

    Raises:
        ValueError: shapes that do not fit, or a threshold outside [0, 1].
    """
    _check(xyxy, scores, classes, iou_threshold)
    parts = [_fused(xyxy[classes == label], scores[classes == label], iou_threshold) for label in np.unique(classes)]
    counts = [len(found) for _, found in parts]
    boxes = np.concatenate([np.empty((0, 4), np.float32), *(found for found, _ in parts)])
    best = np.concatenate([np.empty(0, np.float32), *(found for _, found in parts)])
    order = np.argsort(-best, kind="stable")
    return boxes[order], best[order], np.repeat(np.unique(classes), counts).astype(np.int64)[order]


def _fused(xyxy: FloatArray, scores: FloatArray, iou_threshold: float) -> tuple[FloatArray, FloatArray]:
    """Of one class; the means stand in the order in which they were begun, which is that of their scores."""
    means, sums, weights = (np.zeros((len(scores), n), np.float64) for n in (4, 4, 1))
    begun = 0
    best = np.zeros(len(scores), np.float32)
    for index in np.argsort(-scores, kind="stable"):
        overlaps = iou_matrix(means[:begun].astype(np.float32), xyxy[index][None])[:, 0]
        joined = int(overlaps.argmax()) if begun else 0
        if not begun or overlaps[joined] <= iou_threshold:
            joined, begun = begun, begun + 1
            best[joined] = scores[index]
        sums[joined] += xyxy[index].astype(np.float64) * scores[index]
        weights[joined] += scores[index]
        means[joined] = sums[joined] / weights[joined]
    return means[:begun].astype(np.float32), best[:begun]
