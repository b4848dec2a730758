"""A small super-resolution network that works on the low-resolution picture and ends in pixel shuffle.

SRCNN spends its time on an enlarged picture, where bicubic has added pixels but nothing new. Here every convolution
sees the small picture (C. Dong, C. C. Loy and X. Tang, "Accelerating the Super-Resolution Convolutional Neural
Network", ECCV 2016), the last one gives `scale` x `scale` values for each of its pixels (W. Shi et al., "Real-Time
Single Image and Video Super-Resolution Using an Efficient Sub-Pixel CNN", CVPR 2016), and what is learned is the
difference from bicubic (J. Kim, J. K. Lee and K. M. Lee, "Accurate Image Super-Resolution Using Very Deep
Convolutional Networks", CVPR 2016). Ours: the sizes, and convolutions without padding on a picture that is mirrored at
its edges once, so that a tile that carries its halo gives exactly the pixels of the whole picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.ops.mirror_padding import with_border

LEAK = 0.1  # slope of the activation below zero; one learned for each channel would cost a third of the time
_FIRST_KERNEL_PX = 5
_KERNEL_PX = 3


class FastSRCNN(nn.Module):
    """(B, 1, H, W) low-resolution luminance in [0, 1] -> (B, 1, H * scale, W * scale) to be added to bicubic.

    Args:
        scale: 2, 3 or 4.
        width: channels of the hidden layers.
        depth: hidden layers between the first and the last.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(self, scale: int, width: int = 32, depth: int = 5) -> None:
        super().__init__()
        if min(scale, width, depth) < 1:
            raise ValueError(f"need sizes of at least 1, got {scale=}, {width=}, {depth=}")
        self.scale = scale
        self.first = nn.Conv2d(1, width, _FIRST_KERNEL_PX)
        self.hidden = nn.ModuleList(nn.Conv2d(width, width, _KERNEL_PX) for _ in range(depth))
        self.last = nn.Conv2d(width, scale**2, _KERNEL_PX)
        _start_at_bicubic(self)

    @property
    def halo_px(self) -> int:
        """Radius of the receptive field in px of the low-resolution picture: what a tile needs around it."""
        return _FIRST_KERNEL_PX // 2 + (len(self.hidden) + 1) * (_KERNEL_PX // 2)

    def forward(self, low_res: Tensor) -> Tensor:
        return self.detail_inner(with_border(low_res, self.halo_px))

    def detail_inner(self, low_res: Tensor) -> Tensor:
        """(B, 1, H + 2 halo, W + 2 halo) -> (B, 1, H * scale, W * scale), for what has its surroundings."""
        features = F.leaky_relu(self.first(low_res), LEAK)  # (B, width, H + 2 halo - 4, W + 2 halo - 4)
        x = features
        for conv in self.hidden:
            x = F.leaky_relu(conv(x), LEAK)
        margin = len(self.hidden)
        detail: Tensor = self.last(x + features[..., margin:-margin, margin:-margin])
        return F.pixel_shuffle(detail, self.scale)


@torch.no_grad()
def _start_at_bicubic(network: FastSRCNN) -> None:
    """He's rule for every layer; the last near zero, so that training starts at bicubic."""
    for conv in (network.first, *network.hidden, network.last):
        assert isinstance(conv, nn.Conv2d)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # None only with bias=False
    network.last.weight.mul_(0.01)
