"""HDF5 files: writing, packing, reading them back in any order, by workers and in several processes."""

import multiprocessing
import os
import pickle
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from train.data.hdf5 import (
    Hdf5Dataset,
    Hdf5Writer,
    load_labelled_pictures,
    write_pictures,
)
from train.data.hdf5_writer import encode_jpeg
from train.data.read_pictures import read_rgb

CONTEXTS = ["fork", pytest.param("spawn", marks=pytest.mark.slow)]  # the new process imports torch again


def noise_pictures(count: int, side_px: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side_px, side_px, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """50 pictures of noise whose labels are 0, 1, 2, 3, 4, 0, ..."""
    with Hdf5Writer(tmp_path / "noise.h5", (8, 8, 3), class_names=list("abcde"), buffer=7) as writer:
        pictures = noise_pictures(50)
        writer.add(pictures[:30], np.arange(30) % 5)
        writer.add(pictures[30:], np.arange(30, 50) % 5)
    return tmp_path / "noise.h5"


# ---- writing


def test_samples_labels_names_and_means_come_back(file: Path) -> None:
    data, pictures = Hdf5Dataset(file), noise_pictures(50)
    assert np.array_equal(data.read(), pictures)
    assert data.labels.tolist() == [index % 5 for index in range(50)]
    assert data.class_names == list("abcde")
    assert data.mean == pytest.approx((pictures / 255).mean(axis=(0, 1, 2)), abs=1e-12)
    assert data.std == pytest.approx((pictures / 255).std(axis=(0, 1, 2)), abs=1e-9)
    labelled = load_labelled_pictures(file)
    assert np.array_equal(labelled.pictures, pictures) and labelled.class_names == list("abcde")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_features_keep_their_type_and_have_no_means(tmp_path: Path, dtype: type) -> None:
    features: np.ndarray = np.random.default_rng(0).standard_normal((20, 5)).astype(dtype)
    with Hdf5Writer(tmp_path / "f.h5", (5,), dtype, key="features") as writer:
        writer.add(features, np.zeros(20, int))
    data = Hdf5Dataset(tmp_path / "f.h5")
    assert np.array_equal(data.read(), features) and data.read().dtype == dtype
    assert data.mean is None and data.class_names == []
    with pytest.raises(ValueError, match="no uint8 pictures"):
        load_labelled_pictures(tmp_path / "f.h5")


def test_jpeg_bytes_are_stored_as_they_are(tmp_path: Path, chelsea: np.ndarray) -> None:
    jpegs = [encode_jpeg(chelsea[:side, :side]) for side in (40, 60)]
    with Hdf5Writer(tmp_path / "j.h5", (), jpeg=True) as writer:
        for label, jpeg in enumerate(jpegs):
            writer.add_bytes(jpeg, label)
    with h5py.File(tmp_path / "j.h5") as file:
        assert [bytes(row) for row in file["pictures"]] == jpegs
    data = Hdf5Dataset(tmp_path / "j.h5")
    for index, jpeg in enumerate(jpegs):
        picture, label = data[index]
        assert label == index and np.array_equal(picture, read_rgb(jpeg))
    pixels = np.concatenate([read_rgb(jpeg).reshape(-1, 3) for jpeg in jpegs])
    assert data.mean == pytest.approx(pixels.mean(axis=0) / 255)
    with pytest.raises(ValueError, match="differ in size"):
        data.read()


@pytest.mark.parametrize("buffer", [1, 4, 1000])
def test_not_more_than_the_buffer_is_held(tmp_path: Path, buffer: int) -> None:
    """What is received one by one is in the file up to the last, incomplete buffer."""
    with Hdf5Writer(tmp_path / "a.h5", (4, 4, 3), buffer=buffer) as writer:
        for done in range(1, 11):
            writer.add(np.zeros((1, 4, 4, 3), np.uint8))
            assert len(writer._data) == done - done % buffer


def test_writing_needs_memory_for_the_buffer_only(tmp_path: Path) -> None:
    picture_bytes, count, buffer = 64 * 64 * 3, 400, 8
    tracemalloc.start()
    try:
        with Hdf5Writer(tmp_path / "a.h5", (64, 64, 3), buffer=buffer) as writer:
            for value in range(count):
                writer.add(np.full((1, 64, 64, 3), value % 256, np.uint8), [value])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (buffer + 20) * picture_bytes < count * picture_bytes / 10  # 20: sums of a picture in 32 bits
    assert Hdf5Dataset(tmp_path / "a.h5").read([399])[0, 0, 0, 0] == 399 % 256


def test_an_error_leaves_nothing_and_an_older_file_stays(file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(KeyError, match="stop"), Hdf5Writer(file, (8, 8, 3)) as writer:
        writer.add(noise_pictures(3))
        raise KeyError("stop")
    assert file.read_bytes() == before and [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with Hdf5Writer(tmp_path / "a.h5", (8, 8, 3), buffer=1) as writer:
        writer.add(noise_pictures(3))
        assert not (tmp_path / "a.h5").exists()
        assert [path.suffix for path in tmp_path.iterdir()] == [".partial"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_of_two_writers_at_once_the_last_to_finish_stays(tmp_path: Path) -> None:
    with Hdf5Writer(tmp_path / "a.h5", (2,), np.float32) as first:
        first.add(np.ones((1, 2), np.float32), [0])
        with Hdf5Writer(tmp_path / "a.h5", (2,), np.float32) as second:
            second.add(np.zeros((3, 2), np.float32), [0, 0, 0])
        assert len(Hdf5Dataset(tmp_path / "a.h5")) == 3
    assert len(Hdf5Dataset(tmp_path / "a.h5")) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (4,), "dtype": np.float64}, "got float64"),
        ({"shape": (), "dtype": np.float32, "jpeg": True}, "got float32"),
        ({"shape": (4,), "buffer": 0}, "buffer=0"),
        ({"shape": (4, 0)}, "at least one"),
    ],
)
def test_impossible_files_are_refused(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hdf5Writer(tmp_path / "a.h5", **arguments)


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (np.zeros((1, 8, 4, 3), np.uint8), [0], r"need \(n, 8, 8, 3\) uint8, got \(1, 8, 4, 3\)"),
        (np.zeros((1, 8, 8, 3), np.float32), [0], "got .* float32"),
        (np.zeros((2, 8, 8, 3), np.uint8), [0], "need 2 integer labels"),
        (np.zeros((1, 8, 8, 3), np.uint8), [0.5], "integer labels"),
        (np.zeros((1, 8, 8, 3), np.uint8), [2], "labels from 2 to 2 for 2 class names"),
        (np.zeros((1, 8, 8, 3), np.uint8), [-1], "labels from -1"),
        (np.zeros((1, 8, 8, 3), np.uint8), None, "label all samples or none"),
    ],
)
def test_samples_that_do_not_fit_are_refused(
    tmp_path: Path, samples: np.ndarray, labels: list[float] | None, message: str
) -> None:
    with Hdf5Writer(tmp_path / "a.h5", (8, 8, 3), class_names=["x", "y"]) as writer:
        writer.add(np.zeros((1, 8, 8, 3), np.uint8), [1])
        with pytest.raises(ValueError, match=message):
            writer.add(samples, labels)
        with pytest.raises(ValueError, match="jpeg=True"):
            writer.add_bytes(b"\xff\xd8", 0)
    assert Hdf5Dataset(tmp_path / "a.h5").labels.tolist() == [1]


