"""Rectangles of a level round small boxes."""

import numpy as np
import pytest

from cvdemo.detect.level_tiles import AROUND_PX, TILE_PX, Tile, all_tiles, tiles_round
from cvdemo.ops.boxes import FloatArray

STRIDE = 32


def holds(tile: Tile, box: FloatArray, padded_hw: tuple[int, int]) -> bool:
    """Whether the box lies in the tile with `AROUND_PX` beside it, as far as the level goes."""
    left, top = np.maximum(box[:2] - AROUND_PX, 0)
    right, bottom = np.minimum(box[2:] + AROUND_PX, padded_hw[::-1])
    return bool(
        tile.left <= left and tile.top <= top and right <= tile.left + tile.width and bottom <= tile.top + tile.height
    )


def test_every_box_lies_in_a_tile_with_its_surroundings() -> None:
    rng = np.random.default_rng(0)
    corner, padded_hw = rng.uniform(0, 900, (12, 2)), (960, 992)
    boxes = np.concatenate([corner, corner + rng.uniform(4, 60, (12, 2))], axis=1).astype(np.float32)
    tiles = tiles_round(boxes, padded_hw, STRIDE)
    assert len(tiles) > 1 and sum(t.height * t.width for t in tiles) < padded_hw[0] * padded_hw[1]
    assert all(any(holds(tile, box, padded_hw) for tile in tiles) for box in boxes)
    for tile in tiles:
        assert not any(value % STRIDE for value in (tile.top, tile.left, tile.height, tile.width))
        assert tile.top + tile.height <= padded_hw[0] and tile.left + tile.width <= padded_hw[1]


def test_without_a_box_there_is_no_tile() -> None:
    assert tiles_round(np.zeros((0, 4), np.float32), (640, 640), STRIDE) == []


def test_boxes_everywhere_are_run_as_the_whole_level() -> None:
    grid = np.stack(np.meshgrid(np.arange(0, 640, 64), np.arange(0, 640, 64)), axis=-1).reshape(-1, 2)
    boxes = np.concatenate([grid, grid + 30], axis=1).astype(np.float32)
    assert tiles_round(boxes, (640, 640), STRIDE) == all_tiles((640, 640)) == [Tile(0, 0, 640, 640)]


@pytest.mark.parametrize("padded_hw", [(64, 3200), (2048, 2048)])
def test_a_rectangle_is_no_larger_than_a_tile(padded_hw: tuple[int, int]) -> None:
    box = np.array([[0, 0, padded_hw[1] - 1, 40]], np.float32)
    tiles = tiles_round(box, padded_hw, STRIDE)
    assert all(tile.height * tile.width <= TILE_PX**2 for tile in tiles)
    assert min(tile.left for tile in tiles) == 0 and max(t.left + t.width for t in tiles) == padded_hw[1]
