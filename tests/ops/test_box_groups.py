"""Hits grouped as OpenCV groups them, with their values kept."""

import cv2
import numpy as np
import pytest

from cvdemo.ops.box_groups import Hits, grouped, together


def crowd(seed: int, things: int = 12, hits: int = 90) -> Hits:
    """Boxes that crowd round some places, a few of them inside others."""
    rng = np.random.default_rng(seed)
    centres, sides = rng.integers(50, 450, (things, 2)), rng.integers(20, 160, things)
    of = rng.integers(0, things, hits)
    side = (sides[of] * rng.uniform(0.9, 1.15, hits)).astype(np.int64)
    corner = centres[of] + (side[:, None] * rng.uniform(-0.12, 0.12, (hits, 2))).astype(np.int64) - side[:, None] // 2
    xywh = np.stack([corner[:, 0], corner[:, 1], side, side + side // 4], axis=1)
    return Hits(xywh, rng.uniform(0, 1, hits).astype(np.float32))


@pytest.mark.parametrize("more_than", [1, 2, 4])
@pytest.mark.parametrize("seed", range(8))
def test_the_boxes_are_those_of_opencv(seed: int, more_than: int) -> None:
    hits = crowd(seed)
    theirs, _ = cv2.groupRectangles(hits.xywh.tolist(), more_than, 0.2)
    assert sorted(map(tuple, grouped(hits, more_than).xywh.tolist())) == sorted(map(tuple, np.asarray(theirs).tolist()))


def test_a_group_has_the_mean_of_its_boxes_and_the_best_of_their_values() -> None:
    xywh = np.array([[10, 10, 50, 50], [12, 10, 50, 54], [200, 200, 40, 40]])
    found = grouped(Hits(xywh, np.array([0.3, 0.7, 0.9], np.float32)), 1)
    assert found.xywh.tolist() == [[11, 10, 50, 52]] and found.values.tolist() == pytest.approx([0.7])


def test_a_part_of_a_crowd_is_left_out() -> None:
    whole, part = [[100, 100, 100, 100]] * 5, [[120, 120, 30, 30]] * 2
    assert len(grouped(Hits(np.array(whole + part), np.ones(7, np.float32)), 1).values) == 1
    assert len(grouped(Hits(np.array(whole[:3] + part * 2), np.ones(7, np.float32)), 1).values) == 2


def test_nothing_gives_nothing() -> None:
    nothing = together([])
    assert grouped(nothing, 1).xywh.shape == (0, 4) and grouped(nothing, 1).values.shape == (0,)
    assert together([nothing, crowd(0)]).xywh.tolist() == crowd(0).xywh.tolist()
