"""Optimisers and learning-rate schedules by name, and Muon."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

OptimizerName = Literal["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam", "muon"]
ScheduleName = Literal["constant", "linear", "step", "polynomial", "cosine", "one-cycle"]

# coefficients of the quintic iteration that brings all singular values near one (K. Jordan et al., "Muon", 2024)
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
MUON_MOMENTUM = 0.6  # airbench's for CIFAR-10


class Muon(Optimizer):
    """Nesterov momentum whose step is made orthogonal, for convolution and matrix weights.

    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. As in airbench, each weight is
    first scaled to a norm of sqrt(rows), so that `lr` is the relative length of a step; a weight is therefore only
    determined up to its scale and belongs before a BatchNorm.

    Args:
        params: weights of two dimensions or more; the first one counts as rows.
        lr: relative step, > 0.
        momentum: [0, 1).
        iterations: of Newton-Schulz; three are enough for training.
    """

    def __init__(self, params: Iterable[Any], lr: float = 0.24, momentum: float = 0.6, iterations: int = 3) -> None:
        if lr < 0 or not 0 <= momentum < 1:
            raise ValueError(f"need lr >= 0 and 0 <= momentum < 1, got {lr=}, {momentum=}")
        super().__init__(params, {"lr": lr, "momentum": momentum, "iterations": iterations})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no loss is returned
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight.grad)
                average = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                direction = weight.grad.add(average, alpha=group["momentum"])
                weight.mul_(len(weight) ** 0.5 / weight.norm())
                update = orthogonalise(direction.flatten(1), group["iterations"]).view_as(weight)
                weight.add_(update, alpha=-group["lr"])


def orthogonalise(matrix: Tensor, iterations: int = 3) -> Tensor:
    """The matrix (m, n) with its singular values brought near one, by a Newton-Schulz iteration in bfloat16."""
    a, b, c = _NEWTON_SCHULZ
    x = matrix.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = (x.T if tall else x).to(matrix.dtype)
    return result


def optimizers_for(
    network: nn.Module, name: OptimizerName, lr: float, *, lr_rest: float, momentum: float, weight_decay: float
) -> dict[str, Optimizer]:
    """The optimisers that train every weight of a network: two with Muon, else one.

    Vectors (biases, scales of norms) are not decayed. Muon takes the convolutions that it is meant for, those before a
    norm; everything else then learns by Nesterov SGD at `lr_rest`.

    Args:
        lr: of `name`; Muon's is relative to the length of a filter.
        momentum: of SGD, beside Muon too, and of rmsprop; the others have their usual one.
        weight_decay: of matrices and convolutions, not under Muon.
    """
    trained = [weight for weight in network.parameters() if weight.requires_grad]
    if name == "muon":
        filters = [weight for weight in trained if weight.ndim == 4]
        rest = [weight for weight in trained if weight.ndim != 4]
        groups = decay_groups(rest, weight_decay)
        return {
            "filters": Muon(filters, lr, MUON_MOMENTUM),
            "rest": torch.optim.SGD(groups, lr_rest, momentum=momentum, nesterov=momentum > 0),
        }
    groups = decay_groups(trained, weight_decay)
    return {"network": _by_name(name, groups, lr, momentum)}


def decay_groups(weights: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups: matrices and convolutions with weight decay, vectors without; empty groups are left out."""
    weights = list(weights)
    decayed = [weight for weight in weights if weight.ndim >= 2]
    free = [weight for weight in weights if weight.ndim < 2]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _by_name(name: OptimizerName, groups: list[dict[str, Any]], lr: float, momentum: float) -> Optimizer:
    """One of torch's optimisers with its usual settings.

    Raises:
        ValueError: no such name.
    """
    optim = torch.optim
    makers: dict[str, Callable[[], Optimizer]] = {
        "sgd": lambda: optim.SGD(groups, lr, momentum=momentum, nesterov=momentum > 0),
        "adagrad": lambda: optim.Adagrad(groups, lr),
        "adadelta": lambda: optim.Adadelta(groups, lr),
        "rmsprop": lambda: optim.RMSprop(groups, lr, momentum=momentum),
        "adam": lambda: optim.Adam(groups, lr),
        "adamw": lambda: optim.AdamW(groups, lr),
        "nadam": lambda: optim.NAdam(groups, lr),
    }
    if name not in makers:
        raise ValueError(f"optimiser must be one of {[*makers, 'muon']}, got {name!r}")
    return makers[name]()


def lr_factor(schedule: ScheduleName, step: int, steps: int, warmup_fraction: float = 0.0) -> float:
    """Multiplier of the learning rate at `step` of `steps`, in [0, 1].

    A linear warm-up from zero comes first; the schedule runs over what is left. "step" divides by ten at one half and
    three quarters, "polynomial" falls with the square root, "one-cycle" brings its own warm-up of 30 %.
    """
    if schedule == "one-cycle":
        warmup_fraction = warmup_fraction or 0.3
    warmup = round(warmup_fraction * steps)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(steps - warmup, 1)
    return _SHAPES[schedule](done)


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


_SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
    "polynomial": lambda done: (1 - done) ** 0.5,
    "cosine": _cosine,
    "one-cycle": _cosine,
}
