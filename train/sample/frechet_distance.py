"""FD-Lite0: how far generated pictures are from real ones, without the Inception network.

The Frechet distance of Heusel et al. 2017 ("GANs Trained by a Two Time-Scale Update Rule", eq. 6), on the features of
`train.sample.lite0_features` instead of Inception's. Its values are not comparable with FID. They fall with the number
of pictures, so a value stands beside its n and beside the floor that other real pictures give at the same n.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Statistics:
    """Mean (D,) and covariance of `n` feature vectors, float64.

    The covariance is kept as a factor F (min(n, D), D) with F^T F = C: exact also where n < D leaves C singular.
    """

    mean: Tensor
    factor: Tensor
    n: int


def statistics(features: Tensor) -> Statistics:
    """Mean and unbiased covariance of features (N, D), in float64.

    Raises:
        ValueError: not a matrix of at least two rows, or not all finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"need features (N >= 2, D), got {tuple(features.shape)}")
    if not features.isfinite().all():
        raise ValueError("features must be finite")
    features = features.double()
    mean = features.mean(dim=0)
    _, factor = torch.linalg.qr((features - mean) / (len(features) - 1) ** 0.5, mode="r")
    return Statistics(mean, factor, len(features))


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """|mean_a - mean_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), at least 0 but for rounding.

    The trace of the root is the sum of the singular values of F_a F_b^T: no matrix root, no complex numbers.

    Raises:
        ValueError: the features have different lengths.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"feature lengths differ: {len(a.mean)}, {len(b.mean)}")
    trace_root = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    traces = a.factor.square().sum() + b.factor.square().sum()
    return float((a.mean - b.mean).square().sum() + traces - 2 * trace_root)
