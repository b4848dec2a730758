"""What a recipe gives to the engine: a `Task`, and the `LoopConfig` that its own configuration extends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from cvdemo.config import Config, setting
from train.engine import distributed
from train.engine.device import half_precision


@dataclass(frozen=True, kw_only=True)
class LoopConfig(Config):
    """What every recipe shares; recipes extend it."""

    steps: int = setting(1000, help="optimiser steps", minimum=0)
    epochs: int = setting(
        0,
        help="passes over the training pictures instead of steps, and a measure after each; 0: steps count",
        minimum=0,
    )
    batch_size: int = setting(64, help="pictures a step", minimum=1)
    seed: int = setting(0, help="of weights, batches and noise")
    ema_decay: float = setting(
        0.999, help="of the averaged weights, which are measured; 0: the last", minimum=0, below=1
    )
    clip_norm: float = setting(0.0, help="longest gradient, of all weights of an update together; 0: any", minimum=0)
    log_every: int = setting(50, help="from one line of the records to the next", unit="steps", minimum=1)
    evaluate_every: int = setting(1000, help="from one measure to the next; 0: never", unit="steps", minimum=0)
    preview_every: int = setting(500, help="from one preview to the next; 0: never", unit="steps", minimum=0)
    checkpoint_seconds: float = setting(180.0, help="from one checkpoint to the next", unit="s", minimum=0)


C = TypeVar("C", bound=LoopConfig)


def with_steps(config: C, pictures: int) -> C:
    """The config with `epochs` turned into steps over that many pictures, and a measure after each epoch.

    Measures stay off where `evaluate_every` is 0. Without `epochs` the config comes back as it is, but for a recipe
    that measures after each epoch by default: it still does.

    Raises:
        ValueError: fewer pictures than one batch, or steps given beside epochs that come to another number.
    """
    batches, default = pictures // config.batch_size, type(config)()
    if not config.epochs:
        each_epoch = default.epochs and config.evaluate_every == default.evaluate_every
        return replace(config, evaluate_every=max(1, batches)) if each_epoch else config
    if batches == 0:
        raise ValueError(f"need at least one batch of {config.batch_size} pictures, got {pictures}")
    if config.steps not in (0, default.steps, config.epochs * batches):
        raise ValueError(
            f"give steps or epochs: {config.epochs} epochs are {config.epochs * batches} steps; "
            "with --epochs 0 the steps count"
        )
    return replace(config, steps=config.epochs * batches, evaluate_every=batches if config.evaluate_every else 0)


class Task(ABC):
    """One training problem: its networks, their optimisers, and one step.

    Attributes:
        config: its hyper-parameters; `clip_norm` acts in `update`.
        amp: whether it computes in 16 bits; on devices where that is float16, `backward` and `update` scale the loss.
        networks: everything a checkpoint must hold.
        optimizers: their `lr` is multiplied by `lr_factor(step)`.
        device: where it runs.
        product: key in `networks` of the one that is averaged, measured and published.
        metric, higher_is_better: key of `evaluate`'s result by which the best checkpoint is kept.
        gap: a key of `step`'s result with `train_` before it and one of `evaluate`'s; a warning says when the second
            gets worse while the first improves. Empty words: none does.
        gap_after: steps after which the two can be compared; what came before is not.
        class_names: of a classifier, in the order of its outputs.
        trained_on: what its pictures are, as numbers and names that a card can be held to.
        command: that trains it. earlier: the runs that made what it starts from, see `train.publishing.lineage`.
    """

    config: LoopConfig = LoopConfig()
    amp: bool = False
    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    device: torch.device
    product: str
    metric: str
    higher_is_better: bool = True
    gap: tuple[str, str] = ("train_loss", "loss")
    gap_after: int = 0
    class_names: Sequence[str] = ()
    trained_on: Mapping[str, Any] = MappingProxyType({})
    command: str = ""
    earlier: Sequence[Mapping[str, Any]] = ()
    _scaler: GradScaler | None = None

    @abstractmethod
    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Takes one optimiser step on a batch drawn with `generator` (CPU); returns scalars to log.

        The generator draws the same in every process: draw the joint batch, compute on its `distributed.shard`.
        """

    @abstractmethod
    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Measures the averaged network; must leave the training state alone."""

    @property
    def scaler(self) -> GradScaler:
        """The scale of the loss; 1 and idle unless gradients pass through float16."""
        if self._scaler is None:
            needed = self.amp and half_precision(self.device) == torch.float16
            self._scaler = GradScaler(self.device.type, enabled=needed)
        return self._scaler

    def backward(self, loss: Tensor) -> None:
        """Adds the gradient of a scalar loss to that of every weight, scaled where float16 needs it.

        In `step`: zero_grad, then this once for each micro-batch, then `update`.
        """
        torch.autograd.backward(self.scaler.scale(loss))

    def update(self, *names: str) -> None:
        """One step of these optimisers, or of all: averages gradients over processes, unscales, clips, steps.

        Where float16 overflowed, the step is skipped and the scale halved.
        """
        optimizers = [self.optimizers[name] for name in names or self.optimizers]
        weights = [weight for optimizer in optimizers for group in optimizer.param_groups for weight in group["params"]]
        distributed.average_gradients(weights)
        for optimizer in optimizers:
            self.scaler.unscale_(optimizer)
        if self.config.clip_norm > 0:
            nn.utils.clip_grad_norm_(weights, self.config.clip_norm)
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()

    def lr_factor(self, step: int) -> float:
        """Multiplier of every learning rate at `step`; constant unless overridden."""
        return 1.0

    def preview(self, network: nn.Module, path_without_suffix: Path) -> None:  # noqa: B027
        """Writes a picture of what the network does now; nothing unless overridden."""
