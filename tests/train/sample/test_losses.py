"""Losses of the game against known answers."""

import math

import pytest
import torch
from torch import Tensor, nn

from cvdemo.nets.dcgan import Discriminator
from train.sample.losses import discriminator_bce, discriminator_hinge, generator_loss, r1_penalty


class Linear(nn.Module):
    """logit = weight . picture, and half its square too: the gradient is weight * (1 + logit)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, pictures: Tensor) -> Tensor:
        logits = (pictures * self.weight).sum(dim=(1, 2, 3))
        return logits + logits.square() / 2


def test_cross_entropy_of_an_undecided_discriminator_is_two_bits() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    assert discriminator_bce(zero, zero, one, zero).item() == pytest.approx(2 * math.log(2))


def test_smoothed_targets_make_certainty_costly() -> None:
    sure, zero = torch.full((3,), 20.0), torch.zeros(3)
    assert discriminator_bce(sure, -sure, zero + 1.0, zero).item() == pytest.approx(0.0, abs=1e-6)
    assert discriminator_bce(sure, -sure, zero + 0.9, zero).item() == pytest.approx(2.0, abs=1e-3)


def test_hinge_is_zero_beyond_the_margins() -> None:
    assert discriminator_hinge(torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -9.0])).item() == 0
    assert discriminator_hinge(torch.tensor([0.0, 3.0]), torch.tensor([1.0, -1.0])).item() == pytest.approx(1.5)


def test_the_generator_wants_large_logits() -> None:
    logits = torch.tensor([0.0, 2.0])
    assert generator_loss(logits, "hinge").item() == -1
    assert generator_loss(logits, "bce").item() == pytest.approx((math.log(2) + math.log(1 + math.exp(-2))) / 2)


def test_r1_is_half_the_mean_squared_gradient() -> None:
    network = Linear(torch.full((1, 2, 2), 0.5))
    real = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])  # logits w . x = 0 and 2, gradients 1 and 3 w
    penalty = r1_penalty(network, real, gamma=10.0)
    assert penalty.item() == pytest.approx(10 / 2 * (1 + 9) / 2)
    assert not real.requires_grad
    penalty.backward()
    # d/dw of 5 * mean over pictures of |w|^2 (1 + w . x)^2: 5 w and 5 (9 w + 3 |w|^2 x)
    assert network.weight.grad is not None
    torch.testing.assert_close(network.weight.grad, torch.full((1, 2, 2), 5 * 0.5 + 5 * (9 * 0.5 + 3)))


@pytest.mark.parametrize("norm", ["none", "spectral", "batch"])
def test_r1_is_in_float32_within_autocast_and_reaches_every_weight(norm: str) -> None:
    torch.manual_seed(0)
    network = Discriminator(width=4, size=16, norm=norm).train()
    real = torch.randn(4, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = r1_penalty(network, real, 1.0)
    assert penalty.dtype == torch.float32 and penalty.item() > 0
    penalty.backward()
    weights = [p.grad for name, p in network.named_parameters() if p.ndim == 4]
    assert all(grad is not None and grad.abs().sum() > 0 for grad in weights)
