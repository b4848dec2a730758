"""Which files of a selection or a folder are worked on, how their results are called, and the ZIP that holds them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, is_system
from cvdemo.ui.serving.page_folder import ROOM
from cvdemo.ui.serving.results import download_path


def chosen_pictures(files: Sequence[str] | None, most: int) -> list[str]:
    """The paths that are worth trying, by name: without what is hidden, and what another ending tells to be no picture.

    Raises:
        InputError: there are none, or more than `most`.
    """
    usable = (str(path) for path in files or () if _may_be_a_picture(Path(path).name))
    paths = sorted(dict.fromkeys(usable), key=lambda path: Path(path).name)
    if not paths:
        raise InputError("Please choose some pictures first, or a folder that holds some.")
    if len(paths) > most:
        raise InputError(f"You chose {len(paths)} pictures; the limit is {most}.")
    return paths


def _may_be_a_picture(name: str) -> bool:
    """A name without an ending may be that of a picture; whether it is one is told by its bytes."""
    suffix = Path(name).suffix.lower()
    return not is_system(name) and (not suffix or suffix in PICTURE_SUFFIXES)


def count_of(pictures: int) -> str:
    """The number with its word."""
    return f"{pictures} picture{'s' * (pictures != 1)}"


def unique_names(names: Sequence[str]) -> list[str]:
    """The file names, each stem once: of two "cat" the second is "cat_2"."""
    taken: dict[str, str] = {}  # by stem, without case: some systems know no other names
    for name in names:
        stem, number = Path(name).stem, 1
        while (unique := stem if number == 1 else f"{stem}_{number}").casefold() in taken:
            number += 1
        taken[unique.casefold()] = unique + Path(name).suffix
    return list(taken.values())


class Archive:
    """A ZIP in the page's folder that is whole after every file that is added, so that it can be had at any time.

    The files are packed already: PNG, JPEG, short texts.

    Args:
        name: of the ZIP.
    """

    def __init__(self, name: str) -> None:
        self.path = download_path(name)

    def add(self, name: str, content: bytes) -> None:
        """Writes one more file.

        Raises:
            RoomError: the page's folder has no room for it.
        """
        ROOM.check(len(content))
        with zipfile.ZipFile(self.path, "a", zipfile.ZIP_STORED) as archive:
            archive.writestr(name, content)


def zipped(name: str, files: Mapping[str, bytes]) -> str:
    """The path of a new ZIP of these files."""
    archive = Archive(name)
    for each, content in files.items():
        archive.add(each, content)
    return str(archive.path)
