"""EfficientNet-Lite0 trained on ImageNet: one copy in memory for everyone on a device, its BatchNorms folded.

Classification, detection, DeepDream and style transfer share it, and classifiers that lay only a head of their own over
it. What only runs forward uses `load_trunk`, what needs gradients the network.
"""

from pathlib import Path

from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.runtime import load_once, resolve_device
from cvdemo.weights import entry_of, load_state_dict

BACKBONE = "efficientnet_lite0"


def load_backbone(device: str = "auto", weights_dir: Path | None = None) -> EfficientNetLite:
    """The network in eval mode, its parameters without gradients, loaded on first use and shared.

    Raises:
        WeightsError: its file is missing or altered.
    """
    return _load_backbone(str(resolve_device(device)), weights_dir)


def load_trunk(device: str = "auto", weights_dir: Path | None = None) -> Engine:
    """Its `maps`, normalised pixels (B, 3, H, W) -> (B, 1280, h, w), forward only; shared as the network is."""
    return _load_trunk(str(resolve_device(device)), weights_dir)


@load_once
def _load_backbone(device: str, weights_dir: Path | None) -> EfficientNetLite:
    network = EfficientNetLite(num_classes=entry_of(BACKBONE, weights_dir).network["num_classes"])
    network.load_state_dict(load_state_dict(BACKBONE, weights_dir))
    return fold_batch_norm(network).requires_grad_(False).to(device)


@load_once
def _load_trunk(device: str, weights_dir: Path | None) -> Engine:
    return forward_engine(_load_backbone(device, weights_dir), "maps", device=device)
