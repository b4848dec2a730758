"""Calibration: known chances are found again, the order of boxes stays, too few boxes are refused."""

import numpy as np
import pytest
import torch

from cvdemo.nets.place_net import PlaceNet
from train.detect.annotations import truth_of
from train.detect.average_precision import Found
from train.detect.calibration import fit_logistic, fit_scores, rescale_scores


def test_known_chances_are_found_again() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    hits = rng.random(20_000) < 1 / (1 + np.exp(-(2.5 * logits - 1)))
    scale, offset = fit_logistic(logits, hits)
    assert scale == pytest.approx(2.5, abs=0.1)
    assert offset == pytest.approx(-1, abs=0.1)


def test_scores_that_are_parted_altogether_stay_finite() -> None:
    logits = np.concatenate([np.full(50, 3.0), np.full(50, -3.0)])
    scale, _ = fit_logistic(logits, logits > 0)
    assert 1 < scale < 20


def test_too_few_boxes_and_scores_that_mislead_are_refused() -> None:
    with pytest.raises(ValueError, match="need 20 right and wrong boxes, got 5 and 95"):
        fit_logistic(np.zeros(100), np.arange(100) < 5)
    logits = np.linspace(-2, 2, 200)
    with pytest.raises(ValueError, match="do not have the higher scores"):
        fit_logistic(logits, np.random.default_rng(0).random(200) < 1 / (1 + np.exp(3 * logits)))


def test_of_boxes_that_are_right_half_of_the_time_the_score_is_a_half() -> None:
    """Every picture has a face and two boxes of the same score, one right and one wrong."""
    truths = [truth_of([[0, 0, 10, 10]])] * 40
    boxes = truth_of([[0, 0, 10, 10], [50, 0, 60, 10]])
    found = [Found(boxes.xyxy, np.array([0.9, 0.9], np.float32), boxes.classes)] * 40
    scale, offset = fit_scores(found, truths)
    assert scale * np.log(9) + offset == pytest.approx(0, abs=0.01)


def test_every_logit_of_the_network_is_rescaled_and_no_box() -> None:
    torch.manual_seed(0)
    network = PlaceNet(1, strides=(8, 16), width=8, depth=1).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network(pixels)
        rescale_scores(network, 2.0, -0.5)
        after = network(pixels)
    torch.testing.assert_close(after[:, :1], 2 * before[:, :1] - 0.5, atol=1e-4, rtol=1e-4)
    assert torch.equal(after[:, 1:], before[:, 1:])
