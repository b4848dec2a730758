"""The network behind most demos, EfficientNet-Lite0 trained on ImageNet: its name, and activations of its layers."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cvdemo.images import Preprocessing, normalise
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
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
        return self.network.features(normalise(pixels, self.preprocessing), names)


def load_backbone(device: str | torch.device = "auto", *, folded: bool = False) -> Backbone:
    """The backbone, loaded on first use and shared.

    Args:
        folded: with each BatchNorm folded into its convolution: a fifth faster, equal but for the last digits.

    Raises:
        WeightsError: its file is missing or altered.
    """
    return _load(str(resolve_device(device)), folded)


@load_once
def _load(device: str, folded: bool) -> Backbone:
    entry, target = entry_of(BACKBONE), torch.device(device)
    network = EfficientNetLite(num_classes=entry.network["num_classes"])
    network.load_state_dict(load_state_dict(BACKBONE))
    network = fold_batch_norm(network) if folded else network.eval()
    return Backbone(network.requires_grad_(False).to(target), Preprocessing.from_manifest(entry.preprocessing), target)
