"""A full disk, a folder that is read-only, caches that are cut off: one sentence, nothing half-written, made again."""

import errno
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from tests.train.data.test_own_folders import own_folders, train
from tests.train.upscale.test_upscale_recipe import save_noise
from train import __main__ as command_line
from train.classify import features
from train.classify.features import FeatureConfig, extract, read_features
from train.data import download
from train.data.hdf5 import Hdf5Writer, opened, read_pictures
from train.data.packing import packed_folder
from train.data.read_pictures import Listing
from train.engine.checkpoint import LAST, load, load_last, save_last
from train.engine.curves import Curve, Panel, draw
from train.engine.writing import make_folder, sentence, write_whole
from train.sample import lite0_features as lite0
from train.sample.lite0_features import RealFeatures

ROOT = Path(__file__).resolve().parents[3]
CPU = torch.device("cpu")
GAN = ["--size", "16", "--width", "4", "--latent-dim", "4", "--batch-size", "8", "--steps", "1", "--decay-steps", "0"]
GAN += ["--evaluate-every", "1", "--preview-every", "0", "--fd-pictures", "8", "--no-amp"]
GAN += ["--device", "cpu"]


def full(*given: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def noise_folder(folder: Path, count: int = 20) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / f"{index:02d}.png")
    return folder


