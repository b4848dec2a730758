"""Pictures of one size packed into one HDF5 file of uint8, and read back.

The file holds `pictures` (N, H, W, C) uint8 in chunks of one picture and the attributes it was made
with. It is written under a temporary name and renamed when complete, so a file that exists is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
from PIL import Image

Pictures = npt.NDArray[np.uint8]

_KEY = "pictures"
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


def picture_files(folder: Path) -> list[Path]:
    """JPEG and PNG files below `folder`, sorted by path.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no JPEG or PNG files below {folder}")
    return files


def drop_repeated(files: list[Path]) -> list[Path]:
    """The files whose bytes did not occur before, in order."""
    first_by_hash: dict[bytes, Path] = {}
    for path in files:
        first_by_hash.setdefault(hashlib.blake2b(path.read_bytes(), digest_size=16).digest(), path)
    return list(first_by_hash.values())


def read_resized(path: Path, size: int) -> Pictures:
    """One picture as (size, size, 3) uint8 RGB: centre square, shrunk with an antialiased bicubic kernel."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BICUBIC))


def write_pictures(
    target: Path,
    pictures: Iterator[Pictures],
    count: int,
    shape_hwc: tuple[int, int, int],
    attributes: Mapping[str, str | int],
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Writes `count` pictures to `target`; `progress` is told how many are done.

    Raises:
        ValueError: the iterator yields another number or shape; `target` is then left as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        with h5py.File(partial, "w") as file:
            data = file.create_dataset(_KEY, (count, *shape_hwc), np.uint8, chunks=(1, *shape_hwc))
            done = 0
            for done, picture in enumerate(pictures, start=1):
                if done > count or picture.shape != shape_hwc:
                    raise ValueError(f"picture {done} of {count}: need {shape_hwc}, got {picture.shape}")
                data[done - 1] = picture
                progress(done)
            if done != count:
                raise ValueError(f"promised {count} pictures, got {done}")
            file.attrs.update(attributes)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read_pictures(source: Path) -> Pictures:
    """All pictures, (N, H, W, C) uint8, read into memory at once.

    Raises:
        ValueError: the file holds no such pictures.
    """
    # locking=False: data sets often lie on read-only mounts
    with h5py.File(source, "r", locking=False) as file:
        if _KEY not in file or file[_KEY].dtype != np.uint8 or file[_KEY].ndim != 4:
            raise ValueError(f"{source} has no uint8 (N, H, W, C) data set {_KEY!r}")
        pictures: Pictures = file[_KEY][:]
    return pictures


def pack_folder(folder: Path, target: Path, size: int, progress: Callable[[int], None] = lambda done: None) -> int:
    """Packs the distinct pictures of a folder at `size` px into `target`; returns how many there are."""
    files = drop_repeated(picture_files(folder))
    write_pictures(
        target,
        (read_resized(path, size) for path in files),
        len(files),
        (size, size, 3),
        {"source": folder.name, "resampling": "Pillow bicubic, antialiased", "size_px": size},
        progress,
    )
    return len(files)
