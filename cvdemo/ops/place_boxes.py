"""From the output of a network that answers at places to boxes: what `cvdemo.nets.place_net.PlaceNet` gives, decoded.

A place is one cell of a grid of stride s over the input; its centre is ((column + .5) s, (row + .5) s). For each place
there are K class logits and the distances in px from its centre to the four edges of its box. That is the form of Z.
Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", ICCV 2019, equation 1, without its centre-ness.
Classes answer by a sigmoid each, so that one place may speak for several.
"""

from collections.abc import Sequence

import numpy as np

from cvdemo.ops.boxes import FloatArray, IntArray

BOX_SIDES = 4  # rows of the output after the classes: distances to the left, top, right and bottom


def grid_sizes(size_hw: tuple[int, int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Rows and columns of the grid of each stride over an input of `size_hw` px.

    Raises:
        ValueError: a side is no positive multiple of every stride.
    """
    if not strides or min(strides) < 1 or min(size_hw) < 1 or any(side % s for side in size_hw for s in strides):
        raise ValueError(f"sides must be positive multiples of the strides, got {size_hw=}, strides={list(strides)}")
    return [(size_hw[0] // stride, size_hw[1] // stride) for stride in strides]


def place_centres(size_hw: tuple[int, int], strides: Sequence[int]) -> FloatArray:
    """(places, 2): x and y in px of the centre of every place, stride by stride, row by row."""
    centres = []
    for (rows, columns), stride in zip(grid_sizes(size_hw, strides), strides, strict=True):
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        centres.append((np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * stride)
    return np.concatenate(centres).astype(np.float32)


def place_strides(size_hw: tuple[int, int], strides: Sequence[int]) -> IntArray:
    """(places,): the stride of every place, in the order of `place_centres`."""
    counts = [rows * columns for rows, columns in grid_sizes(size_hw, strides)]
    return np.repeat(np.array(strides, dtype=np.int64), counts)


def windows_at(centres: FloatArray, strides: IntArray, cells: int) -> FloatArray:
    """(N, 4) xyxy: the square of `cells` strides round each centre."""
    half = strides[:, None].astype(np.float32) * np.float32(cells / 2)
    windows: FloatArray = np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
    return windows


def boxes_round(centres: FloatArray, distances: FloatArray) -> FloatArray:
    """(N, 4) xyxy: the boxes whose left, top, right and bottom edges lie at (4, N) distances from (N, 2) centres."""
    left_top, right_bottom = distances[:2].T, distances[2:].T
    boxes: FloatArray = np.concatenate([centres - left_top, centres + right_bottom], axis=1).astype(np.float32)
    return boxes


def clip_boxes(xyxy: FloatArray, size_hw: tuple[float, float]) -> FloatArray:
    """Boxes cut off at the edges of a picture of `size_hw` px; one that lies outside becomes empty."""
    height, width = size_hw
    clipped: FloatArray = np.clip(xyxy, 0, np.array([width, height, width, height], dtype=np.float32))
    return clipped


def candidates_of(logits: FloatArray, floor: float, most: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Class, place and score of everything in (K, places) logits that reaches a floor, best first.

    Only what reaches it goes through the sigmoid. Of equal scores the lower class, then the earlier place goes first.

    Args:
        floor: least score, in (0, 1). most: how many are kept.

    Raises:
        ValueError: the floor is out of range, or fewer than one is kept.
    """
    if not 0 < floor < 1 or most < 1:
        raise ValueError(f"need 0 < floor < 1 and most >= 1, got {floor=}, {most=}")
    classes, places = np.nonzero(logits >= np.log(floor / (1 - floor)))
    found = logits[classes, places]
    best = np.argsort(-found, kind="stable")[:most]
    scores: FloatArray = (1 / (1 + np.exp(-found[best].astype(np.float64)))).astype(np.float32)
    return classes[best].astype(np.int64), places[best].astype(np.int64), scores


def boxes_of(
    output: FloatArray, size_hw: tuple[int, int], strides: Sequence[int], *, floor: float = 0.05, most: int = 1000
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Boxes (N, 4) xyxy in px of the input and clipped to it, their scores (N,) and classes (N,), best first.

    A place gives one box for each class that reaches the floor. Nothing is suppressed.

    Args:
        output: (K + 4, places) of one picture, as `PlaceNet.forward` orders it.
        size_hw: of the input, multiples of the largest stride. strides: finest first.
        floor, most: see `candidates_of`.

    Raises:
        ValueError: the output does not fit the size, or has no class.
    """
    centres = place_centres(size_hw, strides)
    if output.ndim != 2 or output.shape[0] <= BOX_SIDES or output.shape[1] != len(centres):
        raise ValueError(f"need (K + {BOX_SIDES}, {len(centres)}) for {size_hw} px, got {output.shape}")
    classes, places, scores = candidates_of(output[:-BOX_SIDES], floor, most)
    return clip_boxes(boxes_round(centres[places], output[-BOX_SIDES:, places]), size_hw), scores, classes