def dcgan(data: Path, out: Path, *words: str) -> None:
    command_line.main(["dcgan", "--data", str(data), "--out", str(out), *GAN, *words])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cannot_be_written(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As `folder` and what is below it stand on a read-only disk, which the superuser cannot write either."""
    access = os.access

    def denied(path: Any, mode: int, **named: Any) -> bool:
        inside = folder == Path(path) or folder in Path(path).parents
        return access(path, mode, **named) and not (mode & os.W_OK and inside)

    monkeypatch.setattr(os, "access", denied)


# ---- a full disk


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda folder: write_whole(folder / "a", b"new"),
    "checkpoint": lambda folder: save_last({"weights": torch.zeros(1000)}, folder),
    "curves": lambda folder: draw([Panel(title="t", curves=[Curve(name="c", x=[1, 2], y=[1, 2])])], folder / "a"),
    "features": lambda folder: lite0._write(folder / "a", "key", torch.zeros(3)),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_on_a_full_disk_the_old_file_stays_and_nothing_else(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        WRITERS[kind](tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_bytes() == b"old"
    assert sentence(caught.value).startswith("the disk is full") and str(tmp_path) in sentence(caught.value)


@pytest.mark.parametrize("at", [1, 3])
def test_hdf5_is_not_left_in_part(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    reserve = os.posix_fallocate

    def later(handle: int, offset: int, length: int) -> None:
        calls.append(length)
        if len(calls) == at:
            full()
        reserve(handle, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", later)
    with pytest.raises(OSError, match="No space left") as caught, Hdf5Writer(tmp_path / "a.h5", (8, 8, 3)) as writer:
        for _ in range(600):
            writer.add(np.zeros((1, 8, 8, 3), np.uint8))
    assert len(calls) == at and not list(tmp_path.iterdir())
    assert sentence(caught.value).endswith(f"{tmp_path}/a.h5 was not written; make room and try again")


def test_what_was_reserved_is_given_back(tmp_path: Path) -> None:
    with Hdf5Writer(tmp_path / "a.h5", (8, 8, 3)) as writer:
        writer.add(np.full((5, 8, 8, 3), 7, np.uint8))
    assert (tmp_path / "a.h5").stat().st_size < 100_000
    assert (read_pictures(tmp_path / "a.h5") == 7).all()


@pytest.mark.slow
@pytest.mark.parametrize(("what", "limit"), [("packing", 200_000), ("run", 5_000_000)])
def test_a_real_limit_ends_a_run_with_one_sentence_and_no_crash(what: str, limit: int, tmp_path: Path) -> None:
    """A limit on the size of files, the nearest to a full disk that anyone may set."""
    data, out = noise_folder(tmp_path / "data" / "faces"), tmp_path / "run"
    if what == "run":
        packed_folder(data, data.with_name("faces_16.h5"), 16)
    words = [
        "dcgan",
        "--data",
        str(data),
        "--out",
        str(out),
        *GAN,
        *(["--width", "128"] if what == "run" else ["--size", "64"]),
    ]
    before = {path.name for path in data.parent.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "train", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "python -m train: the disk is full, or a limit on its use is reached: "
    )
    assert {path.name for path in data.parent.iterdir()} == before
    assert not [path for path in out.rglob("*") if "partial" in path.name or path.suffix == ".pt"]


def test_a_full_disk_during_a_run_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own_folders(tmp_path / "data")
    train(data, tmp_path / "run")
    step = load(tmp_path / "run" / LAST)["step"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match=r"the disk is full.*run/"):
        patch.setattr(os, "fsync", full)
        with pytest.warns(UserWarning, match="another configuration"):
            train(data, tmp_path / "run", "--resume", "--epochs", "2")
    assert load_last(tmp_path / "run")["step"] == step
    assert not list((tmp_path / "run").glob("*.partial"))


def test_a_full_disk_is_not_the_network_s_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_receive", full)
    with pytest.raises(OSError, match="No space left") as caught:
        download.download("http://host/a", tmp_path / "a", md5="0" * 32)
    assert "disk is full" in sentence(caught.value) and not list(tmp_path.iterdir())


# ---- folders that are none or cannot be written


def test_each_error_of_the_disk_is_a_sentence(tmp_path: Path) -> None:
    assert sentence(OSError(errno.EROFS, "Read-only file system", "/x")) == (
        "/x cannot be read or written: Read-only file system; give a folder that can be"
    )
    assert sentence(IsADirectoryError(errno.EISDIR, "Is a directory", "/x")) == "/x is a folder, where a file is needed"
    assert sentence(FileNotFoundError("no folder here")) == "no folder here"
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        with pytest.raises(NotADirectoryError) as caught:
            make_folder(folder)
        assert sentence(caught.value) == f"{tmp_path}/file is a file, where a folder is needed"


def test_an_out_that_cannot_be_written_is_told_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**named: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(named["dir"]) + "/tmpabc")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    with pytest.raises(SystemExit, match=r"run cannot be read or written: Permission denied"):
        dcgan(tmp_path / "absent", tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photo.jpg", "photo.jpg is no HDF5 file, or one that is cut off"),
        ("absent", "No such file"),
        ("cut.h5", "cut off"),
    ],
)
def test_data_that_are_no_folder_are_one_sentence(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8 photograph")
    packed_folder(noise_folder(tmp_path / "faces"), tmp_path / "cut.h5", 16)
    cut(tmp_path / "cut.h5")
    with pytest.raises(SystemExit, match=f"python -m train: .*{message}"):
        dcgan(tmp_path / name, tmp_path / "run")


@pytest.mark.parametrize(
    "recipe",
    [
        "cats-dogs-features",
        "cats-dogs-alexnet",
        "tiny-imagenet",
        "tiny-imagenet-deepergooglenet",
        "srcnn",
        "cifar10",
        "cifar10-resnet",
        "imagenette",
        "caltech101-features",
        "flowers-features",
    ],
)
def test_a_file_in_place_of_a_data_folder_is_one_sentence(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(
        SystemExit, match=r"python -m train: .*data (is a file|is not the folder|holds no|holds neither)"
    ):
        command_line.main([recipe, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--device", "cpu"])


@pytest.mark.parametrize("packed_before", [False, True])
def test_dcgan_trains_on_a_read_only_folder(
    packed_before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noise_folder(tmp_path / "disk" / "faces")
    if packed_before:
        packed_folder(data, data.with_name("faces_16.h5"), 16)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "disk").rglob("*")}
    cannot_be_written(monkeypatch, tmp_path / "disk")
    dcgan(data, tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "disk").rglob("*")} == before
    kept = {path.name for path in (tmp_path / "run").glob("faces_16*")}
    assert kept == {"faces_16_lite0.safetensors"} | (set() if packed_before else {"faces_16.h5"})


def test_class_folders_and_patches_on_a_read_only_disk_are_packed_in_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    own_folders(disk)
    save_noise(disk / "t91", 3)
    before = sorted(disk.rglob("*"))
    cannot_be_written(monkeypatch, disk)
    train(disk, tmp_path / "run")
    words = [
        "srcnn",
        "--data",
        str(disk),
        "--out",
        str(tmp_path / "sr"),
        "--no-bsds",
        "--steps",
        "1",
        "--device",
        "cpu",
    ]
    words += [
        "--channels",
        "4",
        "3",
        "--crop-px",
        "24",
        "--patch-px",
        "84",
        "--batch-size",
        "2",
        "--evaluate-every",
        "1",
    ]
    command_line.main(words)
    assert sorted(disk.rglob("*")) == before
    assert (tmp_path / "run" / "train.h5").exists() and (tmp_path / "sr" / "patches_84_t91.h5").exists()


# ---- caches that are cut off


def test_packings_that_are_cut_off_are_made_again(tmp_path: Path) -> None:
    data = noise_folder(tmp_path / "faces")
    target = packed_folder(data, tmp_path / "a.h5", 16)
    whole = read_pictures(target)
    for damage in (cut, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"no HDF5 file" * 100)):
        damage(target)
        with pytest.warns(UserWarning, match=r"a\.h5 is cut off or damaged, and is made again"):
            packed_folder(data, target, 16)
        assert np.array_equal(read_pictures(target), whole)


def test_features_that_are_cut_off_are_made_again(tmp_path: Path) -> None:
    files = sorted(noise_folder(tmp_path / "data", 4).iterdir())
    listing = Listing(files, np.array([0, 0, 1, 1]), ["a", "b"])
    config = FeatureConfig(input_px=32)
    target = extract(listing, tmp_path / "f.h5", config, CPU, False)
    whole = read_features(target).values
    cut(target)
    with pytest.raises(ValueError, match=r"f\.h5 is no HDF5 file, or one that is cut off"):
        opened(target)
    with pytest.warns(UserWarning, match="made again"):
        extract(listing, target, config, CPU, False)
    assert torch.equal(read_features(target).values, whole)


def test_parts_of_features_that_are_cut_off_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_SHARD", 8)
    files = sorted(noise_folder(tmp_path / "data", 9).iterdir())
    listing = Listing(files, np.arange(9) % 2, ["a", "b"])
    config = FeatureConfig(input_px=32)
    whole = read_features(extract(listing, tmp_path / "whole.h5", config, CPU, False)).values
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(features, "write_features", full)
        extract(listing, tmp_path / "f.h5", config, CPU, False)
    cut(next(tmp_path.glob("f.h5.*.parts/000000000.npz")))
    assert torch.equal(read_features(extract(listing, tmp_path / "f.h5", config, CPU, False)).values, whole)


def test_features_of_real_pictures_that_are_cut_off_are_made_again(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    cache = tmp_path / "a.safetensors"
    whole = RealFeatures(pictures, CPU, cache=cache).first(2)
    cut(cache)
    with pytest.warns(UserWarning, match="made again"):
        again = RealFeatures(pictures, CPU, cache=cache).first(2)
    assert torch.equal(again, whole) and cache.read_bytes()[:8] != save({})[:8]
