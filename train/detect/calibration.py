"""Scores that say how often a box is right: the logits of a network scaled and moved (Platt scaling).

J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic regression of right and wrong on the
logit. It is linear, so that it goes into the weights of the last convolution, and the order of boxes stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from cvdemo.nets.place_net import PlaceNet
from train.detect.annotations import Truth
from train.detect.average_precision import Found, precision_recall

STEPS = 50  # of Newton's method, which needs about ten
RIDGE = 1e-3  # keeps the scale finite where right and wrong are parted altogether
LEAST_OF_EACH = 20  # right and wrong boxes

DoubleArray = npt.NDArray[np.float64]


def fit_logistic(logits: DoubleArray, hits: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Scale and offset with sigmoid(scale * logit + offset) the chance that a box is right.

    Raises:
        ValueError: fewer than `LEAST_OF_EACH` right or wrong boxes, or right ones do not have the higher logits.
    """
    if min(hits.sum(), (~hits).sum()) < LEAST_OF_EACH:
        raise ValueError(f"need {LEAST_OF_EACH} right and wrong boxes, got {hits.sum()} and {(~hits).sum()}")
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    weights = np.array([1.0, 0.0])
    ridge = RIDGE * np.eye(2)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-(inputs @ weights).clip(-50, 50)))
        slope = inputs.T @ (chances - hits) + ridge @ (weights - [1.0, 0.0])
        bend = (inputs * (chances * (1 - chances))[:, None]).T @ inputs + ridge
        weights = weights - np.linalg.solve(bend, slope).clip(-1, 1)  # small steps: far off Newton's overshoot
    if weights[0] <= 0:
        raise ValueError(f"right boxes do not have the higher scores: the scale is {weights[0]:.3f}")
    return float(weights[0]), float(weights[1])


def fit_scores(found: Sequence[Found], truths: Sequence[Truth], iou: float = 0.5) -> tuple[float, float]:
    """As `fit_logistic`, for the one class of a detector: right are boxes that overlap a true one by `iou`."""
    curve = precision_recall(found, truths, iou, 0)
    scores = curve.scores.astype(np.float64).clip(1e-6, 1 - 1e-6)
    return fit_logistic(np.log(scores / (1 - scores)), curve.hits)


@torch.no_grad()
def rescale_scores(network: PlaceNet, scale: float, offset: float) -> None:
    """Makes every logit `scale` times what it was, plus `offset`, in place."""
    assert network.classes.bias is not None
    network.classes.weight *= scale
    network.classes.bias.mul_(scale).add_(offset)
