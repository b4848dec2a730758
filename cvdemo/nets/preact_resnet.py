"""Pre-activation residual networks for small pictures, of plain or bottleneck blocks.

K. He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016: BatchNorm and ReLU stand before each
convolution, so that the sum of shortcut and residual passes from block to block untouched (figure 4e). Where the shape
changes the shortcut is a 1x1 convolution of the activated input (appendix). A bottleneck block has a 3x3 convolution on
a quarter of the channels between two of 1x1, so a network of many layers stays cheap; those of the paper for CIFAR-10
have three stages of 64, 128 and 256 channels. Departure: the stem is one 3x3 convolution without pooling, as small
pictures leave nothing to throw away; the default depths and widths are the layout of ResNet-18.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

BOTTLENECK = 4  # channels of a bottleneck block over those of its 3x3 convolution


class PreActBlock(nn.Module):
    """(B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride): two 3x3 convolutions and a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same = stride == 1 and in_channels == out_channels
        self.project = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        shortcut: Tensor = x if self.project is None else self.project(active)
        residual: Tensor = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return shortcut + residual


class PreActBottleneck(nn.Module):
    """As `PreActBlock`: 1x1 to a quarter of the channels, 3x3 there, and 1x1 back."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        inner = out_channels // BOTTLENECK
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out_channels, 1, bias=False)
        same = stride == 1 and in_channels == out_channels
        self.project = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.norm1(x))
        shortcut: Tensor = x if self.project is None else self.project(active)
        middle = F.relu(self.norm3(self.conv2(F.relu(self.norm2(self.conv1(active))))))
        residual: Tensor = self.conv3(middle)
        return shortcut + residual


class PreActResNet(nn.Module):
    """(B, 3, H, W) normalised pixels -> (B, num_classes) logits; 11.3 M parameters at the defaults.

    Args:
        num_classes: K.
        depths: blocks in each stage; every stage but the first begins by halving the size.
        widths: channels of each stage.
        stem_stride: of the first convolution; 2 takes a quarter of the time.
        dropout: before the classifier, [0, 1).
        bottleneck: blocks of three convolutions in place of two.

    Raises:
        ValueError: `depths` and `widths` are not of one length, or a width is no multiple of 4 with bottlenecks.
    """

    def __init__(
        self,
        num_classes: int = 200,
        depths: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        stem_stride: int = 1,
        dropout: float = 0.0,
        bottleneck: bool = False,
    ) -> None:
        super().__init__()
        if len(depths) != len(widths) or not depths:
            raise ValueError(f"need one width for each depth, got {depths=}, {widths=}")
        if bottleneck and any(width % BOTTLENECK for width in widths):
            raise ValueError(f"widths of bottlenecks must be multiples of {BOTTLENECK}, got {widths}")
        block = PreActBottleneck if bottleneck else PreActBlock
        self.stem = nn.Conv2d(3, widths[0], 3, stem_stride, padding=1, bias=False)
        blocks: list[nn.Module] = []
        channels = widths[0]
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            for i in range(depth):
                blocks.append(block(channels, width, 2 if stage > 0 and i == 0 else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(channels, num_classes)
        self.apply(_kaiming)

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, widths[-1], h, w): the last sum after BatchNorm and ReLU; at 64 px and the defaults h = w = 8."""
        return F.relu(self.norm(self.blocks(self.stem(pixels))))

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        logits: Tensor = self.classifier(self.dropout(maps.mean(dim=(2, 3))))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))


def _kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
