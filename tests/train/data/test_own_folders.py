"""Training on people's own class folders, by the command line: sizes, classes, settings, and what the card says."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.weights import load_labels, load_manifest
from train import __main__ as command_line
from train.classify import ensemble
from train.data import datasets as sources
from train.data.splits import LabelledPictures
from train.engine.checkpoint import LAST, load
from train.engine.class_names import columns_in_order, order_of
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions
from train.recipes import RECIPES, cifar10

CPU = torch.device("cpu")
COLOURS = {"ant": (200, 20, 20), "bee": (20, 200, 20), "cow": (20, 20, 200)}
OPTIONS = ["--epochs", "1", "--batch-size", "6", "--micro-batch", "6", "--widths", "4", "4", "4", "--device", "cpu"]
TINY = cifar10.Cifar10Config(epochs=1, batch_size=6, micro_batch=6, widths=(4, 4, 4), lr_rest=0.5, validation=0)


def own_folders(root: Path, size_wh: tuple[int, int] = (32, 32), counts: tuple[int, int] = (6, 2)) -> Path:
    """Three classes of noisy colours in `train` and `test`, every other file a WebP."""
    rng = np.random.default_rng(0)
    for split, count in zip(("train", "test"), counts, strict=True):
        for name, colour in COLOURS.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(0, 30, (size_wh[1], size_wh[0], 3)) + np.array(colour)
                suffix = "webp" if number % 2 else "png"
                Image.fromarray(noise.astype(np.uint8)).save(root / split / name / f"{number}.{suffix}")
    return root


def context(data: Path, **values: Any) -> Context:
    return Context(data=data, device=CPU, amp=False, **values)


def train(data: Path, out: Path, *words: str, validation: int = 3) -> None:
    given = ["--data", str(data), "--out", str(out), "--validation", str(validation)]
    command_line.main(["cifar10", *given, *OPTIONS, *words])


def trained(data: Path, out: Path, **values: Any) -> Context:
    where = context(data, **values)
    task = cifar10.RECIPE.build(TINY, where)
    assert Trainer(task, task.config, out).run()
    return where


def no_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on packing or reading of a picture is a failure."""

    def fail(*given: object, **named: object) -> None:
        pytest.fail("pictures were packed")

    monkeypatch.setattr(sources, "packed_listing", fail)
    monkeypatch.setattr(sources, "read_list", fail)


def test_three_classes_of_one_s_own_are_trained_and_the_card_says_so(tmp_path: Path) -> None:
    data, weights = own_folders(tmp_path / "data"), tmp_path / "weights"
    train(data, tmp_path / "run")
    state = load(tmp_path / "run" / LAST)
    assert state["class_names"] == list(COLOURS)
    assert state["trained_on"] == {"train": 15, "validation": 3, "resize": False}
    words = ["publish", "cifar10", "--out", str(tmp_path / "run"), "--data", str(data), "--name", "mine"]
    command_line.main([*words, "--weights-dir", str(weights), "--device", "cpu"])
    entry = load_manifest(weights)["mine"]
    assert entry.network["num_classes"] == 3 and load_labels("mine", weights) == list(COLOURS)
    assert entry.metric["n"] == 6
    assert entry.metric["split"].startswith("6 test pictures (2 ant, 2 bee, 2 cow); step")
    assert "15 train, 3 validation, 6 test" in entry.dataset and "'ant', 'bee', 'cow'" in entry.dataset
    card = (weights / "mine.md").read_text()
    assert "CIFAR" not in card.replace("cifar10", "") and "10,000" not in card and "airplane" not in card


