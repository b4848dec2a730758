"""GoogLeNets for small pictures: MiniGoogLeNet for 32 px, DeeperGoogLeNet for 64 px.

MiniGoogLeNet: C. Zhang et al., "Understanding deep learning requires rethinking generalization", ICLR 2017, figure 3:
inception modules of two branches, each convolution followed by BatchNorm and ReLU. DeeperGoogLeNet: the modules of
C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, figure 2b, with BatchNorm, on a smaller stem. Both use
"same" padding throughout, where the figure of the former has valid downsampling.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from cvdemo.nets.patch_whitening import PatchWhitening
from cvdemo.ops.whitening import WhiteningKind


class ConvNorm(nn.Sequential):
    """Convolution without bias, BatchNorm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Branches(nn.Module):
    """The outputs of several branches over one input, joined along channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _two_branches(in_channels: int, narrow: int, wide: int) -> Branches:
    """1x1 beside 3x3: in_channels -> narrow + wide."""
    return Branches(ConvNorm(in_channels, narrow, 1), ConvNorm(in_channels, wide, 3))


def _halve(in_channels: int, channels: int) -> Branches:
    """3x3 of stride 2 beside max pooling: in_channels -> channels + in_channels, half the size."""
    return Branches(ConvNorm(in_channels, channels, 3, stride=2), _pool())


class MiniGoogLeNet(nn.Module):
    """(B, 3, 32, 32) normalised pixels -> (B, num_classes) logits; 1.6 M parameters.

    Args:
        num_classes: K.
        dropout: before the classifier, [0, 1).
        whitening: "pca" or "zca" for a first layer that whitens 3x3 patches; it is fitted, not trained.
    """

    def __init__(
        self, num_classes: int = 10, dropout: float = 0.5, whitening: Literal["none"] | WhiteningKind = "none"
    ) -> None:
        super().__init__()
        self.whiten = None if whitening == "none" else PatchWhitening(whitening)
        self.features = nn.Sequential(
            ConvNorm(3 if self.whiten is None else self.whiten.out_channels, 96, 3),
            _two_branches(96, 32, 32),
            _two_branches(64, 32, 48),
            _halve(80, 80),  # 16 px
            _two_branches(160, 112, 48),
            _two_branches(160, 96, 64),
            _two_branches(160, 80, 80),
            _two_branches(160, 48, 96),
            _halve(144, 96),  # 8 px
            _two_branches(240, 176, 160),
            _two_branches(336, 176, 160),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(336, num_classes)

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, 336, 8, 8): the last module's activations."""
        maps: Tensor = self.features(pixels if self.whiten is None else self.whiten(pixels))
        return maps

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        logits: Tensor = self.classifier(self.dropout(maps.mean(dim=(2, 3))))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))


def _inception(
    in_channels: int, narrow: int, reduce_3: int, wide_3: int, reduce_5: int, wide_5: int, pooled: int
) -> Branches:
    """Four branches, in the order of the columns of Szegedy's table 1: 1x1, 3x3, 5x5, pooling with a 1x1."""
    return Branches(
        ConvNorm(in_channels, narrow, 1),
        nn.Sequential(ConvNorm(in_channels, reduce_3, 1), ConvNorm(reduce_3, wide_3, 3)),
        nn.Sequential(ConvNorm(in_channels, reduce_5, 1), ConvNorm(reduce_5, wide_5, 5)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNorm(in_channels, pooled, 1)),
    )


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)


class DeeperGoogLeNet(nn.Module):
    """(B, 3, 64, 64) normalised pixels -> (B, num_classes) logits; 3.6 M parameters for 200 classes.

    The modules 3a to 4e of Szegedy's table 1; the first convolution is 5x5 of stride 1, where the paper's is 7x7 of
    stride 2 on 224 px.

    Args:
        num_classes: K.
        dropout: before the classifier, [0, 1).
    """

    def __init__(self, num_classes: int = 200, dropout: float = 0.4) -> None:
        super().__init__()
        self.features = nn.Sequential(
            ConvNorm(3, 64, 5),
            _pool(),  # 32 px
            ConvNorm(64, 64, 1),
            ConvNorm(64, 192, 3),
            _pool(),  # 16 px
            _inception(192, 64, 96, 128, 16, 32, 32),
            _inception(256, 128, 128, 192, 32, 96, 64),
            _pool(),  # 8 px
            _inception(480, 192, 96, 208, 16, 48, 64),
            _inception(512, 160, 112, 224, 24, 64, 64),
            _inception(512, 128, 128, 256, 24, 64, 64),
            _inception(512, 112, 144, 288, 32, 64, 64),
            _inception(528, 256, 160, 320, 32, 128, 128),
        )
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(832, num_classes)

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, 832, 8, 8): the last module's activations."""
        maps: Tensor = self.features(pixels)
        return maps

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        logits: Tensor = self.classifier(self.dropout(maps.mean(dim=(2, 3))))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))
