"""A learning rate from one short sweep: the rate grows exponentially step by step until the loss explodes.

L. N. Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3, with the smoothed loss and the
rule of the steepest descent as fastai has them. The sweep multiplies all the rates of a recipe by one factor, so that
recipes with several optimisers keep their proportions. Networks, optimisers and generators are put back afterwards.
"""

from __future__ import annotations

import copy
import errno
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from train.engine.curves import Curve, Panel, draw
from train.engine.device import preserved_rng
from train.engine.loop import seeded
from train.engine.progress import Progress
from train.engine.training_task import Task
from train.engine.writing import make_folder

FEWEST_STEPS = 10  # fewer make no curve
_SMOOTHING = 0.9  # of the moving average of the loss
_DIVERGED = 4.0  # times the lowest smoothed loss
_STILL = 0.02  # of the loss: a sweep whose smoothed loss stays within this share of it did not move
_BURN_IN = 0.1  # fraction of the sweep that is not yet averaged well enough to choose from


@dataclass(frozen=True, kw_only=True)
class LrSweep:
    """What a sweep saw.

    Attributes:
        factors: multipliers of the recipe's rates, ascending; one for each step taken.
        losses, smoothed: loss of that step's batch, and its bias-corrected moving average.
        rates: the recipe's own rates by optimiser, the first group's.
        loss: which of the task's logs it is.
        suggestion: factor at which the smoothed loss falls fastest; None where it falls nowhere.
        diverged: whether the loss exploded before the last factor.
        trouble: why there is no suggestion, in words; empty where there is one.
    """

    factors: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    rates: dict[str, float]
    loss: str
    suggestion: float | None
    diverged: bool
    trouble: str = ""


def check_sweep(losses: Sequence[str], *, low: float, high: float, steps: int, loss: str = "loss") -> None:
    """Refuses a sweep that cannot be.

    Args:
        losses: names in the task's log.

    Raises:
        ValueError: a range or number that cannot be swept, or no such loss.
    """
    if not 0 < low < high or steps < FEWEST_STEPS:
        raise ValueError(f"need 0 < low < high and steps >= {FEWEST_STEPS}, got {low=}, {high=}, {steps=}")
    if loss not in losses:
        raise ValueError(f"a sweep needs one loss; this recipe has {', '.join(losses)}")


