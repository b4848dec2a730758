"""Logistic regression on the features of a few pictures, and what it says of each picture when that is left out.

There are more features than pictures: 1,280 of a network against 4 to 100 pictures. The weights that minimise a loss
with an L2 penalty lie in the span of the pictures, so everything is computed there, in as many dimensions as there are
pictures, and the result is the same (tests hold it against the regression on all features). Leave-one-out refits the
regression without each picture in turn, a few milliseconds each. NumPy works in one thread meanwhile:
on matrices so small several threads mostly wait for each other. On two busy cores (load 8) 50 refits took 6.8 s with
two threads and 0.8 s with one.

All features are divided by one number, the root mean square distance of the pictures from their mean. Each feature by
its own deviation, as is usual with many pictures, is far worse with few: of five pictures a deviation is mostly chance,
and features that hardly ever speak become as loud as all others. Rank-1 in per cent and log loss, mean of ten draws of
classes and pictures from ten classes of clothing (`python -m bench.few_pictures` on the training pictures of
clothing-dataset-small, 16 of each class; those not taught are tested):

| classes, pictures of each | one number, C = 1 | C = 30 | C = 1000 | a number for each feature, C = 30 |
|---|---:|---:|---:|---:|
| 2, 2 | 90.7, 0.59 | 91.8, 0.36 | 91.4, 0.25 | 63.6, 3.16 |
| 2, 5 | 94.1, 0.51 | 94.1, 0.22 | 95.0, 0.14 | 77.7, 1.26 |
| 3, 5 | 86.1, 0.77 | 87.6, 0.41 | 86.4, 0.33 | 68.8, 1.69 |
| 5, 5 | 81.5, 1.15 | 81.5, 0.60 | 81.1, 0.48 | 69.3, 1.72 |
| 10, 5 | 68.8, 1.75 | 70.4, 1.03 | 69.9, 0.89 | 64.7, 1.20 |
| 5, 10 | 85.0, 0.95 | 85.7, 0.46 | 85.0, 0.40 | 84.7, 0.57 |
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.intp]

# The inverse strength of the L2 penalty, for rows of length about 1. Chosen by the table above, not by each visitor's
# pictures: a search over a handful of pictures would mostly fit their chance, and refits would have to repeat it. With
# a smaller C all probabilities are near one another: at 1 the log loss of two classes of five pictures is 0.51, at 30
# it is 0.22. At 1000 the log loss is lower still; rank-1 is lower in five rows of six, by 0.4 to 1.2 points, and higher
# in one, by 0.9. And a picture in the wrong class is believed more.
C = 30.0
RANK_TOLERANCE = 1e-10  # of the largest singular value; what is smaller is rounding
ITERATIONS = 2000  # of L-BFGS at most; 100 are usual
GRADIENT_TOLERANCE = 1e-5  # at which it has converged

_TURNS = Lock()  # see `_one_thread`


@dataclass(frozen=True)
class Linear:
    """`logits = weight @ x + bias`, weight (K, d), bias (K,)."""

    weight: Floats
    bias: Floats

    def probabilities(self, x: Floats) -> Floats:
        """(n, d) -> (n, K), rows that sum to 1."""
        logits = x @ self.weight.T + self.bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class Span:
    """Pictures as points of the space that they span: `features = coordinates @ basis + mean`, distances kept.

    Attributes:
        coordinates: (n, r). basis: (r, d), orthonormal rows. mean: (d,).
    """

    coordinates: Floats
    basis: Floats
    mean: Floats

    @classmethod
    def of(cls, features: npt.NDArray[np.float32] | Floats) -> Span:
        """The span of (n, d) features; r is n - 1 at most."""
        full = np.asarray(features, np.float64)
        mean = full.mean(axis=0)
        with _one_thread():
            left, size, basis = np.linalg.svd(full - mean, full_matrices=False)
        kept = size > RANK_TOLERANCE * max(size[0], np.finfo(np.float64).tiny)
        return cls(left[:, kept] * size[kept], basis[kept], mean)

    def unfold(self, linear: Linear) -> Linear:
        """A function of coordinates as the same function of all features."""
        weight = linear.weight @ self.basis
        return Linear(weight, linear.bias - weight @ self.mean)


def fit(points: Floats, classes: Classes, count: int, c: float = C) -> Linear:
    """Logistic regression on (n, d) points, scaled by one number, that gives the logits of `count` classes.

    Classes weigh the same however many pictures they have. The intercept is not penalised.

    Args:
        classes: (n,) of 0 to count - 1, at least one picture of each.
        c: see `C`.
    """
    from sklearn.linear_model import (
        LogisticRegression,
    )  # here: the import takes a second

    mean = points.mean(axis=0)
    distance = float(np.sqrt(np.square(points - mean).sum(axis=1).mean()))
    scale = distance if distance > RANK_TOLERANCE * np.abs(points).max() else 1.0  # else all are the same picture
    regression = LogisticRegression(C=c, class_weight="balanced", max_iter=ITERATIONS, tol=GRADIENT_TOLERANCE)
    with _one_thread():
        regression.fit((points - mean) / scale, classes)
    weight, bias = regression.coef_ / scale, regression.intercept_
    if count == 2:  # scikit-learn has one row of logits for two classes: that of the second against the first
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Linear(weight, bias - weight @ mean)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Within the block, NumPy's and SciPy's linear algebra works in one thread.

    The limit is the whole process's, so lessons that overlap take turns. Else the second would find the limit of the
    first, and restore it when the first has gone.
    """
    with _TURNS, _libraries().limit(limits=1, user_api="blas"):
        yield


def load_regression() -> None:
    """Imports scikit-learn, which takes most of a second; without it the first fit does."""
    _libraries()


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """The libraries of linear algebra in this process, SciPy's too, which scikit-learn loads; looked for once."""
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController  # scikit-learn's own requirement

    return ThreadpoolController()


def left_out(span: Span, classes: Classes, count: int) -> Iterator[Floats]:
    """For each picture in turn the (count,) probabilities that the regression on all others gives it.

    Args:
        classes: at least two pictures of each.
    """
    for index in range(len(classes)):
        others = np.arange(len(classes)) != index
        linear = fit(span.coordinates[others], classes[others], count)
        yield linear.probabilities(span.coordinates[index : index + 1])[0]
