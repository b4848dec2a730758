"""Networks of valid convolutions: all windows at once score as one crop at a time, at every place of every level."""

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.detect.candidates import SCORE_FLOOR, ScanConfig
from cvdemo.detect.sliding_window import SlidingWindowDetector, level_sizes
from cvdemo.images import Preprocessing, normalise, resize, to_tensor
from cvdemo.nets.window_net import WindowNet, crop_batches

TOLERANCE = 1e-4


def valid_net(stride: int, cells: int, seed: int) -> WindowNet:
    """Convolutions without padding, with norm and pooling, of a total stride of 2, 4 or 8 px; random."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    channels, window = 3, cells
    for _ in range(stride.bit_length() - 1):
        layers += [nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
        channels = 8
    for module in layers:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    for _ in range(stride.bit_length() - 1):
        window = 2 * window + 2
    trunk = nn.Sequential(*layers).eval().requires_grad_(False)
    classifier = nn.Linear(8, 6).requires_grad_(False)
    nn.init.normal_(classifier.weight)
    return WindowNet(trunk, classifier, window, stride, cells)


def detector(net: WindowNet) -> SlidingWindowDetector:
    numbers = Preprocessing(input_px=net.window_px, resize_px=net.window_px, mean=(0.4,) * 3, std=(0.2,) * 3)
    return SlidingWindowDetector(net, numbers, [str(n) for n in range(6)], torch.device("cpu"))


CASES = [
    (stride, cells, size_hw, factor)
    for stride, cells in ((2, 9), (4, 5), (4, 8), (8, 3))
    for size_hw, factor in (((61, 90), 0.7), ((97, 64), 0.85), ((80, 81), 0.5), ((50, 150), 0.9))
]


@pytest.mark.parametrize(("stride", "cells", "size_hw", "factor"), CASES)
def test_every_place_of_every_level(stride: int, cells: int, size_hw: tuple[int, int], factor: float) -> None:
    net = valid_net(stride, cells, seed=stride * cells)
    engine, config = detector(net), ScanConfig(pyramid_factor=factor, max_upscale=2.0, megapixels=0.1)
    image = np.random.default_rng(stride).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    sizes = level_sizes(size_hw, net, config)
    assert len(sizes) >= 2
    for level_hw in sizes:
        pixels = normalise(resize(to_tensor(image), level_hw), engine.preprocessing)
        dense = net.window_logits(net.trunk(pixels))
        crops = torch.cat(list(crop_batches(net, pixels))).T.reshape(dense.shape)
        assert dense.std() > 0.05 and (dense - crops).abs().max() < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize(("stride", "cells", "size_hw", "factor"), CASES)
def test_the_whole_scan_is_the_same_either_way(
    stride: int, cells: int, size_hw: tuple[int, int], factor: float
) -> None:
    engine = detector(valid_net(stride, cells, seed=stride * cells))
    image = np.random.default_rng(cells).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    settings = {"pyramid_factor": factor, "max_upscale": 2.0, "megapixels": 0.1}
    *_, dense = engine.scan(image, ScanConfig(**settings))
    *_, crops = engine.scan(image, ScanConfig(crop_by_crop=True, **settings))
    assert len(dense.scan.levels) == len(crops.scan.levels) and dense.windows == crops.windows > 1
    for one, other in zip(dense.scan.levels, crops.scan.levels, strict=True):
        assert np.abs(one.best - other.best).max() < TOLERANCE and one.size_hw == other.size_hw
    of_dense, of_crops = (np.sort(step.scan.scores)[::-1] for step in (dense, crops))
    both = min(len(of_dense), len(of_crops))
    np.testing.assert_allclose(of_dense[:both], of_crops[:both], atol=TOLERANCE)
    beyond = np.concatenate([of_dense[both:], of_crops[both:]])  # one on the floor may fall on either side of it
    assert (beyond < SCORE_FLOOR + TOLERANCE).all()
