"""Non-maximum suppression of three kinds: known answers by hand, class by class, and where the threshold may stand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cvdemo.ops.boxes import FloatArray, IntArray, class_wise_nms, iou_matrix
from cvdemo.ops.suppression import CONSIDERED, best_of_many, fused_boxes, hard_nms, soft_nms

# Two boxes of IoU 1/3, one apart; the second is of another class in `OTHER`.
BOXES = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [40, 40, 50, 50]], np.float32)
SCORES = np.array([0.9, 0.8, 0.5], np.float32)
SAME, OTHER = np.array([0, 0, 0]), np.array([0, 1, 0])


def crowd(seed: int, count: int = 120) -> tuple[FloatArray, FloatArray, IntArray]:
    """Boxes that overlap a good deal, of three classes, with scores that differ."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.uniform(0, 100, (count, 2)), rng.uniform(10, 40, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return boxes, rng.permutation(np.linspace(0.06, 0.99, count)).astype(np.float32), rng.integers(0, 3, count)


def test_hard_drops_what_overlaps_a_better_box_of_its_class() -> None:
    assert hard_nms(BOXES, SCORES, SAME, 0.3).tolist() == [0, 2]
    assert hard_nms(BOXES, SCORES, SAME, 0.34).tolist() == [0, 1, 2]
    assert hard_nms(BOXES, SCORES, OTHER, 0.3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_hard_agrees_with_the_suppression_that_is_written_out_here(seed: int) -> None:
    boxes, scores, classes = crowd(seed)
    assert hard_nms(boxes, scores, classes, 0.4).tolist() == class_wise_nms(boxes, scores, classes, 0.4).tolist()


def test_many_boxes_round_some_things_leave_room_for_every_other_thing() -> None:
    """300 things, each with 8 near-duplicates of lower scores; the best 1,000 of the boxes show but half of them."""
    rng = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(np.arange(15), np.arange(20)), axis=-1).reshape(-1, 2) * 60.0
    things = np.concatenate([corners, corners + 40], axis=1)
    sure = rng.uniform(0.3, 0.95, len(things))
    boxes = np.concatenate([things, *(things + rng.uniform(-4, 4, things.shape) for _ in range(8))]).astype(np.float32)
    scores = np.concatenate([sure, *(sure * rng.uniform(0.8, 0.98, len(sure)) for _ in range(8))]).astype(np.float32)
    kept = best_of_many(boxes, scores, np.zeros(len(scores), np.int64), 1000)
    assert kept[:1000].tolist() == np.argsort(-scores, kind="stable")[:1000].tolist()
    assert 1000 < len(kept) < 1300 and set(range(300)) <= set(kept.tolist()) and (np.diff(scores[kept]) <= 0).all()
    alone = hard_nms(boxes[kept], scores[kept], np.zeros(len(kept), np.int64), 0.4)
    assert sorted(kept[alone].tolist()) == list(range(300))


def test_where_there_is_room_for_all_boxes_they_are_only_sorted() -> None:
    assert best_of_many(BOXES[::-1], SCORES[::-1], SAME, 3).tolist() == [2, 1, 0]
    boxes, no_scores, no_classes = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)
    assert best_of_many(boxes, no_scores, no_classes, 3).tolist() == []


def test_second_boxes_are_those_of_a_class_and_only_so_many_boxes_are_considered() -> None:
    boxes, last_is_other = np.repeat(BOXES[:1], 3, axis=0), np.array([0, 0, 1])
    assert best_of_many(boxes, SCORES, SAME, 2).tolist() == [0, 1]
    assert best_of_many(boxes, SCORES, last_is_other, 2).tolist() == [0, 1, 2]
    same, scores = np.repeat(BOXES[:1], CONSIDERED + 1, axis=0), np.linspace(0.9, 0.1, CONSIDERED + 1)
    same[-1] = BOXES[2]  # beyond those that are considered
    assert best_of_many(same, scores.astype(np.float32), np.zeros(CONSIDERED + 1, np.int64), 1).tolist() == [0]


def test_soft_lowers_by_the_gaussian_of_the_overlap() -> None:
    kept, scores = soft_nms(BOXES, SCORES, SAME, 0.05)
    lowered = 0.8 * np.exp(-((1 / 3) ** 2) / 0.5)
    assert kept.tolist() == [0, 1, 2] and scores.tolist() == pytest.approx([0.9, lowered, 0.5], rel=1e-5)
    assert soft_nms(BOXES, SCORES, OTHER, 0.05)[1].tolist() == pytest.approx([0.9, 0.8, 0.5])


