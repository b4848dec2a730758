"""The choices of the Classify tab: from the manifest alone, with names, classes and accuracy."""

import json
import shutil
from pathlib import Path

import pytest

from cvdemo.classify.catalogue import accuracy, describe, figures, list_networks, networks_or_default
from cvdemo.errors import WeightsError
from cvdemo.weights import load_ensembles
from tests.helpers.untrained_weights import make_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp("weights") / "w")


def test_imagenet_comes_first_then_the_rest_by_name(folder: Path) -> None:
    assert list(list_networks(folder)) == ["imagenet", "cifar10", "cifar10_ensemble", "cifar10_mini", "clothes", "pets"]


def test_a_larger_network_of_the_defaults_family_is_offered_second_and_told_apart() -> None:
    first, second, *_ = list_networks().values()
    assert (first.value, second.value) == ("imagenet", "efficientnet_lite2")
    assert second.words == "1,000 kinds, in twice the time: right 78 times out of 100"
    assert describe(second).endswith("Takes twice as long as the first network of the list.")
    assert "twice" not in describe(first)
    assert second.title.startswith("ImageNet-1k, EfficientNet-Lite2: 77.6")


def test_a_title_has_data_set_network_and_accuracy(folder: Path) -> None:
    titles = {value: choice.title.replace("\N{NO-BREAK SPACE}", " ") for value, choice in list_networks(folder).items()}
    assert titles["imagenet"] == "ImageNet-1k, EfficientNet-Lite0: 75.1 %"
    assert titles["cifar10"] == "CIFAR-10, FastResNet: 94.3 %"
    assert titles["cifar10_ensemble"] == "CIFAR-10, ensemble of 2: 95.2 %"
    assert titles["clothes"] == "Fashion-MNIST, LeNet-5: 94.3 %"


def test_in_words_a_network_is_what_it_knows_and_how_often_it_is_right(folder: Path) -> None:
    words = {value: choice.words for value, choice in list_networks(folder).items()}
    assert words["imagenet"] == "1,000 kinds of animals and things: right 75 times out of 100"
    assert words["cifar10"] == "10 kinds of animals and vehicles: right 94 times out of 100"
    assert words["cifar10_ensemble"].startswith("10 kinds of animals and vehicles, 2 networks together: right 95 times")
    assert words["cifar10_mini"] == f"{words['cifar10']} (network 2)"  # as good, so they are numbered
    assert words["clothes"] == "10 kinds of clothes: right 94 times out of 100"


def test_two_as_good_are_told_apart_by_how_they_were_made() -> None:
    words = {value: choice.words for value, choice in list_networks().items()}
    assert words["cats_dogs_features"] == "Cats and dogs: right 99 times out of 100 (features only)"
    assert words["cats_dogs_finetune"] == "Cats and dogs: right 99 times out of 100 (trained further)"
    assert words["cats_dogs_alexnet"] == "Cats and dogs: right 96 times out of 100"  # alone with its share
    assert len(set(words.values())) == len(words) and not any("(network" in said for said in words.values())


def test_in_words_only_a_network_without_a_fault_is_always_right(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    said = []
    for share in (99.9, 100.0):
        manifest["weights"]["pets"]["metric"] = {"value": {"rank1": share}}
        path = tmp_path / str(share) / "manifest.json"
        path.parent.mkdir()
        path.write_text(json.dumps(manifest), encoding="utf-8")
        said.append(list_networks(path.parent)["pets"].words)
    assert said == ["Cats and dogs: right 99 times out of 100", "Cats and dogs: right 100 times out of 100"]


def test_the_figures_leave_the_best_five_of_two_and_the_checkpoint_to_the_card(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    value, split = {"rank1": 99.1, "rank5": 100.0}, "pets kept apart; step 6 of 6, chosen by validation"
    manifest["weights"]["pets"]["metric"] = {"value": value, "split": split, "n": 2500, "command": "evaluate"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    shutil.copytree(folder / "labels", tmp_path / "labels")
    text = figures(list_networks(tmp_path)["pets"], tmp_path).replace("\N{NO-BREAK SPACE}", " ")
    assert "Right on 99.1 % of 2,500 pictures (pets kept apart)." in text


def test_two_of_one_title_are_told_apart_by_their_recipes(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"]["pets_again"] = manifest["weights"]["pets"] | {"recipe": "pets-again", "metric": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    choices = list_networks(tmp_path)
    assert choices["pets_again"].title == "Dogs vs. Cats, EfficientNet-Lite0 (pets-again)"
    assert choices["pets"].title.startswith("Dogs vs. Cats, EfficientNet-Lite0 (pets): ")


def test_a_description_tells_classes_accuracy_and_input(folder: Path) -> None:
    choices = list_networks(folder)
    assert describe(choices["clothes"], folder).startswith("Knows T-shirt, trouser,")
    assert "Right 94 times out of 100. The right one is among its five best 99 times" in describe(
        choices["clothes"], folder
    )
    text = figures(choices["clothes"], folder).replace("\N{NO-BREAK SPACE}", " ")
    assert "Right on 94.3 % (99.8 % among its best five) of 10,000 pictures (test)." in text
    assert "at 28 × 28 pixels in grey." in text
    assert describe(choices["imagenet"], folder).startswith("Knows 1,000 kinds, such as tench,")
    assert "as published" in figures(choices["imagenet"], folder)
    assert "of cifar10, cifar10_mini." in figures(choices["cifar10_ensemble"], folder)


@pytest.mark.parametrize(
    ("metric", "rank", "expected"),
    [
        ({"value": 75.1}, 1, 75.1),
        ({"value": 75.1}, 5, None),
        ({"value": {"rank1": 90, "rank5": 99.5}}, 5, 99.5),
        ({"value": {"loss": 1.0}}, 1, None),
        ({}, 1, None),
    ],
)
def test_accuracy_is_read_from_a_number_or_a_table(
    metric: dict[str, object], rank: int, expected: float | None
) -> None:
    assert accuracy(metric, rank) == expected


def test_an_ensemble_shows_no_accuracy_once_a_member_was_published_anew(folder: Path, tmp_path: Path) -> None:
    assert list_networks(folder)["cifar10_ensemble"].title.endswith("%")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"]["cifar10_mini"]["sha256"] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert list_networks(tmp_path)["cifar10_ensemble"].title.endswith("ensemble of 2")


def test_an_ensemble_of_what_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["ensembles"]["cifar10_ensemble"]["members"] = ["cifar10", "gone"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"ensemble 'cifar10_ensemble' needs weights .* not list: \['gone'\]"):
        load_ensembles(tmp_path)


def test_an_ensemble_with_a_member_of_another_task_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["weights"]["cifar10"]["task"] = "sample"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"'cifar10_ensemble' has members that do not classify: \['cifar10'\]"):
        list_networks(tmp_path)
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    assert list(networks_or_default()) == ["imagenet"]


def test_the_default_is_offered_whatever_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    choices = networks_or_default()
    assert list(choices) == ["imagenet"]
    with pytest.raises(WeightsError, match="is missing or damaged"):
        describe(choices["imagenet"])
