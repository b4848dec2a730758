"""Boxes that stay steady: smoothed, kept for a moment, begun only by what is sure."""

import numpy as np
import pytest

from cvdemo.detect.selection import Detections
from cvdemo.detect.tracks import KEPT_FRAMES, NEW_SHARE, Tracker


def found(*boxes: tuple[float, float, float], label: int = 0) -> Detections:
    """Boxes of 20 px by (left, top, score)."""
    xyxy = np.array([[x, y, x + 20, y + 20] for x, y, _ in boxes], np.float32).reshape(-1, 4)
    scores = np.array([score for _, _, score in boxes], np.float32)
    classes = np.full(len(boxes), label, np.int64)
    return Detections(xyxy, scores, ["ab"[label]] * len(boxes), classes, (200, 200), 1, 1.0, True)


def test_the_first_frame_is_shown_as_it_is() -> None:
    shown = Tracker(0.5).follow(found((0, 0, 0.6), (100, 0, 0.9)))
    assert shown.xyxy[:, 0].tolist() == [100, 0] and shown.scores.tolist() == pytest.approx([0.9, 0.6])


def test_boxes_and_scores_are_smoothed() -> None:
    tracker = Tracker(0.5)
    tracker.follow(found((0, 0, 0.6)))
    shown = tracker.follow(found((10, 0, 1.0)))
    assert shown.xyxy[0].tolist() == pytest.approx([10 * NEW_SHARE, 0, 20 + 10 * NEW_SHARE, 20])
    assert shown.scores[0] == pytest.approx(0.6 + NEW_SHARE * 0.4)


def test_a_jitter_becomes_smaller() -> None:
    tracker, jitter = Tracker(0.5), np.random.default_rng(0).normal(50, 2, 60)
    shown = [tracker.follow(found((float(x), 0, 0.9))).xyxy[0, 0] for x in jitter]
    assert np.abs(np.diff(shown)).mean() < 0.7 * np.abs(np.diff(jitter)).mean()


def test_what_is_missed_for_a_moment_stays_and_then_goes() -> None:
    tracker = Tracker(0.5)
    tracker.follow(found((0, 0, 0.9)))
    lengths = [len(tracker.follow(found()).scores) for _ in range(KEPT_FRAMES + 1)]
    assert lengths == [1] * KEPT_FRAMES + [0]


def test_something_new_is_shown_when_it_is_found_again() -> None:
    tracker = Tracker(0.5)
    tracker.follow(found((0, 0, 0.9)))
    assert len(tracker.follow(found((0, 0, 0.9), (100, 0, 0.9))).scores) == 1
    assert len(tracker.follow(found((0, 0, 0.9), (101, 0, 0.9))).scores) == 2


def test_weak_boxes_go_on_and_begin_nothing() -> None:
    tracker = Tracker(0.5)
    tracker.follow(found((0, 0, 0.9)))
    for _ in range(6):
        shown = tracker.follow(found((0, 0, 0.35), (100, 0, 0.35)))
    assert shown.xyxy[:, 0].tolist() == [0] and shown.scores[0] == pytest.approx(0.35, abs=0.01)
    assert tracker.weak == pytest.approx(0.3)


def test_two_that_pass_keep_their_own_boxes_and_classes_do_not_mix() -> None:
    tracker = Tracker(0.5)
    for left in (0, 4, 8):
        shown = tracker.follow(found((left, 0, 0.9), (30 - left, 0, 0.8)))
    assert len(shown.scores) == 2 and shown.xyxy[0, 0] < shown.xyxy[1, 0]
    other = Tracker(0.5)
    other.follow(found((0, 0, 0.9)))
    other.follow(found((0, 0, 0.9), label=1))
    both = other.follow(found((0, 0, 0.9), label=1))
    assert sorted(both.labels) == ["a", "b"]
