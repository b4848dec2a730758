"""Muon: momentum whose step is made orthogonal.

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# coefficients of the quintic iteration that brings all singular values near one (K. Jordan et al., "Muon", 2024)
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
MUON_MOMENTUM = 0.6  # airbench's for CIFAR-10


class Muon(Optimizer):
    """Nesterov momentum whose step is made orthogonal, for convolution and matrix weights.

    As in airbench, each weight is first scaled to a norm of sqrt(rows), so that `lr` is the relative length of a step;
    a weight is therefore only determined up to its scale and belongs before a BatchNorm.

    Args:
        params: weights of two dimensions or more; the first one counts as rows.
        lr: relative step, > 0.
        momentum: [0, 1).
        iterations: of Newton-Schulz; three are enough for training.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 0.24, momentum: float = MUON_MOMENTUM, iterations: int = 3
    ) -> None:
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
