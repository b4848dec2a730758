"""Scores that say how often a box is right: the logits of a network scaled and moved (Platt scaling).

J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999: a logistic regression of right and wrong on the
logit. It is linear, so that it goes into the weights of the last convolution, and the order of boxes stays.

How far scores are from chances is told by bands of scores: the mean score of the boxes of a band beside the share of
them that is right (C. Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, whose bands are equally wide;
here they are narrower where most boxes that are shown have their scores).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.nets.place_net import PlaceNet
from train.detect.annotations import Truth
from train.detect.average_precision import Found, precision_recall

STEPS = 50  # of Newton's method, which needs about ten
RIDGE = 1e-3  # keeps the scale finite where right and wrong are parted altogether
LEAST_OF_EACH = 20  # right and wrong boxes
BAND_EDGES = (SCORE_FLOOR, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)  # a score that is an edge belongs to the band above it

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


def score_bands(found: Sequence[Found], truths: Sequence[Truth], classes: int, iou: float = 0.5) -> dict[str, Any]:
    """Scores beside the share of boxes that are right, JSON-ready, of all classes together.

    `mean_gap` is the mean difference of the two, in [0, 1], each band counted by its boxes; None without boxes. Each of
    `rows` has the band's `scores` in words, `n` boxes, their mean `score` and the share that is `right`; both None
    where n is 0. Boxes under `SCORE_FLOOR`, and those on difficult truths, are left out.

    Args:
        found, truths: one for each picture, in the same order.
        iou: that a right box has at least.
    """
    curves = [precision_recall(found, truths, iou, index) for index in range(classes)]
    scores = np.concatenate([curve.scores for curve in curves]).astype(np.float64)
    hits = np.concatenate([curve.hits for curve in curves])
    bands = np.searchsorted(BAND_EDGES[:-1], scores, side="right") - 1  # -1: under the floor
    counts = np.array([int((bands == band).sum()) for band in range(len(BAND_EDGES) - 1)])
    said, right = (
        np.array([values[bands == band].sum() for band in range(len(counts))]) / counts.clip(1)
        for values in (scores, hits)
    )
    rows = [
        {
            "scores": f"{low:g} to {high:g}",
            "n": int(n),
            "score": round(float(score), 4) if n else None,
            "right": round(float(share), 4) if n else None,
        }
        for (low, high), n, score, share in zip(pairwise(BAND_EDGES), counts, said, right, strict=True)
    ]
    gap = round(float((counts * abs(said - right)).sum() / counts.sum()), 4) if counts.any() else None
    return {"iou": iou, "floor": SCORE_FLOOR, "mean_gap": gap, "rows": rows}
