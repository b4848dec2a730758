"""Pictures packed into HDF5 files: from class folders, from lists of files, from arrays; again when they changed."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from train.data.hdf5_writer import Hdf5Writer, encode_jpeg
from train.data.read_pictures import (
    Listing,
    Pictures,
    class_files,
    drop_repeated,
    each_read,
    fingerprint,
    picture_files,
    read_resized,
    read_rgb,
)

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
    centre: float = 1.0,
    jpeg: bool = False,
    progress: Callable[[int], None] = _quiet,
    attributes: Attributes | None = None,
) -> int:
    """Packs picture files with their labels (N,), or None, into `target`; returns how many there are.

    Args:
        size_px: side of the centre square to which pictures are resized; None keeps them as they are, and then
            those that are not stored as JPEGs must be of one size.
        centre: side of that square, as a share of the shorter side.
        jpeg: store JPEG bytes: the files' own where they are JPEGs and keep their size.
        progress: told how many are done.
        attributes: stored with the file.

    Raises:
        ValueError: files cannot be read or, unpacked, are of another size than the first; all of them are listed.
    """
    numbers = np.full(len(files), -1) if labels is None else np.asarray(labels)
    resized: Attributes = {"size_px": size_px, "resampling": "Pillow bicubic, antialiased"} if size_px else {}
    made = {**resized, **_unless_whole(centre), **(attributes or {})}
    shape = (size_px, size_px, 3) if size_px else _first_shape(files)
    with Hdf5Writer(target, shape, class_names=class_names, jpeg=jpeg, attributes=made) as writer:
        read = each_read(files, _reading(size_px, None if jpeg else shape, centre))
        for done, (path, picture) in enumerate(zip(files, read, strict=True), start=1):
            label = None if labels is None else int(numbers[done - 1])
            if jpeg:
                writer.add_bytes(_jpeg_of(path, picture, size_px), label)
            else:
                writer.add(picture[None], None if label is None else [label])
            progress(done)
    return writer.count


def _reading(size_px: int | None, shape: tuple[int, ...] | None, centre: float = 1.0) -> Callable[[Path], Pictures]:
    """How a file is read: at `size_px`, or as it is and then of `shape` if one is given."""

    def read(path: Path) -> Pictures:
        picture = read_resized(path, size_px, centre) if size_px else read_rgb(path)
        if shape and picture.shape != shape:
            raise ValueError(f"{path} is {picture.shape}, the first {shape}: give size_px, or jpeg=True")
        return picture

    return read


def _first_shape(files: Sequence[Path]) -> tuple[int, int, int]:
    """The shape of the first picture that can be read; (1, 1, 3) where none can."""
    for path in files:
        try:
            height, width, channels = read_rgb(path).shape
        except (ValueError, OSError):  # each_read lists it
            continue
        return height, width, channels
    return 1, 1, 3


def _jpeg_of(path: Path, picture: Pictures, size_px: int | None) -> bytes:
    if size_px is None and (data := path.read_bytes())[:2] == b"\xff\xd8":
        return data
    return encode_jpeg(picture)


def read_list(files: Sequence[Path], size_px: int | None, centre: float = 1.0) -> Pictures:
    """Picture files as one array (N, H, W, 3), at `size_px` or as they are; for `centre` see `pack_list`.

    Raises:
        ValueError: files cannot be read, all of which are listed, or they differ in size.
    """
    pictures = list(each_read(files, _reading(size_px, None, centre)))
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


def pack_folder(
    folder: Path, target: Path, size: int, progress: Callable[[int], None] = _quiet, *, centre: float = 1.0
) -> int:
    """Packs the distinct pictures of a folder at `size` px into `target`; returns how many there are.

    Args:
        centre: see `pack_list`.
    """
    files = picture_files(folder)
    attributes = {"source": folder.name, "fingerprint": _folder_mark(folder, size, centre)}
    distinct = drop_repeated(files)
    return pack_list(distinct, None, (), target, size, centre=centre, progress=progress, attributes=attributes)


def _folder_mark(folder: Path, size: int, centre: float) -> str:
    return fingerprint(folder, picture_files(folder), size_px=size, **_unless_whole(centre))


def _unless_whole(centre: float) -> dict[str, float]:
    """What is remembered of the share that was cut out; nothing of the largest square, as in files made before."""
    return {} if centre == 1 else {"centre": centre}


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
    if not made_from(target, _mark(root, listing, size_px, jpeg)):
        _pack_listing(root, listing, target, size_px, jpeg, progress)
    return target


def packed_folder(
    folder: Path,
    target: Path,
    size: int,
    counter: Callable[[int], Counter] | None = None,
    *,
    centre: float = 1.0,
) -> Path:
    """`target`, which `pack_folder` makes unless it was made from `folder` as it is now and with these settings.

    Args:
        counter: the number of pictures in the folder -> what is told how many are done; called if there is work.
        centre: see `pack_list`.
    """
    if not folder_is_packed(folder, target, size, centre=centre):
        count = len(picture_files(folder))
        pack_folder(folder, target, size, counter(count) if counter else _quiet, centre=centre)
    return target


def folder_is_packed(folder: Path, target: Path, size: int, *, centre: float = 1.0) -> bool:
    """Whether `packed_folder` would find its work done."""
    return made_from(target, _folder_mark(folder, size, centre))


def is_packed(root: Path, listing: Listing, target: Path, size_px: int | None) -> bool:
    """Whether `packed_listing` would find its work done."""
    return made_from(target, _mark(root, listing, size_px, jpeg=False))


def _pack_listing(
    root: Path, listing: Listing, target: Path, size_px: int | None, jpeg: bool, progress: Callable[[int], None]
) -> int:
    attributes = {"source": root.name, "fingerprint": _mark(root, listing, size_px, jpeg)}
    return pack_list(*listing, target, size_px, jpeg=jpeg, progress=progress, attributes=attributes)


def _mark(root: Path, listing: Listing, size_px: int | None, jpeg: bool) -> str:
    labels, names = listing.labels.tolist(), listing.class_names
    return fingerprint(root, listing.files, size_px=size_px, jpeg=jpeg, labels=labels, class_names=names)


def made_from(target: Path, mark: str) -> bool:
    """Whether an HDF5 file is there and has this fingerprint; one that is cut off is told of, and is as if not there.

    Raises:
        PermissionError: it cannot be read, so that it could not be replaced either.
    """
    if not target.exists():
        return False
    try:
        with h5py.File(target, "r", locking=False) as file:
            return bool(file.attrs.get("fingerprint") == mark)
    except PermissionError:
        raise
    except OSError as error:  # HDF5's answer to a file that is cut off or none of its own
        warnings.warn(f"{target} is cut off or damaged, and is made again ({_short(error)})", stacklevel=2)
        return False


def _short(error: OSError) -> str:
    return str(error).splitlines()[0][:120]
