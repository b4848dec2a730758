"""Pictures packed into HDF5 files: from class folders, from lists of files, from arrays; again when they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from train.files import (
    Listing,
    Pictures,
    class_files,
    drop_repeated,
    fingerprint,
    picture_files,
    read_resized,
    read_rgb,
)
from train.hdf5_writer import Hdf5Writer, encode_jpeg

Attributes = Mapping[str, str | int | float]
Counter = Callable[[int], None]


def _quiet(done: int) -> None:
    """No progress."""


def write_pictures(
    target: Path,
    pictures: Iterator[Pictures],
    count: int,
    shape_hwc: tuple[int, int, int],
    attributes: Mapping[str, str | int],
    progress: Callable[[int], None] = _quiet,
) -> None:
    """Writes `count` pictures without labels to `target`; `progress` is told how many are done.

    Raises:
        ValueError: the iterator yields another number or shape; `target` is then left as it was.
    """
    with Hdf5Writer(target, shape_hwc, attributes=attributes) as writer:
        for done, picture in enumerate(pictures, start=1):
            if done > count or picture.shape != shape_hwc:
                raise ValueError(f"picture {done} of {count}: need {shape_hwc}, got {picture.shape}")
            writer.add(picture[None])
            progress(done)
        if writer.count != count:
            raise ValueError(f"promised {count} pictures, got {writer.count}")


def pack_list(
    files: Sequence[Path],
    labels: npt.ArrayLike | None,
    class_names: Sequence[str],
    target: Path,
    size_px: int | None,
    *,
    jpeg: bool = False,
    progress: Callable[[int], None] = _quiet,
    attributes: Attributes | None = None,
) -> int:
    """Packs picture files with their labels (N,), or None, into `target`; returns how many there are.

    Args:
        size_px: side of the centre square to which pictures are resized; None keeps them as they are, and then
            those that are not stored as JPEGs must be of one size.
        jpeg: store JPEG bytes: the files' own where they are JPEGs and keep their size.
        progress: told how many are done.
        attributes: stored with the file.

    Raises:
        ValueError: a file cannot be read or, unpacked, is of another size than the first.
    """
    numbers = [None] * len(files) if labels is None else np.asarray(labels).tolist()
    made: Attributes = {"size_px": size_px, "resampling": "Pillow bicubic, antialiased"} if size_px else {}
    first = read_resized(files[0], size_px) if size_px else read_rgb(files[0])
    with Hdf5Writer(
        target, first.shape, class_names=class_names, jpeg=jpeg, attributes={**made, **(attributes or {})}
    ) as writer:
        for done, (path, label) in enumerate(zip(files, numbers, strict=True), start=1):
            if jpeg:
                writer.add_bytes(_jpeg_of(path, size_px), label)
            else:
                picture = read_resized(path, size_px) if size_px else read_rgb(path)
                if picture.shape != first.shape:
                    raise ValueError(f"{path} is {picture.shape}, the first {first.shape}: give size_px, or jpeg=True")
                writer.add(picture[None], None if label is None else [label])
            progress(done)
    return writer.count


def _jpeg_of(path: Path, size_px: int | None) -> bytes:
    if size_px is None and (data := path.read_bytes())[:2] == b"\xff\xd8":
        return data
    return encode_jpeg(read_resized(path, size_px) if size_px else read_rgb(path))


def read_list(files: Sequence[Path], size_px: int | None) -> Pictures:
    """Picture files as one array (N, H, W, 3), at `size_px` or as they are.

    Raises:
        ValueError: a file cannot be read, or they differ in size.
    """
    pictures = [read_resized(path, size_px) if size_px else read_rgb(path) for path in files]
    if len({picture.shape for picture in pictures}) > 1:
        raise ValueError("the pictures differ in size: give size_px")
    return np.stack(pictures)


def pack_classes(
    root: Path,
    target: Path,
    size_px: int | None,
    *,
    jpeg: bool = False,
    progress: Callable[[int], None] = _quiet,
) -> int:
    """Packs `root/class/picture.jpg` into `target`, see `pack_list`; returns how many pictures there are."""
    return _pack_listing(root, class_files(root), target, size_px, jpeg, progress)


def pack_folder(folder: Path, target: Path, size: int, progress: Callable[[int], None] = _quiet) -> int:
    """Packs the distinct pictures of a folder at `size` px into `target`; returns how many there are."""
    files = picture_files(folder)
    attributes = {"source": folder.name, "fingerprint": fingerprint(folder, files, size_px=size)}
    return pack_list(drop_repeated(files), None, (), target, size, progress=progress, attributes=attributes)


def packed(
    root: Path,
    target: Path,
    size_px: int | None,
    *,
    jpeg: bool = False,
    progress: Callable[[int], None] = _quiet,
) -> Path:
    """`target`, which `pack_classes` makes unless it was made from `root` as it is now and with these settings.

    The file remembers the names, sizes and times of change of the pictures it was made from.
    """
    return packed_listing(root, class_files(root), target, size_px, jpeg=jpeg, progress=progress)


def packed_listing(
    root: Path,
    listing: Listing,
    target: Path,
    size_px: int | None,
    *,
    jpeg: bool = False,
    progress: Callable[[int], None] = _quiet,
) -> Path:
    """As `packed`, of any files below `root` and with any labels."""
    if not _made_from(target, _mark(root, listing, size_px, jpeg)):
        _pack_listing(root, listing, target, size_px, jpeg, progress)
    return target


def packed_folder(folder: Path, target: Path, size: int, counter: Callable[[int], Counter] | None = None) -> Path:
    """`target`, which `pack_folder` makes unless it was made from `folder` as it is now and with this size.

    Args:
        counter: the number of pictures in the folder -> what is told how many are done; called if there is work.
    """
    files = picture_files(folder)
    if not _made_from(target, fingerprint(folder, files, size_px=size)):
        pack_folder(folder, target, size, counter(len(files)) if counter else _quiet)
    return target


def _pack_listing(
    root: Path, listing: Listing, target: Path, size_px: int | None, jpeg: bool, progress: Callable[[int], None]
) -> int:
    attributes = {"source": root.name, "fingerprint": _mark(root, listing, size_px, jpeg)}
    return pack_list(*listing, target, size_px, jpeg=jpeg, progress=progress, attributes=attributes)


def _mark(root: Path, listing: Listing, size_px: int | None, jpeg: bool) -> str:
    labels, names = listing.labels.tolist(), listing.class_names
    return fingerprint(root, listing.files, size_px=size_px, jpeg=jpeg, labels=labels, class_names=names)


def _made_from(target: Path, mark: str) -> bool:
    if not target.exists():
        return False
    with h5py.File(target, "r", locking=False) as file:
        return bool(file.attrs.get("fingerprint") == mark)
