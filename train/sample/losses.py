"""Losses of the game between generator and discriminator, on logits that are large for real pictures.

I. Goodfellow et al. 2014 with the non-saturating loss of G and targets moved inward (T. Salimans et al. 2016, section
3.4; Chollet adds noise to them); the hinge loss of J. H. Lim and J. C. Ye 2017, as in Miyato et al. 2018; the gradient
penalty R1 of L. Mescheder, A. Geiger and S. Nowozin, "Which Training Methods for GANs do actually Converge?", ICML
2018, eq. 9, taken only every few steps as in StyleGAN2 (T. Karras et al. 2020, section 3.1).
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Loss = Literal["bce", "hinge"]


def discriminator_bce(real: Tensor, fake: Tensor, target_real: Tensor, target_fake: Tensor) -> Tensor:
    """Cross-entropy of both batches, in nats, added: logits (B,) against targets (B,) in [0, 1]."""
    loss_real = F.binary_cross_entropy_with_logits(real, target_real)
    return loss_real + F.binary_cross_entropy_with_logits(fake, target_fake)


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """How far logits of real pictures are below 1 and those of generated ones above -1, means added."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_loss(logits: Tensor, loss: Loss) -> Tensor:
    """The non-saturating loss -log D, or minus the mean logit for the hinge game."""
    return -logits.mean() if loss == "hinge" else F.softplus(-logits).mean()


def r1_penalty(discriminator: nn.Module, real: Tensor, gamma: float) -> Tensor:
    """gamma / 2 times the mean squared length of the gradient of the logit by the picture, at real pictures.

    In float32 also within autocast: bfloat16's second derivatives are mostly rounding. Where D has BatchNorm the logit
    depends on the other pictures of the batch, and their sum is what is differentiated.

    Args:
        discriminator: pictures (B, C, H, W) -> logits (B,).
        real: what D sees as real, in [-1, 1] or about it.
        gamma: at least 0.
    """
    with torch.autocast(real.device.type, enabled=False):
        pictures = real.detach().float().requires_grad_(True)
        logits = discriminator(pictures)
        (gradient,) = torch.autograd.grad(logits.sum(), pictures, create_graph=True)
    return gamma / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()
