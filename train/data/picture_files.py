"""What a picture file and a class folder are: one rule, for every reader of `train`.

| | |
|---|---|
| picture | a file with one of the suffixes of `cvdemo.images.PICTURE_SUFFIXES`, in whatever case |
| class folder | a folder in the root, named as its class, with pictures in it or in folders below it |
| neither | what is hidden or an operating system's, at any depth: `.x`, `._x`, `__MACOSX`, `Thumbs.db`, `desktop.ini` |

A folder is never a picture, whatever its name: what lies in it counts. What is passed over is counted by its kind and
told in one line on standard error, so that no picture vanishes unseen.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from cvdemo.images import PICTURE_SUFFIXES, is_system
from train.engine.distributed import is_main

LISTED = 10  # names in a message; more are counted
_KINDS_SHOWN = 6  # kinds in the line on what is passed over


class Listing(NamedTuple):
    """Picture files with their labels (N,) int64, indices into `class_names`."""

    files: list[Path]
    labels: npt.NDArray[np.int64]
    class_names: list[str]


def is_picture(path: Path) -> bool:
    """Whether a path is a picture file."""
    return not is_system(path.name) and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file()


def picture_files(folder: Path) -> list[Path]:
    """Picture files below `folder`, sorted by path; what else lies there is told.

    Raises:
        NotADirectoryError: `folder` is a file.
        FileNotFoundError: it is not there, or holds no pictures.
    """
    check_folder(folder)
    files, passed = _found(folder)
    report_passed_over(folder, passed)
    if not files:
        raise FileNotFoundError(f"no pictures below {folder} ({counted_kinds(passed) or 'it is empty'})")
    return files


def class_files(root: Path) -> Listing:
    """Files of `root/class/.../picture.jpg` with the names of the folders as classes, in the order of their names.

    Raises:
        NotADirectoryError: `root` is a file.
        FileNotFoundError: it is not there, has no folders, or some of them hold no pictures.
    """
    check_folder(root)
    inside = sorted(root.iterdir())
    passed = Counter(kind_of(path) for path in inside if not _may_be_class(path))
    if passed["picture files"]:
        passed["pictures outside of the class folders"] = passed.pop("picture files")
    by_class: dict[Path, list[Path]] = {}
    for folder in filter(_may_be_class, inside):
        by_class[folder], below = _found(folder)
        passed += below
        if not by_class[folder] and folder.suffix.lower() in PICTURE_SUFFIXES:
            del by_class[folder]
            passed["folders named like pictures"] += 1
    report_passed_over(root, passed)
    if not by_class:
        raise FileNotFoundError(f"no class folders in {root} ({counted_kinds(passed) or 'it is empty'})")
    if empty := [str(folder) for folder, files in by_class.items() if not files]:
        raise FileNotFoundError(f"no pictures below {listed(empty)} ({counted_kinds(passed) or 'nothing is there'})")
    labels = np.repeat(np.arange(len(by_class)), [len(files) for files in by_class.values()])
    return Listing([path for files in by_class.values() for path in files], labels, [path.name for path in by_class])


def check_folder(folder: Path) -> None:
    """Makes sure that a folder is one.

    Raises:
        NotADirectoryError: it is a file.
        FileNotFoundError: it is not there.
    """
    if not folder.is_dir():
        if folder.exists():
            raise NotADirectoryError(f"{folder} is a file, where a folder is needed")
        raise FileNotFoundError(f"no folder {folder}")


def _may_be_class(path: Path) -> bool:
    return path.is_dir() and not is_system(path.name)


def _found(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Pictures below a folder, sorted, and how many files and folders of each kind are passed over."""
    files: list[Path] = []
    passed: Counter[str] = Counter()
    for place, folders, names in os.walk(folder, onerror=_raise):
        for name in [name for name in folders if is_system(name) or Path(place, name).is_symlink()]:
            folders.remove(name)  # os.walk does not enter it then
            passed["hidden or system files" if is_system(name) else "links to folders"] += 1
        for path in (Path(place, name) for name in names):
            if is_picture(path):
                files.append(path)
            else:
                passed[kind_of(path)] += 1
        empty = not folders and not names
        if empty and Path(place) != folder and Path(place).suffix.lower() in PICTURE_SUFFIXES:
            passed["folders named like pictures"] += 1
    return sorted(files), passed


def kind_of(path: Path) -> str:
    """In words, what a path is that is no class folder and, in one, no picture."""
    if is_system(path.name):
        return "hidden or system files"
    if path.is_symlink() and not path.exists():
        return "broken links"
    if path.is_dir():
        return "folders"
    if is_picture(path):
        return "picture files"
    return f"{path.suffix.lower()} files" if path.suffix else "files without a suffix"


def counted_kinds(passed: Counter[str]) -> str:
    """What is passed over, the most frequent first: .txt files (12), hidden or system files (2)."""
    kinds = [f"{kind} ({count})" for kind, count in passed.most_common(_KINDS_SHOWN) if count]
    others = sum(passed.values()) - sum(count for _, count in passed.most_common(_KINDS_SHOWN))
    return ", ".join(kinds + ([f"others ({others})"] if others else []))


def report_passed_over(folder: Path, passed: Counter[str]) -> None:
    """Tells what is passed over in a folder, where anything is."""
    if any(passed.values()) and is_main():
        _say_once(f"{folder}: passed over {counted_kinds(passed)}")


@lru_cache(maxsize=1024)
def _say_once(text: str) -> None:
    """Writes a line to standard error; a run lists the same folder several times."""
    print(text, file=sys.stderr, flush=True)


def listed(names: Sequence[str]) -> str:
    """The names in one line, as many as fit; the others as a number."""
    more = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {more} more" if more > 0 else "")


def _raise(error: OSError) -> NoReturn:
    raise error
