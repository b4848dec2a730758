"""Packing pictures and reading them back."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from train.hdf5 import drop_repeated, pack_folder, picture_files, read_pictures, read_resized, write_pictures


def save(path: Path, value: int, size_wh: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, (value, 0, 0)).save(path)


def test_round_trip(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    write_pictures(tmp_path / "a.h5", iter(pictures), 5, (8, 8, 3), {"source": "noise"})
    assert np.array_equal(read_pictures(tmp_path / "a.h5"), pictures)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["source"] == "noise"


def test_a_folder_is_packed_once_for_each_distinct_file(tmp_path: Path) -> None:
    for name, value in (("b.png", 10), ("a/c.png", 200), ("a/d.png", 10)):
        save(tmp_path / "in" / name, value)
    told: list[int] = []
    assert pack_folder(tmp_path / "in", tmp_path / "out.h5", 8, told.append) == 2
    pictures = read_pictures(tmp_path / "out.h5")
    assert pictures.shape == (2, 8, 8, 3)
    assert pictures[:, 0, 0, 0].tolist() == [200, 10]  # in the order of paths
    assert told == [1, 2]


def test_repeated_files_keep_the_first(tmp_path: Path) -> None:
    for name in "abc":
        save(tmp_path / f"{name}.png", 7 if name == "b" else 9)
    assert [path.stem for path in drop_repeated(picture_files(tmp_path))] == ["a", "b"]


def test_the_centre_square_is_taken(tmp_path: Path) -> None:
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, 16:32] = 255
    Image.fromarray(picture).save(tmp_path / "wide.png")
    assert read_resized(tmp_path / "wide.png", 8).min() == 255


@pytest.mark.parametrize("count", [2, 4])
def test_another_count_than_promised_leaves_nothing_behind(tmp_path: Path, count: int) -> None:
    pictures = np.zeros((3, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"picture 3 of 2|promised 4"):
        write_pictures(tmp_path / "a.h5", iter(pictures), count, (8, 8, 3), {})
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_outlives_a_failed_writing(tmp_path: Path) -> None:
    pictures = np.ones((1, 8, 8, 3), np.uint8)
    write_pictures(tmp_path / "a.h5", iter(pictures), 1, (8, 8, 3), {})
    with pytest.raises(ValueError, match="need"):
        write_pictures(tmp_path / "a.h5", iter(np.zeros((1, 4, 4, 3), np.uint8)), 1, (8, 8, 3), {})
    assert np.array_equal(read_pictures(tmp_path / "a.h5"), pictures)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pictures"] = np.zeros((2, 8, 8, 3), np.float32)
    with pytest.raises(ValueError, match="no uint8"):
        read_pictures(tmp_path / "a.h5")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no JPEG or PNG"):
        picture_files(tmp_path)
