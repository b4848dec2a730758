"""Square patches of luminance or colour, cut once from pictures and their shrunk copies into one HDF5 file.

The file serves every scale and network: only the high-resolution patch is stored, 8 bits a value, and each patch begins
at a multiple of 12 px. So a crop that begins at a multiple of the scale shrinks to exactly the pixels that the whole
picture shrinks to there (`train.upscale.degradation.CropDegradation`). Around the picture stands its mirror image,
which is what bicubic sees beyond the edge; thus crops with all their surroundings reach the edge too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cvdemo.images import to_uint8
from cvdemo.ops.boxes import axis_starts
from cvdemo.ops.resample import bicubic_resize
from train.data.hdf5_writer import Hdf5Writer
from train.data.packing import made_from
from train.data.read_pictures import each_read, fingerprint
from train.upscale.degradation import modcrop, read_colour, read_luminance

Patches = npt.NDArray[np.uint8]

GRID_PX = 12  # divisible by the scales 2, 3 and 4
MARGIN_PX = 36  # of mirror image around a picture; a multiple of the grid


class PatchSource(Protocol):
    """Patches to draw from: an `Hdf5Dataset`, or a `PatchArray`."""

    def __len__(self) -> int: ...

    def read(self, indices: npt.NDArray[np.int64]) -> Patches:
        """(n, side, side), or (n, side, side, 3) of colour, uint8 in the order of `indices`."""


class PatchArray:
    """A `PatchSource` in memory: (N, side, side) or (N, side, side, 3) uint8."""

    def __init__(self, patches: Patches) -> None:
        self._patches = patches

    def __len__(self) -> int:
        return len(self._patches)

    def read(self, indices: npt.NDArray[np.int64]) -> Patches:
        chosen: Patches = self._patches[indices]
        return chosen


def cut(picture: Tensor, patch_px: int, shrink: Sequence[float]) -> Iterator[Patches]:
    """(n, patch_px, patch_px) uint8 of the picture (1, 1, H, W) in [0, 1] shrunk by each factor, overlapping.

    Of a picture (1, 3, H, W) they are (n, patch_px, patch_px, 3). A copy whose shorter side is below half a patch is
    left out: it would be mostly mirror image.

    Raises:
        ValueError: a patch that is no multiple of 12 px or not larger than its margins, or a factor outside (0, 1].
    """
    if patch_px % GRID_PX or patch_px <= 2 * MARGIN_PX or not all(0 < factor <= 1 for factor in shrink):
        raise ValueError(
            f"need patches of a multiple of {GRID_PX} px above {2 * MARGIN_PX} and factors in (0, 1], got "
            f"{patch_px=}, {shrink=}"
        )
    for factor in shrink:
        copy = bicubic_resize(picture, scale=factor) if factor < 1 else picture
        planes = to_uint8(modcrop(copy, GRID_PX)[0])
        pixels = (planes[0] if len(planes) == 1 else planes.permute(1, 2, 0)).numpy()
        if min(pixels.shape[:2]) >= patch_px // 2:
            yield _windows(_mirrored(pixels, patch_px), patch_px)


def _mirrored(pixels: Patches, patch_px: int) -> Patches:
    """(H, W) or (H, W, 3) with the margin on all sides, or with more where that makes no patch."""
    margins = [max(MARGIN_PX, -(side - patch_px) // 2) for side in pixels.shape[:2]]
    on_grid = [-(-margin // GRID_PX) * GRID_PX for margin in margins]
    colours = [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, [*((margin, margin) for margin in on_grid), *colours], mode="symmetric")


def _windows(pixels: Patches, patch_px: int) -> Patches:
    """Patches that overlap by both their margins, so that each pixel is inside one."""
    rows, columns = (axis_starts(side, patch_px, patch_px - 2 * MARGIN_PX) for side in pixels.shape[:2])
    return np.stack([pixels[y : y + patch_px, x : x + patch_px] for y in rows for x in columns])


def packed_patches(
    root: Path,
    sources: Mapping[str, Sequence[Path]],
    target: Path,
    patch_px: int,
    shrink: Sequence[float],
    progress: Callable[[int], None] = lambda done: None,
    *,
    colour: bool = False,
) -> Path:
    """`target`, made unless it was made from these files as they are now and with these settings.

    The label of a patch is the index of its source.

    Args:
        root: folder that the files are below.
        sources: picture files by the name of the data set they belong to.
        target: HDF5 file.
        patch_px, shrink: see `cut`.
        progress: told how many pictures are done.
        colour: red, green and blue instead of luminance.

    Raises:
        ValueError: see `cut`, files cannot be read, or no picture is large enough.
    """
    files = [path for of_source in sources.values() for path in of_source]
    settings = {"patch_px": patch_px, "shrink": tuple(shrink), "margin_px": MARGIN_PX, "names": list(sources)}
    mark = fingerprint(root, files, **settings, **({"colour": True} if colour else {}))
    shape = (patch_px, patch_px, 3) if colour else (patch_px, patch_px)
    if not made_from(target, mark):
        labels = [label for label, of_source in enumerate(sources.values()) for _ in of_source]
        with Hdf5Writer(target, shape, class_names=list(sources), attributes={"fingerprint": mark}) as writer:
            read = each_read(files, read_colour if colour else read_luminance)
            for done, (picture, label) in enumerate(zip(read, labels, strict=True), start=1):
                for patches in cut(picture, patch_px, shrink):
                    writer.add(patches, [label] * len(patches))
                progress(done)
            if not writer.count:
                raise ValueError(f"no picture measures {patch_px // 2} px or more on both sides")
    return target


def turned(patch: Patches, turn: int) -> Patches:
    """The patch (H, W) or (H, W, 3) in one of its eight positions: `turn` in [0, 8), from 4 on mirrored."""
    rotated = np.rot90(patch, turn % 4)
    return rotated[:, ::-1] if turn >= 4 else rotated


def noise_patches(count: int, patch_px: int, seed: int, *, colour: bool = False) -> PatchArray:
    """Patches of noise, for runs without data."""
    random = torch.Generator().manual_seed(seed)
    shape = (count, patch_px, patch_px, 3) if colour else (count, patch_px, patch_px)
    return PatchArray(torch.randint(0, 256, shape, generator=random, dtype=torch.uint8).numpy())
