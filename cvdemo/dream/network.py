"""The network that dreams run on: the backbone, in bfloat16 where the processor computes with it.

A dream needs the direction of a gradient, whose last digits do not show. With AVX-512 BF16 (AMD Zen 4, Intel Cooper
Lake and later) a step to block 12 at 544 x 320 px took 67 ms of one core, channels last, instead of 126 ms in float32.
Without these instructions bfloat16 is emulated and slow, and the shared network is used as it is. The choice hangs on
the processor alone, so that a seed repeats on the same machine.
"""

import copy
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from cvdemo.dream.objectives import DreamNetwork
from cvdemo.images import normalise
from cvdemo.nets.backbone import Backbone, load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.runtime import load_once, resolve_device


@dataclass(frozen=True)
class HalfBackbone:
    """The backbone with its layers in bfloat16; pixels, activations told and logits stay float32."""

    backbone: Backbone
    network: EfficientNetLite

    @classmethod
    def of(cls, backbone: Backbone) -> "HalfBackbone":
        """With a copy of the layers, 9 MB."""
        halved = copy.deepcopy(backbone.network).to(torch.bfloat16)
        for parameter in halved.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return cls(backbone, halved)

    @property
    def device(self) -> torch.device:
        """Where its pixels have to be."""
        return self.backbone.device

    def features(self, pixels: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of layers by name, for pixels (B, 3, H, W) in [0, 1]."""
        inputs = normalise(pixels, self.backbone.preprocessing)
        halved = inputs.to(torch.bfloat16, memory_format=torch.channels_last)
        return {name: maps.float() for name, maps in self.network.features(halved, names).items()}

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes) of the head's activations (B, 1280, h, w)."""
        return self.backbone.logits(maps)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 faster than in float32, as far as that has been measured."""
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16", False))


def load_dream_network(device: str | torch.device = "auto") -> DreamNetwork:
    """The network, loaded on first use and shared.

    Raises:
        WeightsError: its file is missing or altered.
    """
    return _load_dream_network(str(resolve_device(device)))


@load_once
def _load_dream_network(device: str) -> DreamNetwork:
    backbone = load_backbone(device)
    return HalfBackbone.of(backbone) if has_bfloat16(backbone.device) else backbone
