"""Weights in eight bits: half the bytes of float16.

Each output channel of a kernel or matrix has its own scale, by which its largest weight becomes 127 (symmetric
quantisation a channel; R. Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference", 2018,
arXiv:1806.08342). Only the file is small. Networks compute in float32 with what `from_eight_bits` gives, and what is
published is measured that way.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ":scale"  # what the name of a tensor's scales ends in; no name of a module's tensor has a colon
SMALLEST = 4096  # weights: a smaller tensor would save too little

_LARGEST = 127


def in_eight_bits(state: Mapping[str, Tensor], smallest: int = SMALLEST) -> dict[str, Tensor]:
    """The tensors of a network as they are stored.

    Kernels and matrices of `smallest` weights or more become int8, with their scales, (C, 1, ...) float32, beside them.
    Smaller ones become float16. Vectors and whole numbers stay.
    """
    stored: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if tensor.ndim < 2 or not tensor.is_floating_point():
            stored[key] = tensor
        elif tensor.numel() < smallest:
            stored[key] = tensor.half()
        else:
            stored[key], stored[key + SCALE] = _rounded(tensor.float())
    return stored


def _rounded(weights: Tensor) -> tuple[Tensor, Tensor]:
    """int8 of the same shape, and the scale of each output channel."""
    largest = weights.abs().amax(dim=tuple(range(1, weights.ndim)), keepdim=True)
    scale = torch.where(largest > 0, largest / _LARGEST, torch.ones_like(largest))
    return (weights / scale).round().to(torch.int8), scale


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's tensors from stored ones; those without scales, and whole files without any, come back as they are.

    Raises:
        ValueError: scales whose weights are missing.
    """
    scales = {key.removesuffix(SCALE): tensor for key, tensor in stored.items() if key.endswith(SCALE)}
    if lost := scales.keys() - stored.keys():
        raise ValueError(f"scales without weights: {', '.join(sorted(lost))}")
    return {
        key: tensor.float() * scales[key] if key in scales else tensor
        for key, tensor in stored.items()
        if not key.endswith(SCALE)
    }
