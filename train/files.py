"""Loose picture files: finding them, reading them, and a fingerprint that tells whether a folder has changed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import read_image

Pictures = npt.NDArray[np.uint8]

_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


class Listing(NamedTuple):
    """Picture files with their labels (N,) int64, indices into `class_names`."""

    files: list[Path]
    labels: npt.NDArray[np.int64]
    class_names: list[str]


def picture_files(folder: Path) -> list[Path]:
    """JPEG and PNG files below `folder`, sorted by path.

    Raises:
        FileNotFoundError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no JPEG or PNG files below {folder}")
    return files


def class_files(root: Path) -> Listing:
    """Files of `root/class/.../picture.jpg` with the names of the folders as classes.

    Classes are the folders of `root` in the order of their names; hidden ones are passed over.

    Raises:
        FileNotFoundError: `root` has no folders, or one of them no pictures.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders:
        raise FileNotFoundError(f"no class folders in {root}")
    files_by_class = [picture_files(folder) for folder in folders]
    labels = np.repeat(np.arange(len(folders)), [len(in_class) for in_class in files_by_class])
    files = [path for in_class in files_by_class for path in in_class]
    return Listing(files, labels, [folder.name for folder in folders])


def drop_repeated(files: list[Path]) -> list[Path]:
    """The files whose bytes did not occur before, in order."""
    first_by_hash: dict[bytes, Path] = {}
    for path in files:
        first_by_hash.setdefault(hashlib.blake2b(path.read_bytes(), digest_size=16).digest(), path)
    return list(first_by_hash.values())


def fingerprint(root: Path, files: list[Path], **settings: object) -> str:
    """32 hex digits that change with a file's name, size or time of change, and with the settings."""
    hasher = hashlib.blake2b(repr(sorted(settings.items())).encode(), digest_size=16)
    for path in files:
        status = path.stat()
        hasher.update(f"{path.relative_to(root).as_posix()}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return hasher.hexdigest()


def read_rgb(source: Path | bytes, name: str = "") -> Pictures:
    """One picture file, or the bytes of one, as (H, W, 3) uint8 RGB, upright.

    Raises:
        ValueError: it cannot be read; the message begins with the path, or `name` for bytes.
    """
    try:
        return read_image(source)
    except InputError as error:
        raise ValueError(f"{name or (source if isinstance(source, Path) else 'bytes')}: {error}") from error


def read_resized(path: Path, size: int) -> Pictures:
    """One picture as (size, size, 3) uint8 RGB: centre square, resized with an antialiased bicubic kernel."""
    picture = Image.fromarray(read_rgb(path))
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BICUBIC))
