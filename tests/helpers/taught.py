"""Lessons for tests: pictures of one colour each, and features that are those colours, not the network's."""

import numpy as np
import pytest

from cvdemo.classify.taught_head import Features, TaughtHead, backbone_in_use
from cvdemo.images import ImageArray
from cvdemo.nets.efficientnet_lite import HEAD_CHANNELS

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def shades(colour: tuple[int, int, int], count: int, seed: int = 0) -> tuple[ImageArray, ...]:
    """So many small pictures of about that colour, each of one shade."""
    drawn = np.random.default_rng(seed).integers(-25, 26, (count, 3))
    return tuple(np.full((8, 12, 3), np.clip(np.array(colour) + shade, 0, 255), np.uint8) for shade in drawn)


def colour_features(image: ImageArray, device: str = "auto") -> Features:
    """The mean colour in [0, 1] in the first three channels; the others are silent."""
    features = np.zeros(HEAD_CHANNELS, np.float32)
    features[:3] = image.mean(axis=(0, 1)) / 255
    return features


def use_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons and answers go by colours until the test ends."""
    for module in ("teach", "taught_head"):
        monkeypatch.setattr(f"cvdemo.classify.{module}.features_of", colour_features)


def colour_head(*labels: str) -> TaughtHead:
    """A head that takes the reddest picture for the first label, the greenest for the second, and so on up to three."""
    weight = np.zeros((len(labels), HEAD_CHANNELS), np.float32)
    weight[range(len(labels)), range(len(labels))] = 10
    return TaughtHead(weight, np.zeros(len(labels), np.float32), labels, *backbone_in_use())
