"""AlexNet for 227-px pictures, with BatchNorm and a narrow dense part.

A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012, section 3.5:
five convolutions, overlapping maximum pooling after the first, the second and the last, three dense layers, dropout.
Departures: BatchNorm (Ioffe and Szegedy 2015) before each ReLU in place of local response normalisation; one tower
without groups, with the widths of its author's "One weird trick for parallelizing convolutional neural networks" (2014,
arXiv:1404.5997); dense layers of 128 in place of 4096, whose weights were nine tenths of the file; 227 px, which the
first convolution fits without padding.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

FLAT_PX = 6  # 227 px -> convolution 55 -> pool 27 -> pool 13 -> pool 6


class AlexNet(nn.Module):
    """(B, 3, 227, 227) normalised pixels -> (B, num_classes) logits; 3.7 M parameters at the defaults.

    In training mode smaller pictures are taken too: their maps are brought to the size that the dense layers want.

    Args:
        num_classes: K.
        widths: channels of the five convolutions.
        dense: of the two hidden dense layers.
        dropout: after each of these, [0, 1).

    Raises:
        ValueError: other numbers of widths than five and two.
    """

    def __init__(
        self,
        num_classes: int = 2,
        widths: Sequence[int] = (64, 192, 384, 256, 256),
        dense: Sequence[int] = (128, 128),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if len(widths) != 5 or len(dense) != 2:
            raise ValueError(f"need five widths and two dense layers, got {widths=}, {dense=}")
        self.features = nn.Sequential(
            *_conv(3, widths[0], 11, stride=4, padding=0),
            nn.MaxPool2d(3, stride=2),
            *_conv(widths[0], widths[1], 5, padding=2),
            nn.MaxPool2d(3, stride=2),
            *_conv(widths[1], widths[2], 3, padding=1),
            *_conv(widths[2], widths[3], 3, padding=1),
            *_conv(widths[3], widths[4], 3, padding=1),
        )
        self.pool = nn.MaxPool2d(3, stride=2)
        self.dense = nn.Sequential(
            *_dense(widths[4] * FLAT_PX**2, dense[0], dropout), *_dense(dense[0], dense[1], dropout)
        )
        self.classifier = nn.Linear(dense[1], num_classes)

    def maps(self, pixels: Tensor) -> Tensor:
        """(B, widths[-1], 13, 13): the fifth convolution after its ReLU, before it is pooled."""
        maps: Tensor = self.features(pixels)
        return maps

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes)."""
        pooled = self.pool(maps)  # (B, widths[-1], 6, 6)
        if self.training:
            pooled = F.adaptive_avg_pool2d(pooled, FLAT_PX)  # leaves maps of full pictures as they are
        logits: Tensor = self.classifier(self.dense(pooled.flatten(1)))
        return logits

    def forward(self, pixels: Tensor) -> Tensor:
        return self.logits(self.maps(pixels))


def _conv(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int) -> list[nn.Module]:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]


def _dense(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU(inplace=True), nn.Dropout(dropout)]
