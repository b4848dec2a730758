"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """A copy of `network` that follows it: shadow += (1 - decay) * (weights - shadow) at each update.

    Early on the average runs over what there is: the decay used at update n is
    min(decay, (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage. Floating buffers
    (batch-norm statistics) are averaged too, integer ones copied.

    Args:
        network: what to follow; the copy is in eval mode and takes no gradient.
        decay: in [0, 1); 0 copies.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"need 0 <= decay < 1, got {decay}")
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates)) if self.decay else 0.0
        self.updates += 1
        shadows: list[Tensor] = []
        sources: list[Tensor] = []
        live = network.state_dict()
        for name, shadow in self.network.state_dict().items():
            if shadow.is_floating_point():
                shadows.append(shadow)
                sources.append(live[name])
            else:
                shadow.copy_(live[name])
        torch._foreach_lerp_(shadows, sources, 1 - decay)