def check_target(path: Path) -> None:
    """Makes sure that a PNG can be written, before minutes of work for it.

    Raises:
        ValueError: a name with another ending.
        IsADirectoryError: it is a folder.
        OSError: its folder cannot be made or written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.suffix.lower() != ".png":
        raise ValueError(f"the curve is a PNG: give a name that ends in .png, got {path}")
    make_folder(path.parent)


def find_lr(
    task: Task,
    *,
    seed: int,
    low: float = 1e-3,
    high: float = 1e3,
    steps: int = 100,
    loss: str = "loss",
    show: bool = False,
) -> LrSweep:
    """Losses while all rates of a task are multiplied by `low` to `high`, and the factor to choose.

    The sweep ends early once the smoothed loss is above four times its lowest, or not finite.

    Args:
        seed: of the batches. loss: key in the task's logs.
        low, high: first and last factor, 0 < low < high. steps: how many, at least 10.
        show: whether progress is shown on standard error.

    Raises:
        ValueError: a range or number that cannot be swept, or no such loss, as in a GAN, which has two.
    """
    check_sweep([loss], low=low, high=high, steps=steps, loss=loss)
    factors = np.geomspace(low, high, steps).tolist()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in task.optimizers.items()}
    progress = Progress(steps, stream=None if show else io.StringIO())
    with _untouched(task):
        losses, smoothed, diverged = _until_divergence(_sweep(task, factors, seed, loss), progress, factors)
    progress.close()
    suggestion, trouble = _suggestion(factors, losses, smoothed, diverged=diverged)
    return LrSweep(
        factors=tuple(factors[: len(losses)]),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        rates=rates,
        loss=loss,
        suggestion=suggestion,
        diverged=diverged,
        trouble=trouble,
    )


def _until_divergence(
    values: Iterator[float], progress: Progress, factors: Sequence[float]
) -> tuple[list[float], list[float], bool]:
    """Losses of a sweep and their smoothed values, and whether the loss exploded, which ends it."""
    losses, smoothed = list[float](), list[float]()
    for value, factor in zip(values, factors, strict=False):
        average = _moving_average([*losses, value])
        if not math.isfinite(value) or average > _DIVERGED * min(smoothed, default=math.inf):
            return losses, smoothed, True
        losses.append(value)
        smoothed.append(average)
        progress.update(len(losses), f"factor {factor:.3g} loss {value:.4g}")
    return losses, smoothed, False


def _suggestion(
    factors: list[float], losses: list[float], smoothed: list[float], *, diverged: bool
) -> tuple[float | None, str]:
    """The factor to choose; or None, and why there is none."""
    first = math.ceil(_BURN_IN * len(factors))
    if trouble := _trouble(factors, losses, smoothed, first, diverged=diverged):
        return None, trouble
    return steepest(factors[: len(losses)], smoothed, first=first), ""


def _trouble(
    factors: Sequence[float], losses: Sequence[float], smoothed: Sequence[float], first: int, *, diverged: bool
) -> str:
    """Why no rate can be suggested, in words that say what to do; empty where one can.

    Args:
        first: index from which on the smoothed loss is averaged well enough.
    """
    if diverged and len(losses) <= first:
        seen = f" from {losses[0]:.4g}" if losses else ""
        return (
            f"the loss exploded at once{seen}, at {factors[len(losses)]:.3g} times the recipe's learning rates: "
            "sweep lower factors (--sweep-low), or look at the data"
        )
    low, high = min(smoothed), max(smoothed)
    if not diverged and high - low <= _STILL * abs(high):
        return (
            f"the loss did not move: it stayed from {low:.4g} to {high:.4g} up to {factors[-1]:.3g} times the recipe's "
            "learning rates; sweep higher factors (--sweep-high), or look at whether labels belong to their pictures"
        )
    if int(np.argmin(smoothed)) <= first:
        return (
            f"the loss did not fall after step {first}, it rose from {low:.4g} to {high:.4g}: sweep lower factors "
            "(--sweep-low), or take more steps (--sweep-steps)"
        )
    return ""


def _sweep(task: Task, factors: list[float], seed: int, loss: str) -> Iterator[float]:
    """Takes a step at each factor; gives the value of the loss."""
    base = {name: [group["lr"] for group in optimizer.param_groups] for name, optimizer in task.optimizers.items()}
    for step, factor in enumerate(factors):
        for name, optimizer in task.optimizers.items():
            for group, lr in zip(optimizer.param_groups, base[name], strict=True):
                group["lr"] = lr * factor
        logs = task.step(step, seeded("step", seed, step))
        if loss not in logs:
            raise ValueError(f"a sweep needs one loss; this recipe has {', '.join(logs)}")
        yield logs[loss].item()


def _moving_average(values: list[float]) -> float:
    """Exponential moving average of the values at the last of them, free of the bias towards zero."""
    average = 0.0
    for value in values:
        average = _SMOOTHING * average + (1 - _SMOOTHING) * value
    return average / (1 - _SMOOTHING ** len(values))


def steepest(factors: list[float], smoothed: list[float], first: int) -> float:
    """The factor, from index `first` to the lowest loss, at which the loss falls fastest over log(factor).

    Raises:
        ValueError: the loss does not fall there, or there are fewer than two points.
    """
    last = int(np.argmin(smoothed)) if smoothed else 0
    if last <= first:
        raise ValueError(f"the loss did not fall after step {first}: sweep lower factors, or take more steps")
    slopes = np.gradient(np.asarray(smoothed), np.log(factors))
    return factors[first + int(np.argmin(slopes[first : last + 1]))]


def describe(sweep: LrSweep) -> str:
    """Two lines for the terminal: the suggested rates beside the recipe's, and where the loss was lowest.

    Where none can be suggested: why.
    """
    if sweep.suggestion is None:
        return sweep.trouble
    lowest = sweep.factors[int(np.argmin(sweep.smoothed))]
    rates = ", ".join(f"{name} {lr * sweep.suggestion:.3g} (now {lr:.3g})" for name, lr in sweep.rates.items())
    end = (
        f"exploded above {sweep.factors[-1]:.3g}"
        if sweep.diverged
        else f"did not explode up to {sweep.factors[-1]:.3g}"
    )
    return (
        f"suggested: {sweep.suggestion:.3g} times the recipe's learning rates, where the smoothed {sweep.loss} falls "
        f"fastest: {rates}\nthe {sweep.loss} was lowest at {lowest:.3g} times (a tenth of that is the bold choice) "
        f"and {end} times"
    )


def plot_sweep(sweep: LrSweep, path: Path) -> None:
    """Writes the losses over the factor, both axes logarithmic where that is apt, with the suggestion marked."""
    panel = Panel(
        title=f"{sweep.loss} while the learning rate grows" if sweep.losses else f"{sweep.loss} was never finite",
        x_label="learning rate / that of the recipe",
        log_x=True,
        curves=[
            Curve(name="smoothed", x=sweep.factors or (1.0,), y=sweep.smoothed or (0.0,)),
            Curve(name="each batch", x=sweep.factors, y=sweep.losses, style="pale"),
        ],
        marks={} if sweep.suggestion is None else {sweep.suggestion: f"suggested {sweep.suggestion:.3g}"},
    )
    draw([panel], path)


@contextmanager
def _untouched(task: Task) -> Iterator[None]:
    """Puts networks, their modes and gradients, optimisers, loss scale and generators back, even after an error."""
    networks = {name: copy.deepcopy(network.state_dict()) for name, network in task.networks.items()}
    optimizers = {name: copy.deepcopy(optimizer.state_dict()) for name, optimizer in task.optimizers.items()}
    weights = {weight for network in task.networks.values() for weight in network.parameters()}
    kept = [(w, None if w.grad is None else w.grad.clone(), w.requires_grad) for w in weights]
    modes = [(module, module.training) for network in task.networks.values() for module in network.modules()]
    scale = copy.deepcopy(task.scaler.state_dict())
    try:
        with preserved_rng(task.device):
            yield
    finally:
        for name, network in task.networks.items():
            network.load_state_dict(networks[name])
        for name, optimizer in task.optimizers.items():
            optimizer.load_state_dict(optimizers[name])
        for weight, gradient, requires in kept:
            weight.grad = gradient
            weight.requires_grad_(requires)
        for module, training in modes:
            module.training = training
        if scale:
            task.scaler.load_state_dict(scale)
