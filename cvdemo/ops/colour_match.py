"""Colours of one picture with the mean and covariance of another's: the start of a style transfer, and a loss.

The linear map is that of optimal transport between two Gaussians: F. Pitie, A. Kokaram, "The linear Monge-Kantorovitch
linear colour mapping for example-based colour transfer", CVMP 2007, equation 9. For style transfer see L. Gatys et
al., "Preserving Color in Neural Artistic Style Transfer", 2016, section 3.1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-4  # added to the variances: a picture of one colour has none
LOSS_RIDGE = 1e-3  # for the loss: a deviation of 0.03 in a direction that the reference lacks counts as 1


def matrix_power(symmetric: Tensor, exponent: float) -> Tensor:
    """A real power of a symmetric positive definite (n, n) matrix."""
    values, vectors = torch.linalg.eigh(symmetric)
    powered: Tensor = vectors @ torch.diag(values.clamp(min=1e-12) ** exponent) @ vectors.T
    return powered


def colour_statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (3, 1) and covariance (3, 3) of the colours of (1, 3, H, W)."""
    colours = pixels[0].flatten(start_dim=1)  # (3, H * W)
    mean = colours.mean(dim=1, keepdim=True)
    covariance = (colours - mean) @ (colours - mean).T / colours.shape[1]
    return mean, covariance + RIDGE * torch.eye(3, device=pixels.device)


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
        mean, covariance = colour_statistics(pixels)
        target_mean, target_covariance = colour_statistics(reference)
        root, inverse_root = matrix_power(covariance, 0.5), matrix_power(covariance, -0.5)
        matrix = inverse_root @ matrix_power(root @ target_covariance @ root, 0.5) @ inverse_root
        return cls(matrix, target_mean - matrix @ mean)

    def __call__(self, pixels: Tensor) -> Tensor:
        """(1, 3, H, W) in [0, 1], recoloured, then clamped to [0, 1]."""
        matched = self.matrix @ pixels[0].flatten(start_dim=1) + self.offset
        return matched.view_as(pixels).clamp(0, 1)

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


@dataclass(frozen=True)
class ColourReference:
    """Mean (3, 1) of a picture's colours, and the (3, 3) map that makes their covariance the identity."""

    mean: Tensor
    whitening: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> "ColourReference":
        """That of (1, 3, H, W)."""
        mean, covariance = colour_statistics(pixels)
        return cls(mean, matrix_power(covariance + LOSS_RIDGE * torch.eye(3, device=pixels.device), -0.5))


def colour_loss(pixels: Tensor, reference: ColourReference) -> Tensor:
    """How far mean and covariance of the colours (1, 3, H, W) are from those of a reference: a scalar.

    Both are measured in the reference's whitened colours, so that a hue which it lacks costs much: without this,
    Gram matrices of features let an ink drawing shimmer in magenta and green.
    """
    mean, covariance = colour_statistics(pixels)
    covariance = covariance + LOSS_RIDGE * torch.eye(3, device=pixels.device)
    spread = reference.whitening @ covariance @ reference.whitening - torch.eye(3, device=pixels.device)
    offset = reference.whitening @ (mean - reference.mean)
    return (spread.square().sum() + offset.square().sum()) / 3
