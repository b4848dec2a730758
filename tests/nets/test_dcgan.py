"""DCGAN: shapes, ranges, Radford's rules, and what is refused."""

import pytest
import torch
from torch import nn

from cvdemo.nets.dcgan import Discriminator, Generator


@pytest.mark.parametrize("size", [8, 16, 64])
def test_generator_gives_pictures_in_range(size: int) -> None:
    pictures = Generator(latent_dim=5, width=4, channels=3, size=size)(torch.randn(2, 5))
    assert pictures.shape == (2, 3, size, size)
    assert pictures.abs().max() <= 1


def test_grey_pictures_have_one_channel() -> None:
    generator = Generator(latent_dim=5, width=4, channels=1, size=16)
    pictures = generator(torch.randn(2, 5))
    assert generator.channels == 1 and pictures.shape == (2, 1, 16, 16)
    assert Discriminator(width=4, channels=1, size=16)(pictures).shape == (2,)


@pytest.mark.parametrize("norm", ["batch", "spectral", "none"])
def test_discriminator_gives_a_logit_a_picture(norm: str) -> None:
    network = Discriminator(width=4, size=16, norm=norm, dropout=0.2)
    assert network(torch.randn(5, 3, 16, 16)).shape == (5,)


def test_radfords_rules() -> None:
    generator, discriminator = Generator(8, 4, 3, 16), Discriminator(4, 3, 16, norm="batch")
    modules = [*generator.modules(), *discriminator.modules()]
    assert not any(isinstance(m, (nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.Upsample)) for m in modules)
    convs = [m for m in modules if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
    assert all(m.kernel_size[0] % m.stride[0] == 0 for m in convs)
    assert isinstance(generator.layers[-1], nn.Tanh)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in discriminator.modules()) == 1  # none on the first layer
    assert all(m.negative_slope == 0.2 for m in discriminator.modules() if isinstance(m, nn.LeakyReLU))


def test_weights_start_as_radford_says() -> None:
    torch.manual_seed(0)
    weights = torch.cat([p.flatten() for p in Generator(64, 16, 3, 32).parameters() if p.ndim == 4])
    assert weights.std().item() == pytest.approx(0.02, rel=0.05)


def test_spectral_norm_bounds_every_layer() -> None:
    torch.manual_seed(0)
    network = Discriminator(width=4, size=16, norm="spectral").train()
    for _ in range(30):
        network(torch.randn(2, 3, 16, 16))
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    norms = [torch.linalg.matrix_norm(m.weight.flatten(1), 2).item() for m in convs]
    assert norms == pytest.approx([1.0] * len(norms), abs=0.05)


@pytest.mark.parametrize("size", [4, 12, 63, 0])
def test_refuses_sizes_that_four_does_not_double_to(size: int) -> None:
    with pytest.raises(ValueError, match="size must be"):
        Generator(size=size)


@pytest.mark.parametrize("shape", [(4,), (2, 9), (2, 8, 1, 1)])
def test_refuses_latents_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="latents"):
        Generator(latent_dim=8, width=4, size=8)(torch.randn(shape))
