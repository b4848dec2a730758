"""Targets of places and their losses: known answers, round trips, and what is left out."""

import numpy as np
import pytest
import torch

from cvdemo.ops.place_boxes import boxes_of, place_centres, place_strides
from train.detect.annotations import truth_of
from train.detect.place_targets import (
    BEST_PLACES,
    assign,
    boxes_from,
    distances_to,
    generalised_iou,
    place_loss,
    varifocal,
)

SIZE, STRIDES = (64, 96), (8, 16)
CENTRES = torch.from_numpy(place_centres(SIZE, STRIDES))
OF_PLACE = torch.from_numpy(place_strides(SIZE, STRIDES))
PLACES = len(CENTRES)


def boxes_around(half_px: float) -> torch.Tensor:
    return torch.cat([CENTRES - half_px, CENTRES + half_px], 1)


def test_distances_and_boxes_are_inverse() -> None:
    xyxy = torch.rand(PLACES, 4) * 50
    assert boxes_from(distances_to(xyxy, CENTRES), CENTRES).allclose(xyxy, atol=1e-4)


def test_what_is_learnt_is_what_the_page_decodes() -> None:
    """Targets written as the network's output come back as the true boxes."""
    truth = truth_of([[10, 12, 50, 44], [60, 8, 90, 60]], [1, 0])
    targets = assign(torch.zeros(2, PLACES), boxes_around(16), truth, CENTRES, OF_PLACE)
    output = torch.cat([torch.logit(targets.scores, 1e-4), distances_to(targets.xyxy, CENTRES)])
    xyxy, scores, classes = boxes_of(output.numpy(), SIZE, STRIDES, floor=0.05)
    assert scores.max() == pytest.approx(float(targets.scores.max()))
    for box, label in zip(truth.xyxy, truth.classes, strict=True):
        mine = xyxy[classes == label]
        assert len(mine) and np.allclose(mine, box, atol=1e-3)


def test_the_best_places_inside_a_box_answer_for_it() -> None:
    truth = truth_of([[8, 8, 72, 56]])
    targets = assign(torch.zeros(1, PLACES), boxes_around(24), truth, CENTRES, OF_PLACE)
    assert int(targets.positive.sum()) == BEST_PLACES
    inside = ((CENTRES - torch.tensor([40.0, 32.0])).abs() < torch.tensor([32.0, 24.0])).all(1)
    assert inside[targets.positive].all()
    # the best place is told its own overlap: the box around (40, 32) of 48 px lies inside that of 64 x 48
    best = int(targets.scores[0].argmax())
    assert (CENTRES[best] - torch.tensor([40.0, 32.0])).abs().max() <= 8
    assert 0.5 < float(targets.scores.max()) <= 48 * 48 / (64 * 48)
    assert targets.counted.all()


def test_a_higher_score_takes_the_place() -> None:
    truth = truth_of([[8, 8, 72, 56]])
    logits = torch.full((1, PLACES), -4.0)
    liked = ((CENTRES - torch.tensor([28.0, 28.0])).abs().max(1).values < 1).nonzero()[0, 0]
    logits[0, liked] = 4.0
    targets = assign(logits, boxes_around(24), truth, CENTRES, OF_PLACE)
    assert int(targets.scores[0].argmax()) == int(liked)


def test_a_place_answers_for_one_box_only() -> None:
    truth = truth_of([[8, 8, 56, 56], [12, 8, 60, 56]], [0, 1])
    targets = assign(torch.zeros(2, PLACES), boxes_around(24), truth, CENTRES, OF_PLACE)
    assert int((targets.scores > 0).sum(0).max()) == 1
    assert (targets.scores.amax(1) > 0).all()


def test_a_box_smaller_than_a_place_is_answered_for() -> None:
    truth = truth_of([[33, 33, 36, 36]])
    targets = assign(torch.zeros(1, PLACES), boxes_around(8), truth, CENTRES, OF_PLACE)
    assert targets.positive.any()
    assert ((CENTRES[targets.positive] - 34.5).abs() <= 8).all()


def test_places_in_difficult_boxes_do_not_count() -> None:
    truth = truth_of([[0, 0, 40, 40], [56, 8, 88, 56]], [0, 0], [True, False])
    targets = assign(torch.zeros(1, PLACES), boxes_around(16), truth, CENTRES, OF_PLACE)
    difficult = (CENTRES < 40).all(1)
    assert not targets.counted[difficult].any() and targets.counted[~difficult].all()
    assert not targets.positive[difficult].any()


def test_without_boxes_every_place_learns_silence() -> None:
    output = torch.zeros(1, 3, PLACES)
    output = torch.cat([output[:, :2], torch.ones(1, 4, PLACES)], 1).requires_grad_()
    of_class, of_box = place_loss(output, [truth_of([])], SIZE, STRIDES)
    assert of_box.item() == 0
    of_class.backward()
    assert output.grad is not None and (output.grad[:, :2] > 0).all()


def test_a_perfect_answer_has_no_box_loss() -> None:
    truth = truth_of([[10, 12, 50, 44]])
    xyxy = torch.from_numpy(truth.xyxy).expand(PLACES, 4)
    output = torch.cat([torch.zeros(1, PLACES), distances_to(xyxy, CENTRES)])[None]
    _, of_box = place_loss(output, [truth], SIZE, STRIDES)
    assert float(of_box) == pytest.approx(0, abs=1e-5)


def test_generalised_iou_of_known_boxes() -> None:
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [3, 0, 4, 1], [1, 0, 3, 2]])
    assert generalised_iou(a, b).tolist() == pytest.approx([1, 0 - 2 / 4, 1 / 3 - 0])


def test_varifocal_weighs_by_the_target_or_by_the_error() -> None:
    logits = torch.tensor([0.0, 0.0, -9.0])
    loss = varifocal(logits, torch.tensor([0.8, 0.0, 0.0]))
    entropy = float(np.log(2))
    assert loss[:2].tolist() == pytest.approx([0.8 * entropy, 0.75 * 0.25 * entropy])
    assert float(loss[2]) < 1e-8
