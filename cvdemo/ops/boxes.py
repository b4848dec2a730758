"""Boxes: window grids, overlap, greedy non-maximum suppression, and the extent of one region of a heat map.

A box is (x1, y1, x2, y2) in px, x2 and y2 exclusive; boxes are float32 (N, 4), "xyxy". Greedy suppression is the one of
P. Felzenszwalb et al., "Object Detection with Discriminatively Trained Part-Based Models", TPAMI 2010, section 6.2,
with the overlap measured as intersection over union. It commutes with a score threshold: what is kept depends only on
boxes with higher scores, so one run at a low floor serves every threshold above it (a test).
"""

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def axis_starts(length: int, window: int, stride: int) -> list[int]:
    """Start offsets (px) of windows that cover one axis; the last is flush with the far edge."""
    if not 0 < stride <= window <= length:
        raise ValueError(f"need 0 < stride <= window <= length, got {stride=}, {window=}, {length=}")
    starts = list(range(0, length - window + 1, stride))
    if starts[-1] + window < length:
        starts.append(length - window)
    return starts


def window_grid(size_hw: tuple[int, int], window: int, stride: int) -> FloatArray:
    """All square windows of a picture, (N, 4) xyxy in px, row by row; together they cover it.

    Raises:
        ValueError: the window does not fit, or the stride would leave gaps.
    """
    tops, lefts = (axis_starts(length, window, stride) for length in size_hw)
    y, x = (grid.ravel() for grid in np.meshgrid(tops, lefts, indexing="ij"))
    return np.stack([x, y, x + window, y + window], axis=1).astype(np.float32)


def scale_boxes(xyxy: FloatArray, from_hw: tuple[int, int], to_hw: tuple[int, int]) -> FloatArray:
    """Boxes of a picture of size `from_hw`, in px of the same picture resized to `to_hw`."""
    y, x = to_hw[0] / from_hw[0], to_hw[1] / from_hw[1]
    scaled: FloatArray = (xyxy * np.array([x, y, x, y])).astype(np.float32)
    return scaled


def areas(xyxy: FloatArray) -> FloatArray:
    """Areas in px², (N,).

    Raises:
        ValueError: not (N, 4), or a box whose right or bottom edge lies before its left or top one.
    """
    if xyxy.ndim != 2 or xyxy.shape[1] != 4:
        raise ValueError(f"need boxes of shape (N, 4), got {xyxy.shape}")
    sides = xyxy[:, 2:] - xyxy[:, :2]
    if (sides < 0).any():
        raise ValueError("need x1 <= x2 and y1 <= y2 in every box")
    products: FloatArray = sides.prod(axis=1)
    return products


def intersections(a: FloatArray, b: FloatArray) -> FloatArray:
    """Common areas in px² of each box of `a` with each of `b`, (len(a), len(b))."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common: FloatArray = (bottom_right - top_left).clip(min=0).prod(axis=2)
    return common


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """part / whole, 0 where the whole is empty."""
    ratio: FloatArray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union in [0, 1], (len(a), len(b)); 0 between empty boxes."""
    common = intersections(a, b)
    return _ratio(common, areas(a)[:, None] + areas(b)[None, :] - common)


def containment_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over the smaller of two boxes in [0, 1], (len(a), len(b)); 1 where one lies in the other.

    IoU misses a part that is boxed inside its whole (a head in an animal): their areas differ too much.
    """
    return _ratio(intersections(a, b), np.minimum(areas(a)[:, None], areas(b)[None, :]))


def nms(xyxy: FloatArray, scores: FloatArray, iou_threshold: float, max_containment: float = 1.0) -> IntArray:
    """Indices of the boxes that greedy non-maximum suppression keeps, best score first.

    Args:
        xyxy: (N, 4). scores: (N,). Of equal scores the earlier box goes first.
        iou_threshold: a box that overlaps a better, kept one by more than this is dropped; in [0, 1].
        max_containment: so is one of which (or in which) more than this share lies; 1 switches that off.

    Raises:
        ValueError: shapes that do not fit, or a threshold outside [0, 1].
    """
    if xyxy.shape != (len(scores), 4):
        raise ValueError(f"need (N, 4) boxes and (N,) scores, got {xyxy.shape} and {scores.shape}")
    if not (0 <= iou_threshold <= 1 and 0 <= max_containment <= 1):
        raise ValueError(f"thresholds must lie in [0, 1], got {iou_threshold=}, {max_containment=}")
    order = np.argsort(-scores, kind="stable")
    kept = []
    while order.size:
        best, rest = order[:1], order[1:]
        kept.append(best[0])
        overlaps = iou_matrix(xyxy[best], xyxy[rest])[0] > iou_threshold
        nested = containment_matrix(xyxy[best], xyxy[rest])[0] > max_containment
        order = rest[~(overlaps | nested)]
    return np.array(kept, dtype=np.int64)


def class_wise_nms(
    xyxy: FloatArray, scores: FloatArray, classes: IntArray, iou_threshold: float, max_containment: float = 1.0
) -> IntArray:
    """As `nms`, but a box is dropped only by one of its own class; indices, best score first.

    Args:
        classes: (N,), any integers.
    """
    if classes.shape != scores.shape:
        raise ValueError(f"need one class a box, got {classes.shape} classes and {scores.shape} scores")
    kept = [np.empty(0, dtype=np.int64)]
    for label in np.unique(classes):
        (mine,) = np.nonzero(classes == label)
        kept.append(mine[nms(xyxy[mine], scores[mine], iou_threshold, max_containment)])
    together = np.sort(np.concatenate(kept))
    return together[np.argsort(-scores[together], kind="stable")]


def component_box(
    heat: FloatArray, window: tuple[int, int, int, int], share: float, reach: int
) -> tuple[int, int, int, int]:
    """The extent, xyxy in px of `heat`, of the connected region around the hottest point of `window`.

    B. Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, section 3.2: keep what is above
    a share of the maximum and box the largest connected component. Here it is the component of the window's maximum,
    and it may grow out of the window.

    Args:
        heat: (H, W). window: xyxy in px of `heat`, inside it.
        share: of the window's maximum, in [0, 1).
        reach: px that the region may extend beyond the window on each side.

    Returns:
        The window itself where it holds nothing positive.
    """
    x1, y1, x2, y2 = window
    if not (0 <= x1 < x2 <= heat.shape[1] and 0 <= y1 < y2 <= heat.shape[0]):
        raise ValueError(f"the window {window} does not lie in a map of {heat.shape}")
    inner = heat[y1:y2, x1:x2]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    peak = inner[row, column]
    if peak <= 0:
        return window
    left, top = max(0, x1 - reach), max(0, y1 - reach)
    around = heat[top : y2 + reach, left : x2 + reach]
    _, components, stats, _ = cv2.connectedComponentsWithStats((around > share * peak).astype(np.uint8), connectivity=4)
    x, y, width, height = (int(v) for v in stats[components[y1 - top + row, x1 - left + column]][:4])
    return left + x, top + y, left + x + width, top + y + height
