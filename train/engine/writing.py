"""Files written whole or not at all, what stands in the way told in one sentence, and a place for what is kept.

A full disk, a folder that is read-only, a file where a folder should be: a person can mend each of these, so each is
one sentence (`sentence`), said where the command line turns errors into sentences.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import torch

from cvdemo import whole_files

PARTIAL = ".partial"  # behind the name of a file that is being written

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
DISK = _FULL | _READ_ONLY  # errors of this machine's disk, not of a network


def write_whole(target: Path, data: bytes, partial: str = PARTIAL) -> None:
    """Replaces `target` by `data`: at every moment it is the old file or the whole new one, on the disk.

    Args:
        partial: behind the name while it is written; of a name that several processes write, one for each.

    Raises:
        OSError: it cannot be written; nothing of it remains then.
    """
    try:
        whole_files.write_whole(target, data, suffix=partial, on_disk=True)
    except OSError as error:
        raise named(error, target) from error


def as_bytes(state: Any) -> bytes:
    """What `torch.save` writes; in memory first, because on a full disk it hides the error behind one of its own."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


def named(error: OSError, path: Path) -> OSError:
    """The same error with a file's name; those of HDF5 and of `write` have none."""
    return type(error)(error.errno, error.strerror, str(path)) if error.errno and not error.filename else error


def make_folder(folder: Path) -> None:
    """Makes the folder and those above it, and tries to write in it.

    Raises:
        NotADirectoryError: it, or one above it, is a file.
        OSError: it cannot be made or written.
    """
    for path in (folder, *folder.parents):
        if path.exists():
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            break
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


def can_write_in(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return os.access(folder, os.W_OK)


def kept_at(beside: Path, cache: Path | None) -> Path | None:
    """Where something made from data is kept: at `beside`, or under its name in `cache`.

    Args:
        beside: next to the data, the first choice.
        cache: folder for it where that one cannot be written, as on a read-only disk; None: there is none.

    Returns:
        None where neither can be written.
    """
    if can_write_in(beside.parent):
        return beside
    if cache is None:
        return None
    cache.mkdir(parents=True, exist_ok=True)
    return cache / beside.name


def sentence(error: OSError) -> str:
    """What went wrong with a file, in one sentence that says what to do."""
    if error.errno is None:  # said by this project
        return str(error)
    path = error.filename or "a file"
    if error.errno in _FULL:
        return f"the disk is full, or a limit on its use is reached: {path} was not written; make room and try again"
    if error.errno in _READ_ONLY:
        return f"{path} cannot be read or written: {error.strerror}; give a folder that can be"
    if isinstance(error, NotADirectoryError):
        return f"{path} is a file, where a folder is needed"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, where a file is needed"
    return str(error)
