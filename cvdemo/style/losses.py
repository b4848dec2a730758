"""The three losses of style transfer, as small functions that compose.

Style is the Gram matrix of a layer's activations, content the activations themselves: L. Gatys, A. Ecker, M. Bethge,
"Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, equations 1 to 5. The smoothness term is the
squared total variation of J. Johnson, A. Alahi, L. Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", ECCV 2016, section 3.2.

Departure from both papers: the style and content errors of each layer are divided by the energy of their target, so
that 1 means "as far away as nothing at all" in every layer, of any network, at any size.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Features = Mapping[str, Tensor]  # layer name -> (B, C, H, W), or -> (B, C, C) where they are Gram matrices

SMALLEST_ENERGY = 1e-8  # a layer that answers a picture with zeros has no energy to divide by


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


def total_variation(pixels: Tensor) -> Tensor:
    """Mean squared difference of vertical neighbours plus that of horizontal ones, of (B, C, H, W): a scalar.

    A mean over pixels, where the paper has a sum: the weight then holds for every size.

    Raises:
        ValueError: the picture is one pixel high or wide.
    """
    if min(pixels.shape[-2:]) < 2:
        raise ValueError(f"need at least 2 x 2 pixels, got {tuple(pixels.shape)}")
    down = pixels[..., 1:, :] - pixels[..., :-1, :]
    right = pixels[..., 1:] - pixels[..., :-1]
    return down.square().mean() + right.square().mean()
