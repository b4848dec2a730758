"""Hard negatives: the worst places are kept, found at several scales, and saved with the networks."""

import numpy as np
import pytest

from train.data.read_pictures import Pictures
from train.detect.average_precision import Found
from train.detect.hard_negatives import LEAST_SCORE, MOST_SIDE_PX, SCAN_SCALES, HardPlaces, scan


def _found(scores: list[float]) -> Found:
    boxes = np.array([[10, 20, 30, 60]] * len(scores), np.float32).reshape(-1, 4)
    return Found(boxes, np.array(scores, np.float32), np.zeros(len(scores), np.int64))


def test_the_worst_places_are_kept() -> None:
    hard = HardPlaces(2)
    assert len(hard) == 0
    hard.replace([(0.2, 0, 1, 2, 1), (0.9, 3, 4, 5, 0.5), (0.5, 6, 7, 8, 2)])
    assert len(hard) == 2
    assert hard[0] == (3, (4.0, 5.0), 0.5)
    assert hard[1] == (6, (7.0, 8.0), 2.0)
    hard.replace([(0.1, 1, 1, 1, 1)])
    assert (len(hard), hard[0][0]) == (1, 1)
    hard.replace([])
    assert len(hard) == 0


def test_a_checkpoint_holds_the_places() -> None:
    hard, other = HardPlaces(3), HardPlaces(3)
    hard.replace([(0.9, 3, 4, 5, 0.5)])
    other.load_state_dict(hard.state_dict())
    assert (len(other), other[0]) == (1, hard[0])


def test_a_scan_finds_what_is_above_the_floor_in_px_of_the_picture() -> None:
    scenes = [np.zeros((100, 200, 3), np.uint8)] * 2
    rows = scan(scenes, lambda scene, px: _found([0.7, LEAST_SCORE / 2]), 0)
    assert len(rows) == 2
    score, number, x, y, scale = rows[1]
    assert score == pytest.approx(0.7)
    assert (number, x, y, scale) == (1, 20, 40, pytest.approx(SCAN_SCALES[1]))


def test_the_rounds_see_every_picture_at_every_scale_but_never_huge() -> None:
    asked = []

    def find(scene: Pictures, long_px: int) -> Found:
        asked.append(long_px)
        return _found([])

    for turn in range(len(SCAN_SCALES)):
        scan([np.zeros((50, 100, 3), np.uint8)], find, turn)
    assert sorted(asked) == [70, 100, 140]
    asked.clear()
    scan([np.zeros((10, 5000, 3), np.uint8)], find, 0)
    assert asked == [MOST_SIDE_PX]
