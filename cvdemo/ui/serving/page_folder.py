"""The page's folder of uploads and results: where it lies, how much it may hold, and when it is cleared.

Each running page has a folder of its own, `cvdemo-TOKEN`, inside GRADIO_TEMP_DIR or else the system's folder for
temporary files, which other programs share. A lock file beside it says that its page is running. So a page that starts
can tell what former pages left, and sweeps that once it is older than `KEEP_FILES_S`; its own folder goes when it ends.

Gradio tells visitors the paths of their files. So that these say nothing of the machine, the folder is reached through
a link in the system's folder for temporary files where its own path might, which is wherever GRADIO_TEMP_DIR is set.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.to_thread
from filelock import FileLock, Timeout
from gradio.utils import get_upload_folder

from cvdemo.errors import RoomError
from cvdemo.limits import FILES_BYTES, KEEP_FILES_S, UNFINISHED_S

SWEEP_EVERY_S = 300
CLOSING_TRIES = 100  # of removing the page's folder, 0.05 s apart
MEASURE_EVERY_S = 1.0  # measuring takes 10 ms for 1,000 files
FULL = "The page holds as many pictures as it can at the moment. Please try again in a few minutes."
PREFIX = "cvdemo-"
# The rest of the names of folders in which films are written: a kind, and what Python's `tempfile` puts behind it.
WORK = re.compile(r"(dream|video|walk|motion)-[a-z0-9_]{8}")


@dataclass
class PageFolder:
    """The folder of one running page.

    Attributes:
        path: as gradio and the visitors know it.
        real: where it lies.
        kept: files of the page itself, such as the example pictures, which no sweep removes.
    """

    path: Path
    real: Path
    lock: FileLock
    kept: set[str] = field(default_factory=set)

    def keep_what_is_there(self) -> None:
        """What lies in the folder now, before the first visitor, stays until the page ends."""
        self.kept = {str(path) for path in _files(self.real)}

    def sweep(self) -> None:
        """Removes this page's files, and those of pages that have ended, which are older than `KEEP_FILES_S`.

        Films are written in the system's folder for temporary files, wherever the page's own is.
        """
        _remove_old(self.real, self.kept)
        for former in self.real.parent.glob(f"{PREFIX}*"):
            is_folder = former.is_dir() and not former.is_symlink() and former != self.real
            if is_folder and "-" not in former.name.removeprefix(PREFIX):
                _sweep_former(former)
        for place in {self.real.parent, Path(tempfile.gettempdir()).resolve()}:
            for folder in place.glob(f"{PREFIX}*"):
                if WORK.fullmatch(folder.name.removeprefix(PREFIX)) and _is_ours(folder):
                    _sweep_work(folder)
        _remove_dead_links(self.path.parent)

    @asynccontextmanager
    async def sweeping(self, app: Any) -> AsyncIterator[None]:
        """While the server `app` lives, sweeps every `SWEEP_EVERY_S`."""

        async def sweep_again_and_again() -> None:
            while True:
                await asyncio.sleep(SWEEP_EVERY_S)
                await anyio.to_thread.run_sync(self.sweep)

        task = asyncio.create_task(sweep_again_and_again())
        try:
            yield
        finally:
            task.cancel()

    def close(self) -> None:
        """Removes the folder with everything in it.

        A job in the middle of a step may still write a file. Then its folder is not empty, and all is removed again.
        """
        for _ in range(CLOSING_TRIES):
            shutil.rmtree(self.real, ignore_errors=True)
            if not self.real.exists():
                break
            time.sleep(0.05)
        if self.path != self.real:
            self.path.unlink(missing_ok=True)
        self.lock.release()
        _lock_path(self.real).unlink(missing_ok=True)


def open_folder() -> PageFolder:
    """A new folder for this page, from now on the one that gradio uses; former pages' old files are swept."""
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir()).resolve()
    real = parent / f"{PREFIX}{secrets.token_hex(8)}"
    parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_path(real))
    lock.acquire()  # before the folder is there: another page's sweep would take it for one that was left
    real.mkdir(mode=0o700)
    folder = PageFolder(_public_path(real), real, lock)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.path)
    folder.sweep()
    return folder


