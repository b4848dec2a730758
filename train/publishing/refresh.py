"""`python -m train refresh NAME`: makes a trained weight of the manifest again, by every run that made it.

Each run has the settings that the manifest recorded, whatever the defaults are now, and starts from the network that
the one before ended with: super-resolution from the averaged one, as it is published; a GAN goes on with both raw
networks, its published half being no discriminator.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from cvdemo.weights import WeightEntry
from train.engine.checkpoint import BEST, LAST, has_checkpoint, load_last
from train.engine.config_options import config_of, recipe_in
from train.engine.loop import LoopConfig
from train.publishing.recipe import Recipe, recorded_config


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `python -m train refresh` has beside those of any training."""
    parser.add_argument("name", help="name in the manifest")
    parser.add_argument("--data", type=Path, required=True, help="folder or HDF5 file to train on")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs: 1, 2 and so on")


def runs_of(name: str, entry: WeightEntry, recipes: Mapping[str, Recipe]) -> list[tuple[Recipe, LoopConfig]]:
    """Recipe and configuration of every run that made a weight, oldest first.

    Raises:
        ValueError: a run's settings were not recorded, are not those of its recipe now, or start where nothing was
            before.
    """
    found = []
    last = {"command": entry.command, "settings": entry.settings}
    for command, settings in [(run["command"], run["settings"]) for run in (*entry.earlier, last)]:
        recipe = recipes.get(recipe_in(command))
        if recipe is None or settings is None:
            raise ValueError(f"{name} was not trained with recorded settings; `{command}` made it")
        found.append((recipe, recorded_config(settings, recipe.config, name)))
        if bool(getattr(found[-1][1], "start", "")) != (len(found) > 1):
            raise ValueError(f"the manifest does not tell every run that made {name}: `{command}`")
    return found


def started_from(config: LoopConfig, before: Path | None) -> LoopConfig:
    """The configuration of a run that starts from the network which the run in folder `before` ended with."""
    if before is None:
        return config
    values = asdict(config) | {"start": str(before / (BEST if (before / BEST).exists() else LAST))}
    return config_of(values, type(config))


def refuse_another_run(out: Path, config: LoopConfig) -> None:
    """Lets only a run of this configuration go on in `out`.

    Raises:
        ValueError: there is one of another.
    """
    if has_checkpoint(out):
        saved, given = load_last(out)["config"], asdict(config)
        changed = {key: (saved.get(key), given[key]) for key in given if saved.get(key) != given[key]}
        if changed:
            raise ValueError(f"{out} holds another run (its settings, those wanted): {changed}; give another --out")
