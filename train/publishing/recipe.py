"""What `python -m train` knows about a recipe, and command-line options made from a config dataclass."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from train.data.data_set import DataSet
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
        curve: PNG of precision over recall that a detector's measure draws; None: none.
    """

    data: Path | None
    device: torch.device
    amp: bool
    pictures: int = 10_000
    resize: bool = False
    cache: Path | None = None
    curve: Path | None = None


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


class Recipe(Protocol):
    """One way to make weights: what `python -m train` asks of it. The recipes of one demo share a class that fits.

    Attributes:
        name: on the command line.
        dataset: the data it was made for, in words.
        goal: the number it must reach, in words.
        weights: names in the manifest that it makes.
        config: frozen dataclass of its hyper-parameters.
        dry_run: values of that dataclass which make a run of seconds.
        where: what --data holds and where it comes from, a sentence for people.
        losses: names of the losses in a step's log; a sweep of learning rates needs one alone, "loss".
        download: fetches the data set into a folder, if it has a public address.
    """

    @property
    def name(self) -> str: ...

    @property
    def dataset(self) -> str: ...

    @property
    def goal(self) -> str: ...

    @property
    def weights(self) -> tuple[str, ...]: ...

    @property
    def config(self) -> type[LoopConfig]: ...

    @property
    def dry_run(self) -> dict[str, Any]: ...

    @property
    def where(self) -> str: ...

    @property
    def losses(self) -> tuple[str, ...]: ...

    @property
    def download(self) -> Callable[[Path], None] | None: ...

    def build(self, config: Any, context: Context) -> Task:
        """The task of that configuration on the context's data; on noise without data."""

    def publish(self, config: Any, out: Path, context: Context, options: PublishOptions) -> str:
        """Measures the network of the run in `out`, writes weight, manifest entry and card; the weight's name."""

    def evaluate(self, name: str, context: Context) -> dict[str, Any]:
        """What is measured of a published weight, JSON-ready."""


class RecipeOfDataSet(ABC):
    """What a `Recipe` tells that makes one weight from one data set.

    Attributes:
        weight: the name of what it makes in the manifest.
    """

    weight: str

    @property
    @abstractmethod
    def made_from(self) -> DataSet:
        """The data set."""

    @property
    def dataset(self) -> str:
        """See `Recipe`."""
        return self.made_from.name

    @property
    def where(self) -> str:
        """See `Recipe`."""
        return self.made_from.where

    @property
    def weights(self) -> tuple[str, ...]:
        """See `Recipe`."""
        return (self.weight,)

    @property
    def download(self) -> Callable[[Path], None] | None:
        """See `Recipe`."""
        return self.made_from.download if self.made_from.official else None


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
