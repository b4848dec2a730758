"""Where results go: a name for each, and nothing overwritten."""

import os
from pathlib import Path

import pytest

from cvdemo.cli.sources import Found, Source
from cvdemo.cli.targets import check_targets, either, is_folder, result_names, targets_for
from cvdemo.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a.png, b.png and a folder `there`, which is the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).write_text(name)
    Path("there").mkdir()
    return tmp_path


def found(*names: str, in_folder: bool = True) -> Found:
    return Found([Source(Path("in") / name, Path(name)) for name in names], in_folder)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (["a.jpg", "b.png"], ["a.png", "b.png"]),
        (["a.jpg", "a.png"], ["a.jpg.png", "a.png.png"]),
        (["a.jpg", "a.jpg.png"], ["a.png", "a.jpg.png"]),
        (["a.jpg", "a.jpg.png", "a.png"], ["a.jpg.png", "a.jpg.png.png", "a.png.png"]),
        (["a.jpg", "a.png", "a.jpg.gif"], ["a.jpg.png", "a.png.png", "a.jpg.gif.png"]),
        (["A.jpg", "a.webp"], ["A.jpg.png", "a.webp.png"]),
        (["e\u0301.jpg", "\xe9.webp"], ["e\u0301.jpg.png", "\xe9.webp.png"]),
        (["one/a.jpg", "two/a.png", "a.gif"], ["one/a.png", "two/a.png", "a.png"]),
        (["one/a.jpg", "one/a.png"], ["one/a.jpg.png", "one/a.png.png"]),
        (["caf\udce9.jpg", "stdin"], ["caf\udce9.png", "stdin.png"]),
    ],
)
def test_each_result_has_a_name_of_its_own(places: list[str], expected: list[str]) -> None:
    names = [str(name) for name in result_names([Path(place) for place in places], ".png")]
    assert names == expected and len(set(names)) == len(places)


def test_a_folder_is_one_that_exists_or_ends_like_one(here: Path) -> None:
    assert is_folder("there") and is_folder("new/") and is_folder("there/")
    assert not is_folder("new") and not is_folder("a.png") and not is_folder("x" * 300)


@pytest.mark.parametrize(
    ("pictures", "output", "given", "expected"),
    [
        (found("x.jpg", in_folder=False), "out.PNG", None, ["out.PNG"]),
        (found("x.jpg", in_folder=False), "out.webp", None, ["out.webp"]),
        (found("x.jpg", in_folder=False), "new/", None, ["new/x.png"]),
        (found("x.jpg", in_folder=False), "there", ".jpg", ["there/x.jpg"]),
        (found("x.jpg", "s/y.png"), "new", None, ["new/x.png", "new/s/y.png"]),
        (found("x.jpg", "s/y.png"), "new/", ".webp", ["new/x.webp", "new/s/y.webp"]),
    ],
)
def test_the_target_follows_from_out(
    pictures: Found, output: str, given: str | None, expected: list[str], here: Path
) -> None:
    assert [str(path) for path in targets_for(pictures, output, SUFFIXES, given)] == expected


@pytest.mark.parametrize(
    ("pictures", "output", "given", "sentence"),
    [
        (found("x.jpg", in_folder=False), "", None, "^OUT is empty"),
        (found("x.jpg", in_folder=False), "out.gif", None, r"^OUT has to end in \.png, \.jpg, \.jpeg or \.webp, or be"),
        (found("x.jpg", in_folder=False), "new", None, "^OUT has to end in .* it is new"),
        (found("x.jpg", in_folder=False), "out.png", ".jpg", "^--format is for folders; out.png says its format"),
        (found("x.jpg"), "a.png", None, "^OUT has to be a folder, as IN is one; a.png is a file"),
    ],
)
def test_an_out_that_says_nothing_is_refused(
    pictures: Found, output: str, given: str | None, sentence: str, here: Path
) -> None:
    with pytest.raises(InputError, match=sentence):
        targets_for(pictures, output, SUFFIXES, given)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target", ["a.png", "there/../a.png", "hard.png", "soft.png"])
def test_a_picture_that_is_read_is_never_overwritten(target: str, overwrite: bool, here: Path) -> None:
    os.link("a.png", "hard.png")
    Path("soft.png").symlink_to("a.png")
    with pytest.raises(InputError, match=r"^The result would overwrite .*: give another OUT\.$"):
        check_targets([Path(target)], [Path("b.png"), Path("a.png")], overwrite=overwrite)


def test_what_exists_is_refused_without_overwrite(here: Path) -> None:
    Path("link.png").symlink_to("gone")
    check_targets([Path("new.png"), Path("new/deep/x.png")], [Path("a.png")], overwrite=False)
    with pytest.raises(InputError, match=r"^There is already b\.png: give another OUT, or --overwrite\.$"):
        check_targets([Path("new.png"), Path("b.png")], [Path("a.png")], overwrite=False)
    with pytest.raises(InputError, match=r"^2 results exist already, such as b\.png: give another OUT, or --over"):
        check_targets([Path("link.png"), Path("b.png")], [Path("a.png")], overwrite=False)
    check_targets([Path("link.png"), Path("b.png")], [Path("a.png")], overwrite=True)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("there", "^there cannot be written: it is a folder"),
        ("a.png/x.png", r"^a\.png cannot be written: a\.png is not a folder"),
        ("a.png/deep/x.png", r"^a\.png/deep cannot be written: a\.png is not a folder"),
    ],
)
def test_what_cannot_be_written_is_known_beforehand(target: str, sentence: str, here: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        check_targets([Path(target)], [], overwrite=True)


def test_a_folder_that_permits_no_writing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: path != Path("there"))
    check_targets([Path("x.png")], [], overwrite=False)
    with pytest.raises(InputError, match=r"^there/new cannot be written: there does not permit it\.$"):
        check_targets([Path("there/new/x.png")], [], overwrite=False)


def test_words_in_a_sentence() -> None:
    assert (either([".json"]), either(["a", "b"]), either(["a", "b", "c"])) == (".json", "a or b", "a, b or c")
