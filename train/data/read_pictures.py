"""Loose picture files: reading them, and a fingerprint that tells whether a folder has changed.

What is a picture and what a class folder stands in `train.data.picture_files`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import read_image
from cvdemo.picture_files.decoding import size_of
from train.data.picture_files import LISTED
from train.data.picture_files import Listing as Listing
from train.data.picture_files import class_files as class_files
from train.data.picture_files import picture_files as picture_files

Pictures = npt.NDArray[np.uint8]

T = TypeVar("T")


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
        status, name = path.stat(), os.fsencode(path.relative_to(root).as_posix())  # a name need not be UTF-8
        hasher.update(b"%s\0%d\0%d\n" % (name, status.st_size, status.st_mtime_ns))
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


def read_resized(path: Path, size: int, centre: float = 1.0) -> Pictures:
    """One picture as (size, size, 3) uint8 RGB: centre square, resized with an antialiased bicubic kernel.

    Args:
        centre: side of the square, as a share of the shorter side.

    Raises:
        ValueError: it cannot be read, or a share outside (0, 1].
    """
    if not 0 < centre <= 1:
        raise ValueError(f"need a share in (0, 1], got {centre=}")
    picture = Image.fromarray(read_rgb(path))
    side = max(1, round(centre * min(picture.size)))
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(picture.crop(box).resize((size, size), Image.Resampling.BICUBIC))


def each_read(files: Collection[Any], read: Callable[[Any], T]) -> Iterator[T]:
    """What `read` makes of each file, in order, until one cannot be read; the others are then tried all the same.

    So whoever mends a folder learns of all its bad files at once.

    Raises:
        ValueError: some files cannot be read; they are listed, ten at most, with their number.
    """
    bad: list[str] = []
    for path in files:
        try:
            value = read(path)
        except (ValueError, InputError, OSError) as error:
            words = str(error)
            bad.append(words if str(path) in words else f"{path}: {words}")
            continue
        if not bad:
            yield value
    if bad:
        more = f"\n  and {len(bad) - LISTED} more" if len(bad) > LISTED else ""
        raise ValueError(f"{len(bad)} of {len(files)} pictures cannot be read:\n  " + "\n  ".join(bad[:LISTED]) + more)


def check_size(files: Sequence[Path], size_px: int) -> None:
    """Makes sure that pictures are squares of `size_px`, by their headers; files that cannot be read come later.

    Raises:
        ValueError: some are not; the message names the option that resizes them.
    """
    other = []
    for path in files:
        try:
            width, height = size_of(path.read_bytes())
        except (InputError, OSError):
            continue
        if (width, height) != (size_px, size_px):
            other.append(f"{path} is {width} x {height}")
    if other:
        raise ValueError(
            f"{len(other)} of {len(files)} pictures are not {size_px} x {size_px} px ({other[0]}): give --resize to "
            f"bring the central square of each to {size_px} px"
        )
