"""The comparison on unbalanced pictures: what is drawn from where, and the command from pictures to its table."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.classify.test_balance import crowd
from train import __main__ as command_line
from train.classify.compare_balance import (
    BalanceConfig,
    Pools,
    draw,
    rare_classes,
    recalls_by_way,
    summed_up,
    unbalanced,
)
from train.classify.features import FeatureConfig, Features
from train.data import datasets


def test_rare_are_those_wanted_or_the_first_half() -> None:
    names = ["a", "b", "c", "d"]
    assert rare_classes(names, []) == [0, 1] and rare_classes(names, ["d"]) == [3]
    with pytest.raises(ValueError, match="no class 'e'; there are a, b, c, d"):
        rare_classes(names, ["e"])
    with pytest.raises(ValueError, match="leave one as it is"):
        rare_classes(names, names)


def test_draws_are_of_the_sizes_wanted_and_differ_by_the_seed() -> None:
    labels = np.arange(60) % 3
    first, again, other = (draw(labels, {0: 5, 2: 20}, seed) for seed in (0, 0, 1))
    assert np.bincount(labels[first]).tolist() == [5, 0, 20]
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    with pytest.raises(ValueError, match="21 pictures of class 1 are wanted, there are 20"):
        draw(labels, {1: 21}, 0)


def test_rare_classes_keep_two_at_least() -> None:
    pool = Features(*crowd([40, 40]), ["a", "b"])
    assert unbalanced(pool, [1], 40, 20, 0).labels.bincount().tolist() == [40, 2]
    assert unbalanced(pool, [0], 40, 100, 0).labels.bincount().tolist() == [2, 40]


def test_the_ways_differ_on_rare_classes() -> None:
    pools = Pools(*(Features(*crowd([200, 200], seed), ["a", "b"]) for seed in range(3)))
    config = BalanceConfig(steps=40, batch_size=50, lr=0.1)
    base = FeatureConfig(l2=(1e-3,))
    draws = [recalls_by_way(pools, [0], config, base, seed=0)]
    found = summed_up(draws, [0], ["a", "b"])
    assert min(found["weights"]["rare"], found["smote"]["rare"]) > found["none"]["rare"] + 20
    assert found["none"]["others"] > 95
    for way in found.values():
        assert way["balanced_accuracy"] == pytest.approx((way["rare"] + way["others"]) / 2, abs=0.01)
        assert way["recall"] == {"a": way["rare"], "b": way["others"]}


def test_the_summary_is_the_mean_over_draws() -> None:
    draws = [dict.fromkeys(("none", "weights", "smote"), np.array(shares)) for shares in ([0.5, 1.0], [0.7, 0.8])]
    found = summed_up(draws, [0], ["a", "b"])["none"]
    assert (found["rare"], found["others"], found["balanced_accuracy"]) == (60, 90, 75)
    assert found["deviation"] == 0


@pytest.mark.slow
def test_from_pictures_to_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reddish cats and bluish dogs, of which the test split is never opened."""
    monkeypatch.setattr(datasets, "CATS_DOGS_COUNTS", (32, 16, 8))
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for label, name in enumerate(("cat", "dog")):
        for i in range(28):
            picture = rng.integers(0, 200, (40, 40, 3), dtype=np.uint8)
            picture[..., 2 * label] //= 2
            Image.fromarray(picture).save(tmp_path / "data" / f"{name}.{i}.png")
    words = ["compare-balance", "cats-dogs-features", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    words += ["--pictures", "12", "--ratio", "6", "--repeats", "2", "--input-px", "32", "--steps", "5"]
    words += ["--batch-size", "8"]
    command_line.main([*words, "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["rare"] == "cat" and found["n"] == 8
    assert found["trained_on"] == "2 pictures of a rare class, 12 of another"
    assert list(found["ways"]) == ["none", "weights", "smote"]
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("features_*.h5")}
    assert len(kept) == 3
    torch.manual_seed(9)  # nothing is drawn from the global generator
    command_line.main([*words, "--rare", "cat"])
    lines = capsys.readouterr().out.splitlines()[-5:]
    assert [line.split()[0] for line in lines[2:]] == ["none", "weights", "smote"]
    assert f"{found['ways']['smote']['balanced_accuracy']:.2f}" in lines[-1]
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
