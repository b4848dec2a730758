"""Raw hits of a cascade or an SVM over a pyramid, grouped as OpenCV groups them: hits of one thing become one box.

R. Lienhart and J. Maydt, "An Extended Set of Haar-like Features for Rapid Object Detection", ICIP 2002, with the rules
of OpenCV's `groupRectangles`: hits whose edges all lie near, by a share of their sides, belong together, also through
others between them. A group is the mean of its boxes with the best of their values. OpenCV groups within one call and
exports no function that keeps the values; a search that is done in several calls has to group by itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cvdemo.ops.boxes import FloatArray, IntArray

NEAR_SHARE = 0.2  # of the mean side: OpenCV's for both detectors
CROWD = 3  # a box inside that of a group of more hits than this, and of more than its own, is a part of it


@dataclass(frozen=True)
class Hits:
    """Boxes, (N, 4) as x, y, width, height in px, and what spoke for each, (N,)."""

    xywh: IntArray
    values: FloatArray


def together(hits: list[Hits]) -> Hits:
    """All of them as one."""
    xywh = np.concatenate([np.empty((0, 4), np.int64), *(some.xywh for some in hits)])
    return Hits(xywh, np.concatenate([np.empty(0, np.float32), *(some.values for some in hits)]))


def grouped(hits: Hits, more_than: int) -> Hits:
    """One box for each group of more hits than `more_than`, unless it is a part of a larger one; in no order."""
    if not len(hits.values):
        return hits
    labels = _groups(hits.xywh)
    sizes = np.bincount(labels).astype(np.int64)
    sums = np.stack([np.bincount(labels, hits.xywh[:, side]) for side in range(4)], axis=1)
    best = np.full(len(sizes), -np.inf, np.float32)
    np.maximum.at(best, labels, hits.values)
    large = sizes > more_than
    means: IntArray = (sums / sizes[:, None])[large].round().astype(np.int64)
    whole = ~_are_parts(means, sizes[large])
    return Hits(means[whole], best[large][whole])


def _corners(xywh: IntArray) -> IntArray:
    corners: IntArray = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    return corners


def _groups(xywh: IntArray) -> IntArray:
    """The number of each box's group, from 0: the connected parts of what lies near."""
    corners, labels = _corners(xywh), np.full(len(xywh), -1, np.int64)
    count = 0
    for seed in range(len(xywh)):
        if labels[seed] >= 0:
            continue
        labels[seed], todo = count, [seed]
        while todo:
            at = todo.pop()
            reach = NEAR_SHARE / 2 * np.minimum(xywh[at, 2:], xywh[:, 2:]).sum(axis=1)
            near = (np.abs(corners - corners[at]) <= reach[:, None]).all(axis=1) & (labels < 0)
            labels[near] = count
            todo.extend(near.nonzero()[0].tolist())
        count += 1
    return labels


def _are_parts(xywh: IntArray, sizes: IntArray) -> npt.NDArray[np.bool_]:
    """Whether each box lies in that of a group of many more hits, with some room round it."""
    corners, room = _corners(xywh), np.rint(NEAR_SHARE * xywh[:, 2:]).astype(np.int64)
    outer = np.concatenate([corners[:, :2] - room, corners[:, 2:] + room], axis=1)
    room_before, room_after = corners[:, None, :2] - outer[None, :, :2], outer[None, :, 2:] - corners[:, None, 2:]
    inside: npt.NDArray[np.bool_] = np.minimum(room_before, room_after).min(axis=2) >= 0
    np.fill_diagonal(inside, False)
    crowded = (sizes[None, :] > np.maximum(CROWD, sizes[:, None])) | (sizes[:, None] < CROWD)
    parts: npt.NDArray[np.bool_] = np.logical_and(inside, crowded).max(axis=1, initial=False)
    return parts
