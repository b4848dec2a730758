"""The training loop: steps, EMA, metrics, checkpoints, resume.

What a step is belongs to the recipe's `Task`; when it is logged, measured and saved belongs here.
A run that was stopped and resumed gives the same weights, bit for bit, as one that was not: batches
and noise are drawn from a generator seeded by (seed, step), and the global generators are saved.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import signal
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer

from train.checkpoint import BEST, State, load_last, save_atomically, save_last
from train.device import describe_hardware, half_precision
from train.distributed import average_gradients
from train.ema import Ema
from train.progress import Progress

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What every recipe shares; recipes extend it."""

    steps: int = 1000  # optimiser steps, > 0
    epochs: int = 0  # > 0: passes over the training pictures instead of `steps`, and a measure after each
    batch_size: int = 64  # pictures a step, > 0
    seed: int = 0
    ema_decay: float = 0.999  # [0, 1)
    clip_norm: float = 0.0  # longest gradient, of all weights of an update together; 0: any
    log_every: int = 50  # steps
    evaluate_every: int = 1000  # steps; 0: never
    preview_every: int = 500  # steps; 0: never
    checkpoint_seconds: float = 180.0


C = TypeVar("C", bound=LoopConfig)


def with_steps(config: C, pictures: int) -> C:
    """The config with `epochs` turned into steps over that many pictures, and a measure after each epoch.

    Measures stay off where `evaluate_every` is 0. Without `epochs` the config comes back as it is.

    Raises:
        ValueError: fewer pictures than one batch.
    """
    if not config.epochs:
        return config
    batches = pictures // config.batch_size
    if batches == 0:
        raise ValueError(f"need at least one batch of {config.batch_size} pictures, got {pictures}")
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
    """

    config: LoopConfig = LoopConfig()
    amp: bool = False
    networks: dict[str, nn.Module]
    optimizers: dict[str, Optimizer]
    device: torch.device
    product: str
    metric: str
    higher_is_better: bool = True
    _scaler: GradScaler | None = None

    @abstractmethod
    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Takes one optimiser step on a batch drawn with `generator` (CPU); returns scalars to log."""

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
        average_gradients(weights)
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


