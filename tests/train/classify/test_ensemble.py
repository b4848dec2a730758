"""Ensembles: scores, the runs they train, what is learnt from which pictures, what is published, what is refused."""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.weights import load_ensembles, load_manifest
from tests.train.publishing.test_publish import put
from tests.train.tiny_tasks import altered
from train.classify import classifier_recipe, combine, compare_members, ensemble
from train.classify.classifier_recipe import ClassifierRecipe, Source
from train.classify.classifier_task import ClassifierConfig, ClassifierTask, Normalisation
from train.classify.combine import METHODS
from train.classify.compare_members import rules_for
from train.classify.members import Answers, answers_on_validation, load_members, train_members
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


@pytest.fixture(name="recipe", scope="module")
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


def options(recipe: ClassifierRecipe, /, **values: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ensemble.add_options(parser, recipe)
    return argparse.Namespace(**{"recipe": "squares", **vars(parser.parse_args([])), **values})


def run(recipe: ClassifierRecipe, where: Path, /, **values: object) -> Any:
    """What the command prints, parsed where it is JSON."""
    printed = ensemble.run(options(recipe, **values), {"squares": recipe}, context(where), context(where))
    return json.loads(printed) if values.get("json") else printed


def test_members_that_err_differently_are_right_together() -> None:
    logits = (2.0 * torch.eye(3)).repeat(3, 1, 1)
    for wrong in range(3):
        logits[wrong, wrong] = torch.tensor([1.0, 1.0, 1.0])
        logits[wrong, wrong, (wrong + 1) % 3] = 1.5
    answers = Answers(["a", "b", "c"], logits, torch.tensor([0, 1, 2]), ["x", "y", "z"])
    scores = ensemble.score(answers, rules_for(["mean"], None))
    assert scores.mean == pytest.approx(200 / 3) and scores.ensemble == 100


def test_it_trains_members_that_differ_by_seed_and_keeps_finished_runs(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))
    assert [folder.name for folder in folders] == ["seed_0", "seed_1"]
    weights = [recipe.load_run(folder / LAST).state_dict()["conv1.weight"] for folder in folders]
    assert not torch.equal(*weights)
    steps: list[int] = []
    monkeypatch.setattr(ClassifierTask, "step", lambda self, step, generator: steps.append(step))
    assert train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path)) == folders
    assert steps == []


def test_a_stop_does_not_go_on_with_the_next_member(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "run", lambda self: False)
    with pytest.raises(SystemExit, match="seed_0; the same command goes on"):
        train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))


