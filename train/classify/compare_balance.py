"""Unbalanced classes, left alone, weighed and balanced by SMOTE: `python -m train compare-balance RECIPE`.

Pictures of some classes are made rare, 1 to 20 by default, in what is trained on and in what chooses the strength of
L2, as they would be in a data set that is unbalanced. Measured is the recall of each class on other pictures, as many
of each class. All of them come from the training and validation splits: the test split is not opened.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import torch

from cvdemo.config import SEED_MAX, Config, setting
from train.classify.balance import Balance
from train.classify.features import SMALLEST_PX, FeatureConfig, Features, FeatureTask, extract, read_features
from train.classify.measures import recalls
from train.classify.transfer_recipe import TransferRecipe
from train.data.read_pictures import Listing
from train.data.splits import Labels
from train.engine.config_options import add_config_options, config_from
from train.engine.device import amp_is_fast, pick_device
from train.engine.loop import seeded
from train.engine.writing import make_folder
from train.publishing.recipe import Recipe

WAYS: tuple[Balance, ...] = get_args(Balance)
Shares = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class BalanceConfig(Config):
    """How the classes are made unbalanced, and how the regression is trained."""

    ratio: int = setting(20, help="pictures of any other class for one of a rare class", minimum=1)
    pictures: int = setting(1000, help="to train on, of each class that is not rare", minimum=1)
    repeats: int = setting(5, help="draws of the rare pictures, whose results are averaged", minimum=1)
    input_px: int = setting(224, help="side of the pictures", unit="px", minimum=SMALLEST_PX)
    steps: int = setting(600, help="of each regression", minimum=1)
    lr: float = setting(1e-2, help="learning rate of each regression: with the steps enough to converge", above=0)
    batch_size: int = setting(100, help="pictures a step", minimum=1)
    seed: int = setting(0, help="of draws and batches", minimum=0, maximum=SEED_MAX)


@dataclass(frozen=True)
class Pools:
    """Features to draw from.

    Attributes:
        train: to train on. choice: for the strength of L2. measured: for the recall; each has as many of every class.
    """

    train: Features
    choice: Features
    measured: Features


def rare_classes(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Labels of the classes that become rare: those wanted, or else the first half.

    Raises:
        ValueError: there is no such class, or all are to be rare.
    """
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"there is no class {unknown[0]!r}; there are {', '.join(names)}")
    rare = [names.index(name) for name in wanted] or list(range(len(names) // 2))
    if len(set(rare)) == len(names):
        raise ValueError("all classes are to be rare: leave one as it is")
    return rare


def draw(labels: Labels, counts: Mapping[int, int], seed: int) -> Labels:
    """Indices, ascending, of so many random samples of each class.

    Raises:
        ValueError: a class has not so many.
    """
    random = np.random.default_rng(seed)
    chosen = []
    for label, count in counts.items():
        members = np.flatnonzero(labels == label)
        if count > len(members):
            raise ValueError(f"{count} pictures of class {label} are wanted, there are {len(members)}")
        chosen.append(random.permutation(members)[:count])
    return np.sort(np.concatenate(chosen))


def unbalanced(pool: Features, rare: Sequence[int], per_class: int, ratio: int, seed: int) -> Features:
    """Of each class `per_class` samples, of the rare ones so many by the ratio, rounded, but two at least."""
    few = max(2, round(per_class / ratio))
    counts = {label: few if label in rare else per_class for label in range(len(pool.class_names))}
    return _taken(pool, draw(pool.labels.numpy(), counts, seed))


def recalls_by_way(
    pools: Pools, rare: Sequence[int], config: BalanceConfig, base: FeatureConfig, seed: int
) -> dict[Balance, Shares]:
    """The recall (K,) of each class for each way, all trained on the same draw.

    Args:
        base: settings of the regressions, but for their length.
    """
    train, choice = (
        unbalanced(pool, rare, int(pool.labels.bincount().min()), config.ratio, seed)
        for pool in (pools.train, pools.choice)
    )
    found = {}
    for way in WAYS:
        length: dict[str, Any] = {"epochs": 0, "steps": config.steps, "batch_size": config.batch_size, "lr": config.lr}
        settings = replace(base, balance=way, evaluate_every=0, seed=seed, **length)
        task = FeatureTask(settings, train, choice, torch.device("cpu"), False)
        for step in range(config.steps):
            for group in task.optimizers["heads"].param_groups:
                group["lr"] = settings.lr * task.lr_factor(step)
            task.step(step, seeded("step", seed, step))
        found[way] = _recalls_of(task, pools.measured)
    return found


@torch.inference_mode()
def _recalls_of(task: FeatureTask, measured: Features) -> Shares:
    """With the L2 that the samples for choice choose."""
    chosen = task.config.l2.index(task.evaluate(task.heads)["l2"])
    return recalls(task.heads(measured.values[:, 0].float())[chosen], measured.labels)


def pools_of(recipe: TransferRecipe, data: Path, out: Path, config: BalanceConfig, amp: bool) -> Pools:
    """Features from the training split, and from the two halves of the validation split; kept as HDF5 in `out`."""
    device, settings = pick_device("auto"), replace(_base(recipe), input_px=config.input_px, mirrored=False)
    train = recipe.data.listing(data, "train")
    held_out = recipe.data.listing(data, "validation", train.class_names, "the training split")
    classes = range(len(train.class_names))
    half = int(np.bincount(held_out.labels).min()) // 2
    choice = draw(held_out.labels, dict.fromkeys(classes, half), config.seed)
    rest = np.setdiff1d(np.arange(len(held_out.labels)), choice)
    measured = rest[draw(held_out.labels[rest], dict.fromkeys(classes, half), config.seed)]
    parts = {
        "train": _listed(train, draw(train.labels, dict.fromkeys(classes, config.pictures), config.seed)),
        "choice": _listed(held_out, choice),
        "measured": _listed(held_out, measured),
    }
    made = {
        name: read_features(extract(listing, out / f"features_{name}.h5", settings, device, amp))
        for name, listing in parts.items()
    }
    return Pools(**made)


def _base(recipe: TransferRecipe) -> FeatureConfig:
    config = recipe.config()
    assert isinstance(config, FeatureConfig)
    return config


def _listed(listing: Listing, indices: Labels) -> Listing:
    return Listing([listing.files[index] for index in indices], listing.labels[indices], listing.class_names)


def _taken(features: Features, indices: Labels) -> Features:
    chosen = torch.from_numpy(indices)
    return Features(features.values[chosen], features.labels[chosen], features.class_names)


@dataclass(frozen=True)
class WayResult:
    """Of one way, in per cent: means over the draws, and the standard deviation of the balanced accuracy.

    Attributes:
        recall: by class. rare, others: the mean recall of the classes that are rare and of those that are not.
    """

    recall: dict[str, float]
    rare: float
    others: float
    balanced_accuracy: float
    deviation: float


def summed_up(draws: Sequence[Mapping[Balance, Shares]], rare: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    """JSON-ready results by way."""
    others = [label for label in range(len(names)) if label not in rare]
    results: dict[str, Any] = {}
    for way in WAYS:
        found = 100 * np.stack([draw[way] for draw in draws])  # (draws, K)
        recall = found.mean(axis=0)
        results[way] = asdict(
            WayResult(
                recall={name: round(float(share), 2) for name, share in zip(names, recall, strict=True)},
                rare=round(float(recall[list(rare)].mean()), 2),
                others=round(float(recall[others].mean()), 2),
                balanced_accuracy=round(float(recall.mean()), 2),
                deviation=round(float(found.mean(axis=1).std()), 2),
            )
        )
    return results


def as_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The table for a terminal."""
    measured = f"{result['repeats']} draws; n = {result['n']} pictures measured"
    yield f"{result['rare']} rare: {result['trained_on']}; {measured}"
    yield f"{'':8s} {'recall, rare':>14s} {'recall, others':>16s} {'balanced accuracy':>19s}"
    for way, found in result["ways"].items():
        spread = f"{found['balanced_accuracy']:.2f} ± {found['deviation']:.2f}"
        yield f"{way:8s} {found['rare']:14.2f} {found['others']:16.2f} {spread:>19s}"


def add_options(parser: argparse.ArgumentParser, recipes: Mapping[str, Recipe]) -> None:
    """The options of `python -m train compare-balance`."""
    parser.add_argument("recipe", choices=list(_feature_recipes(recipes)), help="whose data are used")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data")
    parser.add_argument("--out", type=Path, required=True, help="folder for the features")
    parser.add_argument("--rare", nargs="+", default=[], metavar="CLASS", help="default: the first half of the classes")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    add_config_options(parser, BalanceConfig)


def run(args: argparse.Namespace, recipes: Mapping[str, Recipe]) -> str:
    """The recalls of the three ways, to be printed."""
    config = config_from(args, BalanceConfig)
    make_folder(args.out)
    result = compare_balance(_feature_recipes(recipes)[args.recipe], args.data, args.out, args.rare, config)
    return json.dumps(result) if args.json else "\n".join(as_lines(result))


def compare_balance(
    recipe: TransferRecipe, data: Path, out: Path, wanted: Sequence[str], config: BalanceConfig
) -> dict[str, Any]:
    """JSON-ready recalls of the three ways, and what they were trained and measured on."""
    names = recipe.data.listing(data, "train").class_names
    rare = rare_classes(names, wanted)
    pools = pools_of(recipe, data, out, config, amp_is_fast(pick_device("auto")))
    seeds = range(config.seed, config.seed + config.repeats)
    draws = [recalls_by_way(pools, rare, config, _base(recipe), seed) for seed in seeds]
    few = max(2, round(config.pictures / config.ratio))
    return {
        "recipe": recipe.name,
        "rare": ", ".join(names[label] for label in rare),
        "trained_on": f"{few} pictures of a rare class, {config.pictures} of another",
        "repeats": config.repeats,
        "n": len(pools.measured.labels),
        "settings": asdict(config),
        "ways": summed_up(draws, rare, names),
    }


def _feature_recipes(recipes: Mapping[str, Recipe]) -> dict[str, TransferRecipe]:
    """Those whose networks are a regression on features."""
    return {
        name: recipe
        for name, recipe in recipes.items()
        if isinstance(recipe, TransferRecipe) and issubclass(recipe.config, FeatureConfig)
    }
