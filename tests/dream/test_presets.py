"""The presets of Dream suit the network."""

import torch

from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.nets.backbone import load_backbone


def test_presets_differ_and_suit_their_layers() -> None:
    assert len(PRESETS) >= 5 and DEFAULT_PRESET in PRESETS
    assert PRESETS[DEFAULT_PRESET] == DreamConfig()
    assert len({(c.layer, c.channel) for c in PRESETS.values()}) == len(PRESETS)
    layers = {config.layer for config in PRESETS.values()}
    activations = load_backbone("cpu").features(torch.zeros(1, 3, 32, 32), layers)
    for name, config in PRESETS.items():
        assert config.channel < activations[config.layer].shape[1], name