def cosine_factor(step: int, steps: int, warmup: int = 0) -> float:
    """Learning-rate multiplier: linear from 0 to 1 over `warmup` steps, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def seeded(purpose: str, seed: int, number: int) -> torch.Generator:
    """CPU generator for one step or epoch: no state to save, the same after any resume.

    Hashed, because torch's CPU generator looks at the low 32 bits of its seed only.
    """
    digest = hashlib.blake2b(f"{purpose} {seed} {number}".encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def epoch_indices(step: int, batch_size: int, count: int, seed: int) -> Tensor:
    """Picture indices of a batch, (batch_size,): each picture once an epoch, reshuffled every epoch.

    Batches do not straddle epochs: the last `count % batch_size` of each shuffle are left out.

    Raises:
        ValueError: fewer pictures than one batch.
    """
    batches = count // batch_size
    if batches == 0:
        raise ValueError(f"need at least one batch of {batch_size} pictures, got {count}")
    epoch, batch = divmod(step, batches)
    return _epoch_order(count, seed, epoch)[batch * batch_size : (batch + 1) * batch_size]


@lru_cache(maxsize=2)
def _epoch_order(count: int, seed: int, epoch: int) -> Tensor:
    """The shuffle of one epoch, (count,); drawn once, not at every step."""
    return torch.randperm(count, generator=seeded("epoch", seed, epoch))


class Trainer:
    """Runs a task to `config.steps`, keeping `last.pt`, `previous.pt`, `best.pt` and `metrics.jsonl` in `out`.

    Args:
        task: what to train.
        config: how long and how often; stored in every checkpoint.
        out: folder of the run.
        resume: continue from the newest readable checkpoint in `out`.

    Raises:
        FileExistsError: `out` holds a run and `resume` is False.
        FileNotFoundError: `resume` is True and there is nothing readable.
    """

    def __init__(self, task: Task, config: LoopConfig, out: Path, *, resume: bool = False) -> None:
        self.task = task
        self.config = config
        self.out = out
        # those given now, not those of a checkpoint: a resumed run may be told to learn slower
        self.base_lrs = {
            name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in task.optimizers.items()
        }
        self.step = 0
        self.seconds = 0.0  # spent training, over all resumed parts
        self.best: float | None = None
        self.ema = Ema(task.networks[task.product], config.ema_decay)
        self.stop_requested = False
        out.mkdir(parents=True, exist_ok=True)
        if resume:
            self._restore(load_last(out))
            _drop_metrics_after(out / METRICS_FILE, self.step)
        elif (out / METRICS_FILE).exists():
            raise FileExistsError(f"{out} already holds a run: give --resume or another --out")

    def run(self) -> bool:
        """Trains until done or told to stop by SIGTERM or SIGINT; True if all steps were taken."""
        progress = Progress(self.config.steps, start=self.step)
        began, saved = time.monotonic() - self.seconds, time.monotonic()
        with self._stop_on_signal():
            while self.step < self.config.steps and not self.stop_requested:
                logs = self._take_step()
                self.seconds = time.monotonic() - began
                if self.step % self.config.log_every == 0:
                    values = _finite({name: value.item() for name, value in logs.items()}, self.step)
                    self._write_metrics(values)
                    progress.update(self.step, _as_note(values))
                self._periodic_work()
                if time.monotonic() - saved > self.config.checkpoint_seconds:
                    save_last(self._state(), self.out)
                    saved = time.monotonic()
        self.seconds = time.monotonic() - began
        save_last(self._state(), self.out)
        return self.step >= self.config.steps

    def _take_step(self) -> dict[str, Tensor]:
        factor = self.task.lr_factor(self.step)
        for name, optimizer in self.task.optimizers.items():
            for group, lr in zip(optimizer.param_groups, self.base_lrs[name], strict=True):
                group["lr"] = lr * factor
        logs = self.task.step(self.step, seeded("step", self.config.seed, self.step))
        self.ema.update(self.task.networks[self.task.product])
        self.step += 1
        return logs

    def _periodic_work(self) -> None:
        finished = self.step == self.config.steps
        if _is_due(self.step, self.config.preview_every, finished):
            self.task.preview(self.ema.network, self.out / f"preview_{self.step:07d}")
        if _is_due(self.step, self.config.evaluate_every, finished):
            with torch.random.fork_rng():
                values = self.task.evaluate(self.ema.network)
            self._write_metrics(values)
            if self._is_best(values[self.task.metric]):
                self.best = values[self.task.metric]
                save_atomically(self._state(), self.out / BEST)

    def _is_best(self, value: float) -> bool:
        if self.best is None:
            return True
        return value > self.best if self.task.higher_is_better else value < self.best

    def _write_metrics(self, values: Mapping[str, float]) -> None:
        record = {"step": self.step, "seconds": round(self.seconds, 1), **values}
        with (self.out / METRICS_FILE).open("a") as file:
            file.write(json.dumps(record) + "\n")

    def _state(self) -> State:
        return {
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "config": asdict(self.config),
            "hardware": describe_hardware(self.task.device),
            "networks": {name: network.state_dict() for name, network in self.task.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.task.optimizers.items()},
            "ema": self.ema.network.state_dict(),
            "ema_updates": self.ema.updates,
            "rng": _rng_state(),
        }

    def _restore(self, state: State) -> None:
        _warn_of_changes(state["config"], asdict(self.config))
        for name, network in self.task.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.task.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.ema.network.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        _set_rng_state(state["rng"])

    @contextmanager
    def _stop_on_signal(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the run after the current step, with a checkpoint."""

        def request_stop(signum: int, frame: FrameType | None) -> None:
            self.stop_requested = True

        before = {number: signal.signal(number, request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _finite(values: dict[str, float], step: int) -> dict[str, float]:
    """The values, unless training has diverged.

    Raises:
        FloatingPointError: one is infinite or not a number.
    """
    if not all(math.isfinite(value) for value in values.values()):
        raise FloatingPointError(f"training diverged before step {step}: {values}")
    return values


def _is_due(step: int, every: int, finished: bool) -> bool:
    return every > 0 and (finished or step % every == 0)


def _as_note(values: Mapping[str, float]) -> str:
    return " ".join(f"{name} {value:.4g}" for name, value in values.items())


def _drop_metrics_after(path: Path, step: int) -> None:
    """Forgets the lines of steps that a resumed run will take again."""
    if path.exists():
        lines = path.read_text().splitlines()
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(line + "\n" for line in kept))


def _warn_of_changes(saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    changed = {key: (saved.get(key), value) for key, value in given.items() if saved.get(key) != value}
    if changed:
        warnings.warn(f"resuming with another configuration (saved, given): {changed}", stacklevel=4)


def _rng_state() -> State:
    """The global generators of torch and Python; nothing in training draws from NumPy's."""
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
    }


def _set_rng_state(state: State) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
