"""Where each result goes: named and checked before any work begins, so that nothing is lost and nothing overwritten."""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from cvdemo.cli.sources import Found, is_dir
from cvdemo.errors import InputError


def is_folder(output: str) -> bool:
    """Whether OUT is a folder: it exists, or says so by a separator at its end."""
    return is_dir(output) or output.endswith(tuple(sep for sep in (os.sep, os.altsep) if sep))


def targets_for(found: Found, output: str, suffixes: Sequence[str], given: str | None = None) -> list[Path]:
    """Where the result of each picture goes; sub-folders of IN are kept.

    Args:
        suffixes: the endings that a result may have; the first is taken in folders.
        given: another one for folders, of `--format`.

    Raises:
        InputError: OUT has another ending, is a file where IN is a folder, or says another format than `--format`.
    """
    if not output:
        raise InputError("OUT is empty.")
    path = Path(output)
    if is_folder(output) or found.in_folder:
        if os.path.lexists(path) and not is_dir(path):
            raise InputError(f"OUT has to be a folder, as IN is one; {output} is a file.")
        return [path / name for name in result_names([source.place for source in found.sources], given or suffixes[0])]
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f"OUT has to end in {either(suffixes)}, or be a folder (new ones end in {os.sep}); it is {output}."
        )
    if given:
        raise InputError(f"--format is for folders; {output} says its format by its ending. Please leave one out.")
    return [path]


def either(words: Sequence[str]) -> str:
    """The words with commas, and "or" before the last."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def result_names(places: Sequence[Path], suffix: str) -> list[Path]:
    """A name of its own for each result: a.jpg -> a.png, but a.jpg.png where another picture would take a.png.

    Names that differ only by capitals or by how accents are written count as one: some file systems hold only one.
    """
    whole: set[int] = set()  # those that keep their suffix; it grows until no two meet
    while True:
        names = [place.with_name((place.name if n in whole else place.stem) + suffix) for n, place in enumerate(places)]
        keys = [unicodedata.normalize("NFC", str(name)).casefold() for name in names]
        counts = Counter(keys)
        meeting = {n for n, key in enumerate(keys) if counts[key] > 1} - whole
        if not meeting:
            return names
        whole |= meeting


def check_targets(files: Collection[Path], inputs: Collection[Path], *, overwrite: bool) -> None:
    """Looks at every file that is going to be written, before any work.

    Raises:
        InputError: one exists and `overwrite` does not hold, is one of the pictures that are read, is a folder, or is
            in a folder that cannot be written to.
    """
    existing = sorted(file for file in files if os.path.lexists(file))
    read = {identity for path in inputs if (identity := _identity(path))}
    for file in existing:
        if is_dir(file):
            raise InputError(f"{file} cannot be written: it is a folder.")
        if _identity(file) in read:
            raise InputError(f"The result would overwrite {file}: give another OUT.")
    if existing and not overwrite:
        count = f"{len(existing)} results exist already, such as" if len(existing) > 1 else "There is already"
        raise InputError(f"{count} {existing[0]}: give another OUT, or --overwrite.")
    for folder in {file.parent for file in files}:
        _check_folder(folder)


def _identity(path: Path) -> tuple[int, int] | None:
    """The file behind a path, whatever its names and links; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _check_folder(folder: Path) -> None:
    """Raises `InputError` unless the folder, or the nearest above it that exists, can be written to."""
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not is_dir(nearest):
        raise InputError(f"{folder} cannot be written: {nearest} is not a folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be written: {nearest} does not permit it.")