def _public_path(real: Path) -> Path:
    """The path under which `real` is known: itself, or a link to it whose path says nothing of the machine."""
    for neutral in dict.fromkeys((Path(tempfile.gettempdir()).resolve(), Path("/tmp"), Path("/var/tmp"))):
        if real.parent == neutral and not _tells(neutral):
            return real
        if not _tells(neutral) and os.access(neutral, os.W_OK):
            with contextlib.suppress(OSError, NotImplementedError):  # no links on this system: the path as it is
                link = neutral / real.name
                link.symlink_to(real, target_is_directory=True)
                return link
    return real


def _tells(path: Path) -> bool:
    """Whether a path leads into somebody's home or into this project."""
    project = Path(__file__).resolve().parents[3]
    homes = [home for home in (Path.home(), project) if home != Path(home.anchor)]
    return any(path == home or home in path.parents for home in homes)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)


def _remove_old(folder: Path, kept: set[str]) -> None:
    """Files older than `KEEP_FILES_S`, uploads that were cut off, and the folders that this leaves empty."""
    now = time.time()
    for path in _files(folder):
        limit_s = UNFINISHED_S if path.parent == folder else KEEP_FILES_S
        with contextlib.suppress(OSError):  # another sweep was faster
            if str(path) not in kept and now - path.lstat().st_mtime > limit_s:
                path.unlink()
    for parent, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # not empty, or just made for a file to come
            if Path(parent) != folder and now - Path(parent).lstat().st_mtime > KEEP_FILES_S:
                Path(parent).rmdir()


def _sweep_former(folder: Path) -> None:
    """Old files of a page that has ended, and its folder once it is empty; nothing where the page is running."""
    lock = FileLock(_lock_path(folder))
    try:
        lock.acquire(blocking=False)
    except (Timeout, OSError):  # running, or another user's
        return
    try:
        _remove_old(folder, set())
        if not any(_files(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            _lock_path(folder).unlink(missing_ok=True)
    finally:
        lock.release()


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder, no link to one, of the user for whom the page runs."""
    try:
        told = folder.lstat()
    except OSError:  # just removed
        return False
    return stat.S_ISDIR(told.st_mode) and (os.name == "nt" or told.st_uid == os.getuid())


def _sweep_work(folder: Path) -> None:
    """The folder in which somebody writes a film, `cvdemo-dream-...`: removed once nothing in it is young.

    It is empty until the first frames are encoded, and has no lock: no film takes as long as `KEEP_FILES_S`.
    """
    with contextlib.suppress(OSError):  # the film is done, and the folder gone
        youngest = max(path.lstat().st_mtime for path in (folder, *_files(folder)))
        if time.time() - youngest > KEEP_FILES_S:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_dead_links(folder: Path) -> None:
    for link in folder.glob(f"{PREFIX}*"):
        if link.is_symlink() and not link.exists():
            with contextlib.suppress(OSError):  # another user's
                link.unlink()


class Room:
    """How much the page's folder holds, measured at most once in `MEASURE_EVERY_S`."""

    def __init__(self) -> None:
        self._measured_at = float("-inf")
        self._used = 0

    def check(self, more_bytes: int = 0, *, anew: bool = False) -> None:
        """Raises `RoomError` where `more_bytes` do not fit any more; else counts them until the next measurement.

        Args:
            anew: measures in any case: something of a size that nobody knew has just been written.
        """
        now = time.monotonic()
        if anew or now - self._measured_at > MEASURE_EVERY_S:
            self._used, self._measured_at = folder_bytes(Path(get_upload_folder())), now
        if self._used + more_bytes > FILES_BYTES:
            raise RoomError(FULL)
        self._used += more_bytes


def folder_bytes(folder: Path) -> int:
    """The size of all files in a folder."""
    total = 0
    for path in _files(folder):
        with contextlib.suppress(OSError):  # just removed
            total += path.lstat().st_size
    return total


ROOM = Room()
