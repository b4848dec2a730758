"""The options of the recipes, and what is recorded of their runs."""

import argparse
import dataclasses
import json
from typing import Any

import pytest

from cvdemo.config import settings_of
from cvdemo.weights import load_manifest
from train.engine.config_options import add_config_options, config_from, config_of, recipe_in
from train.engine.loop import LoopConfig
from train.publishing.recipe import command_of, recorded_config
from train.recipes import RECIPES
from train.recipes.dcgan import DcganConfig
from train.recipes.srcnn import SrcnnConfig


@pytest.mark.parametrize(
    ("recipe", "config", "options"),
    [
        ("srcnn", SrcnnConfig(scale=3, kernels=(9, 1, 5)), "--scale 3 --kernels 9 1 5"),
        ("dcgan", DcganConfig(flips=False), "--no-flips"),
        (
            "dcgan",
            DcganConfig(diff_augment=("color", "cutout"), r1_gamma=0.1, mixed_batches=False),
            "--no-mixed-batches --r1-gamma 0.1 --diff-augment color cutout",
        ),
    ],
)
def test_the_recorded_command_names_what_differs(recipe: str, config: LoopConfig, options: str) -> None:
    assert command_of(recipe, config) == f"python -m train {recipe} {options} --data DIR --out DIR"


@pytest.mark.parametrize("name", RECIPES)
def test_every_option_says_what_it_means(name: str) -> None:
    config = RECIPES[name].config
    described = settings_of(config)
    assert [field.name for field in dataclasses.fields(config)] == list(described)
    assert not [key for key, setting in described.items() if not setting.help]
    config_of(RECIPES[name].dry_run, config)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("cifar10-minigooglenet", {"epochs": 12, "batch_size": 500, "micro_batch": 250, "mixup_alpha": 0.0}),
        ("tiny-imagenet-deepergooglenet", {"epochs": 28, "batch_size": 500, "micro_batch": 500, "mixup_alpha": 0.2}),
        ("imagenette", {"epochs": 100, "batch_size": 250, "micro_batch": 125, "mixup_alpha": 0.2, "validation": 1}),
    ],
)
def test_small_networks_are_trained_by_muon_at_falling_rates(name: str, own: dict[str, Any]) -> None:
    shared = {"optimizer": "muon", "lr": 0.12, "lr_rest": 0.1, "weight_decay": 5e-4, "schedule": "linear"}
    shared |= {"ema_decay": 0.0, "label_smoothing": 0.1, "flip": True, "warmup_fraction": 0.0}
    config = dataclasses.asdict(RECIPES[name].config())
    assert (shared | own).items() <= config.items()


def recorded_runs() -> list[tuple[str, str, dict[str, Any]]]:
    """Name, command and settings of every run that the manifest records, those before the last too."""
    runs = []
    for name, entry in load_manifest().items():
        last = {"command": entry.command, "settings": entry.settings}
        runs += [(name, run["command"], run["settings"]) for run in (*entry.earlier, last) if run["settings"]]
    return runs


def test_every_recorded_run_and_command_is_still_accepted() -> None:
    for name, command, settings in recorded_runs():
        recipe = RECIPES[recipe_in(command)]
        config = recorded_config(settings, recipe.config, name)
        assert json.loads(json.dumps(dataclasses.asdict(config))) == settings, command
        options = command.split()[4:]
        parser = argparse.ArgumentParser()
        parser.add_argument("--data")
        parser.add_argument("--out")
        add_config_options(parser, recipe.config)
        config_from(parser.parse_args(options), recipe.config)
    assert len(recorded_runs()) > 30
