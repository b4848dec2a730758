"""EfficientNet-Lite0 trained on ImageNet: one copy in memory for everyone on a device, its BatchNorms folded.

Classification, detection, DeepDream and style transfer share it, and classifiers that lay only a head of their own over
it. What only runs forward uses `load_trunk`, what needs gradients the network.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from cvdemo.images import Preprocessing, normalise
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.runtime import load_once, resolve_device
from cvdemo.weights import entry_of, load_state_dict

BACKBONE = "efficientnet_lite0"  # its weight in the manifest


class FeatureNetwork(Protocol):
    """What dreams and styles need of a network."""

    @property
    def device(self) -> torch.device:
        """Where its pixels have to be."""

    def features(self, pixels: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of layers by name, for pixels (B, 3, H, W) in [0, 1]."""


@dataclass(frozen=True)
class Backbone:
    """The network in eval mode, its parameters without gradients, and how it wants its pictures."""

    network: EfficientNetLite
    preprocessing: Preprocessing
    device: torch.device

    def features(self, pixels: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        """Activations (B, C, h, w) of layers by name, for pixels (B, 3, H, W) in [0, 1]."""
        inputs = normalise(pixels, self.preprocessing)  # first: with three channels last it takes six times as long
        return self.network.features(inputs.contiguous(memory_format=torch.channels_last), names)

    def logits(self, maps: Tensor) -> Tensor:
        """(B, num_classes) of the head's activations (B, 1280, h, w)."""
        return self.network.logits(maps)


def load_backbone(device: str | torch.device = "auto", weights_dir: Path | None = None) -> Backbone:
    """The backbone, loaded on first use and shared.

    Raises:
        WeightsError: its file is missing or altered.
    """
    return _load_backbone(str(resolve_device(device)), weights_dir)


def load_trunk(device: str | torch.device = "auto", weights_dir: Path | None = None) -> Engine:
    """Its `maps`, normalised pixels (B, 3, H, W) -> (B, 1280, h, w), forward only; shared as the network is."""
    return _load_trunk(str(resolve_device(device)), weights_dir)


@load_once
def _load_backbone(device: str, weights_dir: Path | None) -> Backbone:
    entry, target = entry_of(BACKBONE, weights_dir), torch.device(device)
    network = EfficientNetLite(num_classes=entry.network["num_classes"])
    network.load_state_dict(load_state_dict(BACKBONE, weights_dir))
    folded = fold_batch_norm(network).requires_grad_(False).to(target)
    return Backbone(folded, Preprocessing.from_manifest(entry.preprocessing), target)


@load_once
def _load_trunk(device: str, weights_dir: Path | None) -> Engine:
    return forward_engine(_load_backbone(device, weights_dir).network, "maps", device=device)
