"""What is drawn of a detection: boxes and names, the score map, the pyramid of windows."""

import numpy as np
import pytest

from cvdemo.detect.drawing import (
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    canvas,
    class_colour,
    draw_detections,
    draw_score_map,
    draw_windows,
    score_map,
)
from cvdemo.detect.selection import Detections
from cvdemo.detect.sliding_window import LevelScores, Scan
from cvdemo.images import ImageArray
from cvdemo.ops.boxes import FloatArray


def found(xyxy: list[tuple[float, ...]], size_wh: tuple[int, int], label: str = "cat") -> Detections:
    n = len(xyxy)
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(n, 0.5, np.float32), [label] * n, np.full(n, 3), size_wh, n, 1.0, True)


def scan_of(*levels: tuple[tuple[int, int], FloatArray], size_wh: tuple[int, int]) -> Scan:
    """A scan with windows of two strides of 32 px, in which class 3 has half the score of the best class."""
    none, nothing = np.empty(0, np.float32), np.empty((0, 4), np.float32)
    scores = tuple(LevelScores(size, best, np.array([3]), best[None] / 2) for size, best in levels)
    return Scan(size_wh, list("abcd"), scores, nothing, nothing, none, np.empty(0, np.int64), 9, 2, 1.0, True)


@pytest.fixture
def grey() -> ImageArray:
    return np.full((400, 720, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("size_hw", "side_px"),
    [((1, 1), MIN_SIDE_PX), ((60, 30), MIN_SIDE_PX), ((800, 900), 900), ((90, 4000), MAX_SIDE_PX)],
)
def test_the_canvas_is_neither_small_nor_large(size_hw: tuple[int, int], side_px: int) -> None:
    assert max(canvas(np.zeros((*size_hw, 3), np.uint8)).shape[:2]) == side_px


def test_a_box_is_outlined_in_its_colour_and_nothing_else_changes(grey: ImageArray) -> None:
    drawn = draw_detections(grey, found([(100, 150, 300, 350)], (720, 400)))
    assert drawn[250, 101:104].tolist().count(list(class_colour(3))) >= 2
    assert (drawn[160:340, 110:290] == 128).all() and (drawn[:, 400:] == 128).all()
    assert (grey == 128).all()


def test_boxes_scale_with_the_canvas() -> None:
    drawn = draw_detections(np.full((1000, 2560, 3), 128, np.uint8), found([(1000, 200, 2000, 800)], (2560, 1000)))
    changed = np.argwhere((drawn != 128).any(axis=2))
    assert changed[:, 1].min() == 500 and changed[:, 1].max() in (999, 1000) and changed[:, 0].max() in (399, 400)


def test_names_do_not_cover_one_another_and_stay_inside(grey: ImageArray) -> None:
    same_place = draw_detections(grey, found([(100, 100, 300, 300)] * 2, (720, 400)))
    fill = (same_place == class_colour(3)).all(axis=2)
    assert fill[80:99, 110:150].mean() > 0.4  # above the box
    assert fill[103:118, 110:150].mean() > 0.4  # and, as that is taken, inside it
    long_name = draw_detections(grey, found([(590, 2, 600, 12)], (720, 400), "a rather long name of a class"))
    assert (long_name[5:15, 470:680] != 128).any()


def test_in_a_crowd_names_are_left_out_rather_than_piled_up(grey: ImageArray) -> None:
    few, many = (draw_detections(grey, found([(300, 100, 420, 300)] * n, (720, 400))) for n in (5, 50))
    assert np.array_equal(few, many)


@pytest.mark.parametrize("size_wh", [(1, 1), (600, 4), (5, 300)])
def test_the_smallest_pictures_and_boxes_can_be_drawn(size_wh: tuple[int, int]) -> None:
    picture = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    assert draw_detections(picture, found([(0, 0, *size_wh), (0, 0, 0, 0)], size_wh)).any()


def test_colours_tell_neighbouring_classes_apart() -> None:
    assert class_colour(5) == class_colour(5)
    assert all(np.abs(np.subtract(class_colour(c), class_colour(c + 1))).sum() > 100 for c in range(1000))


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
    drawn = draw_score_map(grey, scan_of(((384, 704), scores), size_wh=(720, 400)))
    change = np.abs(drawn.astype(int) - 128).sum(axis=2)
    assert drawn.shape == grey.shape and change[198:226, 120:140].mean() > 5 * change[:, 400:].mean()


def test_the_windows_are_drawn_level_by_level(grey: ImageArray) -> None:
    sizes = [((64, 96), np.zeros((1, 2), np.float32)), ((128, 192), np.zeros((3, 5), np.float32))]
    one, both = (draw_windows(grey, scan_of(*sizes[:n], size_wh=(720, 400))) for n in (1, 2))
    assert both.shape[1] > one.shape[1] and both.shape[0] > one.shape[0]
