"""The score map, and the pyramid of windows."""

import numpy as np
import pytest

from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.score_maps import (
    LEGEND_BAR_PX,
    LEGEND_PX,
    draw_score_map,
    draw_windows,
    score_colour,
    score_map,
    window_box,
)
from cvdemo.images import ImageArray


def scan_of(
    *candidates: tuple[tuple[float, ...], float, int],
    size_wh: tuple[int, int] = (160, 160),
    levels: tuple[LevelScores, ...] = (),
) -> Scan:
    """A scan with candidates (window, score, class)."""
    boxes = np.array([box for box, _, _ in candidates], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in candidates], np.float32)
    classes = np.array([label for _, _, label in candidates], np.int64)
    return Scan(size_wh, list("abcd"), levels, boxes, boxes, scores, classes, 9, 1.0, True)


def level(size_hw: tuple[int, int], rows: int, columns: int) -> LevelScores:
    """Windows of 64 px every 32 px, all silent."""
    return LevelScores(size_hw, np.zeros((rows, columns), np.float32), 64, 32, 32)


@pytest.fixture
def grey() -> ImageArray:
    return np.full((400, 720, 3), 128, np.uint8)


def test_the_score_map_has_each_score_in_the_middle_of_its_window() -> None:
    scan = scan_of(((0, 0, 160, 160), 0.3, 3), ((20, 100, 60, 140), 0.9, 1), ((24, 100, 64, 140), 0.6, 3))
    heat = score_map(scan)
    assert heat.shape == (160, 160) and heat.dtype == np.float32 and heat.min() >= 0
    assert heat[119:121, 39:41].max() == heat.max() == pytest.approx(0.9, abs=0.01)  # the best score, not a mean
    assert heat[80, 80] == pytest.approx(0.3, abs=0.01) and heat[2, 2] < 0.01 and heat[120, 150] < 0.1


def test_only_the_chosen_classes_are_on_the_map() -> None:
    scan = scan_of(((0, 0, 160, 160), 0.3, 3), ((20, 100, 60, 140), 0.9, 1))
    assert score_map(scan, [3]).max() == pytest.approx(0.3, abs=0.01)
    assert score_map(scan, [0]).max() == 0


def test_a_scan_without_candidates_has_an_empty_map() -> None:
    assert score_map(scan_of()).shape == (160, 160) and not score_map(scan_of()).any()


def test_the_score_map_of_a_large_picture_stays_small() -> None:
    heat = score_map(scan_of(((5900, 3900, 6000, 4000), 1.0, 0), size_wh=(6000, 4000)))
    assert heat.size <= 1.01e5 and heat.max() == 1 and heat[:200].max() == 0


@pytest.mark.parametrize(("score", "colour"), [(0.0, (48, 18, 59)), (1.0, (122, 4, 3))])
def test_the_drawn_map_has_the_colour_of_the_score_whatever_the_highest_is(
    score: float, colour: tuple[int, int, int], grey: ImageArray
) -> None:
    assert score_colour(score) == colour  # the ends of turbo
    flat = np.full((40, 72), score, np.float32)
    drawn, other = draw_score_map(grey, flat), draw_score_map(grey, np.full((40, 72), 0.5, np.float32))
    assert (drawn[:400] == drawn[0, 0]).all() and (drawn[0, 0] != other[0, 0]).any()


def test_the_legend_below_the_map_has_the_colours_of_the_scores(grey: ImageArray) -> None:
    drawn = draw_score_map(grey, np.zeros((40, 72), np.float32))
    assert drawn.shape == (400 + LEGEND_PX, 720, 3)
    for score in (0.0, 0.25, 0.5, 1.0):
        assert np.abs(drawn[403, round(score * 719)].astype(int) - score_colour(score)).max() <= 6
    assert (drawn[400 + LEGEND_BAR_PX :] > 200).all(axis=2).any()  # figures


def test_the_drawn_map_changes_with_the_score_and_not_with_the_highest_one(grey: ImageArray) -> None:
    low = score_map(scan_of(((100, 100, 140, 140), 0.2, 0), size_wh=(720, 400)))
    both = score_map(scan_of(((100, 100, 140, 140), 0.2, 0), ((400, 200, 500, 300), 0.9, 0), size_wh=(720, 400)))
    alone, beside = draw_score_map(grey, low), draw_score_map(grey, both)
    assert np.array_equal(alone[:400, :300], beside[:400, :300])


def test_the_windows_are_drawn_level_by_level(grey: ImageArray) -> None:
    sizes = (level((64, 96), 1, 2), level((128, 192), 3, 5))
    one, both = (draw_windows(grey, scan_of(size_wh=(720, 400), levels=sizes[:n])) for n in (1, 2))
    assert both.shape[1] > one.shape[1] and both.shape[0] > one.shape[0]


def test_a_scan_without_levels_shows_the_picture(grey: ImageArray) -> None:
    assert np.array_equal(draw_windows(grey, scan_of(size_wh=(720, 400))), grey)


def test_a_window_lies_round_its_centre() -> None:
    places = LevelScores((64, 96), np.zeros((8, 12), np.float32), 64, 8, 4)
    assert window_box(places, 13, (1, 1)) == (-20, -20, 44, 44)
    assert window_box(level((128, 192), 3, 5), 14, (0.5, 2)) == (64, 128, 96, 256)  # flush with the far corner
