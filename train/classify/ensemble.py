"""Several classifiers of one data set, averaged: `python -m train ensemble`.

The mean of the probabilities of networks that err differently is right more often than most of them (L. Hansen and
P. Salamon, "Neural Network Ensembles", IEEE TPAMI 1990). Members are weights of the
manifest or folders of runs; `--train N` makes the runs first, which differ by their seed alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cvdemo.weights import WEIGHTS_DIR, load_labels, load_manifest
from train.classify.measures import measure
from train.data.datasets import READINGS, SealedSplit
from train.engine.checkpoint import BEST, LAST, has_checkpoint, load
from train.engine.class_names import columns_in_order, order_of
from train.engine.loop import Trainer
from train.publishing.publish import publish_ensemble
from train.publishing.recipe import Context, Recipe, command_of


@runtime_checkable
class ClassifierMaker(Recipe, Protocol):
    """A recipe whose networks can answer together: their outputs on one test split, matched by the names of classes."""

    def test(self, context: Context) -> Any:
        """The test split, with `class_names`."""

    def split(self, test: Any) -> str:
        """What `test` returned in words, for a card."""

    def classes(self, context: Context) -> list[str]:
        """The classes of the training split, in the order of the outputs."""

    def load_run(self, checkpoint: Path) -> nn.Module:
        """The averaged network in a checkpoint, for `predict`."""

    def load_weight(self, name: str) -> nn.Module:
        """Likewise a published weight."""

    def predict(self, network: nn.Module, test: Any, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of a network on that split, and labels (N,)."""


@dataclass(frozen=True)
class EnsembleScores:
    """Rank-1 accuracies in per cent on one test split.

    Attributes:
        members: of each network by name. mean: of these. ensemble: of the averaged probabilities.
        ensemble_rank5: likewise. n: pictures. split: what they are, in words.
    """

    members: dict[str, float]
    mean: float
    ensemble: float
    ensemble_rank5: float
    n: int
    split: str = ""


def average_probabilities(logits: Sequence[Tensor]) -> Tensor:
    """The mean of the members' probabilities as logits, (N, K), from theirs, each (N, K).

    Raises:
        ValueError: no members, or of different shapes.
    """
    if not logits or any(member.shape != logits[0].shape for member in logits):
        raise ValueError(f"need logits of one shape, got {[tuple(member.shape) for member in logits]}")
    return torch.stack([member.softmax(dim=1) for member in logits]).mean(dim=0).log()


def score(logits: dict[str, Tensor], labels: Tensor, split: str = "") -> EnsembleScores:
    """Each member's rank-1, their mean, and the ensemble's, on a split in words."""
    members = {name: measure(member, labels)["rank1"] for name, member in logits.items()}
    joint = measure(average_probabilities(list(logits.values())), labels)
    mean = sum(members.values()) / len(members)
    return EnsembleScores(members, mean, joint["rank1"], joint["rank5"], len(labels), split)


def train_members(recipe: Recipe, config: Any, count: int, out: Path, context: Context) -> list[Path]:
    """Runs the recipe `count` times with seeds from `config.seed` on; finished runs are kept, others go on.

    Returns:
        The folders of the runs, `out/seed_N`.

    Raises:
        SystemExit: a run was told to stop.
    """
    folders = []
    for seed in range(config.seed, config.seed + count):
        folder = out / f"seed_{seed}"
        task = recipe.build(replace(config, seed=seed), context)
        task.command = command_of(recipe.name, task.config, resize=context.resize)
        if not Trainer(task, task.config, folder, resume=has_checkpoint(folder)).run():
            raise SystemExit(f"stopped while training {folder}; the same command goes on")
        folders.append(folder)
    return folders


