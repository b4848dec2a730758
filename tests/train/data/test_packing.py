"""Packing of class folders, lists and distinct pictures into HDF5 files, and when a packing is made again."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from train.data.hdf5 import (
    Hdf5Dataset,
    drop_repeated,
    load_labelled_pictures,
    pack_classes,
    pack_folder,
    pack_list,
    packed,
    packed_folder,
    picture_files,
    read_pictures,
    read_resized,
    write_pictures,
)
from train.data.read_pictures import fingerprint


def save(path: Path, value: int, size_wh: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size_wh, (value, 0, 0)).save(path)


def noise_pictures(count: int, side_px: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)


def class_folder(root: Path) -> Path:
    for name, value in (("dog/b.png", 10), ("dog/a.png", 20), ("cat/images/c.jpg", 200), (".hidden/d.png", 1)):
        save(root / name, value)
    return root


def test_class_folders_become_labels(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "in")
    told: list[int] = []
    assert pack_classes(root, tmp_path / "out.h5", None, progress=told.append) == 3
    labelled = load_labelled_pictures(tmp_path / "out.h5")
    assert labelled.class_names == ["cat", "dog"] and labelled.labels.tolist() == [0, 1, 1]
    assert labelled.pictures[1:, 0, 0, 0].tolist() == [20, 10] and labelled.pictures.shape == (3, 20, 20, 3)
    assert told == [1, 2, 3]


def test_jpeg_packing_keeps_the_bytes_of_jpegs(tmp_path: Path) -> None:
    root = class_folder(tmp_path / "in")
    pack_classes(root, tmp_path / "out.h5", None, jpeg=True)
    with h5py.File(tmp_path / "out.h5") as file:
        stored = [bytes(row) for row in file["pictures"]]
    assert stored[0] == (root / "cat/images/c.jpg").read_bytes()
    assert [jpeg[:2] for jpeg in stored] == [b"\xff\xd8"] * 3
    pack_classes(root, tmp_path / "small.h5", 8, jpeg=True)
    assert load_labelled_pictures(tmp_path / "small.h5").pictures.shape == (3, 8, 8, 3)


def test_a_list_of_files_is_packed(tmp_path: Path) -> None:
    save(tmp_path / "a.png", 1)
    save(tmp_path / "b.png", 2, (30, 20))
    files = [tmp_path / "b.png", tmp_path / "a.png"]
    assert pack_list(files, [1, 0], ["x", "y"], tmp_path / "out.h5", 4, attributes={"split": "train"}) == 2
    assert Hdf5Dataset(tmp_path / "out.h5").labels.tolist() == [1, 0]
    with h5py.File(tmp_path / "out.h5") as file:
        assert file.attrs["split"] == "train" and file.attrs["size_px"] == 4
    with pytest.raises(ValueError, match=r"a\.png is \(20, 20, 3\), the first \(20, 30, 3\)"):
        pack_list(files, [1, 0], ["x", "y"], tmp_path / "other.h5", None)
    (tmp_path / "c.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"c\.png: The file is not a picture"):
        pack_list([tmp_path / "c.png"], [1], ["x", "y"], tmp_path / "other.h5", None)
    assert not (tmp_path / "other.h5").exists()


@pytest.mark.parametrize("change", ["none", "content", "name", "new", "gone", "size_px", "jpeg"])
def test_a_packing_is_made_again_when_its_folder_or_its_settings_change(tmp_path: Path, change: str) -> None:
    root, target = class_folder(tmp_path / "in"), tmp_path / "out.h5"
    packed(root, target, 8)
    made = target.stat().st_ino
    if change == "content":
        save(root / "dog/a.png", 77)
    elif change == "name":
        (root / "dog/a.png").rename(root / "dog/z.png")
    elif change == "new":
        save(root / "dog/n.png", 3)
    elif change == "gone":
        (root / "dog/a.png").unlink()
    assert packed(root, target, 16 if change == "size_px" else 8, jpeg=change == "jpeg") == target
    assert (target.stat().st_ino == made) == (change == "none")
    fresh = tmp_path / "fresh.h5"
    pack_classes(root, fresh, 16 if change == "size_px" else 8, jpeg=change == "jpeg")
    assert np.array_equal(load_labelled_pictures(target).pictures, load_labelled_pictures(fresh).pictures)


def test_a_packing_of_distinct_pictures_follows_its_folder(tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", 5)
    target = packed_folder(tmp_path / "in", tmp_path / "out.h5", 8)
    made = target.stat().st_ino
    assert packed_folder(tmp_path / "in", target, 8).stat().st_ino == made
    save(tmp_path / "in/b.png", 6)
    assert len(read_pictures(packed_folder(tmp_path / "in", target, 8))) == 2


def test_a_fingerprint_does_not_know_where_the_folder_is(tmp_path: Path) -> None:
    for root in ("one", "two"):
        save(tmp_path / root / "a.png", 5)
        os.utime(tmp_path / root / "a.png", ns=(0, 10**9))
    marks = {fingerprint(tmp_path / root, [tmp_path / root / "a.png"], size_px=8) for root in ("one", "two")}
    assert len(marks) == 1


def test_round_trip(tmp_path: Path) -> None:
    pictures = noise_pictures(5)
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


def test_a_share_of_the_square_is_the_middle_of_it(tmp_path: Path) -> None:
    picture = np.zeros((20, 40, 3), np.uint8)
    picture[5:15, 15:25] = 255
    Image.fromarray(picture).save(tmp_path / "wide.png")
    assert read_resized(tmp_path / "wide.png", 8, centre=0.5).min() == 255
    assert read_resized(tmp_path / "wide.png", 8, centre=0.6).min() < 255
    with pytest.raises(ValueError, match=r"need a share in \(0, 1\], got centre=1.5"):
        read_resized(tmp_path / "wide.png", 8, centre=1.5)


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
    with pytest.raises(FileNotFoundError, match="no pictures below"):
        picture_files(tmp_path)
