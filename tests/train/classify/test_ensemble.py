"""Averaging of members: known answers, the runs it trains, what it publishes, and what it refuses."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cvdemo.weights import load_ensembles, load_manifest
from tests.train.publishing.test_publish import put
from tests.train.tiny_tasks import altered
from train.classify import classifier_recipe, ensemble
from train.classify.classifier_recipe import ClassifierRecipe, Source
from train.classify.classifier_task import ClassifierConfig, ClassifierTask, Normalisation
from train.data.datasets import READINGS, LabelledPictures
from train.engine.checkpoint import LAST
from train.engine.loop import Trainer
from train.engine.optimisers import OptimizerName
from train.publishing.recipe import Context, PublishOptions

CPU = torch.device("cpu")


def squares(data: Path, split: str) -> LabelledPictures:
    """Bright and dark pictures of 28 px: the two classes."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    labels = np.arange(40, dtype=np.int64) % 2
    pictures = (
        rng.integers(0, 120, (40, 28, 28, 1), dtype=np.uint8) + (labels * 130).astype(np.uint8)[:, None, None, None]
    )
    return LabelledPictures(pictures, labels, ["dark", "bright"])


SOURCE = Source(
    name="squares",
    licence="Apache-2.0",
    read=squares,
    labels="squares.txt",
    size_px=28,
    channels=1,
    num_classes=2,
    normalisation=Normalisation((0.5,), (0.3,)),
    test_split="made pictures",
)


@dataclass(frozen=True, kw_only=True)
class SquaresConfig(ClassifierConfig):
    epochs: int = 1
    batch_size: int = 10
    validation: int = 10
    optimizer: OptimizerName = "adam"
    lr: float = 3e-3
    ema_decay: float = 0.0


CONFIG = SquaresConfig()


@pytest.fixture(name="recipe")
def fixture_recipe() -> ClassifierRecipe:
    return ClassifierRecipe(
        name="squares",
        goal="none",
        dry_run={},
        weight="squares",
        source=SOURCE,
        config=SquaresConfig,
        network=lambda config: {"name": "lenet5", "num_classes": 2, "channels": [2, 2], "hidden": [8, 4]},
    )


def context(tmp_path: Path) -> Context:
    return Context(data=tmp_path, device=CPU, amp=False)


def options(**values: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ensemble.add_options(parser)
    args = parser.parse_args(["squares"])
    return argparse.Namespace(**{**vars(args), **values})


def test_the_mean_of_probabilities_is_not_the_mean_of_logits() -> None:
    sure, unsure = torch.tensor([[10.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    expected = (sure.softmax(1) + unsure.softmax(1)) / 2
    assert torch.allclose(ensemble.average_probabilities([sure, unsure]).exp(), expected)


def test_members_that_err_differently_are_right_together() -> None:
    labels = torch.tensor([0, 1, 2])
    members = {}
    for wrong in range(3):
        logits = 2.0 * torch.eye(3)
        logits[wrong] = torch.tensor([1.0, 1.0, 1.0])
        logits[wrong, (wrong + 1) % 3] = 1.5
        members[f"m{wrong}"] = logits
    scores = ensemble.score(members, labels)
    assert scores.mean == pytest.approx(200 / 3) and scores.ensemble == 100


@pytest.mark.parametrize("logits", [[], [torch.zeros(2, 3), torch.zeros(2, 4)]])
def test_members_of_different_shapes_are_refused(logits: list[torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="logits of one shape"):
        ensemble.average_probabilities(logits)


def test_it_trains_members_that_differ_by_seed_and_keeps_finished_runs(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ensemble.train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))
    assert [folder.name for folder in folders] == ["seed_0", "seed_1"]
    weights = [recipe.load_run(folder / LAST).state_dict()["conv1.weight"] for folder in folders]
    assert not torch.equal(*weights)
    steps: list[int] = []
    monkeypatch.setattr(ClassifierTask, "step", lambda self, step, generator: steps.append(step))
    assert ensemble.train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path)) == folders
    assert steps == []


def test_a_stop_does_not_go_on_with_the_next_member(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda self: False)
    with pytest.raises(SystemExit, match="seed_0; the same command goes on"):
        ensemble.train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))


