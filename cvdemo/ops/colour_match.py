"""Colours of one picture with the mean and covariance of another's: the start of a style transfer, and a loss.

The linear map is that of optimal transport between two Gaussians: F. Pitie, A. Kokaram, "The linear Monge-Kantorovitch
linear colour mapping for example-based colour transfer", CVMP 2007, equation 9. For style transfer see L. Gatys et
al., "Preserving Color in Neural Artistic Style Transfer", 2016, section 3.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from cvdemo.images import ImageArray

RIDGE = 1e-4  # added to the variances: a picture of one colour has none
LOSS_RIDGE = 1e-3  # for the loss: a deviation of 0.03 in a direction that the reference lacks counts as 1


def matrix_power(symmetric: Tensor, exponent: float) -> Tensor:
    """A real power of a symmetric positive definite (n, n) matrix."""
    values, vectors = torch.linalg.eigh(symmetric)
    powered: Tensor = vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.T
    return powered


def colour_statistics(pixels: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of the colours of (1, 3, H, W).

    Args:
        weights: how much each pixel counts, (1, 1, H, W), not all 0; None: all alike.
    """
    colours = pixels.squeeze(0).flatten(start_dim=1)  # (3, H * W)
    if weights is None:
        mean = colours.mean(dim=1, keepdim=True)
        around = colours - mean
        covariance = around @ around.T / colours.shape[1]
    else:
        shares = weights.flatten() / weights.sum()
        mean = (colours * shares).sum(dim=1, keepdim=True)
        around = colours - mean
        covariance = (around * shares) @ around.T
    return mean, covariance + RIDGE * torch.eye(3, device=pixels.device)


def mixed_colours(pictures: Sequence[tuple[Tensor, float]]) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of the colours of several pictures (1, 3, H, W), by their shares.

    Raises:
        ValueError: the shares are negative or all zero, or there are none.
    """
    total = sum(share for _, share in pictures)
    if min((share for _, share in pictures), default=0) < 0 or total <= 0:
        raise ValueError(f"need shares of at least 0, not all 0, got {[share for _, share in pictures]}")
    parts = [(colour_statistics(pixels), share / total) for pixels, share in pictures]
    mean = torch.stack([share * own for (own, _), share in parts]).sum(dim=0)
    spread = [share * (covariance + (own - mean) @ (own - mean).T) for (own, covariance), share in parts]
    return mean, torch.stack(spread).sum(dim=0)


@dataclass(frozen=True)
class ColourMap:
    """The linear map that brings a picture's colours to the mean and covariance of a reference's.

    Of all linear maps that reach those statistics it is the one that moves colours least.

    Attributes:
        matrix: (3, 3). offset: (3, 1), added after it.
    """

    matrix: Tensor
    offset: Tensor

    @classmethod
    def between(cls, pixels: Tensor, reference: Tensor) -> "ColourMap":
        """That from the colours of (1, 3, H, W) to those of `reference`.

        Raises:
            ValueError: either is not one RGB picture.
        """
        for given in (pixels, reference):
            if given.ndim != 4 or given.shape[:2] != (1, 3):
                raise ValueError(f"need (1, 3, H, W), got {tuple(given.shape)}")
        return cls.to_statistics(pixels, *colour_statistics(reference))

    @classmethod
    def to_statistics(cls, pixels: Tensor, target_mean: Tensor, target_covariance: Tensor) -> "ColourMap":
        """That from the colours of (1, 3, H, W) to this mean (3, 1) and covariance (3, 3)."""
        return cls.from_statistics(*colour_statistics(pixels), target_mean, target_covariance)

    @classmethod
    def from_statistics(
        cls, mean: Tensor, covariance: Tensor, target_mean: Tensor, target_covariance: Tensor
    ) -> "ColourMap":
        """That from colours of one mean (3, 1) and covariance (3, 3) to another."""
        root, inverse_root = matrix_power(covariance, 0.5), matrix_power(covariance, -0.5)
        matrix = inverse_root @ matrix_power(root @ target_covariance @ root, 0.5) @ inverse_root
        return cls(matrix, target_mean - matrix @ mean)

    @classmethod
    def none(cls, device: torch.device | str = "cpu") -> "ColourMap":
        """That which leaves colours alone."""
        return cls(torch.eye(3, device=device), torch.zeros(3, 1, device=device))

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1], recoloured, then clamped to [0, 1]."""
        matched = torch.addmm(self.offset, self.matrix, pixels[0].flatten(start_dim=1))
        return matched.view_as(pixels).clamp_(0, 1)

    def weakened(self, strength: float) -> "ColourMap":
        """The share `strength` of the way from leaving colours alone (0) to this map (1)."""
        same = torch.eye(3, device=self.matrix.device)
        return ColourMap(same + strength * (self.matrix - same), strength * self.offset)


