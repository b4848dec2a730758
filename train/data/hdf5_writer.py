"""Samples with labels written to one HDF5 file, buffered, under a temporary name until it is complete.

The file holds

| name | what |
|---|---|
| `pictures` (or another key) | (N, *shape) uint8, float16 or float32; or N variable-length uint8, the bytes of JPEGs |
| `labels` | (N,) int64, where labels were given |
| `class_names` | strings, where given |
| attributes | `key`, `jpeg`; of pictures `mean` and `std` per channel, in [0, 1]; and those given |

JPEGs are bytes and not HDF5 strings because those end at the first NUL.

HDF5 does not survive a full disk: it closes the file neither then nor later, and ends the process with a segmentation
fault. So room for what comes next is reserved before HDF5 writes it, and it is the reservation that fails.
"""

from __future__ import annotations

import io
import math
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

from train.data.read_pictures import Pictures, read_rgb
from train.engine.writing import PARTIAL, named

Samples = npt.NDArray[Any]

_DTYPES = tuple(np.dtype(name) for name in ("uint8", "float16", "float32"))
_LARGE_BYTES = 8 << 10  # samples from here on have a chunk to themselves: what is drawn at random is read alone
_CHUNK_BYTES = 48 << 10  # smaller ones share a chunk of this, 16 pictures of 32 px, to keep the index short
_JPEG_QUALITY = 95
_AHEAD_BYTES = 4 << 20  # reserved beyond what is told: HDF5's cache of chunks (1 MiB), its index, and the attributes


