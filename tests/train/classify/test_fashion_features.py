"""The script behind the table of Fashion-MNIST: who chooses, who is tested, and what is written."""

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts import fashion_features
from scripts.fashion_features import STRENGTHS, best, by_strength, features, main, read
from scripts.feature_blocks import LAYERS
from train.data.splits import LabelledPictures


def write_fashion(folder: Path) -> Path:
    """60 training and 20 test pictures of 28 px in ten classes; each class has its own grey."""
    for stem, count in (("train", 60), ("t10k", 20)):
        labels = np.arange(count, dtype=np.uint8) % 10
        noise = np.random.default_rng(count).integers(0, 9, (count, 28, 28), dtype=np.uint8)
        for kind, values in (("images-idx3", noise + 24 * labels[:, None, None]), ("labels-idx1", labels)):
            header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
            (folder / f"{stem}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + values.tobytes()))
    return folder


def test_the_first_training_pictures_are_known_and_all_others_tested(tmp_path: Path) -> None:
    known, test = read(write_fashion(tmp_path), 40)
    assert (len(known), len(test)) == (40, 20) and known.labels.tolist() == [*range(10)] * 4
    with pytest.raises(ValueError, match="need 1 to 60 training pictures, got 61"):
        read(tmp_path, 61)


def test_features_are_of_every_layer(tmp_path: Path) -> None:
    known, _ = read(write_fashion(tmp_path), 2)
    found = features(known)
    assert tuple(found) == LAYERS and found["head"].shape == (2, 1280)


def test_validation_chooses_and_nothing_else_is_learned_from() -> None:
    """The classes of what is held out are swapped: who learned from it would not be wrong on all of it."""
    labels = np.arange(40, dtype=np.int64) % 2
    values = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32) + 9 * labels[:, None]
    held_out = np.arange(30, 40)
    swapped = np.where(np.isin(np.arange(40), held_out), 1 - labels, labels)
    rows = by_strength(values.astype(np.float32), swapped, np.arange(30), held_out, values[:8], labels[:8])
    assert [row["l2"] for row in rows] == list(STRENGTHS)
    assert {row["validation"] for row in rows} == {0.0} and {row["test"] for row in rows} == {100.0}
    assert best(rows)["l2"] == 1.0  # of equals the strongest
    assert best([{"validation": 1.0, "test": 9.0}, {"validation": 2.0, "test": 3.0}])["test"] == 3.0


def test_it_prints_and_writes_what_the_layers_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def grey(data: LabelledPictures) -> dict[str, np.ndarray]:
        level = data.pictures.mean(axis=(1, 2, 3))[:, None]
        return {layer: np.abs(level - np.arange(0, 250, 24)).astype(np.float32) for layer in LAYERS}

    monkeypatch.setattr(fashion_features, "features", grey)
    words = ["--data", str(write_fashion(tmp_path)), "--out", str(tmp_path / "out"), "--pictures", "50"]
    monkeypatch.setattr(sys, "argv", ["fashion_features", *words, "--held-out", "2", "--layers", "block7", "head"])
    main()
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "30 pictures to learn from, 20 to choose by, 20 to test"
    assert [line.partition(":")[0] for line in said[1:]] == ["block7", "head"]
    assert "head: 100.0 % of the test pictures, 100.0 % of those that chose; L2 " in said[2]
    written = json.loads((tmp_path / "out" / "fashion_features.json").read_text())
    assert list(written["layers"]) == ["block7", "head"] and len(written["layers"]["head"]) == len(STRENGTHS)
