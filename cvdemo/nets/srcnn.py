"""SRCNN: three convolutions that sharpen a bicubically enlarged luminance picture.

Dong, Loy, He, Tang: "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 2016 (9-1-5 and
9-5-5, 64 and 32 channels). Departures: the picture is mirrored by `halo_px` at its edges once and
the convolutions are then without padding, so a tile that carries its halo gives exactly the pixels
of the whole picture; and the weights start as the identity, so that training starts at bicubic.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.ops.mirror_padding import with_border


class SRCNN(nn.Module):
    """(B, 1, H, W) enlarged luminance in [0, 1] -> (B, 1, H, W) restored luminance, not clipped.

    Receptive field: `2 * halo_px + 1` px, 17 for 9-5-5 and 13 for 9-1-5.

    Args:
        kernels: odd sizes in px of the convolutions, first to last.
        channels: outputs of every convolution but the last, which gives one.

    Raises:
        ValueError: an even kernel, or channels that do not fit the kernels.
    """

    def __init__(self, kernels: tuple[int, ...] = (9, 5, 5), channels: tuple[int, ...] = (64, 32)) -> None:
        super().__init__()
        if len(channels) != len(kernels) - 1 or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(f"need odd kernels and one channel count between each two, got {kernels=}, {channels=}")
        self.kernels = tuple(kernels)
        widths = (1, *channels, 1)
        convs = [nn.Conv2d(n_in, n_out, k) for (n_in, n_out), k in zip(pairwise(widths), self.kernels, strict=True)]
        _start_as_identity(convs)
        self.convs = nn.ModuleList(convs)

    @property
    def halo_px(self) -> int:
        """Radius of the receptive field in px: what a tile needs around it."""
        return sum(k // 2 for k in self.kernels)

    def forward(self, x: Tensor) -> Tensor:
        return self.restore_inner(with_border(x, self.halo_px))

    def restore_inner(self, x: Tensor) -> Tensor:
        """(B, 1, H + 2 halo, W + 2 halo) -> (B, 1, H, W): restores what has its whole surroundings in `x`."""
        *hidden, last = self.convs
        for conv in hidden:
            x = F.relu(conv(x))
        restored: Tensor = last(x)
        return restored


@torch.no_grad()
def _start_as_identity(convs: Sequence[nn.Conv2d]) -> None:
    """Channel 0 of each layer passes the centre pixel on; the others start by He's rule, the last near zero."""
    for conv in convs:
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # None only with bias=False
        centre = conv.kernel_size[0] // 2
        if conv is convs[-1]:
            conv.weight.mul_(0.01)
            conv.weight[0, 0].zero_()
        else:
            conv.weight[0].zero_()
        conv.weight[0, 0, centre, centre] = 1.0
