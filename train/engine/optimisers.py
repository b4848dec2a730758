"""Optimisers by name, with the groups of weights that decay; those of this project are in files of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from train.engine.muon import MUON_MOMENTUM, Muon

OptimizerName = Literal["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw", "nadam", "muon"]


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