def test_the_command_prints_members_mean_and_ensemble(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    args = options(train=2, out=tmp_path / "runs", json=True)
    printed = json.loads(ensemble.run(args, {"squares": recipe}, context(tmp_path), context(tmp_path)))
    assert len(printed["members"]) == 2 and printed["n"] == 40
    assert printed["mean"] == pytest.approx(sum(printed["members"].values()) / 2)
    lines = ensemble.run(options(members=list(printed["members"])), {"squares": recipe}, *[context(tmp_path)] * 2)
    assert [line.split()[0] for line in lines.splitlines()][2:] == ["mean", "ensemble"]


def test_the_test_split_is_read_once_and_every_run_remembers_it(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(where: Context) -> LabelledPictures:
        read.append("test")
        assert recipe.test is not None
        return recipe.test(where)

    runs = ensemble.train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))
    members = [str(run) for run in runs]
    ensemble.measured_members(members, altered(recipe, test=counted), context(tmp_path))
    assert read == ["test"]
    for run in runs:
        (line,) = (run / READINGS).read_text().splitlines()
        assert json.loads(line)["purpose"] == f"an ensemble of {', '.join(members)}"
    weights = tmp_path / "weights"
    recipe.publish(CONFIG, runs[0], context(tmp_path), PublishOptions(weights_dir=weights))
    assert "read once before for this run" in load_manifest(weights)["squares"].metric["split"]


def test_one_member_is_no_ensemble(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two members or more"):
        ensemble.run(options(members=["one"]), {"squares": recipe}, context(tmp_path), context(tmp_path))
    with pytest.raises(ValueError, match="each member once"):
        ensemble.run(options(members=["one", "one"]), {"squares": recipe}, context(tmp_path), context(tmp_path))
    with pytest.raises(ValueError, match="no recipe 'circles'"):
        ensemble.run(options(recipe="circles"), {"squares": recipe}, context(tmp_path), context(tmp_path))
    with pytest.raises(ValueError, match="train, publish, then ensemble"):
        ensemble.run(options(train=2, publish="x"), {"squares": recipe}, context(tmp_path), context(tmp_path))
    with pytest.raises(ValueError, match="--train needs --out"):
        ensemble.run(options(train=2), {"squares": recipe}, context(tmp_path), context(tmp_path))


def test_only_published_members_are_published_together(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"weights": {}}')
    scores = ensemble.EnsembleScores({"a": 90.0, "b": 92.0}, 91.0, 93.0, 99.0, 40)
    with pytest.raises(ValueError, match=r"publish \['a', 'b'\] first"):
        ensemble.publish_scores("both", ["a", "b"], scores, recipe, tmp_path)


def test_a_published_ensemble_stands_in_the_manifest(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    (run,) = ensemble.train_members(recipe, CONFIG, 1, tmp_path / "runs", context(tmp_path))
    weights = tmp_path / "weights"
    for name in ("a", "b"):
        recipe.publish(CONFIG, run, context(tmp_path), PublishOptions(name=name, weights_dir=weights))
    scores = ensemble.EnsembleScores({"a": 90.0, "b": 92.0}, 91.0, 93.0, 99.0, 40)
    ensemble.publish_scores("both", ["a", "b"], scores, recipe, weights)
    entry = load_ensembles(weights)["both"]
    assert list(entry.members) == ["a", "b"] and entry.metric["value"]["rank1"] == 93.0
    assert entry.metric["command"].startswith("python -m train ensemble squares a b")
    manifest = load_manifest(weights)
    assert entry.sha256 == {name: manifest[name].sha256 for name in "ab"}
    with pytest.raises(UserWarning, match="both was measured with the former b: measure it again by"):
        put(weights, "b")


def test_a_weight_for_other_pictures_is_not_measured(recipe: ClassifierRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = load_manifest()["lenet_fashion_mnist"]
    monkeypatch.setattr(classifier_recipe, "entry_of", lambda name: entry)
    assert recipe.load_weight is not None
    with pytest.raises(ValueError, match=r"lenet_fashion_mnist was made for .*, squares measures with"):
        recipe.load_weight("lenet_fashion_mnist")
