"""Pictures that go on beyond their edges as their own mirror image, `..cba abc cba..`, as in MATLAB's `imresize`."""

from __future__ import annotations

import torch
from torch import Tensor


def mirror_index(places: Tensor, length: int) -> Tensor:
    """Where in [0, length) the pixels at these places along an axis come from, int64 in and out."""
    places = places % (2 * length)
    return torch.where(places < length, places, 2 * length - 1 - places)


def mirrored(pixels: Tensor, dim: int, start: int, stop: int) -> Tensor:
    """The pixels from `start` to before `stop` along one axis; both may lie beyond its ends, however far."""
    length = pixels.shape[dim]
    if start >= 0 and stop <= length:
        return pixels.narrow(dim, start, stop - start)
    return pixels.index_select(dim, mirror_index(torch.arange(start, stop, device=pixels.device), length))


def with_border(pixels: Tensor, border_px: int) -> Tensor:
    """(B, C, H, W) -> (B, C, H + 2 border, W + 2 border)."""
    for dim in (2, 3):
        pixels = mirrored(pixels, dim, -border_px, pixels.shape[dim] + border_px)
    return pixels
