"""Features by which generated pictures are measured: what EfficientNet-Lite0 sees in them, averaged over the picture.

In the place of Inception's features in Heusel et al. 2017 and Binkowski et al. 2018: the 1280 pooled features of this
project's own backbone, with pictures brought to 128 px. They cost 9 ms a picture on one core (5 ms in bfloat16), so
those of real pictures are extracted once and kept, also on the disk.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cvdemo.classify.classifier import load_classifier
from cvdemo.images import Preprocessing, normalise, resize, to_batch
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.weights import entry_of
from train.data.hdf5 import Pictures
from train.engine.device import autocast, channels_last, half_precision
from train.engine.progress import Progress
from train.engine.writing import PARTIAL, kept_at, write_whole

INPUT_PX = 128  # a third of the time of 224 px; 64-px pictures hold no more than this shows
FEATURES = "EfficientNet-Lite0 pooled features (1280), bicubic to 128 px"

_BATCH = 8  # pictures at a time: their activations stay in the cache; 64 at a time take half as long again
_READ = 64  # pictures taken out of the array at a time
_KEPT = 10_000  # pictures after which features go to the disk: minutes of work are not lost
_LONG = 1000  # pictures from which on progress is shown
_ORDER_SEED = 2026


def in_batches(pictures: Pictures) -> Iterator[Pictures]:
    """The pictures (N, H, W, C), 64 at a time."""
    for start in range(0, len(pictures), _READ):
        yield pictures[start : start + _READ]


@torch.no_grad()
def lite0_features(batches: Iterable[Pictures], device: torch.device, amp: bool = False) -> Tensor:
    """Pooled features (N, 1280), float32 on the CPU, of pictures given as batches of (B, H, W, C) uint8.

    Args:
        batches: RGB, or grey with C = 1.
        device, amp: where, and whether in 16 bits.

    Raises:
        ValueError: no pictures.
    """
    network, preprocessing = _backbone(str(device))
    found = []
    for batch in batches:
        for part in np.array_split(batch, max(1, len(batch) // _BATCH)):
            pixels = to_batch(part, device)
            pixels = normalise(resize(pixels.expand(-1, 3, -1, -1), (INPUT_PX, INPUT_PX)), preprocessing)
            with autocast(device, amp):
                found.append(network.pooled(pixels.contiguous(memory_format=torch.channels_last)).float().cpu())
    if not found:
        raise ValueError("no pictures to take features of")
    return torch.cat(found)


@lru_cache(maxsize=2)
def _backbone(device: str) -> tuple[EfficientNetLite, Preprocessing]:
    """The pretrained network with BatchNorm folded, channels last, and how it is fed."""
    classifier = load_classifier("imagenet", device)
    return channels_last(fold_batch_norm(classifier.network)), classifier.preprocessing


class RealFeatures:
    """Features of real pictures, in a fixed random order; each is extracted once.

    Args:
        pictures: (N, H, W, C) uint8.
        device, amp: as in `lite0_features`.
        cache: file that keeps them for other runs; it is made anew when the pictures or the way of extracting change.
            None keeps them in memory only.

    Attributes:
        order: (N,) index of the picture of each feature.
    """

    def __init__(self, pictures: Pictures, device: torch.device, amp: bool = False, cache: Path | None = None) -> None:
        self.pictures, self.device, self.amp, self.cache = pictures, device, amp, cache
        self.order: npt.NDArray[np.int64] = np.random.default_rng(_ORDER_SEED).permutation(len(pictures))
        self._held = torch.empty(0, 0)

    def first(self, count: int) -> Tensor:
        """(count, 1280) float32 features of the first `count` pictures in the order.

        Raises:
            ValueError: there are not so many pictures.
        """
        if not 0 < count <= len(self.pictures):
            raise ValueError(f"need 1 to {len(self.pictures)} real pictures, got {count}")
        if len(self._held) < count:
            key = self._key()
            self._held = _read(self.cache, key)
            while len(self._held) < count:
                self._extend(min(count, len(self._held) + _KEPT))
                _write(self.cache, key, self._held)
        return self._held[:count]

    def _extend(self, count: int) -> None:
        had = len(self._held)
        rows = self.order[had:count]
        batches: Iterable[Pictures] = (
            self.pictures[rows[start : start + _READ]] for start in range(0, len(rows), _READ)
        )
        if len(rows) >= _LONG:
            batches = _shown(batches, len(rows))
        new = lite0_features(batches, self.device, self.amp)
        self._held = torch.cat([self._held, new]) if had else new

    @cached_property
    def digest(self) -> str:
        """Names the pictures: a hash of their shape and bytes."""
        return digest_of(self.pictures)

    def _key(self) -> str:
        precision = half_precision(self.device) if self.amp else torch.float32
        network = entry_of(BACKBONE).sha256
        return f"{FEATURES}, {network}, {precision}, {_ORDER_SEED}, {self.digest}"


def digest_of(pictures: Pictures) -> str:
    """Names pictures: 32 hex digits that change with their shape and bytes."""
    hasher = hashlib.blake2b(str(pictures.shape).encode(), digest_size=16)
    hasher.update(np.ascontiguousarray(pictures).data)
    return hasher.hexdigest()


def feature_cache(data: Path, size: int, amp: bool, cache: Path | None = None) -> Path | None:
    """Where features of the pictures in a folder or file are kept: beside it, else in `cache`; None: nowhere."""
    stem = data.stem.removesuffix(f"_{size}")  # a folder and the file that it was packed into share one
    return kept_at(data.with_name(f"{stem}_{size}_lite0{'_16bit' if amp else ''}.safetensors"), cache)


def _read(cache: Path | None, key: str) -> Tensor:
    """The features in the file, (0, 0) where there are none or they are of other pictures."""
    if cache is not None and cache.exists():
        try:
            with safe_open(cache, "pt") as file:
                if (file.metadata() or {}).get("key") == key:
                    features: Tensor = file.get_tensor("features")
                    return features
        except SafetensorError as error:
            warnings.warn(f"{cache} is cut off or damaged, and is made again ({error})", stacklevel=2)
    return torch.empty(0, 0)


def _write(cache: Path | None, key: str, features: Tensor) -> None:
    if cache is not None:
        write_whole(cache, save({"features": features}, {"key": key}), f".{os.getpid()}{PARTIAL}")


def _shown(batches: Iterable[Pictures], total: int) -> Iterator[Pictures]:
    """The batches, with a progress bar."""
    bar, done = Progress(total), 0
    for batch in batches:
        yield batch
        done += len(batch)
        bar.update(done, "real pictures described")
