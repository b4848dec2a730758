"""Decoding of places: known answers by hand, the order of places, and what does not fit."""

import numpy as np
import pytest

from cvdemo.ops.boxes import FloatArray
from cvdemo.ops.place_boxes import (
    boxes_of,
    candidates_of,
    clip_boxes,
    grid_sizes,
    place_centres,
    place_strides,
    windows_at,
)

STRIDES = (8, 16)
SIZE_HW = (32, 48)  # 4 x 6 places at stride 8, then 2 x 3 at stride 16
PLACES = 4 * 6 + 2 * 3


def silent(classes: int = 2) -> FloatArray:
    """An output of `classes` that are all but impossible everywhere, with boxes of no size."""
    output = np.zeros((classes + 4, PLACES), np.float32)
    output[:classes] = -20
    return output


def test_places_go_stride_by_stride_and_row_by_row() -> None:
    centres, strides = place_centres(SIZE_HW, STRIDES), place_strides(SIZE_HW, STRIDES)
    assert grid_sizes(SIZE_HW, STRIDES) == [(4, 6), (2, 3)]
    assert centres.shape == (PLACES, 2) and centres.dtype == np.float32 and len(strides) == PLACES
    assert centres[[0, 1, 6, 23, 24, 25, 27]].tolist() == [
        [4, 4], [12, 4], [4, 12], [44, 28], [8, 8], [24, 8], [8, 24],
    ]  # fmt: skip
    assert (strides == [8] * 24 + [16] * 6).all()


@pytest.mark.parametrize(
    ("place", "distances", "box"),
    [
        (7, (4, 5, 6, 7), (8, 7, 18, 19)),  # row 1, column 1 of stride 8: its centre is (12, 12)
        (24 + 5, (10, 1, 3, 2), (30, 23, 43, 26)),  # row 1, column 2 of stride 16: (40, 24)
        (0, (9, 9, 100, 100), (0, 0, 48, 32)),  # beyond every edge
    ],
)
def test_a_box_lies_at_its_distances_round_the_centre(place: int, distances: tuple[int, ...], box: tuple[int]) -> None:
    output = silent()
    output[1, place] = 2.0
    output[2:, place] = distances
    xyxy, scores, classes = boxes_of(output, SIZE_HW, STRIDES)
    assert xyxy.tolist() == [list(map(float, box))] and classes.tolist() == [1]
    assert scores[0] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-6)
    assert (xyxy.dtype, scores.dtype, classes.dtype) == (np.float32, np.float32, np.int64)


def test_a_place_speaks_for_several_classes_and_the_best_come_first() -> None:
    output = silent()
    output[0, 3], output[1, 3], output[1, 28] = 1.0, 3.0, 2.0
    _, scores, classes = boxes_of(output, SIZE_HW, STRIDES)
    assert classes.tolist() == [1, 1, 0] and (np.diff(scores) < 0).all()
    assert len(boxes_of(output, SIZE_HW, STRIDES, most=2)[1]) == 2
    assert len(boxes_of(output, SIZE_HW, STRIDES, floor=0.85)[1]) == 2


def test_nothing_above_the_floor_gives_empty_arrays_of_the_same_form() -> None:
    xyxy, scores, classes = boxes_of(silent(), SIZE_HW, STRIDES)
    assert xyxy.shape == (0, 4) and scores.shape == classes.shape == (0,)


def test_the_floor_is_a_probability_and_extreme_logits_do_no_harm() -> None:
    logits = np.array([[0.0, -1e4, 1e4, np.log(0.05 / 0.95)]], np.float32)
    classes, places, scores = candidates_of(logits, 0.0499, 10)
    assert places.tolist() == [2, 0, 3] and not classes.any()
    assert scores.tolist() == pytest.approx([1, 0.5, 0.05], rel=1e-5)


def test_windows_are_squares_of_so_many_strides() -> None:
    windows = windows_at(np.array([[12, 20], [40, 24]], np.float32), np.array([8, 16]), 8)
    assert windows.tolist() == [[-20, -12, 44, 52], [-24, -40, 104, 88]]


def test_what_lies_outside_becomes_empty() -> None:
    clipped = clip_boxes(np.array([[-5, 2, 3, 90], [60, 60, 70, 70]], np.float32), (40, 50))
    assert clipped.tolist() == [[0, 2, 3, 40], [50, 40, 50, 40]]


@pytest.mark.parametrize("size_hw", [(30, 48), (0, 16), (32, 40)])
def test_sides_that_are_no_multiples_are_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sides must be positive multiples of the strides"):
        place_centres(size_hw, STRIDES)


@pytest.mark.parametrize("shape", [(6, PLACES - 1), (4, PLACES), (1, 6, PLACES)])
def test_outputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"need \(K \+ 4, {PLACES}\) for \(32, 48\) px, got"):
        boxes_of(np.zeros(shape, np.float32), SIZE_HW, STRIDES)


@pytest.mark.parametrize(("floor", "most"), [(0.0, 1), (1.0, 1), (0.5, 0)])
def test_a_floor_or_number_out_of_range_is_refused(floor: float, most: int) -> None:
    with pytest.raises(ValueError, match="need 0 < floor < 1 and most >= 1"):
        candidates_of(np.zeros((1, 1), np.float32), floor, most)