def test_a_folder_with_other_settings_is_refused(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    train_members(recipe, CONFIG, 1, tmp_path / "runs", context(tmp_path))
    with pytest.raises(ValueError, match=r"seed_0 holds another run .*'lr': \(0.003, 0.1\)"):
        train_members(recipe, replace(CONFIG, lr=0.1), 1, tmp_path / "runs", context(tmp_path))


def test_the_command_prints_members_mean_and_ensemble(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    printed = run(recipe, tmp_path, train=2, seed=5, out=tmp_path / "runs", json=True)
    assert [Path(member).name for member in printed["members"]] == ["seed_5", "seed_6"] and printed["n"] == 40
    assert printed["mean"] == pytest.approx(sum(printed["members"].values()) / 2)
    assert printed["method"] == "mean" and "comparison" not in printed
    assert json.loads((tmp_path / "runs" / ensemble.FIGURES).read_text()) == printed
    lines = run(recipe, tmp_path, members=list(printed["members"])).splitlines()
    assert [line.split()[0] for line in lines][2:] == ["mean", "ensemble"]
    lines = run(recipe, tmp_path, members=list(printed["members"]), method="vote").splitlines()
    assert lines[-1].startswith("ensemble by vote ")


@pytest.fixture(name="three", scope="module")
def fixture_three(recipe: ClassifierRecipe, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Folders of three runs."""
    out = tmp_path_factory.mktemp("runs")
    return [str(folder) for folder in train_members(recipe, CONFIG, 3, out, context(out))]


def test_every_rule_is_compared(recipe: ClassifierRecipe, three: list[str], tmp_path: Path) -> None:
    picture = tmp_path / "correlation.png"
    printed = run(recipe, tmp_path, members=three, compare=True, correlation=picture, json=True)
    found = printed["comparison"]
    assert list(found["methods"]) == list(METHODS) and found["missing"] == {}
    assert found["methods"]["mean"]["rank1"] == printed["ensemble"] == found["test"]["together"]
    assert list(found["weights"]) == three and sum(found["weights"].values()) == pytest.approx(1)
    assert (found["validation"]["n"], found["test"]["n"]) == (10, 40)
    assert {name: member["alone"] for name, member in found["test"]["members"].items()} == printed["members"]
    assert np.shape(found["validation"]["correlation"]) == (3, 3)
    with Image.open(picture) as drawn:
        assert drawn.height > 3 * 52
    for left_out, member in found["test"]["members"].items():
        others = [name for name in three if name != left_out]
        assert member["without"] == run(recipe, tmp_path, members=others, json=True)["ensemble"]


def test_the_comparison_is_tables(recipe: ClassifierRecipe, three: list[str], tmp_path: Path) -> None:
    lines = run(recipe, tmp_path, members=three, compare=True).splitlines()
    first = [line.split()[0] if line else "" for line in lines]
    assert [word for word in first if word in METHODS][1:] == list(METHODS)  # the first mean is that of the members
    table = first.index("each")
    assert first[table + 2 : table + 6] == ["seed_0", "seed_1", "seed_2", "all"]
    assert lines[table + 1].split() == ["validation:", "alone", "without", "it", "test:", "alone", "without", "it"]
    assert [line.split()[:2] for line in lines[-3:]] == [["1", "seed_0"], ["2", "seed_1"], ["3", "seed_2"]]


def test_two_members_leave_none_to_average(recipe: ClassifierRecipe, three: list[str], tmp_path: Path) -> None:
    printed = run(recipe, tmp_path, members=three[:2], compare=True, json=True)
    assert [member["without"] for member in printed["comparison"]["test"]["members"].values()] == [None, None]
    assert " - " in run(recipe, tmp_path, members=three[:2], compare=True) + " "


def test_what_is_learnt_comes_from_validation_before_the_test_split_is_opened(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    learn = combine.fit

    def noted(method: Any, logits: torch.Tensor, labels: torch.Tensor) -> Any:
        happened.append(f"{method} from {len(labels)}")
        return learn(method, logits, labels)

    def opened(where: Context) -> LabelledPictures:
        happened.append("test")
        return recipe.test(where)

    monkeypatch.setattr(compare_members, "fit", noted)
    run(altered(recipe, test=opened), tmp_path, members=three, compare=True)
    assert happened == ["weights from 10", "stacking from 10", "blending from 10", "test"]


def test_what_is_learnt_is_used_on_the_test_split(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that learns only which class is the most frequent, and answers it."""

    def most_frequent(method: Any, logits: torch.Tensor, labels: torch.Tensor) -> Any:
        scores = labels.bincount(minlength=2).double() + torch.tensor([0.0, 0.1])
        return lambda others: scores.expand(others.shape[1], 2)

    monkeypatch.setattr(compare_members, "fit", most_frequent)
    assert run(recipe, tmp_path, members=three, method="stacking", json=True)["ensemble"] == 50


def test_members_learn_together_from_the_pictures_that_none_has_seen(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    settings = {"a": {"validation": 10}, "b": {"validation": 4}}
    held_out = recipe.validation(context(tmp_path), settings)
    whole = squares(tmp_path, "train")
    assert np.array_equal(held_out.pictures, whole.pictures[-4:]) and held_out.labels.tolist() == [0, 1, 0, 1]


def test_a_member_that_has_seen_all_pictures_cannot_be_weighed(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path
) -> None:
    (greedy,) = train_members(recipe, replace(CONFIG, validation=0), 1, tmp_path / "all", context(tmp_path))
    members = [str(greedy), *three[:2]]
    words = f"{greedy} held no validation pictures out"
    with pytest.raises(ValueError, match=f"--method weights cannot be had: {words}"):
        run(recipe, tmp_path, members=members, method="weights")
    found = run(recipe, tmp_path, members=members, compare=True, json=True)["comparison"]
    assert list(found["methods"]) == ["mean", "vote", "rank"] and found["validation"] is None
    assert all(reason.startswith(words) for reason in found["missing"].values()) and len(found["missing"]) == 3
    lines = run(recipe, tmp_path, members=members, compare=True).splitlines()
    assert any(line.startswith("weights ") and words in line for line in lines)
    assert "correlation of the probability of the right class, 40 test pictures" in lines


def test_a_recipe_that_tells_no_validation_pictures_can_only_apply_fixed_rules(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path
) -> None:
    silent = altered(recipe, validation=None)
    with pytest.raises(ValueError, match="squares does not tell which pictures its runs hold out"):
        run(silent, tmp_path, members=three, method="stacking")
    assert run(silent, tmp_path, members=three, json=True)["n"] == 40


def test_too_few_pictures_of_a_class_are_told(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    runs = train_members(recipe, replace(CONFIG, validation=4), 2, tmp_path / "few", context(tmp_path))
    found = run(recipe, tmp_path, members=[str(folder) for folder in runs], compare=True, json=True)["comparison"]
    assert list(found["missing"]) == ["stacking", "blending"] and "one class has 2" in found["missing"]["stacking"]


def test_a_weight_without_recorded_settings_cannot_be_weighed(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path
) -> None:
    found = load_members(three[:2], recipe, context(tmp_path))
    found.settings[three[0]] = None
    with pytest.raises(ValueError, match=r"not recorded which pictures .*seed_0 was trained on"):
        answers_on_validation(found, context(tmp_path))


def test_classes_of_the_test_split_in_another_order_are_matched(
    recipe: ClassifierRecipe, three: list[str], tmp_path: Path
) -> None:
    def turned(where: Context) -> LabelledPictures:
        return recipe.test(where).in_order(["bright", "dark"], "the test")

    expected = run(recipe, tmp_path, members=three, compare=True, json=True)
    found = run(altered(recipe, test=turned), tmp_path, members=three, compare=True, json=True)
    assert found["comparison"]["methods"] == expected["comparison"]["methods"]
    assert found["members"] == expected["members"]


def test_the_test_split_is_read_once_and_every_run_remembers_it(
    recipe: ClassifierRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counted(where: Context) -> LabelledPictures:
        read.append("test")
        assert recipe.test is not None
        return recipe.test(where)

    runs = train_members(recipe, CONFIG, 2, tmp_path / "runs", context(tmp_path))
    members = [str(run) for run in runs]
    ensemble.measured_members(members, altered(recipe, test=counted), context(tmp_path))
    assert read == ["test"]
    for run in runs:
        (line,) = (run / READINGS).read_text().splitlines()
        assert json.loads(line)["purpose"] == f"an ensemble of {', '.join(members)}"
    weights = tmp_path / "weights"
    recipe.publish(CONFIG, runs[0], context(tmp_path), PublishOptions(weights_dir=weights))
    assert "read once before for this run" in load_manifest(weights)["squares"].metric["split"]


def test_what_does_not_go_together_is_refused(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("two members or more", {"members": ["one"]}),
        ("each member once", {"members": ["one", "one"]}),
        ("no recipe 'circles'", {"recipe": "circles"}),
        ("train, publish, then ensemble", {"train": 2, "publish": "x"}),
        ("--train needs --out", {"train": 2}),
        ("an ensemble by vote cannot be published", {"members": ["a", "b"], "publish": "x", "method": "vote"}),
        ("give both", {"members": ["a", "b"], "correlation": tmp_path / "a.png"}),
        ("those of the runs of --train, and none is trained", {"members": ["a", "b"], "epochs": 3}),
        ("neither a run's folder nor a weight", {"members": ["a", "b"]}),
    ]
    for message, values in wrong:
        with pytest.raises(ValueError, match=message):
            run(recipe, tmp_path, **values)


def test_only_published_members_are_published_together(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"weights": {}}')
    scores = ensemble.EnsembleScores({"a": 90.0, "b": 92.0}, 91.0, 93.0, 99.0, 40)
    with pytest.raises(ValueError, match=r"publish \['a', 'b'\] first"):
        ensemble.publish_scores("both", ["a", "b"], scores, recipe, tmp_path)


def test_a_published_ensemble_stands_in_the_manifest(recipe: ClassifierRecipe, tmp_path: Path) -> None:
    (run,) = train_members(recipe, CONFIG, 1, tmp_path / "runs", context(tmp_path))
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
