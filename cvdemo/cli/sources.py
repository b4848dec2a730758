"""Which pictures a command line means: one, those of a folder, or standard input."""

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, ImageArray, is_system, read_image
from cvdemo.limits import FILE_BYTES
from cvdemo.picture_files.jpeg_quality import jpeg_quality

STDIO = "-"
NAMED_AT_MOST = 5  # names in a note; of more, only the number is told


@dataclass(frozen=True)
class Source:
    """One picture: its file, None for standard input, and its place below IN."""

    path: Path | None
    place: Path

    @property
    def label(self) -> str:
        """What messages call it."""
        return "standard input" if self.path is None else str(self.place)


@dataclass(frozen=True)
class Found:
    """The pictures that IN means.

    Attributes:
        in_folder: whether IN is a folder.
        notes: what was skipped, for each reason one line.
        failures: what could not be looked into, one line each.
    """

    sources: list[Source] = field(default_factory=list)
    in_folder: bool = False
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def find_pictures(source: str, output: str | None = None, *, recursive: bool = False) -> Found:
    """Standard input, the one picture, or those of a folder in the order of their names.

    Args:
        source: IN. output: OUT; where it is a folder below IN, its pictures are results and not looked at.
        recursive: goes into sub-folders; not into linked ones, which may lead in circles.

    Raises:
        InputError: there is no such file, or the folder holds no picture or cannot be read.
    """
    if not source:
        raise InputError("IN is empty.")
    if source == STDIO:
        return Found([Source(None, Path("stdin"))])
    if is_dir(source):
        return _in_folder(source, output, recursive)
    try:
        os.lstat(source)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"There is no file or folder {source}.") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.") from error
    return Found([Source(Path(source), Path(Path(source).name))])


def _in_folder(source: str, output: str | None, recursive: bool) -> Found:
    found = Found(in_folder=True)
    skipped: dict[str, list[str]] = {}
    top = Path(source)

    def failed(error: OSError) -> None:
        found.failures.append(f"{error.filename}: The folder cannot be read: {error.strerror}.")

    for parent, folders, files in os.walk(source, onerror=failed):
        here = Path(parent)
        entered = []
        for name in sorted(folders):
            reason = _why_not_entered(here / name, output, recursive)
            if reason is None:
                entered.append(name)
            elif reason:
                skipped.setdefault(reason, []).append(str((here / name).relative_to(top)))
        folders[:] = entered
        for name in sorted(name for name in files if not is_system(name)):
            place = (here / name).relative_to(top)
            if place.suffix.lower() in PICTURE_SUFFIXES:
                found.sources.append(Source(here / name, place))
            else:
                skipped.setdefault("Skipped, since they do not end like pictures", []).append(str(place))
    found.notes.extend(f"{reason}: {_listed(names)}." for reason, names in skipped.items())
    if not found.sources:
        raise InputError(_nothing_in(source, found))
    return found


def _why_not_entered(folder: Path, output: str | None, recursive: bool) -> str | None:
    """Why a sub-folder is left out: an empty text where that needs no words, None where it is gone into."""
    if is_system(folder.name) or (not recursive and folder.suffix.lower() in PICTURE_SUFFIXES):
        return ""
    if output not in (None, "", STDIO) and is_dir(str(output)) and folder.samefile(str(output)):
        return "Left out, since the results go there"
    if not recursive:
        return "Sub-folders are skipped without --recursive"
    return "Links to folders are not followed" if folder.is_symlink() else None


def is_dir(path: str | Path) -> bool:
    """`Path.is_dir`; False, too, for what cannot be looked at: a name too long, behind a folder that is closed."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    return f"{shown} and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else shown


def _nothing_in(source: str, found: Found) -> str:
    """One sentence for a folder that gives no picture, with the reason where there is one."""
    return (
        found.failures[0]
        if found.failures
        else " ".join([f"There is no picture in the folder {source}.", *found.notes])
    )


@dataclass(frozen=True)
class Sent:
    """A picture, and the quality of the JPEG it came in, 1 to 100; None where it was another kind of file."""

    image: ImageArray
    jpeg_quality: int | None = None


def read_sent(path: Path | None, *, keep_alpha: bool = False) -> Sent:
    """As `read_picture`, with what is to be known of the file."""
    data = _bytes_of(path)
    return Sent(read_image(data, keep_alpha=keep_alpha), jpeg_quality(data))


def read_picture(path: Path | None, *, enough_px: int | None = None) -> ImageArray:
    """`read_image` of a file, or of standard input for None.

    Raises:
        InputError: there is no such file, or it cannot be read or used.
    """
    return read_image(_bytes_of(path), enough_px=enough_px)


def _bytes_of(path: Path | None) -> bytes:
    """What is in a file, or in standard input for None.

    Raises:
        InputError: there is no such file, or it cannot be read, or is too large.
    """
    try:
        data = _standard_input() if path is None else _content(path)
    except FileNotFoundError as error:
        leads_nowhere = path is not None and path.is_symlink()
        reason = "The link leads nowhere." if leads_nowhere else f"There is no file {path}."
        raise InputError(reason) from error
    except OSError as error:
        raise InputError(f"The file cannot be read: {error.strerror or error}.") from error
    if len(data) > FILE_BYTES:
        raise InputError(f"The file is larger than {FILE_BYTES >> 20} MB.")
    return data


def _content(path: Path) -> bytes:
    """Of a regular file only: reading a pipe or a device may never end."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} is a folder.")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path} is not a regular file; a pipe can be given as {STDIO}, for standard input.")
    with path.open("rb") as file:
        return file.read(FILE_BYTES + 1)


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise InputError("There is no standard input.")
    return sys.stdin.buffer.read(FILE_BYTES + 1)


def read_other(what: str, source: str) -> ImageArray:
    """A picture beside IN, or standard input; `what` says which one it is.

    Raises:
        InputError: it cannot be read or used.
    """
    try:
        return read_picture(None if source == STDIO else Path(source))
    except InputError as error:
        raise InputError(f"The {what}, {source}: {error}") from error
