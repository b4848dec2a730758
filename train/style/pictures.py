"""Photographs and paintings: where they lie, which are held out, and random crops of them.

A picture file is read when its crop is drawn: 30,000 of them as arrays would fill the memory, and reading two takes a
twentieth of a step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvdemo.images import ImageArray
from train.data.picture_files import picture_files
from train.data.read_pictures import read_rgb

PHOTOGRAPHS, PAINTINGS = "photographs", "paintings"
_READERS = min(8, os.cpu_count() or 1)  # threads that read crops
DRAWS = 5  # random numbers of a crop: which picture, how large, top, left, mirrored
WHERE = f"DIR holds the folders {PHOTOGRAPHS} and {PAINTINGS}, with pictures of any size in them or below"


class PictureSource(Protocol):
    """Pictures to draw from."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> ImageArray:
        """uint8 (H, W, 3) RGB."""


class PictureArrays:
    """A `PictureSource` in memory."""

    def __init__(self, pictures: Sequence[ImageArray]) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def read(self, index: int) -> ImageArray:
        return self._pictures[index]


class PictureFiles:
    """A `PictureSource` of files. One that cannot be read is told, and the next one takes its place.

    Raises:
        ValueError: no files; or, from `read`, not one of them can be read.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        if not files:
            raise ValueError("need at least one picture file")
        self.files = list(files)

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: int) -> ImageArray:
        for further in range(len(self.files)):
            try:
                return read_rgb(self.files[(index + further) % len(self.files)])
            except (ValueError, OSError) as error:
                warnings.warn(f"{error}; the next picture takes its place", stacklevel=2)
        raise ValueError(f"none of {len(self.files)} pictures can be read, the first is {self.files[0]}")


def files_of(data: Path, name: str) -> list[Path]:
    """Picture files below the folder `name` of `data`, without empty ones, which are counted in a warning.

    Raises:
        FileNotFoundError: there is no such folder, or no picture in it.
    """
    folder = data / name
    if not folder.is_dir():
        raise FileNotFoundError(f"{data} holds no folder {name!r}. {WHERE}")
    files = picture_files(folder)
    full = [path for path in files if path.stat().st_size]
    if len(full) < len(files):
        warnings.warn(f"{folder}: {len(files) - len(full)} empty files are passed over", stacklevel=2)
    return full


def hold_out(files: Sequence[Path], count: int) -> tuple[list[Path], list[Path]]:
    """The files to train on, and `count` to measure with: evenly spread over the list.

    Raises:
        ValueError: not more than `count` files.
    """
    if len(files) <= count:
        raise ValueError(f"{count} pictures are held out, and there are only {len(files)}")
    held = {index * len(files) // count for index in range(count)}
    kept = [path for index, path in enumerate(files) if index not in held]
    return kept, [files[index] for index in sorted(held)]


def random_crops(source: PictureSource, draws: Tensor, side_px: int, largest: float) -> ImageArray:
    """(B, side, side, 3) uint8, one for each row of `draws`.

    Several are read at a time: Pillow decodes and resizes outside Python's lock, and a GPU waits for no single core.

    Args:
        draws: (B, DRAWS) in [0, 1).
        largest: the shorter side of a picture becomes 1 to `largest` times the crop's.
    """

    def cropped(draw: Sequence[float]) -> ImageArray:
        which, scale, top, left, mirrored = draw
        picture = Image.fromarray(source.read(int(which * len(source))))
        crop = _crop(picture, side_px, 1 + scale * (largest - 1), top, left)
        return crop[:, ::-1] if mirrored < 0.5 else crop

    return np.stack(list(_readers().map(cropped, draws.tolist())))


@cache
def _readers() -> ThreadPoolExecutor:
    """The threads that read crops, made once: a step asks them twice."""
    return ThreadPoolExecutor(_READERS, "crops")


def _crop(picture: Image.Image, side_px: int, scale: float, top: float, left: float) -> ImageArray:
    """A part of the picture whose shorter side is resized to `scale * side_px`, at a relative place."""
    inside = min(picture.size) / scale  # side of the part, in px of the picture
    x, y = left * (picture.width - inside), top * (picture.height - inside)
    box = (x, y, x + inside, y + inside)
    return np.array(picture.resize((side_px, side_px), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0))


def noise_pictures(count: int, side_px: int, seed: int) -> PictureArrays:
    """Coloured blots, for runs without data."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 256, (count, 8, 8, 3), generator=random, dtype=torch.uint8).numpy()
    return PictureArrays([np.array(Image.fromarray(blots).resize((side_px, side_px))) for blots in coarse])
