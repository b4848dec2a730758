"""FD-Lite0: how far generated pictures are from real ones, without the Inception network.

The Frechet distance of Heusel et al. 2017 ("GANs Trained by a Two Time-Scale Update Rule", eq. 6), on the
1280 pooled features of this project's EfficientNet-Lite0 instead of Inception's, with pictures brought to
128 px. Its values are not comparable with FID. They fall with the number of pictures, so a value stands
beside its n and beside the floor that two halves of real pictures give at the same n.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cvdemo.classify import load_classifier
from cvdemo.images import normalise, resize
from train.device import autocast
from train.hdf5 import Pictures

INPUT_PX = 128  # a third of the time of 224 px; 64-px pictures hold no more than this shows
PROTOCOL = "Frechet distance on EfficientNet-Lite0 pooled features (1280), bicubic to 128 px, float32"
_BATCH = 64


@dataclass(frozen=True)
class Statistics:
    """Mean (D,) and covariance of `n` feature vectors, float64.

    The covariance is kept as a factor F (min(n, D), D) with F^T F = C: exact also where n < D leaves C singular.
    """

    mean: Tensor
    factor: Tensor
    n: int


def in_batches(pictures: Pictures) -> Iterator[Pictures]:
    """The pictures (N, H, W, 3), 64 at a time."""
    for start in range(0, len(pictures), _BATCH):
        yield pictures[start : start + _BATCH]


@torch.no_grad()
def lite0_statistics(batches: Iterable[Pictures], device: torch.device, amp: bool = False) -> Statistics:
    """Statistics of the pooled features of pictures given as batches of (B, H, W, 3) uint8 RGB."""
    classifier = load_classifier("imagenet", str(device))
    features = []
    for batch in batches:
        pixels = torch.from_numpy(batch).to(device).permute(0, 3, 1, 2).float() / 255
        pixels = normalise(resize(pixels, (INPUT_PX, INPUT_PX)), classifier.preprocessing)
        with autocast(device, amp):
            features.append(classifier.network.pooled(pixels).double().cpu())
    return statistics(torch.cat(features))


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