def measured_members(members: Sequence[str], recipe: Recipe, context: Context) -> tuple[dict[str, Tensor], Tensor, str]:
    """Logits (N, K) of every member and labels (N,) on the test split, which is read once for all of them.

    Classes are matched by name; the split is told in words too.

    Args:
        members: weights of the manifest, or folders of runs; that their test split was read goes into their records.

    Raises:
        ValueError: the recipe makes no classifier, a member is neither a weight nor a run, or has other classes.
    """
    if not isinstance(recipe, ClassifierMaker):
        raise ValueError(f"{recipe.name} makes no classifier")
    networks, runs, known = {}, [], load_manifest()
    classes: dict[str, list[str]] = {}
    for member in members:
        if member in known:
            networks[member], classes[member] = recipe.load_weight(member), load_labels(member)
            continue
        runs.append(Path(member))
        if not has_checkpoint(runs[-1]):
            raise ValueError(f"{member!r} is neither a run's folder nor a weight; there are {', '.join(known)}")
        checkpoint = runs[-1] / (BEST if (runs[-1] / BEST).exists() else LAST)
        networks[member] = recipe.load_run(checkpoint)
        classes[member] = load(checkpoint).get("class_names") or recipe.classes(context)  # earlier ones hold none
    sealed = SealedSplit(partial(recipe.test, context), *(run / READINGS for run in runs))
    test = sealed.read(f"an ensemble of {', '.join(members)}")
    for member in members:
        order_of(classes[member], member, test.class_names)  # refused before minutes of measuring
    logits: dict[str, Tensor] = {}
    for member, network in networks.items():
        found, labels = recipe.predict(network.to(context.device), test, context)
        logits[member] = columns_in_order(found, classes[member], member, test.class_names)
    return logits, labels, recipe.split(test)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m train ensemble`, but for those every command has."""
    parser.add_argument("recipe", help="the recipe whose data and test split are used")
    parser.add_argument("members", nargs="*", help="weights of the manifest, or folders of runs")
    parser.add_argument("--train", type=int, default=0, metavar="N", help="train N members first, seeds 0 to N - 1")
    parser.add_argument("--out", type=Path, help="folder for the runs of --train")
    parser.add_argument("--publish", default="", metavar="NAME", help="enter the ensemble into the manifest")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")


def run(args: argparse.Namespace, recipes: dict[str, Recipe], training: Context, measuring: Context) -> str:
    """Trains what is asked for, measures, publishes if asked; returns what to print.

    Raises:
        ValueError: fewer than two members, or nothing to train into.
    """
    if args.recipe not in recipes:
        raise ValueError(f"no recipe {args.recipe!r}; there are {', '.join(recipes)}")
    if args.train and args.publish:
        raise ValueError("only weights of the manifest can be published together: train, publish, then ensemble")
    recipe = recipes[args.recipe]
    members = list(args.members)
    if args.train:
        if args.out is None:
            raise ValueError("--train needs --out, the folder for the runs")
        folders = train_members(recipe, recipe.config(), args.train, args.out, training)
        members += [str(folder) for folder in folders]
    if len(members) < 2:
        raise ValueError(f"an ensemble needs two members or more, got {members}")
    if len(set(members)) < len(members):
        raise ValueError(f"an ensemble takes each member once, got {members}")
    scores = score(*measured_members(members, recipe, measuring))
    if args.publish:
        publish_scores(args.publish, members, scores, recipe, WEIGHTS_DIR)
    return json.dumps(vars(scores)) if args.json else _as_lines(scores)


def publish_scores(name: str, members: list[str], scores: EnsembleScores, recipe: Recipe, weights_dir: Path) -> None:
    """Enters an ensemble of published weights into the manifest.

    Raises:
        ValueError: a member is not in the manifest.
    """
    missing = [member for member in members if member not in load_manifest(weights_dir)]
    if missing:
        raise ValueError(f"only weights of the manifest can be published together; publish {missing} first")
    metric = {
        "name": "accuracy, %",
        "value": {
            "rank1": round(scores.ensemble, 2),
            "rank5": round(scores.ensemble_rank5, 2),
            "mean_of_members_rank1": round(scores.mean, 2),
        },
        "protocol": "mean probability of the members, one view a picture, float32",
        "split": scores.split or f"{scores.n:,} test pictures",
        "n": scores.n,
        "command": f"python -m train ensemble {recipe.name} {' '.join(members)} --data DIR --json",
    }
    publish_ensemble(name, members, metric, weights_dir)


def _as_lines(scores: EnsembleScores) -> str:
    lines = [f"{name:32s} {rank1:6.2f} %" for name, rank1 in scores.members.items()]
    lines += [f"{'mean':32s} {scores.mean:6.2f} %", f"{'ensemble':32s} {scores.ensemble:6.2f} %  (n = {scores.n})"]
    return "\n".join(lines)