@pytest.mark.parametrize("content", [b"\x89PNG\r\n", b"\xff\xd8\xff\xe0 cut off"])
def test_bytes_that_are_no_jpeg_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"a JPEG|picture 0"), Hdf5Writer(tmp_path / "a.h5", (), jpeg=True) as writer:
        writer.add_bytes(content, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("side_px", "dtype", "chunk"), [(32, np.uint8, 16), (64, np.uint8, 1), (224, np.uint8, 1)])
def test_chunks_hold_one_large_or_sixteen_small_pictures(tmp_path: Path, side_px: int, dtype: type, chunk: int) -> None:
    with Hdf5Writer(tmp_path / "a.h5", (side_px, side_px, 3), dtype) as writer:
        writer.add(np.zeros((1, side_px, side_px, 3), dtype))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["pictures"].chunks == (chunk, side_px, side_px, 3)


# ---- reading


@pytest.mark.parametrize("indices", [[], [3], [9, 2, 2, 48, 0, -1], list(range(49, -1, -1))])
def test_any_order_is_read(file: Path, indices: list[int]) -> None:
    assert np.array_equal(Hdf5Dataset(file).read(indices), noise_pictures(50)[indices])


def test_neighbours_are_read_together(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Hdf5Dataset(file)
    data._chunk = 1
    slices: list[slice] = []
    read = h5py.Dataset.__getitem__

    def spy(self: h5py.Dataset, key: slice) -> np.ndarray:
        slices.append(key)
        return read(self, key)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    data.read([12, 30, 10, 11, 31, 3])
    assert slices == [slice(3, 4), slice(10, 13), slice(30, 32)]


def test_a_part_of_the_file_is_a_data_set(file: Path) -> None:
    part = Hdf5Dataset(file, indices=[10, 3, 27])
    assert len(part) == 3 and part.labels.tolist() == [0, 3, 2]
    assert np.array_equal(part.read([2, 0]), noise_pictures(50)[[27, 10]])
    assert np.array_equal(part[1][0], noise_pictures(50)[3])
    for wrong in ([50], [-51]):
        with pytest.raises(IndexError, match="within 50"):
            Hdf5Dataset(file, indices=wrong)
    with pytest.raises(IndexError, match="within 3"):
        part[3]


def test_the_transform_sees_each_sample(file: Path) -> None:
    data = Hdf5Dataset(file, transform=lambda picture: int(picture.sum()))
    assert data[4] == (int(noise_pictures(50)[4].astype(int).sum()), 4)


@pytest.mark.parametrize("context", CONTEXTS)
def test_two_workers_read_what_one_process_reads(file: Path, context: str) -> None:
    data = Hdf5Dataset(file)
    assert np.array_equal(data.read([0]), noise_pictures(1))  # opened here, before the workers start
    loader = DataLoader(data, 8, shuffle=True, num_workers=2, multiprocessing_context=context)
    batches = [zip(labels.tolist(), pictures.numpy(), strict=True) for pictures, labels in loader]
    seen = [pair for batch in batches for pair in batch]
    assert len(seen) == 50
    by_bytes = {picture.tobytes(): index for index, picture in enumerate(noise_pictures(50))}
    assert sorted(by_bytes[picture.tobytes()] for _, picture in seen) == list(range(50))
    assert all(by_bytes[picture.tobytes()] % 5 == label for label, picture in seen)
    assert np.array_equal(data.read([1]), noise_pictures(2)[1:])  # and it still is open


def _read_in_process(data: Hdf5Dataset, start: int) -> tuple[int, bytes]:
    return os.getpid(), b"".join(data.read([row]).tobytes() for row in range(start, 50, 2))


@pytest.mark.parametrize("context", CONTEXTS)
def test_two_processes_read_at_once(file: Path, context: str) -> None:
    data = Hdf5Dataset(file)
    data.read()
    with ProcessPoolExecutor(2, multiprocessing.get_context(context)) as pool:
        answers = [future.result() for future in [pool.submit(_read_in_process, data, start % 2) for start in range(8)]]
    assert os.getpid() not in {pid for pid, _ in answers}
    for start, (_, content) in enumerate(answers):
        assert content == noise_pictures(50)[start % 2 :: 2].tobytes()


def test_the_handle_is_not_pickled(file: Path) -> None:
    data = Hdf5Dataset(file)
    data.read([0])
    again = pickle.loads(pickle.dumps(data))
    assert data._file is not None and again._file is None
    assert np.array_equal(again.read(), data.read())


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("size", [7, 10, 64])
def test_batches_pass_over_every_sample_once(file: Path, seed: int | None, size: int) -> None:
    def one_pass() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return Hdf5Dataset(file).batches(size, generator, block=4, blocks=3)

    batches = list(one_pass())
    assert [len(labels) for _, labels in batches] == [size] * (50 // size) + [50 % size] * (50 % size > 0)
    by_bytes = {picture.tobytes(): index for index, picture in enumerate(noise_pictures(50))}
    order = [by_bytes[picture.tobytes()] for pictures, _ in batches for picture in pictures]
    assert sorted(order) == list(range(50)) and (order == sorted(order)) == (seed is None)
    assert [index % 5 for index in order] == [label for _, labels in batches for label in labels.tolist()]
    for (pictures, _), (again, _) in zip(batches, one_pass(), strict=True):
        assert np.array_equal(pictures, again)


def test_a_shuffled_pass_reads_whole_blocks(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    samples = Hdf5Dataset._samples

    def spy(self: Hdf5Dataset, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        asked.append(np.asarray(indices).tolist())
        return samples(self, indices)

    monkeypatch.setattr(Hdf5Dataset, "_samples", spy)
    assert len(list(Hdf5Dataset(file).batches(5, torch.Generator().manual_seed(0), block=10, blocks=2))) == 10
    assert max(map(len, asked)) == 20
    for rows in filter(None, asked):
        blocks = [rows[start : start + 10] for start in range(0, len(rows), 10)]
        assert all(block == list(range(block[0], block[0] + 10)) for block in blocks)


def test_files_without_labels_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a.h5", iter(noise_pictures(2)), 2, (8, 8, 3), {})
    with pytest.raises(ValueError, match=r"no labelled samples; it holds \['pictures'\]"):
        Hdf5Dataset(tmp_path / "a.h5")