def match_colours(pixels: Tensor, reference: Tensor) -> Tensor:
    """(1, 3, H, W) in [0, 1], recoloured to the mean and covariance of `reference`, then clamped to [0, 1].

    Raises:
        ValueError: either is not one RGB picture.
    """
    return ColourMap.between(pixels, reference)(pixels)


def in_colours_of(own: ImageArray, painted: ImageArray) -> ImageArray:
    """`own` with the luminance of `painted`, both uint8 (H, W, 3): only light and dark are painted."""
    light, before = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.int16) for each in (painted, own))
    changed = own + (light - before)[..., None]
    return np.clip(changed, 0, 255, out=changed).astype(np.uint8)


@dataclass(frozen=True)
class ColourReference:
    """Mean (3, 1) of a picture's colours, and the (3, 3) map that makes their covariance the identity."""

    mean: Tensor
    whitening: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> "ColourReference":
        """That of (1, 3, H, W)."""
        return cls.of_statistics(*colour_statistics(pixels))

    @classmethod
    def of_statistics(cls, mean: Tensor, covariance: Tensor) -> "ColourReference":
        """That of a mean (3, 1) and a covariance (3, 3)."""
        return cls(mean, matrix_power(covariance + LOSS_RIDGE * torch.eye(3, device=mean.device), -0.5))


def colour_loss(pixels: Tensor, reference: ColourReference, weights: Tensor | None = None) -> Tensor:
    """How far mean and covariance of the colours (1, 3, H, W) are from those of a reference: a scalar.

    With weights (1, 1, H, W), of the pixels as much as these say.

    Both are measured in the reference's whitened colours, so that a hue which it lacks costs much: without this,
    Gram matrices of features let an ink drawing shimmer in magenta and green.
    """
    colours = pixels.squeeze(0).flatten(start_dim=1)  # (3, H * W)
    shares = colours.new_full((), 1 / colours.shape[1]) if weights is None else weights.flatten() / weights.sum()
    mean, moment = _Moments.apply(colours, shares)  # type: ignore[no-untyped-call]  # torch gives it no types
    same = torch.eye(3, device=pixels.device)
    spread = reference.whitening @ (moment - mean @ mean.T + (RIDGE + LOSS_RIDGE) * same) @ reference.whitening - same
    offset = reference.whitening @ (mean - reference.mean)
    loss: Tensor = (spread.square().sum() + offset.square().sum()) / 3
    return loss


class _Moments(torch.autograd.Function):
    """Mean (3, 1) and second moment about zero (3, 3) of colours (3, N), by the shares of the pixels, (N,) or ().

    The gradient by the colours, for which autograd would keep and copy the picture many times, is one matrix product.
    """

    @staticmethod
    def forward(ctx: Any, colours: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(colours, shares)
        if shares.ndim == 0:
            return colours.sum(dim=1, keepdim=True) * shares, colours @ colours.T * shares
        shared = colours * shares
        return shared.sum(dim=1, keepdim=True), shared @ colours.T

    @staticmethod
    def backward(ctx: Any, by_mean: Tensor, by_moment: Tensor) -> tuple[Tensor, None]:
        colours, shares = ctx.saved_tensors
        return torch.addmm(by_mean, by_moment + by_moment.T, colours).mul_(shares), None
