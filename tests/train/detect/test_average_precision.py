"""Average precision: known answers, VOC's difficult boxes, empties, and another package's numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster

from train.detect.annotations import Truth, truth_of
from train.detect.average_precision import (
    COCO_AREAS,
    COCO_IOUS,
    Found,
    Kind,
    PrecisionRecall,
    average_precision,
    coco_average_precision,
    coco_average_precision_by_size,
    mean_average_precision,
    precision_recall,
    reached_scores,
)

KINDS: tuple[Kind, ...] = ("area", "11-point", "101-point")
_BOX = [0, 0, 10, 10]
_FAR = [50, 50, 60, 60]


def _found(boxes: Sequence[Sequence[float]], scores: Sequence[float], classes: Sequence[int] | None = None) -> Found:
    truth = truth_of(boxes, classes)
    return Found(truth.xyxy, np.array(scores, np.float32), truth.classes)


def _curve(hits: Sequence[int], truths: int) -> PrecisionRecall:
    scores = np.linspace(1, 0, len(hits), dtype=np.float32)
    return PrecisionRecall(scores, np.array(hits, np.bool_), truths)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [  # the best precision at recalls of 1/5 to 4/5 is 1, 1, 3/4 and 4/6; the fifth truth is never found
        ("area", (1 + 1 + 3 / 4 + 4 / 6) / 5),
        ("11-point", (5 * 1 + 2 * 3 / 4 + 2 * 4 / 6) / 11),
        ("101-point", (41 * 1 + 20 * 3 / 4 + 20 * 4 / 6) / 101),
    ],
)
def test_known_answers(kind: Kind, expected: float) -> None:
    assert _curve([1, 1, 0, 1, 0, 1], 5).average(kind) == pytest.approx(expected)


def test_curve_of_a_known_answer() -> None:
    curve = _curve([1, 0, 1], 4)
    assert curve.recall.tolist() == [0.25, 0.25, 0.5]
    assert curve.precision.tolist() == pytest.approx([1, 0.5, 2 / 3])
    assert curve.interpolated.tolist() == pytest.approx([1, 2 / 3, 2 / 3])


def test_recall_at_a_number_of_false_positives() -> None:
    curve = _curve([1, 0, 1, 0, 1], 4)
    assert [curve.recall_at(n) for n in (0, 1, 2, 9)] == [0.25, 0.5, 0.75, 0.75]


def test_eleven_points_do_not_round() -> None:
    """Three of ten found: the precision at recall 0.3 counts, although 0.1 * 3 > 0.3."""
    assert _curve([1, 1, 1], 10).average("11-point") == pytest.approx(4 / 11)


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_is_matched_once_by_the_best_score(kind: Kind) -> None:
    found = [_found([_BOX, _BOX], [0.3, 0.9])]
    curve = precision_recall(found, [truth_of([_BOX])], 0.5, 0, coco=kind == "101-point")
    assert curve.scores.tolist() == pytest.approx([0.9, 0.3])
    assert curve.hits.tolist() == [True, False]
    assert average_precision(found, [truth_of([_BOX])], 0.5, 0, kind) == 1


@pytest.mark.parametrize("coco", [False, True])
def test_boxes_on_difficult_truths_count_neither_for_nor_against(coco: bool) -> None:
    truth = truth_of([_BOX, _FAR], difficult=[True, False])
    curve = precision_recall([_found([_BOX, _FAR], [0.9, 0.8])], [truth], 0.5, 0, coco=coco)
    assert (curve.hits.tolist(), curve.truths) == ([True], 1)


def test_a_difficult_truth_takes_any_number_of_boxes() -> None:
    truth = truth_of([_BOX, _FAR], difficult=[True, False])
    curve = precision_recall([_found([_BOX, _BOX, _FAR], [0.9, 0.85, 0.8])], [truth], 0.5, 0)
    assert curve.hits.tolist() == [True]


def test_voc_matches_with_the_best_truth_coco_with_the_best_free_one() -> None:
    truths = [truth_of([[0, 0, 10, 10], [0, 2, 10, 12]])]
    found = [_found([[0, 0, 10, 10], [0, 0.5, 10, 10.5]], [0.9, 0.8])]
    assert precision_recall(found, truths, 0.5, 0).hits.tolist() == [True, False]
    assert precision_recall(found, truths, 0.5, 0, coco=True).hits.tolist() == [True, True]


def test_overlap_exactly_at_the_threshold_counts() -> None:
    found, truths = [_found([[0, 0, 10, 5]], [0.9])], [truth_of([_BOX])]
    assert precision_recall(found, truths, 0.5, 0).hits.tolist() == [True]
    assert precision_recall(found, truths, 0.51, 0).hits.tolist() == [False]


def test_scores_are_ranked_over_all_pictures_and_classes_apart() -> None:
    found = [_found([_BOX, _FAR], [0.5, 0.99], [0, 1]), _found([_FAR], [0.9])]
    truths = [truth_of([_BOX]), truth_of([])]
    curve = precision_recall(found, truths, 0.5, 0)
    assert curve.hits.tolist() == [False, True]
    assert average_precision(found, truths, 0.5, 0) == 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_found_and_nothing_to_find(kind: Kind) -> None:
    nothing = _found([], [])
    assert average_precision([nothing], [truth_of([_BOX])], 0.5, 0, kind) == 0
    assert np.isnan(average_precision([_found([_BOX], [0.9])], [truth_of([])], 0.5, 0, kind))
    assert np.isnan(average_precision([], [], 0.5, 0, kind))
    assert precision_recall([nothing], [truth_of([_BOX])], 0.5, 0).recall_at(3) == 0
    assert np.isnan(precision_recall([nothing], [truth_of([])], 0.5, 0).recall_at(3))


def test_classes_without_truths_do_not_count_in_the_mean() -> None:
    found, truths = [_found([_BOX, _FAR], [0.9, 0.8], [0, 2])], [truth_of([_BOX, _FAR], [0, 1])]
    assert mean_average_precision(found, truths, 0.5, 3) == 0.5  # 1, 0 and none
    with pytest.raises(ValueError, match="none of 2 classes"):
        mean_average_precision(found, [truth_of([])], 0.5, 2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="got 1 for 0"):
        precision_recall([_found([], [])], [], 0.5, 0)
    with pytest.raises(ValueError, match=r"\(0, 1\], got 0"):
        precision_recall([], [], 0, 0)
    with pytest.raises(ValueError, match="kind must be"):
        _curve([1], 1).average("mean")
    with pytest.raises(ValueError, match="need"):
        Found(np.zeros((1, 4), np.float32), np.zeros(2, np.float32), np.zeros(1, np.int64))


def test_a_better_ranking_is_never_worse() -> None:
    """Swapping a wrong box with a right one behind it raises no kind of average; recall never falls along a curve."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        hits = rng.random(12) < 0.5
        curve = _curve(hits.tolist(), 12)
        better = _curve(sorted(hits.tolist(), reverse=True), 12)
        assert (np.diff(curve.recall) >= 0).all()
        for kind in KINDS:
            assert 0 <= curve.average(kind) <= better.average(kind) <= 1


