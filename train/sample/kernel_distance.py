"""KID-Lite0: how far generated pictures are from real ones, as an unbiased estimate with its standard error.

M. Binkowski, D. J. Sutherland, M. Arbel and A. Gretton, "Demystifying MMD GANs", ICLR 2018, section 4: the squared
maximum mean discrepancy with the kernel k(x, y) = (x . y / d + 1)^3, here on the features of
`train.sample.lite0_features`. Unlike the Frechet distance it does not fall with the number of pictures; between equal
distributions it scatters around zero.

A. Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, eq. 3, is the unbiased estimate. It is taken on disjoint
subsets: their mean is as unbiased, their scatter gives the standard error, and no kernel matrix grows large.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SUBSETS = 10  # at 10,000 pictures subsets of 1,000, as in the paper


@dataclass(frozen=True)
class KernelDistance:
    """Squared MMD, which may be below zero by chance, and the standard error of that estimate."""

    value: float
    standard_error: float


def kernel_distance(a: Tensor, b: Tensor, subsets: int = SUBSETS) -> KernelDistance:
    """The squared MMD of two sets of features (n, D) and (m, D), their rows in random order.

    Args:
        a, b: taken in so many subsets of equal size; rows left over are left out.
        subsets: fewer where a subset would hold fewer than two rows; at least 2.

    Raises:
        ValueError: the features have different lengths, or there are fewer than four rows in one set.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"need features (n, D) and (m, D), got {tuple(a.shape)}, {tuple(b.shape)}")
    subsets = min(subsets, len(a) // 2, len(b) // 2)
    if subsets < 2:
        raise ValueError(f"need at least two subsets of two rows, got {len(a)} and {len(b)} rows")
    n, m = len(a) // subsets, len(b) // subsets
    values = torch.tensor(
        [mmd_squared(a[i * n : (i + 1) * n], b[i * m : (i + 1) * m]) for i in range(subsets)], dtype=torch.float64
    )
    return KernelDistance(values.mean().item(), (values.std() / subsets**0.5).item())


def mmd_squared(a: Tensor, b: Tensor) -> float:
    """The unbiased squared MMD of features (n >= 2, D) and (m >= 2, D), in float64."""
    a, b = a.double(), b.double()
    return _mean_of_pairs(a) + _mean_of_pairs(b) - 2 * _kernel(a, b).mean().item()


def _mean_of_pairs(x: Tensor) -> float:
    """Mean of the kernel over all pairs of different rows."""
    kernel = _kernel(x, x)
    pairs = len(x) * (len(x) - 1)
    return ((kernel.sum() - kernel.diagonal().sum()) / pairs).item()


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    """(n, m): (x . y / d + 1)^3."""
    return (x @ y.T / x.shape[1] + 1) ** 3
