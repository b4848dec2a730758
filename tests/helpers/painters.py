"""A small untrained painter, each part of which shows: a style changes every channel."""

import pytest
import torch

from cvdemo.images import Preprocessing
from cvdemo.nets.backbone import Backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.style_net import STATISTICS_DIM, StyleNet
from cvdemo.style import instant, run, video
from cvdemo.style.feed_forward import Painter

SPEC = {"name": "style_net", "width": 10, "blocks": 1, "code_dim": 4, "hidden": 8}  # of the network in the manifest


def random_backbone() -> Backbone:
    """EfficientNet-Lite0 with random weights."""
    torch.manual_seed(1)
    preprocessing = Preprocessing(input_px=224, resize_px=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = EfficientNetLite(num_classes=2).eval().requires_grad_(False)
    return Backbone(network, preprocessing, torch.device("cpu"))


def loud_style_net(blocks: int = 1) -> StyleNet:
    """With random weights everywhere, in those too that training begins at zero."""
    torch.manual_seed(2)
    network = StyleNet(width=10, blocks=blocks, code_dim=4, hidden=8).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.uniform_(-0.25, 0.25)
    network.last.weight.mul_(4)
    network.style_encoder.standardise(torch.rand(8, STATISTICS_DIM))
    return network


def random_painter(blocks: int = 1) -> Painter:
    """Both networks random."""
    return Painter(loud_style_net(blocks), random_backbone())


def use_painter(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are painted by it until the test ends."""
    for module in (instant, run, video):
        monkeypatch.setattr(module, "load_painter", lambda device: painter)
