"""A small residual network for 32-px pictures that trains fast.

In the spirit of K. Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024 (airbench): a first layer that
whitens 2x2 patches and is not trained, three groups of 3x3 convolutions that begin at the identity, BatchNorm whose
scale stays one, GELU, and pooling early. Departures: the whitening bias is trained throughout, and the classifier
starts at zero instead of having its logits divided by a constant.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.ops.whitening import whitening_matrix

PATCH_PX = 2
WHITE_CHANNELS = 2 * 3 * PATCH_PX**2  # each whitened patch component and its negative


class FastResNet(nn.Module):
    """(B, 3, 32, 32) normalised pixels -> (B, num_classes) logits.

    Args:
        num_classes: K.
        widths: channels of the three groups.
        depth: convolutions in a group, 2 or more; from three on, the first one's output is added back after the third.
    """

    def __init__(self, num_classes: int = 10, widths: tuple[int, int, int] = (128, 384, 384), depth: int = 3) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, WHITE_CHANNELS, PATCH_PX)
        self.whiten.weight.requires_grad_(False)
        channels = (WHITE_CHANNELS, *widths)
        self.groups = nn.Sequential(*(_Group(channels[i], channels[i + 1], depth) for i in range(3)))
        self.classifier = nn.Linear(widths[-1], num_classes, bias=False)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.whiten.bias)  # type: ignore[arg-type]  # None only with bias=False

    @torch.no_grad()
    def set_whitening(self, pictures: Tensor, eps: float = 5e-4) -> None:
        """Sets the first layer to whiten the 2x2 patches of normalised pictures (N, 3, H, W): PCA, and its negatives.

        Raises:
            ValueError: too few patches to estimate the covariance.
        """
        patches = F.unfold(pictures, PATCH_PX).transpose(1, 2).flatten(0, 1)  # (patches, 12)
        if len(patches) < WHITE_CHANNELS:
            raise ValueError(f"need {WHITE_CHANNELS} patches or more, got {len(patches)}")
        matrix = whitening_matrix(torch.cov(patches.T), "pca", eps)
        filters = matrix.flip(0).view(-1, 3, PATCH_PX, PATCH_PX)  # the least variance first, as in recorded runs
        self.whiten.weight.copy_(torch.cat([filters, -filters]))

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, widths[-1], 3, 3): the last group's activations."""
        maps: Tensor = self.groups(F.gelu(self.whiten(pixels)))
        return maps

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes), from the maximum of each map."""
        logits: Tensor = self.classifier(maps.amax(dim=(2, 3)))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))


class _Group(nn.Module):
    """Convolution and pooling to half the size, then `depth` - 1 more convolutions."""

    def __init__(self, in_channels: int, out_channels: int, depth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            _identity_conv(in_channels if i == 0 else out_channels, out_channels) for i in range(depth)
        )
        self.norms = nn.ModuleList(_bias_only_norm(out_channels) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        first = x = F.gelu(self.norms[0](F.max_pool2d(self.convs[0](x), 2)))
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if i == 0:
                continue
            x = norm(conv(x))
            x = F.gelu(x + first if i == 2 else x)
        return x


def _identity_conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    """3x3 without bias; its first `in_channels` filters pass a channel through (Dirac), the rest are random."""
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[:in_channels])
    return conv


def _bias_only_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, eps=1e-5, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm
