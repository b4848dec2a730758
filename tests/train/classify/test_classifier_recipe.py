"""The classification recipes from pictures to manifest: trained, published, measured again, and the same number."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.classify.classifier import load_network
from cvdemo.nets.fast_resnet import FastResNet
from cvdemo.nets.googlenet import DeeperGoogLeNet
from cvdemo.weights import load_labels, load_manifest
from train.classify import classifier_recipe
from train.classify.classifier_recipe import ClassifierRecipe
from train.engine.config_options import config_of
from train.engine.loop import Trainer
from train.publishing.recipe import Context, PublishOptions, command_of
from train.recipes import RECIPES, cifar10

CPU = torch.device("cpu")


@pytest.fixture(name="cifar")
def fixture_cifar(tmp_path: Path) -> Path:
    """Four pictures of each of CIFAR-10's classes in `train`, two in `test`: one colour each."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("test", 2)):
        for label, name in enumerate(names):
            folder = tmp_path / "cifar" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 50, (32, 32, 3)) + np.array([label * 20, 200 - label * 20, 100])
                Image.fromarray(noise.astype(np.uint8)).save(folder / f"{i}.png")
    return tmp_path / "cifar"


TINY = cifar10.Cifar10Config(
    epochs=2, batch_size=10, micro_batch=10, widths=(4, 4, 4), lr_rest=0.5, validation=10, log_every=1
)


def trained(data: Path, out: Path, config: cifar10.Cifar10Config = TINY) -> Context:
    context = Context(data=data, device=CPU, amp=False)
    made = cifar10.RECIPE.build(config, context)
    assert Trainer(made, made.config, out).run()
    return context


def test_what_is_published_loads_and_measures_the_same(
    cifar: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = trained(cifar, tmp_path / "run")
    weights = tmp_path / "weights"
    name = cifar10.RECIPE.publish(TINY, tmp_path / "run", context, PublishOptions(weights_dir=weights))
    entry = load_manifest(weights)[name]
    assert entry.network == {"name": "fast_resnet", "num_classes": 10, "widths": [4, 4, 4], "depth": 3}
    assert entry.metric["n"] == 20 and "chosen by validation" in entry.metric["split"]
    assert load_labels(name, weights)[0] == "airplane" and len(load_labels(name, weights)) == 10
    with Image.open(weights / f"{name}_confusion.png") as drawing:
        assert drawing.width > 500
    card = (weights / f"{name}.md").read_text()
    assert f"{name}_confusion.png" in card and f"]({name}_curves.png)\n\nTraining did not diverge. " in card
    assert (weights / f"{name}_curves.png").read_bytes() == (tmp_path / "run" / "curves.png").read_bytes()
    monkeypatch.setattr(classifier_recipe, "load_network", lambda weight: load_network(weight, weights))
    monkeypatch.setattr(classifier_recipe, "load_labels", lambda weight: load_labels(weight, weights))
    again = cifar10.RECIPE.evaluate(name, context)
    assert {key: again[key] for key in ("rank1", "rank5", "tta_rank1")} == entry.metric["value"]
    assert json.dumps(again)
    (cifar / "test" / "bird").rename(cifar / "test" / "zebra")
    with pytest.raises(ValueError, match=r"knows the classes .*'bird'.* the data have .*'zebra'"):
        cifar10.RECIPE.evaluate(name, context)


def test_without_validation_the_last_checkpoint_is_published(cifar: Path, tmp_path: Path) -> None:
    config = replace(TINY, validation=0)
    context = trained(cifar, tmp_path / "run", config)
    assert not (tmp_path / "run" / "best.pt").exists()
    options = PublishOptions(weights_dir=tmp_path / "weights", checkpoint="last.pt")
    cifar10.RECIPE.publish(config, tmp_path / "run", context, options)
    assert "step 8 of 8, not chosen" in load_manifest(tmp_path / "weights")["cifar10"].metric["split"]


def test_the_whitening_looks_at_every_class(cifar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    monkeypatch.setattr(FastResNet, "set_whitening", lambda self, pictures: seen.append(pictures))
    cifar10.RECIPE.build(TINY, Context(data=cifar, device=CPU, amp=False))
    assert len(seen[0]) == 30 and len(seen[0].mean(dim=(2, 3)).round(decimals=1).unique(dim=0)) >= 10


def test_a_recipe_without_data_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither class folders in train"):
        cifar10.RECIPE.build(TINY, Context(data=tmp_path, device=CPU, amp=False))
    with pytest.raises(ValueError, match="give --data"):
        cifar10.RECIPE.evaluate("cifar10", Context(data=None, device=CPU, amp=False))


@pytest.mark.parametrize("name", ["cifar10", "cifar10-minigooglenet", "lenet-fashion-mnist", "tiny-imagenet"])
def test_recipes_have_a_file_short_enough_to_copy(name: str, recipe_file: Callable[[str], Path]) -> None:
    assert recipe_file(name).read_text().count("\n") <= 120


@pytest.fixture(name="recipe_file")
def fixture_recipe_file() -> Callable[[str], Path]:
    """The source file that holds a recipe."""
    folder = Path(cifar10.__file__).parent

    def find(name: str) -> Path:
        (path,) = (p for p in folder.glob("*.py") if f'    name="{name}"' in p.read_text())
        return path

    return find


def test_deeper_googlenet_trains_on_pictures_that_grow() -> None:
    recipe = RECIPES["tiny-imagenet-deepergooglenet"]
    assert isinstance(recipe, ClassifierRecipe)
    config = config_of(recipe.dry_run | {"epochs": 0, "steps": 4}, recipe.config)
    made = recipe.build(config, Context(data=None, device=CPU, amp=False))
    assert isinstance(made.network, DeeperGoogLeNet) and made.network.classifier.out_features == 200
    sides = [made.batch(step, torch.Generator().manual_seed(0))[0].shape[-1] for step in (0, 3)]
    assert sides == [32, 56]


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("step", [1.0, 1.0, 0.1, 0.01]), ("linear", [1.0, 0.75, 0.5, 0.25]), ("one-cycle", [1.0, 1.0, 0.75, 0.25])],
)
def test_the_deep_resnet_has_the_books_schedules(schedule: str, factors: list[float]) -> None:
    recipe = RECIPES["cifar10-resnet"]
    config = config_of(recipe.dry_run | {"epochs": 0, "steps": 4, "schedule": schedule}, recipe.config)
    made = recipe.build(config, Context(data=None, device=CPU, amp=False))
    assert [type(optimizer).__name__ for optimizer in made.optimizers.values()] == ["SGD"]
    assert [made.lr_factor(step) for step in range(4)] == pytest.approx(factors, abs=1e-6)


