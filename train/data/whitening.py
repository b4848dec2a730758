"""Whitening of whole pictures, to look at: fitted to training pictures, applied to others.

A network that is to see whitened pixels has `cvdemo.nets.patch_whitening` as its first layer instead, which says why;
so the whitening is saved with the network's weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from cvdemo.ops.whitening import WhiteningKind, principal_components, whitening_matrix


@dataclass(frozen=True)
class Whitening:
    """What is taken from samples of D values.

    Attributes:
        mean: (D,). matrix: (D, D).
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, samples: Tensor) -> Tensor:
        """(N, ...) with D values each -> (N, D), whitened."""
        return (samples.flatten(1).to(self.mean) - self.mean) @ self.matrix.T


def fit_whitening(samples: Tensor, kind: WhiteningKind, eps: float) -> Whitening:
    """From samples (N, ...), such as pictures, float; see `whitening_matrix`.

    Raises:
        ValueError: fewer than two samples.
    """
    mean, covariance = statistics(samples)
    return Whitening(mean, whitening_matrix(covariance, kind, eps))


def statistics(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (D,) and covariance (D, D), float64.

    Raises:
        ValueError: fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"a covariance needs two samples or more, got {len(samples)}")
    flat = samples.flatten(1).double()
    return flat.mean(dim=0), torch.cov(flat.T)


def first_components(samples: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` first principal components, each of a sample's shape, and their shares of the variance."""
    variances, components = principal_components(statistics(samples)[1])
    return components[:count].view(-1, *samples.shape[1:]), (variances / variances.sum())[:count]
