"""Random views: boxes follow what they are around, through zoom, crop and mirror; what hardly shows is difficult."""

import numpy as np
import pytest

from train.detect.annotations import truth_of
from train.detect.place_augment import DRAWS, GREY, letterboxed, random_view

PLAIN = [0.5, 0.5, 0.5, 0.5, 0.9, 0.5, 0.5, 0.5]  # no mirror, no change of colours


def with_rectangle() -> tuple[np.ndarray, tuple[int, int, int, int]]:
    picture = np.full((150, 200, 3), 40, np.uint8)
    box = (60, 30, 120, 110)
    picture[box[1] : box[3], box[0] : box[2]] = (220, 30, 30)
    return picture, box


@pytest.mark.parametrize("seed", range(12))
def test_the_box_stays_around_its_thing(seed: int) -> None:
    picture, box = with_rectangle()
    draw = np.random.default_rng(seed).random(DRAWS)
    view, truth = random_view(picture, truth_of([box]), 128, (0.6, 1.6), draw.tolist())
    assert view.shape == (128, 128, 3) and view.dtype == np.uint8
    red = view[..., 0].astype(int) - view[..., 1]
    rows, columns = np.nonzero(red > 50)  # the rectangle alone
    if len(truth.classes):
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(truth.xyxy[0] - seen).max() <= 2
    else:
        assert len(rows) <= 2 * 128


def test_a_view_without_chance_is_the_letterboxed_picture() -> None:
    picture, box = with_rectangle()
    view, truth = random_view(picture, truth_of([box]), 100, (1.0, 1.0), PLAIN)
    assert np.allclose(truth.xyxy, np.array([box]) / 2 + [0, 12.5, 0, 12.5], atol=0.6)
    assert (view[:10] == GREY).all()


def test_mirrored_views_have_mirrored_boxes() -> None:
    picture, box = with_rectangle()
    plain, truth = random_view(picture, truth_of([box]), 100, (1.0, 1.0), PLAIN)
    mirrored, turned = random_view(picture, truth_of([box]), 100, (1.0, 1.0), [*PLAIN[:4], 0.1, *PLAIN[5:]])
    assert np.array_equal(mirrored, plain[:, ::-1])
    x1, y1, x2, y2 = truth.xyxy[0]
    assert np.allclose(turned.xyxy[0], [100 - x2, y1, 100 - x1, y2])


def test_what_hardly_shows_is_difficult_and_what_is_outside_is_gone() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    boxes = truth_of([[0, 0, 10, 10], [40, 40, 60, 60], [20, 45, 30, 55]], [0, 1, 2])
    _, truth = random_view(picture, boxes, 100, (2.0, 2.0), PLAIN)  # the middle half of the picture
    assert truth.classes.tolist() == [1, 2]
    assert truth.difficult.tolist() == [False, False]
    _, truth = random_view(picture, boxes, 100, (2.0, 2.0), [0.5, 0.5, 0.54, *PLAIN[3:]])
    assert dict(zip(truth.classes.tolist(), truth.difficult.tolist(), strict=True)) == {1: False, 2: True}


def test_difficult_boxes_stay_difficult() -> None:
    picture, box = with_rectangle()
    _, truth = random_view(picture, truth_of([box], difficult=[True]), 100, (1.0, 1.0), PLAIN)
    assert truth.difficult.tolist() == [True]


def test_colours_change_and_the_input_does_not() -> None:
    picture, box = with_rectangle()
    before = picture.copy()
    bright, _ = random_view(picture, truth_of([box]), 100, (1.0, 1.0), [*PLAIN[:5], 0.99, 0.5, 0.5])
    plain, _ = random_view(picture, truth_of([box]), 100, (1.0, 1.0), PLAIN)
    assert bright.mean() > 1.2 * plain.mean()
    assert np.array_equal(picture, before)


@pytest.mark.parametrize(
    ("size_hw", "expected"), [((300, 400), (64, 64)), ((400, 200), (64, 32)), ((10, 10), (64, 64))]
)
def test_letterboxed_pictures_keep_their_aspect(size_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    picture = np.zeros((*size_hw, 3), np.uint8)
    canvas, scale = letterboxed(picture, 64, 32)
    assert canvas.shape[:2] == expected and scale == 64 / max(size_hw)
    high, wide = round(size_hw[0] * scale), round(size_hw[1] * scale)
    assert (canvas[:high, :wide] == 0).all()
    assert (canvas[high:] == GREY).all() and (canvas[:, wide:] == GREY).all()