def test_pictures_of_another_size_name_the_option_before_anything_is_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = own_folders(tmp_path / "data", size_wh=(40, 36))
    with monkeypatch.context() as patch:
        no_packing(patch)
        with pytest.raises(SystemExit, match=r"18 of 18 pictures are not 32 x 32 px .* 40 x 36\): give --resize"):
            train(data, tmp_path / "run")
    train(data, tmp_path / "run", "--resize")
    state = load(tmp_path / "run" / LAST)
    assert " --resize --data DIR" in state["command"] and state["trained_on"]["resize"]
    with pytest.raises(ValueError, match="give --resize"):
        cifar10.RECIPE.test(context(data))
    words = ["publish", "cifar10", "--out", str(tmp_path / "run"), "--data", str(data), "--name", "mine", "--resize"]
    command_line.main([*words, "--weights-dir", str(tmp_path / "weights"), "--device", "cpu"])
    entry = load_manifest(tmp_path / "weights")["mine"]
    assert " --resize --data DIR" in entry.command and " --resize --data DIR" in entry.metric["command"]
    assert cifar10.RECIPE.test(context(data, resize=True)).pictures.shape == (6, 32, 32, 3)


def test_an_older_packing_of_another_size_is_not_trained_on(tmp_path: Path) -> None:
    data = own_folders(tmp_path / "data", size_wh=(40, 40))
    sources.read_class_folders(data / "train")
    with pytest.raises(ValueError, match="the pictures are 40 x 40 px, the recipe takes 32 px: give --resize"):
        cifar10.RECIPE.build(TINY, context(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("renamed", "knows the classes 'ant', 'bee', 'cow', those in .*test have .*: unknown 'zebu'; missing 'bee'"),
        ("missing", "those in .* have 'ant', 'cow': missing 'bee'"),
        ("unknown", "have 'ant', 'bee', 'cow', 'dog': unknown 'dog'"),
        ("one", r"train has 1 class \('ant'\); a classifier needs 2 or more"),
        ("empty", "no pictures below .*train/dog"),
        ("validation", "validation must be a multiple of 3, got 5000"),
        ("large validation", "cannot hold 100 samples out of a class of 6: give a smaller --validation"),
        ("batch", "need at least one batch of 500 pictures, got 15"),
        ("first_px", "pictures of 32 px cannot grow from 40"),
        ("file", "is a file, where a folder is needed"),
        ("out", "run is a file, where a folder is needed"),
        ("again", "already holds a run"),
        ("none", "neither class folders in train/"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_sentence_before_anything_is_packed(
    change: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = own_folders(tmp_path / "data"), tmp_path / "run"
    words: Sequence[str] = ()
    validation = {"validation": 5000, "large validation": 300}.get(change, 3)
    if change == "renamed":
        (data / "test/bee").rename(data / "test/zebu")
    elif change == "missing":
        shutil.rmtree(data / "test/bee")
    elif change == "unknown":
        shutil.copytree(data / "test/bee", data / "test/dog")
    elif change == "one":
        shutil.rmtree(data / "test")
        for name in ("bee", "cow"):
            shutil.rmtree(data / "train" / name)
    elif change == "empty":
        (data / "train/dog").mkdir()
    elif change == "batch":
        words = ["--batch-size", "500"]
    elif change == "first_px":
        words = ["--first-px", "40"]
    elif change == "out":
        out.write_text("")
    elif change == "again":
        train(data, out)
    elif change == "file":
        shutil.rmtree(data / "train")
        (data / "train").write_text("")
        message = "neither class folders in train/"
    elif change == "none":
        shutil.rmtree(data / "train")
    no_packing(monkeypatch)
    with pytest.raises(SystemExit, match=message) as caught:
        train(data, out, *words, validation=validation)
    assert str(caught.value).startswith("python -m train: ")


def test_a_test_split_that_is_not_there_yet_does_not_stop_training(tmp_path: Path) -> None:
    data = own_folders(tmp_path / "data")
    shutil.rmtree(data / "test")
    train(data, tmp_path / "run")
    assert load(tmp_path / "run" / LAST)["step"] == 2


def test_a_class_that_was_renamed_since_is_not_measured_by_its_place(tmp_path: Path) -> None:
    data, weights = own_folders(tmp_path / "data"), tmp_path / "weights"
    where = trained(data, tmp_path / "run")
    (data / "test/ant").rename(data / "test/zebu")
    options = PublishOptions(weights_dir=weights, checkpoint=LAST)
    with pytest.raises(ValueError, match=r"the run in .* knows the classes 'ant'.*the data have .*'zebu'"):
        cifar10.RECIPE.publish(TINY, tmp_path / "run", where, options)
    assert not weights.exists()
    members = [str(tmp_path / "run"), str(tmp_path / "run") + "/"]
    with pytest.raises(ValueError, match=r"knows the classes 'ant'.*the data have .*'zebu'"):
        ensemble.measured_members(members, cifar10.RECIPE, where)


def test_a_checkpoint_without_names_takes_those_of_the_training_split(tmp_path: Path) -> None:
    data, weights = own_folders(tmp_path / "data"), tmp_path / "weights"
    spec = replace(cifar10.RECIPE, source=replace(cifar10.CIFAR10, num_classes=3))
    where = trained(data, tmp_path / "run")
    state = load(tmp_path / "run" / LAST)
    del state["class_names"], state["trained_on"]
    torch.save(state, tmp_path / "run" / LAST)
    options = PublishOptions(weights_dir=weights, checkpoint=LAST)
    spec.publish(TINY, tmp_path / "run", where, options)
    assert load_labels("cifar10", weights) == list(COLOURS)
    (data / "test/ant").rename(data / "test/zebu")
    with pytest.raises(ValueError, match="unknown 'zebu'"):
        spec.publish(TINY, tmp_path / "run", where, options)


def test_other_classes_do_not_replace_the_names_of_another_weight(tmp_path: Path) -> None:
    data, weights = own_folders(tmp_path / "data"), tmp_path / "weights"
    (weights / "labels").mkdir(parents=True)
    (weights / "labels" / "cifar10.txt").write_text("airplane\nautomobile\n")
    where = trained(data, tmp_path / "run")
    cifar10.RECIPE.publish(TINY, tmp_path / "run", where, PublishOptions(LAST, "mine", weights))
    assert (weights / "labels" / "cifar10.txt").read_text() == "airplane\nautomobile\n"
    assert load_labels("mine", weights) == list(COLOURS)


def test_labels_follow_their_names() -> None:
    data = LabelledPictures(np.zeros((3, 1, 1, 3), np.uint8), np.array([0, 1, 2]), ["b", "c", "a"])
    assert data.in_order(["a", "b", "c"], "x").labels.tolist() == [1, 2, 0]
    logits = torch.tensor([[1.0, 2.0, 3.0]])  # of b, c, a
    assert columns_in_order(logits, ["b", "c", "a"], "x", ["a", "b", "c"]).tolist() == [[3.0, 1.0, 2.0]]
    with pytest.raises(ValueError, match="and 30 more"):
        order_of([str(number) for number in range(50)], "x", ["a"])


def test_nothing_left_to_do_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = own_folders(tmp_path / "data")
    train(data, tmp_path / "run")
    assert "nothing left" not in capsys.readouterr().out
    train(data, tmp_path / "run", "--resume")
    assert "nothing left to do: " in capsys.readouterr().out


def test_another_batch_size_is_refused_before_the_data_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = own_folders(tmp_path / "data")
    train(data, tmp_path / "run")
    shutil.rmtree(data)
    with pytest.raises(SystemExit, match=r"in batches of 6, .* Give --batch-size 6 to go on"):
        train(data, tmp_path / "run", "--resume", "--batch-size", "5")


@pytest.mark.parametrize(
    "name", [name for name, recipe in RECIPES.items() if isinstance(recipe, ensemble.ClassifierMaker)]
)
def test_no_recipe_tells_a_number_of_test_pictures(name: str) -> None:
    """It would stand in a card whatever was measured."""
    recipe: Any = getattr(getattr(RECIPES[name], "split", None), "__self__", None)
    assert recipe is not None
    source = getattr(recipe, "source", None) or recipe.data
    assert not any(letter.isdigit() for letter in source.test_split.replace("seed 0", ""))