CLASSES = 3


def _scenes(seed: int, pictures: int = 25) -> tuple[list[Found], list[Truth]]:
    """True boxes on a grid of 80 px, which hardly touch, and answers: some shifted, some repeated, some wrong."""
    rng = np.random.default_rng(seed)
    found, truths = [], []
    for _ in range(pictures):
        corners = rng.permutation(25)[: rng.integers(0, 8)]
        top_left = np.stack([corners % 5, corners // 5], 1) * 80 + rng.uniform(0, 8, (len(corners), 2))
        boxes = np.concatenate([top_left, top_left + rng.uniform(20, 70, (len(corners), 2))], 1)
        classes = rng.integers(0, CLASSES, len(corners))
        truths.append(truth_of(boxes.tolist(), classes.tolist()))
        picked = rng.integers(0, max(1, len(corners)), 2 * len(corners))
        answers = boxes[picked] + rng.normal(0, 4, (len(picked), 4))
        wrong = rng.random(len(picked)) < 0.2
        labels = np.where(wrong, rng.integers(0, CLASSES, len(picked)), classes[picked] if len(corners) else 0)
        found.append(_found(answers.tolist(), rng.random(len(picked)).tolist(), labels.tolist()))
    return found, truths


def _theirs(
    found: list[Found], truths: list[Truth], ious: Sequence[float], recalls: Sequence[float], area: int = 0
) -> np.ndarray:
    """faster-coco-eval's precision at these recalls, (IoUs, recalls, classes); of all areas, or a range of them."""
    images = [{"id": i + 1, "width": 500, "height": 500} for i in range(len(truths))]
    boxes: list[dict[str, Any]] = [
        {"image_id": i + 1, "category_id": int(c) + 1, "bbox": _xywh(b), "iscrowd": 0}
        for i, truth in enumerate(truths)
        for b, c in zip(truth.xyxy, truth.classes, strict=True)
    ]
    answers = [
        {"image_id": i + 1, "category_id": int(c) + 1, "bbox": _xywh(b), "score": float(s)}
        for i, answer in enumerate(found)
        for b, c, s in zip(answer.xyxy, answer.classes, answer.scores, strict=True)
    ]
    for number, box in enumerate(boxes):
        box |= {"id": number + 1, "area": box["bbox"][2] * box["bbox"][3]}
    names = [{"id": c + 1, "name": str(c)} for c in range(CLASSES)]
    truth = COCO({"images": images, "annotations": boxes, "categories": names})
    theirs = COCOeval_faster(truth, truth.loadRes(answers), "bbox")
    theirs.params.iouThrs, theirs.params.recThrs = np.array(ious), np.array(recalls)
    theirs.evaluate()
    theirs.accumulate()
    return np.asarray(theirs.eval["precision"])[:, :, :, area, -1]


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return [x1, y1, x2 - x1, y2 - y1]


def test_coco_by_size_is_what_an_independent_package_says() -> None:
    """Boxes of 20 to 70 px: small and medium ones, answers on either side of the edge; none is large."""
    found, truths = _scenes(seed=0)
    ours = coco_average_precision_by_size(found, truths, CLASSES)
    for area, name in enumerate(("small", "medium"), 1):
        theirs = _theirs(found, truths, COCO_IOUS, np.linspace(0, 1, 101).tolist(), area)
        assert ours[name] == pytest.approx(theirs[theirs > -1].mean(), abs=1e-9) and 0 < ours[name] < 1
    assert np.isnan(ours["large"])


def test_boxes_of_another_size_count_neither_for_nor_against() -> None:
    """A small truth and a large one, each with its box; a small box on nothing, a second box on the large one."""
    large, small, nothing = [0, 0, 200, 200], [300, 0, 310, 10], [400, 0, 410, 10]
    found = [_found([large, large, small, nothing], [0.9, 0.8, 0.7, 0.6])]
    truths = [truth_of([large, small])]
    of_small = precision_recall(found, truths, 0.5, 0, coco=True, area_px2=COCO_AREAS["small"])
    assert (of_small.hits.tolist(), of_small.truths) == ([True, False], 1)
    of_large = precision_recall(found, truths, 0.5, 0, coco=True, area_px2=COCO_AREAS["large"])
    assert (of_large.hits.tolist(), of_large.truths) == ([True, False], 1)
    with pytest.raises(ValueError, match="without coco"):
        precision_recall(found, truths, 0.5, 0, area_px2=COCO_AREAS["large"])


def test_each_true_box_has_the_score_of_the_box_that_is_right_on_it() -> None:
    truth = truth_of([_BOX, _FAR, _FAR], [0, 0, 1], [False, False, True])
    found = _found([_BOX, _BOX, _FAR, _FAR], [0.3, 0.9, 0.8, 0.7], [0, 0, 1, 0])
    assert reached_scores(found, truth, 0.5).tolist() == pytest.approx([0.9, 0.7, -np.inf])  # difficult: never right
    assert reached_scores(_found([], []), truth, 0.5).tolist() == [-np.inf] * 3
    assert reached_scores(found, truth_of([]), 0.5).shape == (0,)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_coco_kind_is_what_an_independent_package_says(seed: int) -> None:
    found, truths = _scenes(seed)
    theirs = _theirs(found, truths, COCO_IOUS, np.linspace(0, 1, 101)).mean(axis=1)
    ours = [[average_precision(found, truths, iou, c, "101-point") for c in range(CLASSES)] for iou in COCO_IOUS]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert coco_average_precision(found, truths, CLASSES) == pytest.approx(theirs.mean(), abs=1e-6)
    assert 0.2 < theirs.mean() < 0.9  # scenes that are neither trivial nor hopeless


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_area_and_eleven_points_are_what_an_independent_package_says(seed: int) -> None:
    """Sampled between the steps of recall, its curve gives the area exactly; here no two truths share a box."""
    found, truths = _scenes(seed)
    for class_index in range(CLASSES):
        count = sum(int((truth.classes == class_index).sum()) for truth in truths)
        for kind, recalls in (
            ("area", (np.arange(count) + 0.5) / count),
            ("11-point", np.arange(11) / 10 - 1e-9),  # its comparison rounds
        ):
            theirs = _theirs(found, truths, [0.5], recalls)[0, :, class_index].mean()
            assert average_precision(found, truths, 0.5, class_index, kind) == pytest.approx(theirs, abs=1e-6)