def test_soft_lowers_once_for_each_better_box_and_forgets_what_falls_below_the_floor() -> None:
    boxes = np.repeat(BOXES[:1], 3, axis=0)
    kept, scores = soft_nms(boxes, SCORES, SAME, 0.05)
    assert kept.tolist() == [0, 1] and scores.tolist() == pytest.approx([0.9, 0.8 * np.exp(-2)], rel=1e-5)
    kept, scores = soft_nms(boxes, SCORES, SAME, 0.001)
    assert scores[2] == pytest.approx(0.5 * np.exp(-4), rel=1e-5)


def test_the_order_of_scores_may_change_as_they_are_lowered() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]], np.float32)
    kept, scores = soft_nms(boxes, SCORES, SAME, 0.01)
    assert kept.tolist() == [0, 2, 1] and (np.diff(scores) <= 0).all()


def test_fusion_gives_the_mean_weighted_by_scores_with_the_best_score() -> None:
    boxes, scores, classes = fused_boxes(BOXES, SCORES, SAME, 0.3)
    left = 5 * 0.8 / 1.7
    np.testing.assert_allclose(boxes, [[left, 0, 10 + left, 10], [40, 40, 50, 50]], rtol=1e-5)
    assert scores.tolist() == pytest.approx([0.9, 0.5]) and classes.tolist() == [0, 0]
    assert len(fused_boxes(BOXES, SCORES, OTHER, 0.3)[0]) == 3


def test_fusion_joins_what_overlaps_the_mean_and_not_only_its_first_box() -> None:
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [7, 0, 17, 10]], np.float32)
    assert iou_matrix(boxes[:1], boxes[2:])[0, 0] < 0.3
    fused, _, _ = fused_boxes(boxes, np.array([0.9, 0.9, 0.3], np.float32), SAME, 0.3)
    assert len(fused) == 1 and fused[0, 0] == pytest.approx((4 * 0.9 + 7 * 0.3) / 2.1)


@pytest.mark.parametrize("seed", range(5))
def test_the_fused_boxes_of_a_class_lie_within_the_boxes_they_are_made_of(seed: int) -> None:
    boxes, scores, classes = crowd(seed)
    fused, best, labels = fused_boxes(boxes, scores, classes, 0.4)
    assert (np.diff(best) <= 0).all() and set(best.tolist()) <= set(scores.tolist())
    for label in range(3):
        mine = boxes[classes == label]
        assert (fused[labels == label] >= mine.min(axis=0) - 1e-4).all()
        assert (fused[labels == label] <= mine.max(axis=0) + 1e-4).all()


def test_weak_boxes_change_what_becomes_of_strong_ones_so_that_the_threshold_comes_last() -> None:
    boxes, scores, classes = crowd(1)
    strong = scores >= 0.5
    first = fused_boxes(boxes[strong], scores[strong], classes[strong], 0.4)[0]
    last = fused_boxes(boxes, scores, classes, 0.4)
    assert first.tolist() != last[0][last[1] >= 0.5].tolist()
    kept = hard_nms(boxes, scores, classes, 0.4)  # not so the hard kind
    assert (
        kept[scores[kept] >= 0.5].tolist()
        == np.nonzero(strong)[0][hard_nms(boxes[strong], scores[strong], classes[strong], 0.4)].tolist()
    )


KINDS: list[Callable[..., Any]] = [hard_nms, fused_boxes, soft_nms]


@pytest.mark.parametrize("kind", KINDS)
def test_no_boxes_give_none(kind: Callable[..., Any]) -> None:
    none = np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)
    found = kind(*none, 0.5)
    arrays = found if isinstance(found, tuple) else (found,)
    assert all(len(array) == 0 for array in arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_that_do_not_fit_are_refused(kind: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"need \(N, 4\) boxes, \(N,\) scores and classes, got"):
        kind(BOXES, SCORES[:2], SAME, 0.5)


def test_values_out_of_range_are_refused() -> None:
    for kind in (hard_nms, fused_boxes):
        with pytest.raises(ValueError, match=r"thresholds must lie in \[0, 1\], got iou_threshold=1.5"):
            kind(BOXES, SCORES, SAME, 1.5)
    with pytest.raises(ValueError, match="sigma must be above 0, got 0"):
        soft_nms(BOXES, SCORES, SAME, 0.05, sigma=0)
