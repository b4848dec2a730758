"""The heat map of correlations: its colours and numbers, and the same as text."""

import math

import numpy as np
import pytest

from train.classify.draw_correlation import CELL_PX, correlation_lines, draw_correlation, short_names

MATRIX = np.array([[1.0, -1.0], [-1.0, math.nan]])


def test_colours_run_from_blue_to_red_and_what_is_no_number_is_white() -> None:
    picture = np.asarray(draw_correlation(MATRIX, ["a", "b"])).astype(int)
    right, bottom = np.argwhere((picture != 255).any(axis=2)).max(axis=0)[::-1]
    assert right > 2 * CELL_PX < bottom
    red = (picture[..., 0] > 100) & (picture[..., 1] < 30) & (picture[..., 2] < 30)
    blue = (picture[..., 2] > 40) & (picture[..., 0] < 70) & (picture[..., 1] < 40) & (picture[..., 2] < 80)
    cell = CELL_PX**2
    assert 0.7 * cell < red.sum() <= cell and 1.4 * cell < blue.sum() <= 2 * cell + 200


def test_names_and_matrix_must_fit() -> None:
    with pytest.raises(ValueError, match="one name for each member"):
        draw_correlation(MATRIX, ["a"])


def test_lines_have_a_number_for_each_member() -> None:
    head, first, second = correlation_lines(MATRIX, ["short", "b"])
    assert head.split() == ["1", "2"]
    assert first.split() == ["1", "short", "1.00", "-1.00"] and second.split() == ["2", "b", "-1.00", "-"]


def test_paths_are_shown_by_their_last_part_where_that_tells_them_apart() -> None:
    assert short_names(["runs/a/seed_0", "runs/a/seed_1/"]) == ["seed_0", "seed_1"]
    assert short_names(["a/seed_0", "b/seed_0"]) == ["a/seed_0", "b/seed_0"]
