"""Which pictures a command line means: litter is silent, what else is skipped is named, nothing stops the others."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvdemo.cli import sources as cli_files
from cvdemo.cli.sources import find_pictures, read_picture
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from tests.helpers.png_files import save_png


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*names: str) -> None:
    """Files of no matter what, by their places; those that end in / are folders."""
    for name in names:
        path = Path(name)
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")


def places(found: cli_files.Found) -> list[str]:
    return [str(source.place) for source in found.sources]


@pytest.mark.parametrize("recursive", [False, True])
def test_litter_is_skipped_in_silence(here: Path, recursive: bool) -> None:
    make("in/b.PNG", "in/a.jfif", "in/.a.png", "in/._a.jfif", "in/.DS_Store", "in/Thumbs.db", "in/DESKTOP.INI")
    make("in/__MACOSX/._a.png", "in/.thumbnails/a.png", "in/@eaDir/a.png")
    found = find_pictures("in", recursive=recursive)
    assert places(found) == ["a.jfif", "b.PNG"]
    assert found.in_folder and not found.notes and not found.failures


def test_folders_named_like_pictures_are_no_pictures(here: Path) -> None:
    make("in/a.png", "in/album.jpg/b.png")
    found = find_pictures("in")
    assert places(found) == ["a.png"] and not found.notes
    assert places(find_pictures("in", recursive=True)) == ["a.png", "album.jpg/b.png"]


def test_what_else_is_skipped_is_named(here: Path) -> None:
    make("in/a.png", "in/notes.txt", "in/LICENSE", "in/holiday/b.png")
    assert find_pictures("in").notes == [
        "Sub-folders are skipped without --recursive: holiday.",
        "Skipped, since they do not end like pictures: LICENSE, notes.txt.",
    ]
    assert find_pictures("in", recursive=True).notes == [
        "Skipped, since they do not end like pictures: LICENSE, notes.txt."
    ]


def test_many_that_are_skipped_are_counted(here: Path) -> None:
    make("in/a.png", *(f"in/{n}.txt" for n in range(9)))
    (note,) = find_pictures("in").notes
    assert note.endswith("pictures: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more.")


def test_recursion_leaves_out_results_and_links_to_folders(here: Path) -> None:
    make("in/a.png", "in/one/b.png", "in/one/two/c.png", "in/larger/a.png")
    Path("in/one/up").symlink_to("..")
    found = find_pictures("in", "in/larger", recursive=True)
    assert places(found) == ["a.png", "one/b.png", "one/two/c.png"]
    assert found.notes == [
        "Left out, since the results go there: larger.",
        "Links to folders are not followed: one/up.",
    ]
    assert [source.path for source in found.sources][1] == Path("in/one/b.png")


def test_names_that_are_not_utf_8_and_broken_links_are_pictures(here: Path) -> None:
    make("in/caf\udce9.png")
    Path("in/link.png").symlink_to("gone")
    assert places(find_pictures("in")) == ["caf\udce9.png", "link.png"]


def test_a_folder_that_cannot_be_read_fails_alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make("in/a.png", "in/closed/b.png", "in/open/c.png")
    scandir: Callable[..., Any] = os.scandir

    def guarded(path: str) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = find_pictures("in", recursive=True)
    assert places(found) == ["a.png", "open/c.png"]
    assert found.failures == ["in/closed: The folder cannot be read: Permission denied."]
    with pytest.raises(InputError, match=r"^in/closed: The folder cannot be read: Permission denied\.$"):
        find_pictures("in/closed")


def test_one_picture_is_itself_whatever_it_is_called(here: Path) -> None:
    make(".hidden", "in/a")
    assert places(find_pictures(".hidden")) == [".hidden"]
    (source,) = find_pictures("in/a").sources
    assert (source.path, source.label) == (Path("in/a"), "a")
    assert find_pictures("-").sources[0].label == "standard input"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", r"^IN is empty\.$"),
        ("gone.png", r"^There is no file or folder gone\.png\.$"),
        ("a.png/b.png", r"^There is no file or folder a\.png/b\.png\.$"),
        ("x" * 300, "cannot be read: File name too long"),
        ("texts", r"^There is no picture in the folder texts\. Skipped, .*: b\.txt\.$"),
        ("outer", r"^There is no picture in the folder outer\. Sub-folders are skipped without --recursive: inner\.$"),
    ],
)
def test_what_gives_no_picture(source: str, sentence: str, here: Path) -> None:
    make("a.png", "texts/b.txt", "outer/inner/c.png")
    with pytest.raises(InputError, match=sentence):
        find_pictures(source)


def test_a_picture_is_read_from_a_file_or_from_standard_input(
    noise: ImageArray, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_png(noise, "a.png")
    np.testing.assert_array_equal(read_picture(Path("a.png")), noise)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path("a.png").read_bytes())))
    np.testing.assert_array_equal(read_picture(None), noise)


def test_what_cannot_be_read_is_one_sentence(noise: ImageArray, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_png(noise, "a.png")
    Path("link.png").symlink_to("gone")
    Path("loop.png").symlink_to("loop.png")
    os.mkfifo("pipe.png")
    Path("folder.png").mkdir()
    for name, sentence in {
        "gone.png": r"^There is no file gone\.png\.$",
        "link.png": r"^The link leads nowhere\.$",
        "loop.png": r"^The file cannot be read: Too many levels of symbolic links\.$",
        "pipe.png": r"^pipe\.png is not a regular file",
        "folder.png": r"^folder\.png is a folder\.$",
        "a.png/b.png": r"^The file cannot be read: Not a directory\.$",
    }.items():
        with pytest.raises(InputError, match=sentence):
            read_picture(Path(name))
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match="There is no standard input"):
        read_picture(None)


def test_no_more_is_read_than_a_picture_can_need(
    noise: ImageArray, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_png(noise, "a.png")
    monkeypatch.setattr(cli_files, "FILE_BYTES", 1 << 12)
    with pytest.raises(InputError, match="larger than"):
        read_picture(Path("a.png"))

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return len(buffer)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(InputError, match="larger than"):
        read_picture(None)
