"""Splits that keep the classes' shares, class weights, and test pictures that are read once."""

import json
from pathlib import Path

import numpy as np
import pytest

from train.data.splits import LabelledPictures, SealedSplit, class_weights, hold_out_last, stratified_split


@pytest.mark.parametrize("sizes", [[50, 50], [90, 9, 1], [7, 30, 11, 3], [100]])
@pytest.mark.parametrize("counts", [[30, 10], [1, 1, 1], [0, 20], []])
@pytest.mark.parametrize("seed", [0, 1])
def test_parts_have_their_size_and_each_class_its_share(sizes: list[int], counts: list[int], seed: int) -> None:
    labels = np.random.default_rng(9).permutation(np.repeat(np.arange(len(sizes)), sizes))
    parts = stratified_split(labels, counts, seed)
    assert [len(part) for part in parts] == counts
    assert len(set(np.concatenate([[], *parts]).tolist())) == sum(counts)
    for part, count in zip(parts, counts, strict=True):
        assert part.tolist() == sorted(part.tolist())
        shares = np.bincount(labels[part], minlength=len(sizes)) - count * np.array(sizes) / len(labels)
        assert np.abs(shares).max(initial=0) < 1.0 + 1e-9


def test_the_seed_decides_on_the_split() -> None:
    labels = np.arange(100) % 4
    first, again, other = (stratified_split(labels, [50], seed)[0].tolist() for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("counts", [[60, 41], [-1, 5]])
def test_impossible_parts_are_refused(counts: list[int]) -> None:
    with pytest.raises(ValueError, match="of 100 samples"):
        stratified_split(np.zeros(100, np.int64), counts, 0)


def test_the_last_of_each_class_are_held_out() -> None:
    kept, held = hold_out_last(np.array([0, 1, 0, 1, 0, 1, 1]), 2)
    assert held.tolist() == [2, 4, 5, 6] and kept.tolist() == [0, 1, 3]
    assert [part.tolist() for part in hold_out_last(np.array([0, 1]), 0)] == [[0, 1], []]
    with pytest.raises(ValueError, match="cannot hold 3 samples out of a class of 3"):
        hold_out_last(np.array([0, 1, 0, 1, 0, 1, 1]), 3)


def test_rare_classes_weigh_more() -> None:
    weights = class_weights(np.repeat([0, 1, 2], [10, 20, 40]), 3)
    labels = np.repeat([0, 1, 2], [10, 20, 40])
    assert weights.dtype == np.float32 and weights[labels].mean() == pytest.approx(1)
    assert weights / weights[2] == pytest.approx([4, 2, 1])
    assert class_weights(np.arange(6) % 3, 3).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(("labels", "num_classes"), [([0, 2], 3), ([0, 1, 2], 2)])
def test_weights_need_samples_of_each_class(labels: list[int], num_classes: int) -> None:
    with pytest.raises(ValueError, match=f"the {num_classes} classes and no other"):
        class_weights(np.array(labels), num_classes)


def test_the_test_split_is_read_once(tmp_path: Path) -> None:
    loaded: list[str] = []
    split = SealedSplit(lambda: loaded.append("read") or "pictures")
    assert loaded == [] and split.read("the final accuracy") == "pictures"
    with pytest.raises(
        RuntimeError, match="was read for 'the final accuracy'; it is read once, not for 'another look'"
    ):
        split.read("another look")
    assert loaded == ["read"]


def test_what_could_not_be_loaded_was_not_read(tmp_path: Path) -> None:
    record = tmp_path / "test_readings.jsonl"
    split = SealedSplit(lambda: (tmp_path / "absent").read_text(), record)
    with pytest.raises(FileNotFoundError):
        split.read("publishing")
    assert not record.exists() and split.readings == 0


def test_readings_of_earlier_runs_are_on_record(tmp_path: Path) -> None:
    record = tmp_path / "test_readings.jsonl"
    for number, purpose in enumerate(("run 1", "run 2")):
        split = SealedSplit(lambda: "pictures", record)
        assert split.readings == number
        split.read(purpose)
    assert [json.loads(line)["purpose"] for line in record.read_text().splitlines()] == ["run 1", "run 2"]


def test_pictures_and_labels_go_together() -> None:
    data = LabelledPictures(np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1), np.array([2, 0, 1]), ["a", "b", "c"])
    part = data.take(np.array([2, 0]))
    assert len(part) == 2 and part.labels.tolist() == [1, 2] and part.pictures[:, 0, 0, 0].tolist() == [8, 0]
    with pytest.raises(ValueError, match="3 pictures, 2 labels"):
        LabelledPictures(data.pictures, np.array([0, 1]))
