"""Data sets as published, in miniature: what the readers return, and what they say when something is missing."""

import gzip
import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from train.data import datasets as sources


def save(path: Path, value: int, size_px: int = 4, quality: str = "PNG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size_px, size_px), (value, value, value)).save(path, quality)


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
    return header + array.astype(np.uint8).tobytes()


# ---- class folders and CIFAR-10


def test_class_folders_are_packed_beside_them_and_follow_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "train/cat/b.png", 1)
    save(tmp_path / "train/ant/a.png", 2)
    data = sources.read_cifar10(tmp_path, "train")
    assert data.class_names == ["ant", "cat"] and data.labels.tolist() == [0, 1] and data.labels.dtype == np.int64
    assert data.pictures[:, 0, 0, 0].tolist() == [2, 1]
    assert (tmp_path / "train.h5").exists()
    assert "pictures packed into train.h5" in capsys.readouterr().err
    sources.read_cifar10(tmp_path, "train")
    assert capsys.readouterr().err == ""
    save(tmp_path / "train/ant/c.png", 3)
    assert sources.read_cifar10(tmp_path, "train").pictures[:, 0, 0, 0].tolist() == [2, 3, 1]


def test_a_folder_that_cannot_be_written_is_read_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "train/cat/b.png", 1)
    save(tmp_path / "train/ant/a.png", 2, size_px=8)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="differ in size"):
        sources.read_class_folders(tmp_path / "train")
    data = sources.read_class_folders(tmp_path / "train", 4)
    assert data.pictures[:, 0, 0, 0].tolist() == [2, 1] and data.class_names == ["ant", "cat"]
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_the_official_batches_of_cifar10_are_checked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rows = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
    batch = pickle.dumps({"data": rows, "labels": [1, 0]})
    (folder / "test_batch").write_bytes(batch)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["airplane", "cat"]}))
    sums = {name: CIFAR10.__dict__[name] for name in ("test_list", "meta")}
    with pytest.raises(RuntimeError, match="corrupted"):
        sources.read_cifar10(tmp_path, "test")
    md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(CIFAR10, "train_list", [])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**sums["meta"], "md5": md5["batches.meta"]})
    data = sources.read_cifar10(tmp_path, "test")
    assert data.class_names == ["airplane", "cat"] and data.labels.tolist() == [1, 0]
    assert np.array_equal(data.pictures, rows.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))


def test_a_folder_without_cifar10_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither class folders in test/ nor cifar-10-batches-py/"):
        sources.read_cifar10(tmp_path, "test")


@pytest.mark.parametrize(("content", "message"), [([], "no class folders"), (["cat"], "no pictures below")])
def test_folders_without_pictures_are_named(tmp_path: Path, content: list[str], message: str) -> None:
    (tmp_path / "train").mkdir()
    for name in content:
        (tmp_path / "train" / name).mkdir()
    with pytest.raises(FileNotFoundError, match=message):
        sources.read_class_folders(tmp_path / "train")
    with pytest.raises(FileNotFoundError, match="no folder"):
        sources.read_class_folders(tmp_path / "other")


# ---- Fashion-MNIST


@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_is_grey_and_has_ten_classes(tmp_path: Path, packed: bool) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 28, 28))
    for name, array in (("images-idx3", pictures), ("labels-idx1", np.array([9, 0, 3, 3, 7]))):
        content = idx_bytes(array)
        path = tmp_path / f"t10k-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
    data = sources.read_fashion_mnist(tmp_path, "test")
    assert np.array_equal(data.pictures[..., 0], pictures) and data.pictures.shape == (5, 28, 28, 1)
    assert data.labels.tolist() == [9, 0, 3, 3, 7] and data.class_names[9] == "Ankle boot"
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz"):
        sources.read_fashion_mnist(tmp_path, "train")


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x0d\1\0\0\0\1\0", b"\0\0\x08\1\0\0\0\5abc", b"\0\0\x08\3\0\0", b"\0\0\x08"]
)
def test_damaged_idx_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match="cut off, or no IDX file"):
        sources.read_fashion_mnist(tmp_path, "train")


