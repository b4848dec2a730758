"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner.

N. Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024 (arXiv:2409.11321). Adam scales each weight
by the size of its own gradient; where gradients go together, as those of neighbouring pixels of a filter do, it takes
small steps for fear of all of them. Turned into the directions in which they do not, each gets its own scale. It pays
for small networks whose gradients hold little noise, such as SRCNN.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Soap(Optimizer):
    """Vectors learn by Adam; the first step only looks at the gradient.

    Args:
        params: weights of any shape; the last two sizes of a convolution count as one, sizes of 1 as none.
        lr: as Adam's, > 0.
        betas: of the mean of gradients; and of their squares and covariances. [0, 1).
        eps: added to the root of the mean square.
        every: steps after which the eigenvectors are brought up to date, >= 1.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        eps: float = 1e-8,
        every: int = 10,
    ) -> None:
        if lr < 0 or not all(0 <= beta < 1 for beta in betas) or every < 1:
            raise ValueError(f"need lr >= 0, betas in [0, 1) and every >= 1, got {lr=}, {betas=}, {every=}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "every": every})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no loss is returned
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, _modes(weight.grad), group)

    def _update(self, weight: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        first, second = group["betas"]
        state = self.state[weight]
        if not state:
            modes = range(grad.ndim) if grad.ndim > 1 else ()
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(grad), torch.zeros_like(grad)
            state["covariances"] = [_covariance(grad, mode) for mode in modes]
            state["bases"] = [torch.linalg.eigh(covariance)[1].flip(1) for covariance in state["covariances"]]
            return
        state["step"] += 1
        state["mean"].lerp_(grad, 1 - first)
        state["square"].lerp_(_rotated(grad, state["bases"]).square(), 1 - second)  # in the eigenbasis
        mean = _rotated(state["mean"], state["bases"]) / (1 - first ** state["step"])
        scale = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
        direction = _rotated(mean / scale, [basis.T for basis in state["bases"]])
        weight.add_(direction.reshape(weight.shape), alpha=-group["lr"])
        for mode, covariance in enumerate(state["covariances"]):
            covariance.lerp_(_covariance(grad, mode), 1 - second)
        if state["step"] % group["every"] == 0 or state["step"] == 1:
            _refresh_bases(state)


def _refresh_bases(state: dict[str, Any]) -> None:
    """One step of orthogonal iteration, with the strongest direction first."""
    for mode, covariance in enumerate(state["covariances"]):
        basis = state["bases"][mode]
        order = ((covariance @ basis) * basis).sum(0).argsort(descending=True)
        state["square"] = state["square"].index_select(mode, order)
        state["bases"][mode] = torch.linalg.qr(covariance @ basis[:, order])[0]


def _modes(grad: Tensor) -> Tensor:
    """The gradient as a tensor that is turned along each of its sizes."""
    flat = grad.contiguous().flatten(2) if grad.ndim > 2 else grad
    return flat.reshape([size for size in flat.shape if size > 1])


def _covariance(grad: Tensor, mode: int) -> Tensor:
    rows = grad.movedim(mode, 0).flatten(1)
    return rows @ rows.T


def _rotated(x: Tensor, bases: Sequence[Tensor]) -> Tensor:
    """`x` times the basis of each mode; every product moves its mode to the end, so all together keep the order."""
    for basis in bases:
        x = torch.tensordot(x, basis, dims=([0], [0]))
    return x
