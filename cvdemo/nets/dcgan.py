"""DCGAN: a generator of pictures from Gaussian latents, and the discriminator that trains it.

Radford, Metz, Chintala: "Unsupervised Representation Learning with Deep Convolutional GANs", 2016:
strided convolutions instead of pooling, batch normalisation, no dense layers, ReLU and a last tanh in
the generator, LeakyReLU(0.2) in the discriminator. From Chollet ("Deep Learning with Python"):
latents from a normal distribution, kernels divisible by the stride, optional dropout in the
discriminator. Departure: the discriminator may be normalised spectrally (Miyato et al. 2018) instead.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

Norm = Literal["batch", "spectral", "none"]

_KERNEL_PX = 4  # divisible by the stride of 2: every output pixel sees as many taps, which at least invites no checks
_LEAK = 0.2


def _doublings(size: int) -> int:
    """How often 4 px must double to give `size`."""
    count = (size // 4).bit_length() - 1
    if size < 8 or 4 << count != size:
        raise ValueError(f"size must be 8, 16, 32, 64, ... px, got {size}")
    return count


class Generator(nn.Module):
    """Latents (B, latent_dim) from N(0, 1) -> pictures (B, channels, size, size) in [-1, 1].

    Args:
        latent_dim: length of a latent.
        width: channels before the last convolution; each halving of the size doubles them.
        channels: of the picture: 3 for RGB, 1 for grey.
        size: side of the picture in px, 4 times a power of two.

    Raises:
        ValueError: a size that 4 px do not double to.
    """

    def __init__(self, latent_dim: int = 128, width: int = 64, channels: int = 3, size: int = 64) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.channels = channels
        self.size = size
        n = width << (_doublings(size) - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent_dim, n, _KERNEL_PX, bias=False),  # (B, n, 4, 4)
            nn.BatchNorm2d(n),
            nn.ReLU(inplace=True),
        ]
        for _ in range(_doublings(size) - 1):
            layers += [
                nn.ConvTranspose2d(n, n // 2, _KERNEL_PX, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(n // 2),
                nn.ReLU(inplace=True),
            ]
            n //= 2
        layers += [nn.ConvTranspose2d(n, channels, _KERNEL_PX, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_radford_init)

    def forward(self, latents: Tensor) -> Tensor:
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(f"need latents (B, {self.latent_dim}), got {tuple(latents.shape)}")
        pictures: Tensor = self.layers(latents[:, :, None, None])
        return pictures


class Discriminator(nn.Module):
    """Pictures (B, channels, size, size) in [-1, 1] -> logits (B,), large for real ones.

    Args:
        width: channels after the first convolution, doubled by each further one.
        channels, size: of the picture.
        norm: of every hidden layer but the first ("batch", as Radford), or of every layer's weights
            ("spectral"), or "none".
        dropout: probability in [0, 1) of zeroing a feature map before the last layer (Chollet).

    Raises:
        ValueError: a size that 4 px do not double to.
    """

    def __init__(
        self,
        width: int = 64,
        channels: int = 3,
        size: int = 64,
        norm: Norm = "spectral",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_in, n_out = channels, width
        for depth in range(_doublings(size)):
            batch_norm = norm == "batch" and depth > 0
            layers.append(nn.Conv2d(n_in, n_out, _KERNEL_PX, stride=2, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(n_out))
            layers.append(nn.LeakyReLU(_LEAK, inplace=True))
            n_in, n_out = n_out, 2 * n_out
        layers += [nn.Dropout2d(dropout), nn.Conv2d(n_in, 1, _KERNEL_PX)]  # (B, 1, 1, 1)
        self.layers = nn.Sequential(*layers)
        self.apply(_radford_init)
        if norm == "spectral":
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.layers(pictures)
        return logits.flatten()


def _radford_init(module: nn.Module) -> None:
    """Weights from N(0, 0.02), batch-norm gains from N(1, 0.02): Radford et al., section 4."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
