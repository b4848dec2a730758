"""The book's path from picture files to what a network sees, one function a station.

| station | here |
|---|---|
| the shorter side brought to one size, the central square kept, all written to one HDF5 file | `stored` |
| batches out of that file, nothing held in memory | `Hdf5Dataset.read` at random, `Hdf5Dataset.batches` in order |
| mean subtraction: the mean of each channel over the training pictures is taken off | `mean_subtraction` |
| while training: a random patch of each picture | `random_patches` |
| while measuring: the central patch, or ten of them (oversampling) | `central_logits`, `ten_crop_logits` |

A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NeurIPS 2012, sections 2 and
4.1: 256 px, patches of 224, ten crops. Recipes of `train.classify.patch_recipe` go this way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.classify.classifier import ten_crops
from cvdemo.images import center_crop
from train.data.hdf5 import Hdf5Dataset
from train.data.packing import is_packed, packed_listing
from train.data.read_pictures import Listing, Pictures
from train.engine.writing import kept_at

Views = Callable[[Tensor], Tensor]

_DIGITS = 4  # of a mean; a hundredth of a grey level


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation per channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, pixels: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> the same around 0 with deviation 1."""
        mean, std = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std


def stored(
    listing: Listing,
    beside: Path,
    size_px: int,
    *,
    cache: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Hdf5Dataset:
    """The pictures of a listing as squares of `size_px` in one HDF5 file, which is made where it is not there yet.

    Args:
        beside: the file's place next to the data. cache: folder for it where that place cannot be written.
        progress: told how many pictures are written.

    Raises:
        ValueError: pictures cannot be read; all of them are listed.
        PermissionError: the file can be written nowhere.
    """
    root = Path(os.path.commonpath(listing.files))
    target = beside if is_packed(root, listing, beside, size_px) else kept_at(beside, cache)
    if target is None:
        raise PermissionError(f"pictures are kept in {beside}, which cannot be written: give a copy of the data")
    return Hdf5Dataset(packed_listing(root, listing, target, size_px, progress=progress))


def mean_subtraction(training: Hdf5Dataset) -> Normalisation:
    """What takes off the mean of each channel over a file of pictures; as in the book, nothing is divided.

    Raises:
        ValueError: the file holds no pictures.
    """
    if training.mean is None:
        raise ValueError(f"{training.path} holds no pictures, so it has no mean")
    mean = tuple(round(float(value), _DIGITS) for value in training.mean)
    return Normalisation(mean, (1.0,) * len(mean))


def random_patches(pictures: Pictures, side_px: int, generator: torch.Generator) -> Pictures:
    """uint8 (B, H, W, C) -> (B, side_px, side_px, C), each picture's from a place of its own.

    Raises:
        ValueError: the pictures are smaller than a patch.
    """
    batch, height, width, channels = pictures.shape
    if min(height, width) < side_px:
        raise ValueError(f"cannot take patches of {side_px} px from pictures of {width} x {height}")
    places = torch.rand(2, batch, generator=generator)
    tops = (places[0] * (height - side_px + 1)).long().tolist()
    lefts = (places[1] * (width - side_px + 1)).long().tolist()
    patches = np.empty((batch, side_px, side_px, channels), np.uint8)
    for i, (top, left) in enumerate(zip(tops, lefts, strict=True)):
        patches[i] = pictures[i, top : top + side_px, left : left + side_px]
    return patches


def shrunk(pictures: Pictures, side_px: int) -> Pictures:
    """uint8 squares (B, s, s, C) -> (B, side_px, side_px, C), each pixel the mean of those that it covers."""
    if pictures.shape[1] == side_px:
        return pictures
    return np.stack([cv2.resize(one, (side_px, side_px), interpolation=cv2.INTER_AREA) for one in pictures])


def central_logits(network: nn.Module, side_px: int) -> Views:
    """Normalised pixels (B, C, s, s) -> what a network says of their central patches, (B, K)."""

    def logits(pixels: Tensor) -> Tensor:
        found: Tensor = network(center_crop(pixels, side_px).contiguous(memory_format=torch.channels_last))
        return found

    return logits


def ten_crop_logits(network: nn.Module, side_px: int) -> Views:
    """Normalised pixels (B, C, s, s) -> the mean probability over ten crops, as logits (B, K).

    The crops are those of the page: four corners and the centre, and their mirror images.
    """

    def logits(pixels: Tensor) -> Tensor:
        crops = torch.split(ten_crops(pixels, side_px), len(pixels))  # one crop of all pictures at a time
        each = [network(crop.contiguous(memory_format=torch.channels_last)).float().softmax(dim=1) for crop in crops]
        return torch.stack(each).mean(dim=0).log()

    return logits
