"""Which files of a selection or a folder are taken, how results are called, and a ZIP that is always whole."""

import zipfile
from pathlib import Path

import pytest

from cvdemo.errors import InputError, RoomError
from cvdemo.ui.several import files as several_files
from cvdemo.ui.several.files import Archive, chosen_pictures, unique_names, zipped


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "Please choose some pictures first"),
        (["notes.txt", ".hidden.jpg", "Thumbs.db"], "Please choose some pictures first"),
        ([f"{number}.jpg" for number in range(31)], "You chose 31 pictures; the limit is 30."),
    ],
)
def test_none_or_too_many_is_one_sentence(names: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        chosen_pictures(names, 30)


def test_of_a_folder_only_pictures_are_taken_by_name() -> None:
    assert chosen_pictures(["/f/b.JPG", "/f/a.png", "/f/readme.md", "/f/._a.png"], 2) == ["/f/a.png", "/f/b.JPG"]


def test_names_are_made_unique_by_their_stem() -> None:
    assert unique_names(["a.png", "a.jpg", "b.png", "a.jpg"]) == ["a.png", "a_2.jpg", "b.png", "a_3.jpg"]


def test_a_zip_is_whole_after_every_file() -> None:
    archive = Archive("all.zip")
    for number in (1, 2):
        archive.add(f"{number}.txt", b"x" * number)
        with zipfile.ZipFile(archive.path) as opened:
            assert opened.testzip() is None and len(opened.namelist()) == number
    assert archive.path.name == "all.zip"


def test_a_zip_of_several_files_holds_them_as_they_are() -> None:
    with zipfile.ZipFile(zipped("all.zip", {"a": b"1", "b/c": b"2"})) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == {"a": b"1", "b/c": b"2"}


def test_a_folder_that_is_full_takes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive("all.zip")

    class Full:
        def check(self, size: int) -> None:
            raise RoomError(f"no room for {size}")

    monkeypatch.setattr(several_files, "ROOM", Full())
    with pytest.raises(RoomError, match="no room for 3"):
        archive.add("a", b"abc")
