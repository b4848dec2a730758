"""The losses of style transfer, as small functions that compose.

Style is the Gram matrix of a layer's activations, content the activations themselves: L. Gatys, A. Ecker, M. Bethge,
"Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, equations 1 to 5. Or style is their mean and
covariance, compared by the Wasserstein-2 distance of two Gaussians, as in K. Crowson's style-transfer-pytorch (2021).
The smoothness term is the squared total variation of J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time
Style Transfer and Super-Resolution", ECCV 2016, section 3.2; it can be weighted by how flat the picture was.

Departure from both papers: the style and content errors of each layer are divided by the energy of their target, so
that 1 means "as far away as nothing at all" in every layer, of any network, at any size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.images import luminance
from cvdemo.ops.colour_match import matrix_power

Features = Mapping[str, Tensor]  # layer name -> (B, C, H, W), or -> (B, C, C) where they are Gram matrices

SMALLEST_ENERGY = 1e-8  # a layer that answers a picture with zeros has no energy to divide by
SMALLEST_VARIANCE = 1e-4  # of the mean variance of a layer: below it a direction counts as flat, and no root is steep
EDGE = 0.02  # a difference of luminance between neighbours at which smoothness counts half
EDGE_REACH_PX = 5  # side of the square in which the steepest difference counts


@dataclass(frozen=True)
class Statistics:
    """Mean (C,) and second moment (C, C) about zero of a layer's channels over all positions.

    Those of several pictures add up by their shares. The second moment is the Gram matrix.
    """

    mean: Tensor
    moment: Tensor

    @classmethod
    def of(cls, features: Tensor, weights: Tensor | None = None) -> Statistics:
        """That of activations (1, C, H, W), by the weights (H, W) of their positions; None: all alike."""
        moment, mean, count = statistic_sums(features, weights)
        return cls(mean / count, moment / count)

    @property
    def covariance(self) -> Tensor:
        return self.moment - self.mean[:, None] * self.mean[None, :]

    @cached_property
    def energy(self) -> Tensor:
        """Of the second moment: a scalar above 0."""
        return self.moment.square().sum().clamp(min=SMALLEST_ENERGY)

    @cached_property
    def ridge(self) -> Tensor:
        """What is added to each variance before a root is taken: a scalar."""
        return SMALLEST_VARIANCE * self.covariance.trace().clamp(min=SMALLEST_ENERGY) / len(self.mean)

    @cached_property
    def root(self) -> Tensor:
        """The square root of the covariance."""
        return matrix_power(self.covariance + self.ridge * torch.eye(len(self.mean), device=self.mean.device), 0.5)


def statistic_sums(features: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """What `Statistics` are made of, from a part of a picture: sums (C, C) and (C,), and of the weights, a scalar.

    Raises:
        ValueError: `features` is not (1, C, H, W), or has no positions.
    """
    if features.ndim != 4 or features.shape[0] != 1 or features[0, 0].numel() == 0:
        raise ValueError(f"need (1, C, H, W) activations, got {tuple(features.shape)}")
    rows = features.squeeze(0).flatten(start_dim=1)  # (C, H * W); the gradient of `features[0]` would be a copy
    if weights is None:
        return _products(rows, rows), rows.sum(dim=1), rows.new_tensor(float(rows.shape[1]))
    weighted = rows * weights.flatten()
    return _products(rows, weighted.detach()), weighted.sum(dim=1), weights.sum().clamp(min=SMALLEST_ENERGY)


class _Products(torch.autograd.Function):
    """Rows (C, N) times the same rows, weighted: (C, C), which is symmetric. Weights are taken as constant.

    Both factors have one gradient, so it takes one product of matrices, where autograd takes two and a sum.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weighted: Tensor) -> Tensor:
        ctx.save_for_backward(weighted)
        return weighted @ rows.T

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weighted,) = ctx.saved_tensors
        return (weighted.T @ (gradient + gradient.T)).T, None  # laid out as the rows are, channels last


def _products(rows: Tensor, weighted: Tensor) -> Tensor:
    found: Tensor = _Products.apply(rows, weighted)  # type: ignore[no-untyped-call]  # torch gives it no types
    return found


def mixed(parts: Sequence[tuple[Statistics, float]]) -> Statistics:
    """The statistics of several pictures together, by their shares.

    Raises:
        ValueError: the shares are negative or all zero, or there are none.
    """
    total = sum(share for _, share in parts)
    if min((share for _, share in parts), default=0) < 0 or total <= 0:
        raise ValueError(f"need shares of at least 0, not all 0, got {[share for _, share in parts]}")
    means = [found.mean * (share / total) for found, share in parts]
    moments = [found.moment * (share / total) for found, share in parts]
    return Statistics(torch.stack(means).sum(dim=0), torch.stack(moments).sum(dim=0))


def gram_error(found: Statistics, target: Statistics) -> Tensor:
    """Relative error of the Gram matrices: a scalar, as `relative_error` gives it."""
    missed = (found.moment - target.moment).flatten()
    return missed @ missed / target.energy