class Hdf5Writer:
    """Context manager that writes `target`; after an error nothing of it remains, and an older file stays.

    Not more than `buffer` samples are in memory at a time.

    Args:
        target: the file; its folder is made.
        shape: of one sample; ignored for JPEGs.
        dtype: uint8, float16 or float32; uint8 for JPEGs.
        key: name of the data set.
        class_names: by label.
        buffer: samples held before they are written together.
        jpeg: store the bytes of JPEG files, see `add_bytes`.
        attributes: stored with the file.

    Raises:
        ValueError: another dtype, an empty shape, or a buffer below 1.
    """

    def __init__(
        self,
        target: Path,
        shape: Sequence[int],
        dtype: npt.DTypeLike = np.uint8,
        *,
        key: str = "pictures",
        class_names: Sequence[str] = (),
        buffer: int = 256,
        jpeg: bool = False,
        attributes: Mapping[str, str | int | float] | None = None,
    ) -> None:
        self.target, self.shape, self.dtype = target, tuple(shape), np.dtype(dtype)
        if self.dtype not in _DTYPES or (jpeg and self.dtype != np.uint8):
            raise ValueError(f"need uint8, float16 or float32, and uint8 for JPEGs; got {self.dtype}")
        if buffer < 1 or (not jpeg and math.prod(self.shape) < 1):
            raise ValueError(f"need a buffer and a shape of at least one, got {buffer=}, {self.shape}")
        self.key, self.jpeg, self.class_names = key, jpeg, list(class_names)
        self.attributes = dict(attributes or {})
        self.count = 0  # samples received
        self._labelled = False
        self._samples = np.empty((buffer,) if jpeg else (buffer, *self.shape), object if jpeg else self.dtype)
        self._labels = np.empty(buffer, np.int64)
        self._held = 0  # samples in these two
        self._channels = _ChannelSums()

    def __enter__(self) -> Hdf5Writer:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.target.with_name(f"{self.target.name}.{secrets.token_hex(4)}{PARTIAL}")
        try:
            with self._partial.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, _AHEAD_BYTES)
        except OSError as error:
            self._partial.unlink(missing_ok=True)
            raise named(error, self.target) from error
        self._file = h5py.File(self._partial, "w")
        self._reserve(0)
        self._data = self._new_data()
        return self

    def _new_data(self) -> h5py.Dataset:
        if self.jpeg:
            return self._file.create_dataset(self.key, (0,), h5py.vlen_dtype(np.uint8), maxshape=(None,))
        size = math.prod(self.shape) * self.dtype.itemsize
        chunk = 1 if size >= _LARGE_BYTES else _CHUNK_BYTES // size
        return self._file.create_dataset(
            self.key, (0, *self.shape), self.dtype, maxshape=(None, *self.shape), chunks=(chunk, *self.shape)
        )

    def _reserve(self, coming_bytes: int) -> None:
        """Has the disk keep room for `coming_bytes` more.

        Raises:
            OSError: there is none.
        """
        handle = os.open(self._partial, os.O_RDWR)
        try:
            os.posix_fallocate(handle, 0, self._file.id.get_filesize() + coming_bytes + _AHEAD_BYTES)
        except OSError as error:
            raise named(error, self.target) from error
        finally:
            os.close(handle)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                self._finish()
                self._file.flush()
            size = self._file.id.get_filesize()
            self._file.close()
            if kind is None:
                os.truncate(self._partial, size)  # without what was reserved
                _sync(self._partial)
                self._partial.replace(self.target)
        finally:
            if self._file:
                self._file.close()
            self._partial.unlink(missing_ok=True)

    def add(self, samples: Samples, labels: npt.ArrayLike | None = None) -> None:
        """Takes `samples` (n, *shape) of the writer's dtype, with `labels` (n,), or without for all samples.

        Raises:
            ValueError: another shape or dtype, labels for some samples only, or one without a class name.
        """
        if self.jpeg or samples.shape[1:] != self.shape or samples.dtype != self.dtype:
            wanted = "JPEG bytes" if self.jpeg else f"(n, {', '.join(map(str, self.shape))}) {self.dtype}"
            raise ValueError(f"need {wanted}, got {samples.shape} {samples.dtype}")
        numbers = self._checked(labels, len(samples))
        for sample, label in zip(samples, numbers, strict=True):
            self._channels.add(sample)
            self._take(sample, label)

    def add_bytes(self, jpeg: bytes, label: int | None = None) -> None:
        """Takes one JPEG file as it is; it is decoded once, for the channel means and to be sure that it can be.

        Raises:
            ValueError: the writer is not one of JPEGs, the bytes are none, or see `add`.
        """
        if not self.jpeg or jpeg[:2] != b"\xff\xd8":
            raise ValueError(f"need a writer with jpeg=True and a JPEG, got jpeg={self.jpeg} and {jpeg[:4]!r}")
        picture = read_rgb(jpeg, f"picture {self.count}")
        (number,) = self._checked(None if label is None else [label], 1)
        self._channels.add(picture)
        self._take(np.frombuffer(jpeg, np.uint8), number)

    def _checked(self, labels: npt.ArrayLike | None, count: int) -> npt.NDArray[np.int64]:
        """`labels` (count,), or -1 for all where there are none."""
        if self.count and (labels is not None) != self._labelled:
            raise ValueError(f"label all samples or none; {'' if self._labelled else 'no '}labels came so far")
        self._labelled = labels is not None
        if labels is None:
            return np.full(count, -1)
        numbers = np.asarray(labels)
        if numbers.shape != (count,) or not np.issubdtype(numbers.dtype, np.integer):
            raise ValueError(f"need {count} integer labels, got {numbers.shape} {numbers.dtype}")
        top = len(self.class_names) or np.iinfo(np.int64).max
        if count and not 0 <= numbers.min() <= numbers.max() < top:
            raise ValueError(f"labels from {numbers.min()} to {numbers.max()} for {len(self.class_names)} class names")
        return numbers.astype(np.int64)

    def _take(self, sample: Samples, label: int) -> None:
        self._samples[self._held], self._labels[self._held] = sample, label
        self._held += 1
        self.count += 1
        if self._held == len(self._samples):
            self._flush()

    def _flush(self) -> None:
        """Writes what is held behind what is in the file."""
        start = self.count - self._held
        held = self._samples[: self._held]
        self._reserve(sum(len(sample) for sample in held) if self.jpeg else held.nbytes)
        self._data.resize(self.count, axis=0)
        if self.jpeg:  # one by one: h5py would take several of one length for a matrix
            for row, sample in enumerate(held, start):
                self._data[row] = sample
        else:
            self._data[start:] = held
        if self._labelled:
            if "labels" not in self._file:
                self._file.create_dataset("labels", (0,), np.int64, maxshape=(None,), chunks=(4096,))
            self._file["labels"].resize(self.count, axis=0)
            self._file["labels"][start:] = self._labels[: self._held]
        self._held = 0

    def _finish(self) -> None:
        self._reserve(0)
        if self.class_names:
            self._file["class_names"] = self.class_names
        self._file.attrs.update({**self.attributes, **self._channels.result(), "key": self.key, "jpeg": self.jpeg})


class _ChannelSums:
    """Sums over the pixels of uint8 pictures, exact in integers; of samples of another kind there are none."""

    def __init__(self) -> None:
        self._pixels, self._sum, self._squares = 0, np.zeros((), np.int64), np.zeros((), np.int64)

    def add(self, picture: Samples) -> None:
        if picture.dtype == np.uint8 and picture.ndim == 3:
            pixels = picture.reshape(-1, picture.shape[2])
            self._pixels += len(pixels)
            self._sum = self._sum + pixels.sum(axis=0, dtype=np.int64)
            self._squares = self._squares + np.square(pixels, dtype=np.uint32).sum(axis=0, dtype=np.int64)

    def result(self) -> dict[str, npt.NDArray[np.float64]]:
        """`mean` and `std` (C,) in [0, 1]; {} without pictures."""
        if not self._pixels:
            return {}
        mean = self._sum / self._pixels
        return {"mean": mean / 255, "std": np.sqrt(self._squares / self._pixels - mean**2) / 255}


def encode_jpeg(picture: Pictures) -> bytes:
    """uint8 (H, W, 3) as the bytes of a JPEG of quality 95 with full colour resolution."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def _sync(path: Path) -> None:
    """Waits until the file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
