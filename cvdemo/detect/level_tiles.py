"""The parts of a level that a network is run on: all of it in tiles, or rectangles round what may be a small object.

A finest level has most of the pixels and few of the objects. The level before it has seen nearly all of them, if with
low scores: so it is the first stage of a cascade, which rejects most places of the finest one (P. Viola and M. Jones,
"Rapid object detection using a boosted cascade of simple features", CVPR 2001). Departures: the first stage is the
network itself on a coarser level, so nothing more is learnt; what is left is run in rectangles, since a convolution
over a rectangle costs less than one over scattered places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cvdemo.ops.boxes import FloatArray, IntArray, axis_starts

TILE_PX = 1024  # side of a tile, a multiple of every stride; EfficientNet-Lite0 takes 250 MB for one
OVERLAP_PX = 256  # of tiles: what is larger is found on a coarser level
SMALL_PX = 32.0  # of the coarser level: a box whose shorter side is less is looked at again
AROUND_PX = 32  # of the finer level, kept round such a box
RUN_PX = 7000  # squared: what starting a run costs, 0.65 ms at 0.09 ms for a thousand px


@dataclass(frozen=True)
class Tile:
    """A part of a level, px; it may reach beyond the level's right and lower edge."""

    top: int
    left: int
    height: int
    width: int


def all_tiles(padded_hw: tuple[int, int]) -> list[Tile]:
    """The whole level where it is small, else tiles that overlap by `OVERLAP_PX` at least; row by row."""
    height, width = padded_hw
    if height * width <= TILE_PX**2:
        return [Tile(0, 0, height, width)]
    high, wide = min(TILE_PX, height), min(TILE_PX, width)
    tops, lefts = (axis_starts(length, side, _step(side)) for length, side in ((height, high), (width, wide)))
    return [Tile(top, left, high, wide) for top in tops for left in lefts]


def tiles_round(xyxy: FloatArray, padded_hw: tuple[int, int], stride_px: int) -> list[Tile]:
    """Rectangles that hold all boxes with `AROUND_PX` beside them, or `all_tiles` where those cost no more.

    Args:
        xyxy: (N, 4) px of the level, within it. padded_hw: of the level, multiples of the stride.
        stride_px: the largest of the network; sides and corners of the tiles are multiples of it.
    """
    cells = np.zeros([side // stride_px for side in padded_hw], np.uint8)
    starts = ((xyxy[:, :2] - AROUND_PX) // stride_px).clip(min=0).astype(np.int64)
    ends = -((-xyxy[:, 2:] - AROUND_PX) // stride_px).astype(np.int64)
    for (left, top), (right, bottom) in zip(starts, ends, strict=True):
        cells[top:bottom, left:right] = 1
    _, _, groups, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
    rectangles = [stride_px * group for group in groups[1:, :4].astype(np.int64)]  # left, top, width, height
    parts = [part for rectangle in rectangles for part in _parts(rectangle)]
    whole = all_tiles(padded_hw)
    return parts if _cost(parts) < _cost(whole) else whole


def _parts(rectangle: IntArray) -> list[Tile]:
    """A rectangle (left, top, width, height) in tiles."""
    left, top, width, height = map(int, rectangle)
    return [Tile(top + t.top, left + t.left, t.height, t.width) for t in all_tiles((height, width))]


def _cost(tiles: Sequence[Tile]) -> int:
    """Pixels that take as long as running the tiles."""
    return sum(tile.height * tile.width + RUN_PX for tile in tiles)


def _step(side: int) -> int:
    return side - OVERLAP_PX if side == TILE_PX else side
