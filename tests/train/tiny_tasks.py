"""Tiny tasks that tests of the engine train, also in processes of their own."""

import copy
import os
import signal
from typing import Any

import torch
from torch import Tensor, nn

from train.engine.distributed import rank, shard
from train.engine.loop import LoopConfig, Task, epoch_indices
from train.engine.schedules import lr_factor
from train.publishing.recipe import Recipe

CONFIG = LoopConfig(steps=8, batch_size=4, log_every=1, evaluate_every=4, preview_every=0, ema_decay=0.9)


class TinyTask(Task):
    """A linear fit with BatchNorm, and with dropout, so that the global generator matters too.

    Args:
        stop_at: step at which the process `stop_rank` sends itself SIGTERM.
        diverge_at: step from which the loss is not a number.
        width: hidden units.
    """

    product = "network"
    metric = "error"
    higher_is_better = False

    def __init__(
        self,
        config: LoopConfig = CONFIG,
        *,
        stop_at: int | None = None,
        stop_rank: int = 0,
        diverge_at: int | None = None,
        width: int = 4,
        amp: bool = False,
    ) -> None:
        torch.manual_seed(3)
        self.config, self.amp = config, amp
        self.device = torch.device("cpu")
        network = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1))
        self.networks = {"network": network}
        self.optimizers = {"network": torch.optim.Adam(network.parameters(), 0.01)}
        self.stop_at, self.stop_rank, self.diverge_at = stop_at, stop_rank, diverge_at

    def lr_factor(self, step: int) -> float:
        return lr_factor("cosine", step, 8, warmup_fraction=0.25) if self.config.steps == 8 else 1.0

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        x = shard(torch.randn(self.config.batch_size, 3, generator=generator))
        loss = (self.networks["network"](x) - x.sum(dim=1, keepdim=True)).square().mean()
        if step == self.diverge_at:
            loss = loss * float("nan")
        self.optimizers["network"].zero_grad()
        self.backward(loss)
        self.update()
        if step == self.stop_at and rank() == self.stop_rank:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": loss.detach()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        torch.rand(7)  # a measure that draws must not change training
        return {"error": network(torch.ones(1, 3)).item() ** 2}


class PlainTask(Task):
    """A fit of 48 pictures without BatchNorm or dropout: its gradient is the mean over pictures, however shared out."""

    product = "network"
    metric = "error"
    higher_is_better = False

    def __init__(self, config: LoopConfig) -> None:
        torch.manual_seed(5)
        self.config, self.device = config, torch.device("cpu")
        network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(64, 1))
        self.networks = {"network": network}
        self.optimizers = {"network": torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True)}
        self.pictures = torch.rand(48, 1, 6, 6)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        x = self.pictures[shard(epoch_indices(step, self.config.batch_size, 48, self.config.seed))]
        loss = (self.networks["network"](x)[:, 0] - x.mean(dim=(1, 2, 3))).square().mean()
        self.optimizers["network"].zero_grad()
        self.backward(loss)
        self.update()
        return {"loss": loss.detach()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        return {"error": (network(self.pictures)[:, 0] - self.pictures.mean(dim=(1, 2, 3))).square().mean().item()}


def altered(recipe: Recipe, **parts: Any) -> Any:
    """A copy of a recipe with other methods."""
    own = {name: staticmethod(part) if callable(part) else part for name, part in parts.items()}
    copied = copy.copy(recipe)
    object.__setattr__(copied, "__class__", type("Altered", (type(recipe),), own))
    return copied


def equal(a: object, b: object) -> bool:
    """Whether two checkpoints, or parts of them, are the same bit for bit."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def same_run(a: dict[str, Any], b: dict[str, Any]) -> bool:
    """Whether two checkpoints continue alike; the seconds and the hardware may differ."""
    return all(equal(a[key], b[key]) for key in a.keys() - {"seconds", "hardware", "config"})
