"""Surgery trains what it should and nothing else; the three recipes run from pictures to a published file."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cvdemo.classify.classifier import load_classifier, prepare
from cvdemo.eight_bits import from_eight_bits
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.weights import WEIGHTS_DIR, load_manifest
from tests.helpers.untrained_weights import make_weights
from train import __main__ as command_line
from train.classify import ensemble
from train.classify.features import backbone
from train.classify.finetune import FineTuneConfig, FineTuneTask, random_crop
from train.classify.svm_task import SvmTask
from train.classify.transfer_data import noise_pictures
from train.classify.transfer_recipe import TransferRecipe, difference, laid_over_backbone
from train.data import data_set
from train.data.download import OFFICIAL
from train.data.read_pictures import Listing, read_rgb
from train.engine.checkpoint import load
from train.engine.loop import LoopConfig, Trainer, seeded
from train.publishing.recipe import Context, PublishOptions, Recipe
from train.recipes import cats_dogs_features, cats_dogs_finetune, tiny_imagenet_features

CPU = torch.device("cpu")
SMALL = FineTuneConfig(
    input_px=64, train_px=64, epochs=0, steps=2, batch_size=4, warmup_steps=1, first_block=14, lr_body=1e-3
)


def small_task(config: FineTuneConfig = SMALL) -> FineTuneTask:
    data, validation = (noise_pictures(["a", "b"], 64, 8, seed) for seed in (0, 1))
    return FineTuneTask(config, data, validation, CPU, False)


def changed(task: FineTuneTask, before: dict[str, torch.Tensor]) -> set[str]:
    """Top-level parts of the network whose tensors differ from `before`."""
    after = task.network.state_dict()
    parts = (key.split(".")[:2] for key in after if not torch.equal(after[key], before[key]))
    return {".".join(part) if part[0] == "blocks" else part[0] for part in parts}


def test_the_head_learns_alone_and_then_the_last_blocks_follow() -> None:
    task = small_task()
    before = {key: tensor.clone() for key, tensor in task.network.state_dict().items()}
    task.step(0, seeded("step", 0, 0))
    assert changed(task, before) == {"classifier"}
    task.step(1, seeded("step", 0, 1))
    assert changed(task, before) == {"classifier", "blocks.14", "blocks.15", "head"}
    statistics = [key for key in before if "running" in key or "num_batches" in key]
    assert all(torch.equal(task.network.state_dict()[key], before[key]) for key in statistics)


def test_training_sees_the_maps_of_the_network() -> None:
    task = small_task(replace(SMALL, first_block=1))
    pixels, _ = task.batch(0, seeded("step", 0, 0))
    torch.testing.assert_close(task.maps(pixels), task.network.maps(pixels), atol=2e-3, rtol=2e-3)


def test_surgery_learns(cats_dogs: Path) -> None:
    data, validation = (cats_dogs_features.CATS_DOGS.examples(cats_dogs, split) for split in ("train", "validation"))
    config = replace(SMALL, steps=10, batch_size=16, warmup_steps=5, label_smoothing=0.0, lr_body=1e-4)
    task = FineTuneTask(config, data, validation, CPU, False)
    losses = [task.step(step, seeded("step", 0, step))["loss"].item() for step in range(config.steps)]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    assert task.evaluate(task.network)["rank1"] == 100


def test_what_is_stored_laid_over_the_backbone_is_the_network() -> None:
    task = small_task()
    for step in range(2):
        task.step(step, seeded("step", 0, step))
    stored = difference(task.network)
    assert {key.split(".")[0] for key in stored} == {"classifier", "blocks", "head"}
    assert not any(key.startswith("blocks.13.") or "running" in key for key in stored)
    assert stored["head.0.weight"].dtype == torch.int8
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        read = laid_over_backbone(from_eight_bits(stored))
        torch.testing.assert_close(read(pixels), task.network(pixels), atol=2e-2, rtol=2e-2)


def test_of_a_classifier_on_features_nothing_else_is_stored() -> None:
    network = EfficientNetLite(num_classes=4)
    network.load_state_dict(
        {k: t for k, t in backbone().state_dict().items() if not k.startswith("classifier.")}, strict=False
    )
    stored = difference(network)
    assert {key: tensor.dtype for key, tensor in stored.items()} == {
        "classifier.weight": torch.int8, "classifier.weight:scale": torch.float32, "classifier.bias": torch.float32
    }  # fmt: skip
    read = laid_over_backbone(from_eight_bits(stored)).classifier.weight
    torch.testing.assert_close(read, network.classifier.weight, atol=2e-4, rtol=0)


def test_a_crop_of_everything_is_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    whole = torch.from_numpy(picture).permute(2, 0, 1)
    assert torch.equal(random_crop(picture, 24, 1.0, [0.0, 0.5, 0.0, 0.0, 0.9]), whole)
    assert torch.equal(random_crop(picture, 24, 1.0, [0.0, 0.5, 0.0, 0.0, 0.1]), whole.flip(2))


@pytest.mark.parametrize("corner", [0.0, 0.999999])
@pytest.mark.parametrize("aspect", [0.0, 0.999999])
def test_crops_stay_inside_and_show_their_area(corner: float, aspect: float) -> None:
    ramp = np.broadcast_to(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], (80, 100, 3)).copy()
    crop = random_crop(ramp, 50, 0.25, [0.0, aspect, corner, corner, 0.9])
    assert crop.shape == (3, 50, 50)
    values = crop.float().mean(dim=(0, 1))
    ratio = 4 / 3 if aspect else 3 / 4
    width = (0.25 * 80 * 100 * ratio) ** 0.5
    left = 0 if corner == 0 else 100 - width
    assert values.mean().item() == pytest.approx(2 * (left + (width - 1) / 2), abs=2)


def test_splits_share_no_picture(cats_dogs: Path) -> None:
    parts = [cats_dogs_features.read(cats_dogs, split) for split in ("train", "validation", "test")]
    assert [len(part.files) for part in parts] == [32, 8, 8]
    assert len({file for part in parts for file in part.files}) == 48
    assert all(part.labels.mean() == 0.5 for part in parts)
    for part in parts:
        assert all(file.name.startswith(part.class_names[label]) for file, label in zip(*part[:2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "values"),
    [
        (cats_dogs_features.RECIPE, {"input_px": 64, "steps": 20, "epochs": 0, "lr": 0.01, "l2": (1e-3, 1.0)}),
        (
            cats_dogs_finetune.RECIPE,
            {"input_px": 64, "train_px": 64, "steps": 8, "epochs": 0, "warmup_steps": 5, "first_block": 15},
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_from_pictures_to_a_published_file(
    recipe: Any, values: dict[str, Any], cats_dogs: Path, tmp_path: Path
) -> None:
    context = Context(data=cats_dogs, device=CPU, amp=False)
    config = recipe.config(**values, batch_size=16, evaluate_every=10, ema_decay=0.0)
    task = recipe.build(config, context)
    Trainer(task, task.config, tmp_path / "run").run()
    name = recipe.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights"))
    entry = load_manifest(tmp_path / "weights")[name]
    assert entry.metric["protocol"].startswith("rank-1 and rank-5 accuracy, %, shorter side brought to 64 px, central")
    assert f"step {task.config.steps} of {task.config.steps}, chosen by validation" in entry.metric["split"]
    assert ("strength of L2" in entry.metric["split"]) == (recipe is cats_dogs_features.RECIPE)
    (reading,) = (tmp_path / "run" / "test_readings.jsonl").read_text().splitlines()
    assert json.loads(reading)["purpose"] == f"publishing {name}"
    assert entry.network == {"name": "efficientnet_lite", "num_classes": 2, "base": "efficientnet_lite0"}
    assert entry.preprocessing["input_px"] == entry.preprocessing["resize_px"] == 64
    assert entry.metric["value"]["rank1"] == 100
    assert entry.metric["n"] == 8
    assert (tmp_path / "weights" / "labels" / "cats_dogs.txt").read_text() == "cat\ndog\n"
    stored = from_eight_bits(load_file(tmp_path / "weights" / entry.file))
    base = backbone().state_dict()
    assert all(key.startswith("classifier.") or not torch.equal(t.float(), base[key]) for key, t in stored.items())


@pytest.mark.slow
def test_a_support_vector_machine_on_an_earlier_block_is_published_and_loaded(cats_dogs: Path, tmp_path: Path) -> None:
    recipe, context = cats_dogs_features.RECIPE, Context(data=cats_dogs, device=CPU, amp=False)
    config = cats_dogs_features.CatsDogsConfig(input_px=64, block="block4", classifier="svm", l2=(1e-3, 1.0))
    task = recipe.build(config, context)
    assert isinstance(task, SvmTask)
    Trainer(task, task.config, tmp_path / "run").run()
    weights = make_weights(tmp_path / "weights")
    name = recipe.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)[name]
    assert entry.network["layer"] == "block4" and entry.metric["value"]["rank1"] == 100
    assert "--block block4 --classifier svm" in entry.command
    assert "support vector machine" in (weights / f"{name}.md").read_text()
    assert [path.name for path in sorted(cats_dogs.glob("*.h5"))] == [
        "features_cats-dogs-features_64_block4_train.h5",
        "features_cats-dogs-features_64_block4_validation.h5",
    ]
    classifier = load_classifier(name, "cpu", weights)
    pictures = recipe.test(context)
    crops = torch.cat([prepare(read_rgb(path), classifier.preprocessing) for path in pictures.pictures])
    assert classifier.network.classifier.in_features == 40
    assert torch.equal(classifier.probabilities(crops).argmax(dim=1), pictures.labels)


@pytest.mark.parametrize("recipe", [cats_dogs_features.RECIPE, cats_dogs_finetune.RECIPE], ids=lambda r: r.name)
def test_bad_pictures_are_listed_before_step_0(recipe: Recipe, cats_dogs: Path) -> None:
    files = cats_dogs_features.read(cats_dogs, "train").files
    for path in files[3:6]:
        path.write_bytes(path.read_bytes()[:200])
    config = recipe.config(**{"input_px": 64, "batch_size": 16, "epochs": 0, "steps": 2})
    with pytest.raises(ValueError, match=r"3 of \d+ pictures cannot be read:") as caught:
        recipe.build(config, Context(data=cats_dogs, device=CPU, amp=False))
    assert all(path.name in str(caught.value) for path in files[3:6])
    assert not list(cats_dogs.glob("*.h5*"))


def test_splits_with_other_classes_are_refused_before_step_0(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = {"train": ["cat", "dog"], "validation": ["dog", "cat"], "test": ["cat", "fox"]}
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(path)

    def read(data: Path, split: str) -> Listing:
        return Listing([path] * 4, np.array([0, 0, 1, 1]), names[split])

    spec = TransferRecipe(
        goal="none",
        dry_run={},
        name="r",
        weight="w",
        config=FineTuneConfig,
        notes="",
        data=replace(cats_dogs_features.CATS_DOGS, read=read),
    )
    context = Context(data=tmp_path, device=CPU, amp=False)
    with pytest.raises(ValueError, match=r"the training split knows the classes 'cat', 'dog', .* unknown 'fox'"):
        spec.build(SMALL, context)
    names["test"] = ["dog", "cat"]
    task = spec.build(SMALL, context)
    assert task.class_names == ["cat", "dog"]
    assert task.data.labels.tolist() == [0, 0, 1, 1] and task.validation.labels.tolist() == [1, 1, 0, 0]
    names["train"] = ["cat"]
    with pytest.raises(ValueError, match=r"has 1 class \('cat'\)"):
        spec.build(SMALL, context)


def test_the_card_of_other_pictures_tells_their_numbers(cats_dogs: Path, tmp_path: Path) -> None:
    context, weights = Context(data=cats_dogs, device=CPU, amp=False), tmp_path / "weights"
    config = finished_run(cats_dogs_finetune.RECIPE, context, tmp_path / "run", **FINETUNE)
    cats_dogs_finetune.RECIPE.publish(config, tmp_path / "run", context, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)["cats_dogs_finetune"]
    assert "25,000" not in entry.dataset and "32 train, 8 validation, 8 test" in entry.dataset
    assert (
        entry.metric["split"].startswith("8 pictures, drawn with seed 0") and "(4 cat, 4 dog)" in entry.metric["split"]
    )


def test_features_on_a_read_only_disk_go_to_the_cache(
    cats_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: access(path, mode) and Path(path) != cats_dogs)
    context = Context(data=cats_dogs, device=CPU, amp=False, cache=tmp_path / "run")
    config = finished_run(cats_dogs_features.RECIPE, context, tmp_path / "run")
    assert not list(cats_dogs.glob("*.h5")) and len(list((tmp_path / "run").glob("features_*.h5"))) == 2
    cats_dogs_features.RECIPE.publish(
        config, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights")
    )


def finished_run(recipe: Recipe, context: Context, out: Path, **values: Any) -> LoopConfig:
    """A run of a few steps on the pictures of `cats_dogs`; its configuration."""
    config = recipe.config(
        **{"input_px": 64, "batch_size": 16, "epochs": 0, "steps": 6, "evaluate_every": 3, "ema_decay": 0.0, **values}
    )
    task = recipe.build(config, context)
    Trainer(task, task.config, out).run()
    return config


def published(recipe: Recipe, context: Context, run: Path, weights: Path, **values: Any) -> str:
    """The name of a weight from such a run, in a folder that holds the backbone too."""
    weights.mkdir(exist_ok=True)
    for name in ("manifest.json", "efficientnet_lite0.safetensors"):
        if not (weights / name).exists():
            (weights / name).write_bytes((WEIGHTS_DIR / name).read_bytes())
    config = finished_run(recipe, context, run, **values)
    return recipe.publish(config, run, context, PublishOptions(weights_dir=weights))


FINETUNE = {"train_px": 64, "warmup_steps": 3, "first_block": 15}


@pytest.mark.slow
def test_the_two_ways_make_an_ensemble(
    cats_dogs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = Context(data=cats_dogs, device=CPU, amp=False)
    weights = tmp_path / "weights"
    members = [
        published(cats_dogs_features.RECIPE, context, tmp_path / "a", weights, lr=0.01, l2=(1e-3, 1.0)),
        published(cats_dogs_finetune.RECIPE, context, tmp_path / "b", weights, **FINETUNE),
    ]
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", weights)
    runs = [str(tmp_path / "a"), str(tmp_path / "b")]
    command_line.main(["ensemble", "cats-dogs-features", *members, "--data", str(cats_dogs), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*members, "mean", "ensemble"]
    assert lines[-1].endswith("100.00 %  (n = 8)")
    logits, labels = ensemble.measured_members([*members, *runs], cats_dogs_features.RECIPE, context)[:2]
    assert labels.bincount().tolist() == [4, 4]
    for name, run in zip(members, runs, strict=True):
        assert logits[name].shape == (8, 2)
        torch.testing.assert_close(logits[run], logits[name], atol=0.05, rtol=0.05)  # one is stored in eight bits
    (weights / "labels" / "cats_dogs.txt").write_text("dog\ncat\n")  # what the outputs stand for is turned round
    assert cats_dogs_features.RECIPE.evaluate(members[0], context)["rank1"] == 0
    (weights / "labels" / "cats_dogs.txt").write_text("cat\nfox\n")
    with pytest.raises(ValueError, match="the data have"):
        cats_dogs_features.RECIPE.evaluate(members[0], context)
    (weights / "labels" / "cats_dogs.txt").write_text("cat\ndog\n")
    assert cats_dogs_features.RECIPE.evaluate(members[0], context)["rank1"] == 100


@pytest.mark.slow
def test_the_card_tells_which_checkpoint_and_the_time_of_the_whole_run(cats_dogs: Path, tmp_path: Path) -> None:
    context = Context(data=cats_dogs, device=CPU, amp=False)
    recipe, run, weights = cats_dogs_finetune.RECIPE, tmp_path / "run", tmp_path / "weights"
    config = finished_run(recipe, context, run, **FINETUNE)
    last = load(run / "last.pt")
    torch.save({**last, "seconds": 7200.0}, run / "last.pt")
    torch.save({**last, "step": 3}, run / "best.pt")
    recipe.publish(config, run, context, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)["cats_dogs_finetune"]
    assert entry.hours == 2
    assert entry.metric["split"].endswith("; step 3 of 6, chosen by validation")
    recipe.publish(config, run, context, PublishOptions(weights_dir=weights, checkpoint="last.pt"))
    split = load_manifest(weights)["cats_dogs_finetune"].metric["split"]
    assert split.endswith("; step 6 of 6, not chosen; read once before for this run")


def test_publishing_a_regression_makes_no_features_anew(cats_dogs: Path, tmp_path: Path) -> None:
    training = Context(data=cats_dogs, device=CPU, amp=True)
    config = finished_run(cats_dogs_features.RECIPE, training, tmp_path / "run")
    kept = {file: file.stat().st_mtime_ns for file in cats_dogs.glob("features_*")}
    assert len(kept) == 2
    measuring = replace(training, amp=False)
    options = PublishOptions(weights_dir=tmp_path / "weights")
    cats_dogs_features.RECIPE.publish(config, tmp_path / "run", measuring, options)
    assert {file: file.stat().st_mtime_ns for file in cats_dogs.glob("features_*")} == kept
    next(iter(kept)).unlink()
    with pytest.raises(FileNotFoundError, match="time of extraction"):
        cats_dogs_features.RECIPE.publish(config, tmp_path / "run", measuring, options)


def test_a_regression_that_was_not_measured_has_no_network(cats_dogs: Path, tmp_path: Path) -> None:
    recipe, context = cats_dogs_features.RECIPE, Context(data=cats_dogs, device=CPU, amp=False)
    finished_run(recipe, context, tmp_path / "run", l2=(1e-3, 1.0))
    assert recipe.load_run is not None
    network = recipe.load_run(tmp_path / "run" / "last.pt")
    heads = load(tmp_path / "run" / "last.pt")["ema"]
    expected = heads["weight"][0] * heads["scale"]  # the weaker penalty fits better
    torch.testing.assert_close(network.state_dict()["network.classifier.weight"], expected)
    state = load(tmp_path / "run" / "last.pt")
    torch.save({**state, "step": 4}, tmp_path / "run" / "last.pt")
    with pytest.raises(ValueError, match="step 4, at which validation chose no L2"):
        recipe.load_run(tmp_path / "run" / "last.pt")


def test_tiny_imagenet_is_fetched_and_cats_and_dogs_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Path]] = []
    monkeypatch.setattr(data_set, "fetch", lambda name, folder, progress: asked.append((name, folder)))
    download = tiny_imagenet_features.RECIPE.download
    assert download is not None and tiny_imagenet_features.TINY_IMAGENET.official in OFFICIAL
    download(tmp_path)
    assert asked == [("tiny-imagenet", tmp_path)]
    assert cats_dogs_features.RECIPE.download is cats_dogs_finetune.RECIPE.download is None


def test_tiny_imagenet_keeps_its_val_for_the_test(tmp_path: Path) -> None:
    root = tmp_path / "tiny-imagenet-200"
    for wnid in ("n01", "n02"):
        (root / "train" / wnid / "images").mkdir(parents=True)
        for i in range(30):
            Image.new("RGB", (8, 8)).save(root / "train" / wnid / "images" / f"{wnid}_{i:02}.JPEG")
    (root / "val" / "images").mkdir(parents=True)
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\ttench\n")
    train, validation, test = (tiny_imagenet_features.read(tmp_path, s) for s in ("train", "validation", "test"))
    assert (len(train.files), len(validation.files)) == (10, 50)
    assert not set(train.files) & set(validation.files)
    assert train.class_names == ["goldfish", "tench"]
    assert [file.name for file in test.files] == ["val_1.JPEG", "val_0.JPEG"]
    assert test.labels.tolist() == [0, 1]
