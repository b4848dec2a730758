"""Bicubic resizing equal to MATLAB's `imresize`, and MATLAB's BT.601 colour conversion.

Super-resolution papers make their low-resolution pictures with `imresize`: Keys' cubic kernel with
a = -0.5 (Keys 1981, "Cubic convolution interpolation", eq. 4), widened by the scale when shrinking so
that it also filters, with the picture mirrored about its edges. Pillow and OpenCV differ in one or
the other point and move PSNR by tenths of a dB. Set5 through this file gives the published
33.66 / 30.39 / 28.42 dB for bicubic x2 / x3 / x4 (`tests/ops/test_resample.py` pins the weights).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cvdemo.ops.mirror_padding import mirror_index

# Rows of MATLAB's rgb2ycbcr for R, G, B in [0, 1], in units of 1/255; ITU-R BT.601-7, section 3.5.
_YCBCR_FROM_RGB = (
    (65.481, 128.553, 24.966),
    (-37.797, -74.203, 112.0),
    (112.0, -93.786, -18.214),
)
_YCBCR_OFFSET = (16.0, 128.0, 128.0)
_CEIL_SLACK = 1e-9  # 3 * (1 / 3) may come out above 1; without this the size would be one too large


def bicubic_resize(
    image: Tensor,
    *,
    out_hw: tuple[int, int] | None = None,
    scale: float | None = None,
    antialias: bool = True,
) -> Tensor:
    """The picture resized as MATLAB's `imresize(image, ..., "bicubic")`, not clipped, same dtype.

    Args:
        image: (B, C, H, W), floating point, any range.
        out_hw: size of the result in px; this or `scale`, not both.
        scale: factor > 0 for both axes; the result measures ceil(H * scale) x ceil(W * scale).
        antialias: widen the kernel when shrinking. Without effect on enlarging.

    Returns:
        (B, C, out_h, out_w). The cubic kernel overshoots: values may leave the input's range.

    Raises:
        ValueError: not a floating (B, C, H, W), both or neither of `out_hw` and `scale`, or no pixel left.
    """
    if image.ndim != 4 or not image.is_floating_point() or image.numel() == 0:
        raise ValueError(f"need a non-empty floating (B, C, H, W), got {image.dtype} {tuple(image.shape)}")
    if (out_hw is None) == (scale is None):
        raise ValueError(f"give exactly one of out_hw and scale, got {out_hw=}, {scale=}")
    for dim in (2, 3):
        in_size = image.shape[dim]
        if scale is not None:
            factor, out_size = scale, math.ceil(in_size * scale - _CEIL_SLACK)
        elif out_hw is not None:
            factor, out_size = out_hw[dim - 2] / in_size, out_hw[dim - 2]
        if factor <= 0 or out_size < 1:
            raise ValueError(f"need a positive size, got {out_hw=}, {scale=} for {in_size} px")
        image = _resize_axis(image, dim, out_size, factor, antialias)
    return image


def _resize_axis(image: Tensor, dim: int, out_size: int, factor: float, antialias: bool) -> Tensor:
    """One axis of `image` resampled; a sum over kernel taps keeps memory at a few copies of the result."""
    indices, weights = axis_taps(image.shape[dim], out_size, factor, antialias)
    indices = indices.to(image.device)
    weights = weights.to(image)
    shape = [1] * image.ndim
    shape[dim] = out_size
    out = image.index_select(dim, indices[:, 0]) * weights[:, 0].view(shape)
    for tap in range(1, indices.shape[1]):
        out += image.index_select(dim, indices[:, tap]) * weights[:, tap].view(shape)
    return out


def axis_taps(in_size: int, out_size: int, factor: float, antialias: bool) -> tuple[Tensor, Tensor]:
    """Source indices and weights (float64) of each output sample, both (out_size, taps); rows sum to 1."""
    widen = factor if antialias and factor < 1 else 1.0
    width = 4.0 / widen
    centre = (torch.arange(out_size, dtype=torch.float64) + 0.5) / factor - 0.5
    left = torch.floor(centre - width / 2)
    offsets = torch.arange(math.ceil(width) + 2, dtype=torch.float64)
    positions = left[:, None] + offsets  # (out_size, taps)
    weights = _cubic(widen * (centre[:, None] - positions))
    weights /= weights.sum(dim=1, keepdim=True)
    indices = mirror_index(positions.long(), in_size)
    used = (weights != 0).any(dim=0)
    return indices[:, used], weights[:, used]


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5, zero beyond |x| = 2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x.square() + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Y in [16, 235] / 255, Cb and Cr in [16, 240] / 255: MATLAB's `rgb2ycbcr` without rounding.

    Args:
        rgb: (B, 3, H, W) in [0, 1].

    Raises:
        ValueError: not three channels.
    """
    _check_three_channels(rgb)
    matrix = rgb.new_tensor(_YCBCR_FROM_RGB) / 255
    offset = rgb.new_tensor(_YCBCR_OFFSET).view(1, 3, 1, 1) / 255
    return torch.einsum("oc,bchw->bohw", matrix, rgb) + offset


def luma(rgb: Tensor) -> Tensor:
    """The first channel of `rgb_to_ycbcr` alone, (B, 1, H, W), in a twentieth of the time.

    Args:
        rgb: (B, 3, H, W) in [0, 1].

    Raises:
        ValueError: not three channels.
    """
    _check_three_channels(rgb)
    weights = rgb.new_tensor(_YCBCR_FROM_RGB[:1]) / 255
    return torch.einsum("oc,bchw->bohw", weights, rgb) + _YCBCR_OFFSET[0] / 255


def _check_three_channels(image: Tensor) -> None:
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"need (B, 3, H, W), got {tuple(image.shape)}")
