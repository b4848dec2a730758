"""Preprocessing of batches (B, C, H, W) for training; what the page does too gives the page's results, to the bit.

`torchvision.transforms.v2` underneath. Random patches and ten crops are Krizhevsky's (NIPS 2012, section 4.1): many
smaller parts of a picture to train on, and the answers for ten of them averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from train.data.augment import crop_each


def resize_keeping_aspect(pixels: Tensor, short_px: int, interpolation: str = "bicubic") -> Tensor:
    """Float pixels in [0, 1] with the shorter side `short_px`, antialiased and clamped back to [0, 1].

    Args:
        pixels: (B, C, H, W) or (C, H, W).
        interpolation: bicubic or bilinear.
    """
    if short_px < 1:
        raise ValueError(f"need a side of at least 1 px, got {short_px}")
    height, width = pixels.shape[-2:]
    scale = short_px / min(height, width)
    size_hw = [max(short_px, round(height * scale)), max(short_px, round(width * scale))]
    resized: Tensor = v2.resize(pixels, size_hw, InterpolationMode(interpolation), antialias=True)
    return resized.clamp(0, 1)


def resize_and_crop(pixels: Tensor, short_px: int, side_px: int, interpolation: str = "bicubic") -> Tensor:
    """The central (.., C, side_px, side_px) part of the pixels, resized to a shorter side of `short_px` first."""
    if side_px > short_px:
        raise ValueError(f"cannot crop {side_px} px out of a shorter side of {short_px} px")
    cropped: Tensor = v2.center_crop(resize_keeping_aspect(pixels, short_px, interpolation), [side_px, side_px])
    return cropped


def subtract_mean(pixels: Tensor, mean: Sequence[float], std: Sequence[float] | None = None) -> Tensor:
    """Pixels (.., C, H, W) less the mean of each channel, divided by its deviation where one is given."""
    normalised: Tensor = v2.normalize(pixels, list(mean), list(std or [1.0] * len(mean)))
    return normalised


def random_patch(pixels: Tensor, side_px: int, generator: torch.Generator) -> Tensor:
    """A patch (B, C, side_px, side_px) of each picture, from a place of its own, every place as likely.

    Raises:
        ValueError: the pictures are smaller.
    """
    batch, _, height, width = pixels.shape
    if not 1 <= side_px <= min(height, width):
        raise ValueError(f"cannot take {side_px} px out of {height} x {width}")
    top = torch.randint(0, height - side_px + 1, (batch,), generator=generator)
    left = torch.randint(0, width - side_px + 1, (batch,), generator=generator)
    return crop_each(pixels, top.to(pixels.device), left.to(pixels.device), (side_px, side_px))


def ten_crops(pixels: Tensor, side_px: int) -> Tensor:
    """(B, 10, C, side_px, side_px): corners and centre of the central square, then of its mirror image.

    Raises:
        ValueError: the pictures are smaller.
    """
    short_px = min(pixels.shape[-2:])
    if not 1 <= side_px <= short_px:
        raise ValueError(f"cannot take {side_px} px out of {pixels.shape[-2]} x {pixels.shape[-1]}")
    square = v2.center_crop(pixels, [short_px, short_px])
    return torch.stack(v2.ten_crop(square, [side_px, side_px]), dim=1)


def mean_over_crops(logits: Tensor, crops: int = 10) -> Tensor:
    """Mean probability (B, K) of the logits (B * crops, K) of `ten_crops(...).flatten(0, 1)`."""
    return logits.softmax(dim=1).view(-1, crops, logits.shape[1]).mean(dim=1)
