"""What `python -m train` knows about a recipe, and command-line options made from a config dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from train.engine.config_options import config_of, option_of
from train.engine.loop import LoopConfig, Task
from train.publishing.lineage import named_start

BASELINE = "baseline"  # task of weights that others are compared with


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where a recipe runs.

    Attributes:
        data: folder or HDF5 file given with --data; None asks for generated data (--dry-run).
        device: torch device.
        amp: bfloat16 autocast.
        pictures: n of a measure that draws samples.
        resize: whether pictures of other sizes than the recipe's are brought to it, by their central squares.
        cache: folder for what is made from the data where nothing can be written beside them; None: there is none.
    """

    data: Path | None
    device: torch.device
    amp: bool
    pictures: int = 10_000
    resize: bool = False
    cache: Path | None = None


@dataclass(frozen=True)
class PublishOptions:
    """What is published, and where to.

    Attributes:
        checkpoint: file in the run's folder.
        name: in the manifest; empty for the recipe's own.
        weights_dir: None for the project's own folder.
        baseline: measured to be compared with: the page does not offer it.
    """

    checkpoint: str = "best.pt"
    name: str = ""
    weights_dir: Path | None = None
    baseline: bool = False

    def task(self, task: str) -> str:
        """The manifest's `task` of a weight made for `task`."""
        return BASELINE if self.baseline else task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to make weights.

    Attributes:
        name: on the command line.
        dataset: the data it was made for, in words.
        goal: the number it must reach, in words.
        weights: names in the manifest that it makes.
        config: frozen dataclass of its hyper-parameters, extending `LoopConfig`.
        dry_run: values of that dataclass which make a run of seconds.
        build: makes the task from config and context.
        publish: takes the config, the run's folder, the context and options; measures, then writes the weight,
            its manifest entry and its card; returns the weight's name.
        evaluate: measures a published weight by name; returns a JSON-ready dict.
        test: of a classifier: its test split.
        predict: of a classifier: logits (N, K) of a network on that split, and labels (N,).
        where: what --data holds and where it comes from, a sentence for people.
        download: fetches the data set into a folder, if it has a public address.
        load_run: of a classifier: the averaged network in a checkpoint, for `predict`.
        load_weight: likewise a published weight by name.
        classes: of a classifier: the classes of the training split, in the order of its outputs.
        split: of a classifier: what `test` returned in words, for a card.
        losses: names of the losses in a step's log; a sweep of learning rates needs one alone, "loss".
    """

    name: str
    dataset: str
    goal: str
    weights: tuple[str, ...]
    config: type[LoopConfig]
    dry_run: dict[str, Any]
    build: Callable[[Any, Context], Task]
    publish: Callable[[Any, Path, Context, PublishOptions], str]
    evaluate: Callable[[str, Context], dict[str, Any]]
    test: Callable[[Context], Any] | None = None
    predict: Callable[[nn.Module, Any, Context], tuple[Tensor, Tensor]] | None = None
    load_run: Callable[[Path], nn.Module] | None = None
    load_weight: Callable[[str], nn.Module] | None = None
    classes: Callable[[Context], list[str]] | None = None
    split: Callable[[Any], str] | None = None
    losses: tuple[str, ...] = ("loss",)
    where: str = ""
    download: Callable[[Path], None] | None = None


def recorded_config(settings: Mapping[str, Any], config: type[LoopConfig], whose: str) -> LoopConfig:
    """The config of a run or a weight from what was recorded of it.

    Args:
        whose: the run or weight, for the error.

    Raises:
        ValueError: settings came or went since then; what one that is missing was cannot be guessed.
    """
    unlike = settings.keys() ^ {field.name for field in dataclasses.fields(config)}
    if unlike:
        names = ", ".join(sorted(unlike))
        raise ValueError(f"{whose} was trained by a version whose settings differ from this one's ({names}): use that")
    return config_of(settings, config)


def command_of(recipe: str, config: LoopConfig, *, resize: bool = False) -> str:
    """The command line that trains with this config: only what differs from the defaults.

    Steps and the time of measures follow from epochs, where these are given.
    """
    words = [f"python -m train {recipe}"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name == "start" and value:
            value = named_start(value)
        if value == field.default or (config.epochs and field.name in {"steps", "evaluate_every"}):
            continue
        flag = option_of(field.name)
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
        else:
            words += [flag, *map(str, value if isinstance(value, tuple) else [value])]
    return " ".join([*words, *(["--resize"] if resize else []), "--data DIR --out DIR"])