def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    packed = gzip.compress(idx_bytes(np.zeros((5, 28, 28))))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed[:-9])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: "):
        sources.read_fashion_mnist(tmp_path, "train")


# ---- Tiny ImageNet


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    root = tmp_path / "tiny-imagenet-200"
    for wnid, value in (("n02", 20), ("n01", 10)):
        for index in (0, 1):
            save(root / f"train/{wnid}/images/{wnid}_{index}.JPEG", value + index, 64, "JPEG")
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("no picture")
    rows = [("val_0.JPEG", "n02", 120), ("val_1.JPEG", "n01", 110), ("val_2.JPEG", "n02", 122)]
    for name, _, value in rows:
        save(root / "val/images" / name, value, 64, "JPEG")
    lines = "".join(f"{name}\t{wnid}\t0\t0\t9\t9\n" for name, wnid, _ in rows)
    (root / "val/val_annotations.txt").write_text(lines)
    (root / "words.txt").write_text("n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tbullfrog\n")
    return root


@pytest.mark.parametrize("inside", [True, False])
def test_tiny_imagenet_has_the_first_word_as_class_name(tiny: Path, inside: bool) -> None:
    data = sources.read_tiny_imagenet(tiny if inside else tiny.parent, "train")
    assert data.class_names == ["goldfish", "bullfrog"] and data.labels.tolist() == [0, 0, 1, 1]
    assert data.pictures.shape == (4, 64, 64, 3)
    assert data.pictures[:, 0, 0, 0].tolist() == pytest.approx([10, 11, 20, 21], abs=1)


def test_the_annotations_label_the_validation_pictures(tiny: Path) -> None:
    data = sources.read_tiny_imagenet(tiny, "val")
    assert data.labels.tolist() == [0, 1, 1] and data.class_names == ["goldfish", "bullfrog"]
    assert data.pictures[:, 0, 0, 0].tolist() == pytest.approx([110, 120, 122], abs=1)
    listing = sources.tiny_imagenet_files(tiny, "val")
    assert [path.name for path in listing.files] == ["val_1.JPEG", "val_0.JPEG", "val_2.JPEG"]


def test_a_changed_annotation_makes_the_packing_anew(tiny: Path) -> None:
    sources.read_tiny_imagenet(tiny, "val")
    path = tiny / "val/val_annotations.txt"
    path.write_text(path.read_text().replace("val_2.JPEG\tn02", "val_2.JPEG\tn01"))
    assert sources.read_tiny_imagenet(tiny, "val").labels.tolist() == [0, 0, 1]


def test_another_folder_than_tiny_imagenet_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not the folder tiny-imagenet-200"):
        sources.read_tiny_imagenet(tmp_path, "train")


# ---- cats and dogs


def test_cats_come_first_by_number(tmp_path: Path) -> None:
    for name in ("dog.2.jpg", "cat.10.jpg", "cat.9.jpg", "dog.11.jpg", "readme.jpg", "cat.x.jpg"):
        (tmp_path / name).touch()
    files, labels, names = sources.read_cats_dogs(tmp_path)
    assert [path.name for path in files] == ["cat.9.jpg", "cat.10.jpg", "dog.2.jpg", "dog.11.jpg"]
    assert labels.tolist() == [0, 0, 1, 1] and names == ["cat", "dog"]
    for path in tmp_path.glob("dog*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no cat\.N\.jpg and dog\.N\.jpg"):
        sources.read_cats_dogs(tmp_path)


def test_cats_and_dogs_are_split_in_halves_without_overlap() -> None:
    labels = np.repeat([0, 1], 12_500)
    parts = sources.cats_dogs_split(labels, seed=1)
    assert [np.bincount(labels[part]).tolist() for part in parts] == [[10_000] * 2, [1_250] * 2, [1_250] * 2]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(25_000))
    again, other = sources.cats_dogs_split(labels, seed=1), sources.cats_dogs_split(labels, seed=2)
    assert all(np.array_equal(*pair) for pair in zip(parts, again, strict=True))
    assert not np.array_equal(parts[2], other[2])
