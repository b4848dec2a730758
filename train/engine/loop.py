"""The training loop: steps, EMA, metrics, checkpoints, resume, in one process or several.

What a step is belongs to the recipe's `Task`; when it is logged, measured and saved belongs here.
A run that was stopped and resumed gives the same weights, bit for bit, as one that was not: batches
and noise are drawn from a generator seeded by (seed, step), and the global generators are saved.
Under torchrun (`train.engine.distributed`) all processes step together; the first one writes, prints and evaluates.
"""

from __future__ import annotations

import math
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from train.engine import distributed
from train.engine.checkpoint import BEST, State, has_checkpoint, load_last, save_atomically, save_last, settle
from train.engine.class_names import order_of, shown
from train.engine.config_options import recipe_in
from train.engine.device import (
    describe_hardware,
    half_precision,
    hashed_seed,
    preserved_rng,
    rng_state,
    seed_everything,
    set_rng_state,
)
from train.engine.ema import Ema
from train.engine.monitor import METRICS_FILE, Monitor
from train.engine.training_task import LoopConfig as LoopConfig
from train.engine.training_task import Task as Task
from train.engine.training_task import with_steps as with_steps
from train.engine.writing import make_folder


def seeded(purpose: str, seed: int, number: int) -> torch.Generator:
    """CPU generator for one step or epoch: no state to save, the same after any resume and in every process."""
    return torch.Generator().manual_seed(hashed_seed(purpose, seed, number))


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
    """Runs a task to `config.steps`, keeping checkpoints (`last.pt`, `previous.pt`, `best.pt`) and metrics in `out`.

    Args:
        task: what to train.
        config: how long and how often; stored in every checkpoint.
        out: folder of the run.
        resume: continue from the newest readable checkpoint in `out`.

    Raises:
        FileExistsError: `out` holds a run and `resume` is False.
        FileNotFoundError: `resume` is True and there is nothing readable.
        ValueError: no steps to take, or `out` holds a run of another recipe, of another batch size or other classes.
        OSError: `out` cannot be written.
    """

    def __init__(self, task: Task, config: LoopConfig, out: Path, *, resume: bool = False) -> None:
        if config.steps < 1:
            raise ValueError(f"a run takes one step or more, got {config.steps}")
        check_out(out, resume=resume)
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
        self.changed: list[dict[str, Any]] = []  # commands before the last, where it was resumed with another
        self.monitor: Monitor | None = None
        self.stop_requested = False
        seed_everything(hashed_seed("run", config.seed, distributed.rank()))
        distributed.broadcast_networks(task.networks.values())
        self.ema = Ema(task.networks[task.product], config.ema_decay)
        if resume:
            self._restore(load_last(out))

    def run(self) -> bool:
        """Trains until done or told to stop by SIGTERM or SIGINT; True if all steps were taken.

        Where nothing is left to do nothing is saved either; a kill may have cost table and curves: they are drawn.
        """
        if self.step >= self.config.steps:
            if distributed.is_main():
                settle(self.out)
                self._new_monitor().close()
            return True
        if self.step == 0:
            self._save()  # from here on there is something to resume from
        if distributed.is_main():
            self.monitor = self._open_monitor()
        began, saved = time.monotonic() - self.seconds, time.monotonic()
        with self._stop_on_signal():
            while self.step < self.config.steps:
                logs = self._take_step()
                self.seconds = time.monotonic() - began
                self._periodic_work(logs)
                save_due = time.monotonic() - saved > self.config.checkpoint_seconds
                stop, save_due = distributed.any_of(self.stop_requested, save_due)
                if stop:
                    break
                if save_due:
                    self._save()
                    saved = time.monotonic()
        self.seconds = time.monotonic() - began
        self._save()
        if self.monitor is not None:
            self.monitor.close()
        distributed.wait()
        return self.step >= self.config.steps

    @property
    def nothing_left(self) -> str:
        """A sentence, where the run has taken all its steps or more; else nothing."""
        if self.step < self.config.steps:
            return ""
        return f"nothing left to do: {self.out} is at step {self.step}, and {self.config.steps} were asked for"

    def _open_monitor(self) -> Monitor:
        monitor = self._new_monitor()
        monitor.describe({"config": asdict(self.config), "hardware": self._hardware})
        return monitor

    def _new_monitor(self) -> Monitor:
        return Monitor(
            self.out,
            steps=self.config.steps,
            start=self.step,
            metric=self.task.metric,
            higher_is_better=self.task.higher_is_better,
            gap=self.task.gap,
            gap_after=self.task.gap_after,
            batches=self._batches,
        )

    @property
    def _batches(self) -> int:
        """Steps of an epoch; 0 for a run that is not counted in epochs."""
        return self.config.steps // self.config.epochs if self.config.epochs else 0

    @property
    def _hardware(self) -> str:
        processes = distributed.world_size()
        precision = f", {str(half_precision(self.task.device))[6:]}" if self.task.amp else ""
        place = describe_hardware(self.task.device) + precision
        return f"{processes} processes, each on {place}" if processes > 1 else place

    def _take_step(self) -> dict[str, Tensor]:
        factor = self.task.lr_factor(self.step)
        for name, optimizer in self.task.optimizers.items():
            for group, lr in zip(optimizer.param_groups, self.base_lrs[name], strict=True):
                group["lr"] = lr * factor
        logs = self.task.step(self.step, seeded("step", self.config.seed, self.step))
        distributed.average_buffers(self.task.networks.values())
        self.ema.update(self.task.networks[self.task.product])
        self.step += 1
        return logs

    def _periodic_work(self, logs: Mapping[str, Tensor]) -> None:
        config, finished = self.config, self.step == self.config.steps
        evaluation_due = _is_due(self.step, config.evaluate_every, finished)
        if evaluation_due or _is_due(self.step, config.log_every, finished):
            values = distributed.average_values(logs)
            if self.monitor is not None and not all(map(math.isfinite, values.values())):
                self.monitor.diverged(self.step, self.seconds)
            values = _finite(values, self.step)
            if self.monitor is not None:
                lr = next(iter(self.task.optimizers.values())).param_groups[0]["lr"]
                self.monitor.training(self.step, self.seconds, values, lr=lr)
        if distributed.is_main() and _is_due(self.step, config.preview_every, finished):
            with preserved_rng(self.task.device):
                self.task.preview(self.ema.network, self.out / f"preview_{self.step:07d}")
        if evaluation_due:
            self._evaluate()

    def _evaluate(self) -> None:
        """Measures in the first process while the others wait; keeps `best.pt`."""
        values: dict[str, float] = {}
        if distributed.is_main():
            with preserved_rng(self.task.device):
                values = self.task.evaluate(self.ema.network)
        values = distributed.from_main(values)
        is_best = self._is_best(values[self.task.metric])
        if is_best:
            self.best = values[self.task.metric]
            self._save(best=True)
        if self.monitor is not None:
            self.monitor.evaluation(self.step, self.seconds, values, best=is_best)

    def _is_best(self, value: float) -> bool:
        if self.best is None or not math.isfinite(value):
            return math.isfinite(value)
        return value > self.best if self.task.higher_is_better else value < self.best

    def _save(self, *, best: bool = False) -> None:
        """Writes `last.pt` or `best.pt`; every process takes part, because each has generators of its own."""
        state = self._state()
        if distributed.is_main() and best:
            save_atomically(state, self.out / BEST)
        elif distributed.is_main():
            save_last(state, self.out)

    def _state(self) -> State:
        return {
            "step": self.step,
            "epoch": self.step / self._batches if self._batches else None,
            "seconds": self.seconds,
            "best": self.best,
            "config": asdict(self.config),
            "hardware": self._hardware,
            "command": self.task.command,
            "earlier": list(self.task.earlier),
            "changed": self.changed,
            "class_names": list(self.task.class_names),
            "trained_on": dict(self.task.trained_on),
            "amp": self.task.amp,
            "networks": {name: network.state_dict() for name, network in self.task.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.task.optimizers.items()},
            "scaler": self.task.scaler.state_dict(),
            "ema": self.ema.network.state_dict(),
            "ema_updates": self.ema.updates,
            "rng": distributed.gathered(rng_state(self.task.device)),  # by rank
        }

    def _restore(self, state: State) -> None:
        refuse_other_run(self.out, state, self.config, self.task.command)
        if names := state.get("class_names"):  # those of earlier versions hold none
            whose = f"the run in {self.out}"
            order_of(names, whose, self.task.class_names)
            if list(names) != list(self.task.class_names):
                raise ValueError(f"{whose} has its classes in another order: {shown(names)}")
        if distributed.is_main():
            given = {**asdict(self.config), "amp": self.task.amp}
            _warn_of_changes({**state["config"], "amp": state.get("amp", self.task.amp)}, given)
        for name, network in self.task.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.task.optimizers.items():
            # decay, momentum and so on are those given now, as the configuration that is recorded says
            groups = [
                {key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups
            ]
            optimizer.load_state_dict(state["optimizers"][name])
            for group, options in zip(optimizer.param_groups, groups, strict=True):
                group.update(options)
        if state["scaler"]:
            self.task.scaler.load_state_dict(state["scaler"])
        self.ema.network.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.step, self.seconds, self.best = state["step"], state["seconds"], state["best"]
        if len(state["rng"]) != distributed.world_size():
            saved, now = len(state["rng"]), distributed.world_size()
            warnings.warn(f"saved by {saved} processes, resumed by {now}: noise is drawn anew", stacklevel=3)
        else:
            set_rng_state(state["rng"][distributed.rank()], self.task.device)
        # what it began with, which a weight published meanwhile under that name does not change
        self.task.earlier = state.get("earlier", self.task.earlier)
        self.changed = [*state.get("changed", ())]
        if state.get("command") and state["command"] != self.task.command:
            self.changed.append({"command": state["command"], "until_step": self.step})

    @contextmanager
    def _stop_on_signal(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the run after the current step, with a checkpoint; a second Ctrl-C ends it at once."""

        def request_stop(signum: int, frame: FrameType | None) -> None:
            # torchrun passes on the Ctrl-C that the terminal has already sent to every process
            if self.stop_requested and signum == signal.SIGINT and distributed.world_size() == 1:
                raise KeyboardInterrupt
            self.stop_requested = True

        before = {number: signal.signal(number, request_stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def check_out(out: Path, *, resume: bool) -> None:
    """Makes the folder of a run, and makes sure that one can begin there or, with `resume`, go on.

    Raises:
        FileExistsError: it holds a run and `resume` is False.
        OSError: it cannot be written, or is a file.
    """
    make_folder(out)
    if not resume and (has_checkpoint(out) or (out / METRICS_FILE).exists()):
        raise FileExistsError(f"{out} already holds a run: give --resume or another --out")


def refuse_other_run(out: Path, state: Mapping[str, Any], config: LoopConfig, command: str) -> None:
    """Lets only a run of this recipe and batch size go on.

    Schedule, records, previews and the checkpoint that was chosen are counted in steps: with another batch size a step
    would be another number of pictures, and half of a run would be told as if it were the whole.

    Raises:
        ValueError: the state in `out` is of another.
    """
    made_by, asked_for = recipe_in(state.get("command", "")), recipe_in(command)
    if made_by and asked_for and made_by != asked_for:
        raise ValueError(f"{out} holds a run of {made_by}, not of {asked_for}")
    size, step = state["config"].get("batch_size", config.batch_size), state["step"]
    if step and size != config.batch_size:
        raise ValueError(
            f"{out} holds a run in batches of {size}, {step * size:,} pictures and {step} steps into its schedule; "
            f"with batches of {config.batch_size} its steps would mean something else. Give --batch-size {size} to go "
            "on, or another --out to begin anew"
        )


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


def _warn_of_changes(saved: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    changed = {key: (saved.get(key), value) for key, value in given.items() if saved.get(key) != value}
    if changed:
        warnings.warn(f"resuming with another configuration (saved, given): {changed}", stacklevel=4)
