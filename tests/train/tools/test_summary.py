"""`python -m train summary`: of weights and recipes, as a table, as JSON and as a picture."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train import __main__ as command_line
from train.recipes import RECIPES
from train.tools import summary
from train.tools.summary import networks_of

QUICK = [recipe for recipe in RECIPES.values() if not recipe.name.endswith("-detector")]
DETECTORS = [recipe for recipe in RECIPES.values() if recipe not in QUICK]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    command_line.main(["summary", *words])
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(capsys, *words, "--json"))["networks"]
    return found


def test_a_weight_is_a_table_with_its_totals_above(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "lenet_fashion_mnist").splitlines()
    assert lines[0].startswith("lenet_fashion_mnist: 255,530 parameters; 5.95 M multiply-adds")
    assert lines[2].split() == ["Layer", "Kind", "Output", "Parameters", "Multiply-adds", "Receptive", "field"]
    assert " ".join(lines[4].split()) == "conv1 5×5 convolution 32 × 28 × 28 800 627,200 5 px"
    assert "classifier" in lines[-2] and lines[-2].endswith("whole input")


def test_json_holds_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    table = as_json(capsys, "lenet_fashion_mnist")["network"]
    assert table["parameters"] == 255_530 and table["receptive_field_px"] == [16, 16] and table["input"] == [1, 28, 28]
    first, last = table["layers"][0], table["layers"][-1]
    assert first["reads"] == [-1] and first["output"] == [32, 28, 28] and first["receptive_field_px"] == [5, 5]
    assert last["name"] == "classifier" and last["receptive_field_px"] is None and last["parameters"] == 850


def test_a_recipe_is_built_by_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    usual = as_json(capsys, "cifar10", "--recipe")["network"]
    narrow = as_json(capsys, "cifar10", "--recipe", "--widths", "16", "16", "16")["network"]
    assert narrow["parameters"] < usual["parameters"] / 100
    assert [layer["output"][0] for layer in narrow["layers"] if "3×3" in layer["kind"]] == [16] * 9


def test_a_classifier_on_an_earlier_block_is_that_of_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    usual = as_json(capsys, "flowers-features")["network"]
    earlier = as_json(capsys, "flowers-features", "--block", "block10")["network"]
    assert usual["layers"][-1]["parameters"] == (1280 + 1) * 102
    assert earlier["layers"][-1]["parameters"] == (112 + 1) * 102
    assert len(earlier["layers"]) < len(usual["layers"])
    assert earlier["receptive_field_px"] == [339, 339]


def test_of_one_name_the_weight_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["summary", "cifar10", "--widths", "16", "16", "16"])
    assert "cifar10 is a weight, which takes no options of a recipe: --widths" in capsys.readouterr().err


def test_an_unknown_name_is_told_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["summary", "nothing"])
    error = capsys.readouterr().err
    assert "not 'nothing'" in error and "cifar10-minigooglenet" in error and "dcgan_anime" in error


def test_the_picture_is_written_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "lenet.svg"
    assert f"picture in {target}" in printed(capsys, "lenet_fashion_mnist", "--svg", str(target))
    assert "<title>lenet_fashion_mnist: 255,530 parameters" in target.read_text()


def test_cards_take_no_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(summary, "refresh_cards", lambda: ["a", "b"])
    assert printed(capsys, "--cards") == "refreshed the cards of a, b\n"
    with pytest.raises(SystemExit):
        command_line.main(["summary", "cifar10", "--cards"])
    assert "give no name" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("recipe", QUICK, ids=lambda recipe: recipe.name)
def test_every_recipe_has_a_table(recipe: Any) -> None:
    tables = networks_of(recipe, recipe.config())
    assert tables and all(table.parameters and table.multiply_adds for table in tables.values())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", DETECTORS, ids=lambda recipe: recipe.name)
def test_every_detector_has_a_table_for_the_size_it_sees(recipe: Any) -> None:
    config = recipe.config()
    assert networks_of(recipe, config)["network"].input_shape == (3, config.input_px, config.input_px)


def test_both_networks_of_a_gan_are_told_the_product_first() -> None:
    recipe = RECIPES["dcgan-fashion"]
    tables = networks_of(recipe, recipe.config())
    assert list(tables) == ["generator", "discriminator"]
    assert tables["generator"].receptive_field is None and tables["discriminator"].receptive_field == (46, 46)


def test_pictures_that_grow_count_at_their_full_size() -> None:
    recipe = RECIPES["tiny-imagenet"]
    config: Any = recipe.config()
    config = replace(config, first_px=32)
    assert networks_of(recipe, config)["network"].input_shape == (3, 64, 64)
