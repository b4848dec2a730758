"""LabelledPictures samples read from one HDF5 file, and what makes such files.

`train.data.hdf5_writer` says what is in a file, `train.data.packing` fills it from pictures. Each process opens the
file for itself, since a handle does not survive a fork. What is wanted together is read together, in the order of the
file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from train.data.hdf5_writer import Hdf5Writer, Samples
from train.data.packing import (
    pack_classes,
    pack_folder,
    pack_list,
    packed,
    packed_folder,
    packed_listing,
    write_pictures,
)
from train.data.read_pictures import Pictures, drop_repeated, picture_files, read_resized, read_rgb
from train.data.splits import LabelledPictures

__all__ = [
    "Hdf5Dataset",
    "Hdf5Writer",
    "Pictures",
    "drop_repeated",
    "load_labelled_pictures",
    "pack_classes",
    "pack_folder",
    "pack_list",
    "packed",
    "packed_folder",
    "packed_listing",
    "picture_files",
    "read_pictures",
    "read_resized",
    "write_pictures",
]

Indices = Sequence[int] | npt.NDArray[np.int64]

_KEY = "pictures"


class Hdf5Dataset(Dataset[tuple[Any, int]]):
    """(sample, label) pairs of a file made by `Hdf5Writer`; to be read by any number of workers and processes.

    Samples are NumPy arrays, JPEGs decoded to (H, W, 3) uint8. A `DataLoader` asks for whole batches, which are read
    in the order of the file.

    Args:
        path: the file; it is opened for reading without a lock, since data often lie on read-only mounts.
        transform: applied to each sample.
        indices: which samples of the file, in which order; None for all.

    Attributes:
        labels: (N,) int64, of the chosen samples.
        class_names: by label; [] where the file has none.
        mean, std: (C,) float64 per channel of all pictures in the file, in [0, 1]; None where it holds no pictures.

    Raises:
        ValueError: the file holds no labelled samples, or is no HDF5 file.
        IndexError: `indices` reach beyond it.
    """

    def __init__(
        self, path: Path, transform: Callable[[Samples], Any] | None = None, indices: Indices | None = None
    ) -> None:
        self.path, self.transform = path, transform
        self._file: h5py.File | None = None
        self._pid = 0
        with opened(path) as file:
            self._key = str(file.attrs.get("key", _KEY))
            if self._key not in file or "labels" not in file:
                raise ValueError(f"{path} has no labelled samples; it holds {sorted(file)}")
            self._jpeg = bool(file.attrs.get("jpeg", False))
            chunks = file[self._key].chunks
            self._chunk = chunks[0] if chunks and not self._jpeg else 1
            labels = file["labels"][:]
            self.class_names: list[str] = list(file["class_names"].asstr()[:]) if "class_names" in file else []
            self.mean, self.std = file.attrs.get("mean"), file.attrs.get("std")
        self._indices = np.arange(len(labels)) if indices is None else _checked(indices, len(labels))
        self.labels: npt.NDArray[np.int64] = labels[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Any, int]]:
        """The pairs of a batch; `DataLoader` calls this where it stands."""
        samples = self._samples(indices)
        change = self.transform or (lambda sample: sample)
        return [(change(sample), int(self.labels[index])) for sample, index in zip(samples, indices, strict=True)]

    def read(self, indices: Indices | None = None) -> Samples:
        """Samples (n, *shape) as they are stored, untransformed, in the order of `indices`; None for all.

        Raises:
            ValueError: JPEGs of different sizes, which have no common array.
            IndexError: `indices` reach beyond the data set.
        """
        samples = self._samples(np.arange(len(self)) if indices is None else indices)
        if isinstance(samples, np.ndarray):
            return samples
        if len({sample.shape for sample in samples}) > 1:
            raise ValueError(f"the pictures of {self.path} differ in size: read them one by one")
        return np.stack(samples) if samples else np.empty((0, 0, 0, 3), np.uint8)

    def batches(
        self, size: int, generator: torch.Generator | None = None, *, block: int = 64, blocks: int = 32
    ) -> Iterator[tuple[Samples, npt.NDArray[np.int64]]]:
        """Samples (n, *shape) and labels (n,) of all batches of one pass; the last may be smaller.

        For files larger than memory and slow disks. With a generator, blocks of neighbours come in random order;
        `blocks` of them are read at a time, each in one piece, and shuffled together. Without one, in order.

        Args:
            size: of a batch.
            block: samples read in one piece.
            blocks: read before they are shuffled; `block * blocks` samples are in memory, in order `block` of them.
        """
        starts = torch.arange(0, len(self), block)
        if generator is not None:
            starts = starts[torch.randperm(len(starts), generator=generator)]
        left: npt.NDArray[np.int64] = np.empty(0, np.int64)
        held = self.read(left)
        for group in torch.split(starts, 1 if generator is None else blocks):
            chosen = np.concatenate([np.arange(start, min(start + block, len(self))) for start in group.tolist()])
            samples = self.read(chosen)
            if generator is not None:
                order = torch.randperm(len(chosen), generator=generator).numpy()
                chosen, samples = chosen[order], samples[order]
            if len(left):
                chosen, samples = np.concatenate([left, chosen]), np.concatenate([held, samples])
            whole = len(chosen) - len(chosen) % size
            for start in range(0, whole, size):
                yield samples[start : start + size], self.labels[chosen[start : start + size]]
            left, held = chosen[whole:], samples[whole:]
        if len(left):
            yield held, self.labels[left]

    def _samples(self, indices: Indices) -> Samples | list[Pictures]:
        """Stored samples in the order of `indices`: an array, or a list of decoded JPEGs."""
        rows = self._indices[_checked(indices, len(self))]
        wanted, back = np.unique(rows, return_inverse=True)
        data = self._opened()[self._key]
        out = np.empty(
            (len(wanted),) if self._jpeg else (len(wanted), *data.shape[1:]), object if self._jpeg else data.dtype
        )
        # neighbours, and what shares a chunk, in one read
        ends = np.flatnonzero(np.diff(wanted) > self._chunk) + 1
        for run in np.split(np.arange(len(wanted)), ends) if len(wanted) else []:
            first, last = wanted[run[0]], wanted[run[-1]]
            out[run] = data[first : last + 1][wanted[run] - first]
        if self._jpeg:
            decoded = [
                read_rgb(jpeg.tobytes(), f"{self.path}, picture {row}") for jpeg, row in zip(out, wanted, strict=True)
            ]
            return [decoded[index] for index in back]
        return out[back]

    def _opened(self) -> h5py.File:
        """This process's handle."""
        if self._file is None or self._pid != os.getpid():
            self._file, self._pid = h5py.File(self.path, "r", locking=False), os.getpid()
        return self._file


