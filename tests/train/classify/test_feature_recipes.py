"""How the data sets of the features recipes are read: Caltech-101 and Oxford's flowers."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from train.recipes import caltech101_features, flowers_features


def caltech(root: Path, counts: dict[str, int]) -> Path:
    for name, count in counts.items():
        (root / "101_ObjectCategories" / name).mkdir(parents=True)
        for i in range(count):
            (root / "101_ObjectCategories" / name / f"image_{i:04d}.jpg").write_bytes(b"")
    return root


def test_caltech_has_thirty_known_pictures_of_each_class(tmp_path: Path) -> None:
    data = caltech(tmp_path, {"BACKGROUND_Google": 50, "Faces_easy": 33, "yin_yang": 41})
    parts = {split: caltech101_features.read(data, split) for split in ("train", "validation", "test")}
    assert {split: np.bincount(part.labels).tolist() for split, part in parts.items()} == {
        "train": [25, 25], "validation": [5, 5], "test": [3, 11]
    }  # fmt: skip
    files = [path for part in parts.values() for path in part.files]
    assert len(set(files)) == len(files) == 74
    for part in parts.values():
        assert part.class_names == ["face, close up", "yin yang"]
        assert [path.parent.name == "yin_yang" for path in part.files] == part.labels.tolist()
    assert caltech101_features.read(data / "101_ObjectCategories", "test").files == parts["test"].files


def test_caltech_needs_more_than_thirty_pictures_of_a_class(tmp_path: Path) -> None:
    data = caltech(tmp_path, {"ant": 30, "yin_yang": 41})
    with pytest.raises(ValueError, match="need more than 30 pictures of each class, got 30"):
        caltech101_features.read(data, "train")


@pytest.fixture(name="flowers")
def fixture_flowers(tmp_path: Path) -> Path:
    """Six pictures, of the classes 77, 1, 1, 102, 2, 2."""
    (tmp_path / "jpg").mkdir()
    for number in range(1, 7):
        (tmp_path / "jpg" / f"image_{number:05d}.jpg").write_bytes(b"")
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([77, 1, 1, 102, 2, 2], np.uint8)})
    savemat(tmp_path / "setid.mat", {"trnid": [4, 2], "valid": [1, 3], "tstid": [6, 5]})
    return tmp_path


def test_flowers_have_their_official_splits(flowers: Path) -> None:
    train = flowers_features.read(flowers, "train")
    assert [path.name for path in train.files] == ["image_00002.jpg", "image_00004.jpg"]
    assert train.labels.tolist() == [0, 101] and len(train.class_names) == 102
    assert train.class_names[0] == "pink primrose"
    assert flowers_features.read(flowers, "validation").labels.tolist() == [76, 0]
    assert [path.name for path in flowers_features.read(flowers, "test").files] == [
        "image_00005.jpg",
        "image_00006.jpg",
    ]


def test_missing_flowers_are_told(flowers: Path) -> None:
    (flowers / "jpg" / "image_00004.jpg").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*image_00004.jpg, and 0 more"):
        flowers_features.read(flowers, "train")
    (flowers / "setid.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"no .*setid.mat: DIR holds jpg"):
        flowers_features.read(flowers, "train")
