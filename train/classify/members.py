"""The members of an ensemble: runs that are trained to be members, networks by name or folder, and their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from cvdemo.weights import load_labels, load_manifest
from train.data.datasets import READINGS, SealedSplit
from train.engine.checkpoint import BEST, LAST, has_checkpoint, load
from train.engine.class_names import columns_in_order, order_of
from train.engine.loop import Trainer
from train.publishing.recipe import Context, Recipe, command_of
from train.publishing.refresh import refuse_another_run


@runtime_checkable
class ClassifierMaker(Recipe, Protocol):
    """A recipe whose networks can answer together: their outputs on one split, matched by the names of classes."""

    def test(self, context: Context) -> Any:
        """The test split, with `class_names` and `in_order`."""

    def split(self, test: Any) -> str:
        """What `test` returned in words, for a card."""

    def classes(self, context: Context) -> list[str]:
        """The classes of the training split, in the order of the outputs."""

    def load_run(self, checkpoint: Path) -> nn.Module:
        """The averaged network in a checkpoint, for `predict`."""

    def load_weight(self, name: str) -> nn.Module:
        """Likewise a published weight."""

    def predict(self, network: nn.Module, test: Any, context: Context) -> tuple[Tensor, Tensor]:
        """Logits (N, K) of a network on such a split, and labels (N,)."""


@runtime_checkable
class HoldsOut(Protocol):
    """A recipe that can tell which pictures its runs were not trained on."""

    def validation(self, context: Context, settings: Mapping[str, Mapping[str, Any]]) -> Any:
        """The validation pictures that none of these members was trained on, as `ClassifierMaker.test` gives those of
        the test split.

        Args:
            settings: of the members' runs, by member.

        Raises:
            ValueError: a member was trained on all pictures but those of the test split.
        """


@dataclass
class Members:
    """Networks that are asked together, each by its name or the folder of its run.

    Attributes:
        recipe: whose data they are asked about.
        networks, classes: by member; classes are in the order of its outputs.
        settings: of the run that made a member; None where they were not recorded.
        runs: folders of those that are runs.
    """

    recipe: ClassifierMaker
    networks: dict[str, nn.Module] = field(default_factory=dict)
    classes: dict[str, list[str]] = field(default_factory=dict)
    settings: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    runs: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """What the members say about the pictures of one split.

    Attributes:
        names: of the members. logits: (M, N, K). labels: (N,). class_names: by label.
        split: the pictures in words.
    """

    names: list[str]
    logits: Tensor
    labels: Tensor
    class_names: list[str]
    split: str = ""


def train_members(recipe: Recipe, config: Any, count: int, out: Path, context: Context) -> list[Path]:
    """Runs the recipe `count` times with seeds from `config.seed` on; finished runs are kept, others go on.

    Returns:
        The folders of the runs, `out/seed_N`.

    Raises:
        SystemExit: a run was told to stop.
        ValueError: a folder holds a run with other settings.
    """
    folders = []
    for seed in range(config.seed, config.seed + count):
        folder = out / f"seed_{seed}"
        task = recipe.build(replace(config, seed=seed), context)
        task.command = command_of(recipe.name, task.config, resize=context.resize)
        refuse_another_run(folder, task.config)
        if not Trainer(task, task.config, folder, resume=has_checkpoint(folder)).run():
            raise SystemExit(f"stopped while training {folder}; the same command goes on")
        folders.append(folder)
    return folders


def load_members(members: Sequence[str], recipe: Recipe, context: Context) -> Members:
    """The networks of weights of the manifest, and of runs by their folders.

    Raises:
        ValueError: the recipe makes no classifier, or a member is neither a weight nor a run.
    """
    if not isinstance(recipe, ClassifierMaker):
        raise ValueError(f"{recipe.name} makes no classifier")
    found, known = Members(recipe), load_manifest()
    for member in members:
        if member in known:
            found.networks[member], found.classes[member] = recipe.load_weight(member), load_labels(member)
            found.settings[member] = known[member].settings
            continue
        run = Path(member)
        if not has_checkpoint(run):
            raise ValueError(f"{member!r} is neither a run's folder nor a weight; there are {', '.join(known)}")
        checkpoint = run / (BEST if (run / BEST).exists() else LAST)
        state = load(checkpoint)
        found.networks[member] = recipe.load_run(checkpoint)
        found.classes[member] = state.get("class_names") or recipe.classes(context)  # earlier ones hold none
        found.settings[member] = state["config"]
        found.runs.append(run)
    return found


def answers_on_validation(members: Members, context: Context) -> Answers:
    """On the pictures that were held out of the training of every member; the test split stays sealed.

    Raises:
        ValueError: there are no such pictures, or it is not known which.
    """
    settings = {name: settings for name, settings in members.settings.items() if settings is not None}
    if unknown := [name for name in members.settings if name not in settings]:
        raise ValueError(f"it was not recorded which pictures {', '.join(unknown)} was trained on")
    if not isinstance(members.recipe, HoldsOut):
        raise ValueError(f"{members.recipe.name} does not tell which pictures its runs hold out")
    return _answers(members, members.recipe.validation(context, settings), "validation pictures", context)


def answers_on_test(members: Members, context: Context, class_names: Sequence[str] = ()) -> Answers:
    """On the test split, which is read once for all of them, and that it was read goes into the records of the runs.

    Args:
        class_names: the order of the classes; empty for that of the test split.
    """
    recipe, names = members.recipe, list(members.networks)
    sealed = SealedSplit(partial(recipe.test, context), *(run / READINGS for run in members.runs))
    test = sealed.read(f"an ensemble of {', '.join(names)}")
    if class_names:
        test = test.in_order(class_names, "the training split")
    return _answers(members, test, recipe.split(test), context)


def _answers(members: Members, pictures: Any, split: str, context: Context) -> Answers:
    wanted = pictures.class_names
    for member, classes in members.classes.items():
        order_of(classes, member, wanted)  # refused before minutes of measuring
    logits = []
    for member, network in members.networks.items():
        found, labels = members.recipe.predict(network.to(context.device), pictures, context)
        logits.append(columns_in_order(found, members.classes[member], member, wanted))
    return Answers(list(members.networks), torch.stack(logits), labels, list(wanted), split)


def measured_members(members: Sequence[str], recipe: Recipe, context: Context) -> tuple[dict[str, Tensor], Tensor, str]:
    """Logits (N, K) of every member and labels (N,) on the test split, which is told in words too."""
    found = answers_on_test(load_members(members, recipe, context), context)
    return dict(zip(found.names, found.logits, strict=True)), found.labels, found.split
