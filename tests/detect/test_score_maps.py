"""The score map, and the pyramid of windows."""

import numpy as np
import pytest

from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.score_maps import draw_score_map, draw_windows, score_map
from cvdemo.images import ImageArray
from cvdemo.ops.boxes import FloatArray


def scan_of(*levels: tuple[tuple[int, int], FloatArray], size_wh: tuple[int, int]) -> Scan:
    """A scan with windows of two strides of 32 px, in which class 3 has half the score of the best class."""
    none, nothing = np.empty(0, np.float32), np.empty((0, 4), np.float32)
    scores = tuple(LevelScores(size, best, np.array([3]), best[None] / 2) for size, best in levels)
    return Scan(size_wh, list("abcd"), scores, nothing, nothing, none, np.empty(0, np.int64), 9, 2, 1.0, True)


@pytest.fixture
def grey() -> ImageArray:
    return np.full((400, 720, 3), 128, np.uint8)


def test_the_score_map_is_hot_where_all_levels_agree() -> None:
    coarse, fine = np.full((1, 1), 0.9, np.float32), np.full((7, 7), 0.01, np.float32)
    fine[5, 1] = 0.9
    scan = scan_of(((64, 64), coarse), ((256, 256), fine), size_wh=(160, 160))
    heat = score_map(scan)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.shape == (160, 160) and heat.min() >= 0 and heat.max() <= 0.9 + 1e-6
    assert 100 < row < 140 and 20 < column < 60  # around the centre of the hot window, (120, 40)
    np.testing.assert_allclose(score_map(scan, [3]).max(), heat.max() / 2, rtol=1e-5)
    assert score_map(scan, [1]).max() < 0.01


def test_the_score_map_of_a_large_picture_stays_small() -> None:
    assert score_map(scan_of(((64, 96), np.ones((1, 2), np.float32)), size_wh=(6000, 4000))).size <= 1.01e5


def test_the_drawn_map_changes_the_hot_part_most(grey: ImageArray) -> None:
    scores = np.zeros((11, 21), np.float32)
    scores[5, 3] = 1
    drawn = draw_score_map(grey, score_map(scan_of(((384, 704), scores), size_wh=(720, 400))))
    change = np.abs(drawn.astype(int) - 128).sum(axis=2)
    assert drawn.shape == grey.shape and change[198:226, 120:140].mean() > 5 * change[:, 400:].mean()


def test_the_windows_are_drawn_level_by_level(grey: ImageArray) -> None:
    sizes = [((64, 96), np.zeros((1, 2), np.float32)), ((128, 192), np.zeros((3, 5), np.float32))]
    one, both = (draw_windows(grey, scan_of(*sizes[:n], size_wh=(720, 400))) for n in (1, 2))
    assert both.shape[1] > one.shape[1] and both.shape[0] > one.shape[0]
