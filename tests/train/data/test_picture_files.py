"""The one rule for pictures and class folders: what counts, what is passed over, and that this is told."""

import os
import random
from pathlib import Path

import pytest
from PIL import Image

from train.data import picture_files
from train.data.datasets import read_cats_dogs, read_class_folders
from train.data.picture_files import class_files, is_picture, listed
from train.data.picture_files import picture_files as found_in
from train.data.read_pictures import check_size, each_read, fingerprint, read_rgb
from train.upscale.upscale_recipe import training_files

CLUTTER = (
    ".DS_Store", "._a.jpg", ".hidden.png", "Thumbs.db", "THUMBS.DB", "desktop.ini", "__MACOSX/a.jpg", ".thumbs/b.png",
    "@eaDir/a.jpg", "notes.txt",
)  # fmt: skip


def save(path: Path, mode: str = "RGB", size_wh: tuple[int, int] = (8, 8), form: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size_wh, 1 if mode == "1" else None).save(path, form)
    return path


def clutter(folder: Path) -> None:
    for name in CLUTTER:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture")
    (folder / "album.jpg").mkdir()


@pytest.fixture(autouse=True)
def everything_is_told_again() -> None:
    picture_files._say_once.cache_clear()


def test_clutter_is_no_picture_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "cat/a.jpg")
    save(tmp_path / "cat/more/b.PNG")
    save(tmp_path / "cat/c.jpg/inside.png")  # a folder named like a picture is a folder
    clutter(tmp_path / "cat")
    (tmp_path / "cat/broken.jpg").symlink_to("absent.jpg")
    (tmp_path / "cat/link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    names = [path.relative_to(tmp_path).as_posix() for path in found_in(tmp_path / "cat")]
    assert names == ["cat/a.jpg", "cat/c.jpg/inside.png", "cat/more/b.PNG"]
    text = capsys.readouterr().err
    assert "passed over hidden or system files (9)" in text and ".txt files (1)" in text
    assert "broken links (1)" in text and "links to folders (1)" in text and "folders named like pictures (1)" in text
    found_in(tmp_path / "cat")
    assert capsys.readouterr().err == ""  # told once


def test_class_folders_are_no_clutter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "dog/a.png")
    save(tmp_path / "cat/b.webp")
    save(tmp_path / "outside.jpg")
    clutter(tmp_path)
    clutter(tmp_path / "dog")
    listing = class_files(tmp_path)
    assert listing.class_names == ["cat", "dog"] and listing.labels.tolist() == [0, 1]
    text = capsys.readouterr().err
    assert "pictures outside of the class folders (1)" in text and "folders named like pictures (2)" in text


def test_classes_without_pictures_are_named_all_at_once(tmp_path: Path) -> None:
    save(tmp_path / "cat/a.png")
    for name in ("dog", "fox"):
        (tmp_path / name).mkdir()
    (tmp_path / "dog/a.psd").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"no pictures below .*dog, .*fox \(\.psd files \(1\)\)"):
        class_files(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    for read in (class_files, found_in, read_cats_dogs):
        with pytest.raises(NotADirectoryError, match=r"a\.png is a file, where a folder is needed"):
            read(path)


def test_every_reader_passes_over_clutter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat.0.jpg", "dog.0.webp", "dog.1.png"):
        save(tmp_path / "pets" / name)
    (tmp_path / "pets/cat.1.jpg").mkdir()
    (tmp_path / "pets/._cat.2.jpg").write_bytes(b"no picture")
    save(tmp_path / "pets/cat_3.jpg")
    assert [path.name for path in read_cats_dogs(tmp_path / "pets").files] == ["cat.0.jpg", "dog.0.webp", "dog.1.png"]
    text = capsys.readouterr().err
    assert "pictures not named cat.N or dog.N (1)" in text and "folders (1)" in text
    for number in range(3):
        save(tmp_path / f"t91/{number}.bmp")
    clutter(tmp_path / "t91")
    sources, held_out = training_files(tmp_path, bsds=False)
    assert len(held_out) + len(sources["T91"]) >= 1
    assert all(is_picture(path) for path in [*held_out, *sources["T91"]])


FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "jfif": "JPEG", "JPG": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP"}
FORMATS |= {"tif": "TIFF", "tiff": "TIFF", "gif": "GIF"}
MODES = {"PNG": ["RGB", "L", "RGBA", "P", "LA", "1", "I;16"], "TIFF": ["RGB", "L", "RGBA"], "WEBP": ["RGB", "RGBA"]}


def test_pictures_of_every_kind_are_read(tmp_path: Path) -> None:
    count = 0
    for suffix, form in FORMATS.items():
        for mode in MODES.get(form, ["RGB", "L"]):
            save(tmp_path / f"train/{'ab'[count % 2]}/{count}.{suffix}", mode, form=form)
            count += 1
    data = read_class_folders(tmp_path / "train")
    assert data.pictures.shape == (count, 8, 8, 3)
    assert len(data.labels) == count > 20


def test_bad_files_are_listed_at_once_and_counted(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{number:02}.png") for number in range(20)]
    for path in files[3:17]:
        path.write_bytes(path.read_bytes()[: random.Random(0).randrange(8, 40)])
    with pytest.raises(ValueError, match=r"14 of 20 pictures cannot be read:\n") as caught:
        list(each_read(files, read_rgb))
    lines = str(caught.value).splitlines()
    assert len(lines) == 12 and "03.png" in lines[1] and lines[-1] == "  and 4 more"
    for path in files[4:17]:
        save(path)
    with pytest.raises(ValueError, match=r"1 of 20 pictures cannot be read:\n.*03\.png"):
        read_class_folders_of(tmp_path)
    assert not list(tmp_path.parent.glob(f"{tmp_path.name}.h5*"))


def read_class_folders_of(folder: Path) -> None:
    """Packs the folder's pictures as one class; removes what it made of the folder."""
    root = folder / "root"
    (root / "only").mkdir(parents=True)
    for path in folder.glob("*.png"):
        os.link(path, root / "only" / path.name)
    try:
        read_class_folders(root)
    finally:
        assert not list(folder.glob("root.h5*"))


def test_other_sizes_are_told_with_the_option_that_mends_them(tmp_path: Path) -> None:
    files = [save(tmp_path / "a.png"), save(tmp_path / "b.png", size_wh=(9, 8)), tmp_path / "c.png"]
    files[2].write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"1 of 3 pictures are not 8 x 8 px \(.*b\.png is 9 x 8\): give --resize"):
        check_size(files, 8)
    check_size([files[0], files[2]], 8)


def test_a_name_need_not_be_utf_8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    save(path)
    assert len(fingerprint(tmp_path, found_in(tmp_path))) == 32


def test_a_long_list_ends_with_a_number() -> None:
    assert listed(list("ab")) == "a, b"
    assert listed([str(number) for number in range(13)]).endswith("9 and 3 more")
