"""Colours and highlights of a dream.

The colours of natural pictures hang together: red, green and blue rise and fall mostly as one. A gradient that is
multiplied by their correlation moves a picture as natural light would, which turns neon into fur, eyes and feathers
(C. Olah, A. Mordvintsev and L. Schubert, "Feature Visualization", Distill 2017, "decorrelated" space; the matrix is
lucid's, measured on ImageNet). Departure: it is a factor of the gradient, not a change of variables.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Square root of the colour correlation of ImageNet, of lucid; rows are red, green and blue.
COLOUR_SQRT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
NATURAL = 0.5  # the colour between the picture's own, 0, and plain gradients, 1
SHOULDER = 0.25  # from this far below white and above black on, a change gets smaller
MOST_CONTRAST = 1.4  # times the picture's own standard deviation
LEAST_CONTRAST = 0.17  # a grey picture may get this standard deviation at least: it has to show something


def colour_matrix(colour: float) -> Tensor:
    """(3, 3), what a gradient's colours are multiplied by.

    Args:
        colour: 0 moves red, green and blue as one, so that the picture keeps its own colours; 0.5 as natural pictures
            have them; 1 leaves the gradient as it is. Between them it is mixed.
    """
    root = torch.tensor(COLOUR_SQRT, dtype=torch.float64)
    correlation = root @ root.T
    natural = correlation / torch.linalg.matrix_norm(correlation, 2)
    own, plain = torch.full((3, 3), 1 / 3, dtype=torch.float64), torch.eye(3, dtype=torch.float64)
    if colour <= NATURAL:
        return torch.lerp(own, natural, colour / NATURAL).float()
    return torch.lerp(natural, plain, (colour - NATURAL) / (1 - NATURAL)).float()


def recoloured(gradient: Tensor, matrix: Tensor) -> Tensor:
    """(1, 3, H, W) with the colours at each place multiplied by `matrix`."""
    _, _, height, width = gradient.shape
    return (matrix.to(gradient) @ gradient.view(3, -1)).view(1, 3, height, width)


def soft_step(pixels: Tensor, change: Tensor) -> Tensor:
    """Pixels (1, 3, H, W) in [0, 1] after a change, whose highlights and shadows are compressed instead of clipped.

    Where a pixel is within `SHOULDER` of white or black and moves on that way, its change shrinks with the room that is
    left, so that what was drawn there stays visible. Other pixels take the whole change.
    """
    stepped = torch.where(change > 0, 1 - pixels, pixels)  # the room that is left; then, in place, what follows from it
    return stepped.div_(SHOULDER).clamp_(max=1).mul_(change).add_(pixels).clamp_(0, 1)


@dataclass(frozen=True, eq=False)
class Tone:
    """Mean and standard deviation of each channel, (1, 3, 1, 1)."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, pixels: Tensor) -> "Tone":
        """Of (1, 3, H, W); the deviation is over all places, without Bessel's correction."""
        deviation, mean = torch.std_mean(pixels, dim=(2, 3), correction=0, keepdim=True)
        return cls(mean, deviation)

    def drawing_back(self, pixels: Tensor, change: Tensor) -> Tensor:
        """The change of pixels (1, 3, H, W) that also brings their mean to this one, and too much contrast down."""
        now = Tone.of(pixels + change)
        allowed = (MOST_CONTRAST * self.deviation).clamp(min=LEAST_CONTRAST)
        ratio = (allowed / now.deviation.clamp(min=1e-6)).clamp(max=1)
        return (ratio * change).addcmul_(pixels, ratio - 1).add_(self.mean - ratio * now.mean)
