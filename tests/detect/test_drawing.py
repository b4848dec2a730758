"""What is drawn of a detection: boxes and labels."""

import numpy as np
import pytest

from cvdemo.detect.drawing import (
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    class_colour,
    draw_detections,
    label_font,
    to_canvas,
)
from cvdemo.detect.selection import Detections
from cvdemo.images import ImageArray


def found(xyxy: list[tuple[float, ...]], size_wh: tuple[int, int], label: str = "cat") -> Detections:
    n = len(xyxy)
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(n, 0.5, np.float32), [label] * n, np.full(n, 3), size_wh, n, 1.0, True)


@pytest.fixture
def grey() -> ImageArray:
    return np.full((400, 720, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("size_hw", "side_px"),
    [((1, 1), MIN_SIDE_PX), ((60, 30), MIN_SIDE_PX), ((800, 900), 900), ((90, 4000), MAX_SIDE_PX)],
)
def test_the_canvas_is_neither_small_nor_large(size_hw: tuple[int, int], side_px: int) -> None:
    assert max(to_canvas(np.zeros((*size_hw, 3), np.uint8)).shape[:2]) == side_px


def test_a_box_is_outlined_in_its_colour_and_nothing_else_changes(grey: ImageArray) -> None:
    drawn = draw_detections(grey, found([(100, 150, 300, 350)], (720, 400)))
    assert drawn[250, 101:104].tolist().count(list(class_colour(3))) >= 2
    assert (drawn[160:340, 110:290] == 128).all() and (drawn[:, 400:] == 128).all()
    assert (grey == 128).all()


def test_boxes_scale_with_the_canvas() -> None:
    drawn = draw_detections(
        to_canvas(np.full((1000, 2560, 3), 128, np.uint8)), found([(1000, 200, 2000, 800)], (2560, 1000))
    )
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
    assert draw_detections(to_canvas(picture), found([(0, 0, *size_wh), (0, 0, 0, 0)], size_wh)).any()


def test_colours_tell_neighbouring_classes_apart() -> None:
    assert class_colour(5) == class_colour(5)
    assert all(np.abs(np.subtract(class_colour(c), class_colour(c + 1))).sum() > 100 for c in range(1000))


def test_all_classes_of_a_detector_of_twenty_have_colours_apart() -> None:
    """A rider and the bicycle, classes 14 and 1, had nearly one colour."""
    colours = np.array([class_colour(c) for c in range(20)])
    distances = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    assert distances[np.triu_indices(20, 1)].min() > 90


@pytest.mark.parametrize(("side_px", "font_px"), [(60, 13), (720, 20), (1280, 34), (4000, 34)])
def test_labels_grow_with_the_canvas_within_limits(side_px: int, font_px: float) -> None:
    assert label_font((side_px, 10)).size == font_px