def wasserstein2(found: Statistics, target: Statistics) -> Tensor:
    """Squared Wasserstein-2 distance of the two Gaussians, divided by the target's energy: a scalar, 0 where equal.

    |m - n|^2 + tr(A + B - 2 (B^1/2 A B^1/2)^1/2), and 1 is as far away as nothing at all, as in `relative_error`. Of
    the last root only the trace is needed, so its eigenvalues are enough, whose gradient exists even where they meet.
    """
    if found.moment.shape != target.moment.shape:
        raise ValueError(f"shapes differ: {tuple(found.moment.shape)}, {tuple(target.moment.shape)}")
    root, ridge = target.root, target.ridge
    inner = root @ (found.covariance + ridge * torch.eye(len(root), device=root.device)) @ root
    values = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=float(ridge) ** 2)
    traces = found.covariance.trace() + target.covariance.trace() + 2 * ridge * len(root)
    spread = traces - 2 * values.sqrt().sum()
    energy = target.moment.trace().clamp(min=SMALLEST_ENERGY)
    distance: Tensor = ((found.mean - target.mean).square().sum() + spread) / energy
    return distance


STYLE_DISTANCES = {"gram": gram_error, "wasserstein": wasserstein2}


def gram_matrix(features: Tensor) -> Tensor:
    """(B, C, H, W) activations -> (B, C, C): mean product of each two channels over all positions.

    Raises:
        ValueError: `features` has not four axes, or no positions.
    """
    if features.ndim != 4 or features.shape[-2:].numel() == 0:
        raise ValueError(f"need (B, C, H, W) activations, got {tuple(features.shape)}")
    rows = features.flatten(start_dim=2)  # (B, C, H * W)
    return rows @ rows.transpose(1, 2) / rows.shape[-1]


def relative_error(value: Tensor, target: Tensor) -> Tensor:
    """Squared distance to `target`, divided by the squared length of `target`: a scalar, 0 where they are equal.

    Raises:
        ValueError: the shapes differ.
    """
    if value.shape != target.shape:
        raise ValueError(f"shapes differ: {tuple(value.shape)}, {tuple(target.shape)}")
    return (value - target).square().sum() / target.square().sum().clamp(min=SMALLEST_ENERGY)


def style_loss(features: Features, target_grams: Features, layer_weights: Mapping[str, float]) -> Tensor:
    """Weighted mean over layers of the relative error of their Gram matrices: a scalar.

    Args:
        features: activations (1, C, H, W) of each layer of `layer_weights`; the size need not be the style's.
        target_grams: Gram matrices (1, C, C) of the style picture.
        layer_weights: at least 0, of any scale.

    Raises:
        ValueError: the weights are negative or all zero.
    """
    total = sum(layer_weights.values())
    if min(layer_weights.values(), default=0) < 0 or total <= 0:
        raise ValueError(f"need weights of at least 0, not all 0, got {dict(layer_weights)}")
    errors = [
        weight * relative_error(gram_matrix(features[name]), target_grams[name])
        for name, weight in layer_weights.items()
    ]
    return torch.stack(errors).sum() / total


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Relative error of one layer's activations (1, C, H, W) against those of the content picture: a scalar."""
    return relative_error(features, target)


def total_variation(pixels: Tensor, flatness: Tensor | None = None) -> Tensor:
    """Mean squared difference of vertical neighbours plus that of horizontal ones, of (B, C, H, W): a scalar.

    A mean over pixels, where the paper has a sum: the weight then holds for every size.

    Args:
        flatness: how much each pixel counts, (1, 1, H, W); None: all alike.

    Raises:
        ValueError: the picture is one pixel high or wide.
    """
    if min(pixels.shape[-2:]) < 2:
        raise ValueError(f"need at least 2 x 2 pixels, got {tuple(pixels.shape)}")
    found: Tensor = _Variation.apply(pixels, flatness)  # type: ignore[no-untyped-call]  # torch gives it no types
    return found


class _Variation(torch.autograd.Function):
    """`total_variation` with its gradient written out: a fifth of autograd's memory, which is that of many pictures."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, flatness: Tensor | None) -> Tensor:
        gradient, total = torch.zeros_like(pixels), pixels.new_zeros(())
        for axis in (2, 3):
            length = pixels.shape[axis] - 1
            change = pixels.narrow(axis, 1, length) - pixels.narrow(axis, 0, length)
            counted = change if flatness is None else change * flatness.narrow(axis, 1, length)
            total += (change.flatten() @ counted.flatten()) / change.numel()
            gradient.narrow(axis, 1, length).add_(counted, alpha=2 / change.numel())
            gradient.narrow(axis, 0, length).sub_(counted, alpha=2 / change.numel())
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (by_pixels,) = ctx.saved_tensors
        return gradient * by_pixels, None


def flatness_of(content: Tensor) -> Tensor:
    """How flat a picture (1, 3, H, W) is round each pixel: (1, 1, H, W) with a mean of 1, least at its edges.

    So skies are smoothed, where a texture has nothing to hold on to, and the lines of a building are not.
    """
    grey = luminance(content)
    down = F.pad(grey[..., 1:, :] - grey[..., :-1, :], (0, 0, 1, 0)).abs()
    right = F.pad(grey[..., 1:] - grey[..., :-1], (1, 0)).abs()
    steepest = F.max_pool2d(torch.maximum(down, right), EDGE_REACH_PX, stride=1, padding=EDGE_REACH_PX // 2)
    flat = 1 / (1 + (steepest / EDGE).square())
    return flat / flat.mean()
