"""Calibration: known chances are found again, the order of boxes stays, too few boxes are refused."""

import numpy as np
import pytest
import torch

from cvdemo.nets.place_net import PlaceNet
from train.detect.annotations import truth_of
from train.detect.average_precision import Found
from train.detect.calibration import fit_logistic, fit_scores, rescale_scores, score_bands


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


def test_scores_stand_beside_the_share_that_is_right() -> None:
    """Three boxes of one picture: two of a band, one of them right, and one of another; a fourth is under the floor."""
    truth = truth_of([[0, 0, 10, 10]])
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10], [80, 0, 90, 10], [20, 0, 30, 10]], np.float32)
    found = Found(boxes, np.array([0.9, 0.8, 0.1, 0.04], np.float32), np.zeros(4, np.int64))
    result = score_bands([found], [truth], 1)
    rows = {row["scores"]: row for row in result["rows"]}
    assert rows["0.8 to 0.95"] == {"scores": "0.8 to 0.95", "n": 2, "score": 0.85, "right": 0.5}
    assert rows["0.05 to 0.2"] == {"scores": "0.05 to 0.2", "n": 1, "score": 0.1, "right": 0.0}
    assert rows["0.95 to 1"] == {"scores": "0.95 to 1", "n": 0, "score": None, "right": None}
    assert result["mean_gap"] == pytest.approx((2 * 0.35 + 0.1) / 3, abs=1e-4)
    other = Found(boxes[:1], np.array([1.0], np.float32), np.ones(1, np.int64))  # of another class: right nowhere
    both = score_bands([found, other], [truth, truth], 2)["rows"]
    assert both[-1] == {"scores": "0.95 to 1", "n": 1, "score": 1.0, "right": 0.0} and both[:-1] == result["rows"][:-1]
    assert score_bands([], [], 1)["mean_gap"] is None


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
