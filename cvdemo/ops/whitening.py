"""Whitening: values that vary together are turned into values that do not, each with a variance of one.

PCA whitening turns the data onto their principal components and divides each by its deviation. ZCA whitening (A. Bell
and T. Sejnowski, "The 'Independent Components' of Natural Scenes are Edge Filters", Vision Research 1997) turns them
back afterwards, so that of all whitened data these are nearest to the original: whitened pictures look like pictures.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

WhiteningKind = Literal["pca", "zca"]
KINDS: tuple[WhiteningKind, ...] = get_args(WhiteningKind)


def principal_components(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (D,), falling, and components (D, D), one of unit length a row, of a covariance (D, D)."""
    values, vectors = torch.linalg.eigh(covariance)
    return values.flip(0).clamp_min(0), vectors.T.flip(0)


def whitening_matrix(covariance: Tensor, kind: WhiteningKind, eps: float) -> Tensor:
    """(D, D): multiplied by it, data of zero mean and this covariance have the identity as theirs.

    Args:
        covariance: (D, D), symmetric.
        eps: added to the variances before their root is taken, so that what hardly varies, often noise, is not blown
            up; a component of variance v then has v / (v + eps).

    Raises:
        ValueError: another kind, no square, or a negative eps.
    """
    if kind not in KINDS:
        raise ValueError(f"whitening must be one of {list(KINDS)}, got {kind!r}")
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1] or eps < 0:
        raise ValueError(f"need a square covariance and eps of 0 or more, got {tuple(covariance.shape)}, {eps=}")
    variances, components = principal_components(covariance)
    scaled = components / (variances + eps).sqrt()[:, None]
    return scaled if kind == "pca" else components.T @ scaled