def test_every_recipe_of_the_table_is_there() -> None:
    asked = {"cifar10", "cifar10-minigooglenet", "lenet-fashion-mnist", "tiny-imagenet"}
    asked |= {"cats-dogs-features", "cats-dogs-finetune", "tiny-imagenet-features"}
    asked |= {"tiny-imagenet-deepergooglenet", "cats-dogs-alexnet", "cifar10-resnet", "imagenette"}
    asked |= {"caltech101-features", "flowers-features"}
    assert asked <= set(RECIPES)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"label_smoothing": 1.0}, "label_smoothing must be below 1, got 1"),
        ({"rotate_deg": 200.0}, "rotate_deg must be at most 180, got 200"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict[str, float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replace(TINY, **changes)  # type: ignore[arg-type]  # of many types


def test_steps_and_epochs_must_agree(cifar: Path) -> None:
    context = Context(data=cifar, device=CPU, amp=False)
    with pytest.raises(ValueError, match="give steps or epochs: 2 epochs are 6 steps"):
        cifar10.RECIPE.build(replace(TINY, steps=7), context)
    with pytest.raises(ValueError, match="multiple of 10, got 15"):
        cifar10.RECIPE.build(replace(TINY, validation=15), context)
    config = cifar10.RECIPE.build(TINY, context).config
    assert config.steps == 6 and "--steps" not in command_of("cifar10", config)


def test_another_optimiser_takes_the_place_of_muon(cifar: Path) -> None:
    made = cifar10.RECIPE.build(replace(TINY, optimizer="adamw"), Context(data=cifar, device=CPU, amp=False))
    assert [type(optimizer).__name__ for optimizer in made.optimizers.values()] == ["AdamW"]


def test_a_second_publication_says_that_the_test_split_was_read_before(cifar: Path, tmp_path: Path) -> None:
    context = trained(cifar, tmp_path / "run")
    for _ in range(2):
        cifar10.RECIPE.publish(TINY, tmp_path / "run", context, PublishOptions(weights_dir=tmp_path / "weights"))
    assert "read once before" in load_manifest(tmp_path / "weights")["cifar10"].metric["split"]