def _checked(indices: Indices, count: int) -> npt.NDArray[np.int64]:
    rows = np.asarray(indices, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not -count <= rows.min() <= rows.max() < count):
        raise IndexError(f"need a list of indices within {count} samples, got {rows}")
    return rows % count if count else rows


def opened(path: Path) -> h5py.File:
    """An HDF5 file, for reading; without a lock, since data sets often lie on read-only mounts.

    Raises:
        FileNotFoundError: it is not there.
        PermissionError: it cannot be read.
        ValueError: it is cut off, or no HDF5 file.
    """
    try:
        return h5py.File(path, "r", locking=False)
    except (FileNotFoundError, PermissionError) as error:
        raise type(error)(error.errno, os.strerror(error.errno or 0), str(path)) from error
    except OSError as error:
        raise ValueError(f"{path} is no HDF5 file, or one that is cut off") from error


def load_labelled_pictures(path: Path) -> LabelledPictures:
    """All pictures of a file with their labels, in memory.

    Raises:
        ValueError: no labelled uint8 pictures of three channels, or JPEGs of different sizes.
    """
    dataset = Hdf5Dataset(path)
    pictures = dataset.read()
    if pictures.dtype != np.uint8 or pictures.ndim != 4:
        raise ValueError(f"{path} holds {pictures.dtype} {pictures.shape}, no uint8 pictures")
    return LabelledPictures(pictures, dataset.labels, dataset.class_names)


def read_pictures(source: Path) -> Pictures:
    """All pictures, (N, H, W, C) uint8, read into memory at once.

    Raises:
        ValueError: the file holds no such pictures.
    """
    with opened(source) as file:
        if _KEY not in file or file[_KEY].dtype != np.uint8 or file[_KEY].ndim != 4:
            raise ValueError(f"{source} has no uint8 (N, H, W, C) data set {_KEY!r}")
        pictures: Pictures = file[_KEY][:]
    return pictures
