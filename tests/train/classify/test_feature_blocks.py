"""The script behind the page on features: no picture on both sides, the right layer wins, and the table says so."""

from argparse import Namespace
from functools import cache
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.feature_blocks import (
    FEW,
    LAYERS,
    Subject,
    accuracy,
    chosen,
    digits,
    flowers17,
    markdown,
    measured,
    splits,
    subjects,
)

LABELS = np.arange(80, dtype=np.int64) % 2


def separable(seed: int, gap: float) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(LABELS), 4)).astype(np.float32)
    return noise + gap * LABELS[:, None].astype(np.float32)


def test_so_many_of_each_class_are_chosen_in_another_order_by_seed() -> None:
    labels = np.array([0] * 30 + [1] * 5)
    found = chosen(labels, 10)
    assert np.bincount(labels[found]).tolist() == [10, 5] and len(set(found.tolist())) == 15
    assert found.tolist() != chosen(labels, 10, seed=1).tolist()


def test_training_and_test_share_nothing_and_hold_every_class() -> None:
    train, test = splits(np.array([0] * 500 + [1] * 30))
    assert not set(train) & set(test) and len(train) + len(test) == 530
    assert len(test) == 100 + 15


@pytest.mark.parametrize("classifier", ["logistic", "svm"])
def test_features_that_part_the_classes_are_told_from_noise(classifier: str) -> None:
    train, test = splits(LABELS)
    assert accuracy(separable(0, 6.0), LABELS, train, test, classifier) == 100
    assert accuracy(separable(0, 0.0), LABELS, train, test, classifier) < 80


@pytest.mark.slow
def test_the_best_layer_of_each_row_is_bold() -> None:
    subject = Subject("things", False, [], LABELS)
    found = {layer: separable(1, 6.0 if layer == "block7" else 0.0) for layer in LAYERS}
    rows = measured(subject, found)
    assert [(row["size"], row["train"]) for row in rows] == [
        ("few", 2 * FEW), ("few", 2 * FEW), ("more", 40), ("more", 40)
    ]  # fmt: skip
    lines = markdown(rows).splitlines()
    assert len(lines) == 6
    for line in lines[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:4] == ["things", "no", cells[2], "40"]
        assert [cell for cell in cells if cell.startswith("**")] == [cells[5 + LAYERS.index("block7")]]


def test_the_digits_are_pictures() -> None:
    subject = digits()
    assert subject.classes == 10 and np.asarray(subject.pictures).shape == (1797, 8, 8, 3)


@cache
def grey(kind: int) -> bytes:
    """A picture file whose grey tells a kind."""
    stream = BytesIO()
    Image.new("L", (8, 8), 10 * kind).save(stream, "JPEG", quality=100)
    return stream.getvalue()


def test_a_flower_s_kind_comes_from_its_number(tmp_path: Path) -> None:
    for number in range(1, 1361):
        (tmp_path / f"image_{number:04d}.jpg").write_bytes(grey((number - 1) // 80))
    given = Namespace(cats_dogs=None, clothing=None, bccd=None, flowers17=tmp_path, digits=False)
    (subject,) = subjects(given)
    assert subject.name == "17 flowers" and subject.alike and np.bincount(subject.labels).tolist() == [80] * 17
    seen = [int(np.asarray(picture)[0, 0, 0]) for picture in islice(subject.pictures, 200)]
    assert seen == (10 * subject.labels[:200]).tolist()
    train, test = splits(subject.labels)
    assert len(train) == len(test) == 17 * 40
    (tmp_path / "image_0700.jpg").unlink()
    with pytest.raises(ValueError, match=r"need image_0001.jpg to image_1360.jpg in .*, got 1359 files"):
        flowers17(tmp_path)
