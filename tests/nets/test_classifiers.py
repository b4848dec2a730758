"""The classifiers by name: shapes, the two halves, sizes from their papers, and what is refused."""

from typing import Any

import pytest
import torch

from cvdemo.nets.alexnet import AlexNet
from cvdemo.nets.build import CLASSIFIERS, TITLES, build_network, title_of
from cvdemo.nets.efficientnet_lite import VARIANTS
from cvdemo.nets.fast_resnet import FastResNet
from cvdemo.nets.googlenet import DeeperGoogLeNet, MiniGoogLeNet
from cvdemo.nets.lenet import LeNet5
from cvdemo.nets.preact_resnet import PreActBlock, PreActBottleneck, PreActResNet

CASES: dict[str, tuple[dict[str, Any], tuple[int, int], tuple[int, int]]] = {  # arguments; (C, px); (C', px') of maps
    "efficientnet_lite": ({}, (3, 64), (1280, 2)),
    "alexnet": ({"widths": [8, 8, 8, 8, 12]}, (3, 227), (12, 13)),
    "fast_resnet": ({"widths": [16, 24, 24], "depth": 2}, (3, 32), (24, 3)),
    "mini_googlenet": ({}, (3, 32), (336, 8)),
    "deeper_googlenet": ({}, (3, 64), (832, 8)),
    "preact_resnet": ({"depths": [1, 2], "widths": [8, 16]}, (3, 64), (16, 32)),
    "lenet5": ({}, (1, 28), (64, 10)),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@torch.inference_mode()
def test_a_network_is_its_maps_then_its_logits(name: str) -> None:
    arguments, (channels, side_px), (map_channels, map_px) = CASES[name]
    network: Any = build_network({"name": name, "num_classes": 7, **arguments}).eval()
    pixels = torch.randn(2, channels, side_px, side_px)
    maps = network.maps(pixels)
    assert maps.shape == (2, map_channels, map_px, map_px)
    assert network.logits(maps).shape == (2, 7)
    assert torch.equal(network.logits(maps), network(pixels))


def test_every_network_has_a_title_and_a_case() -> None:
    assert set(CLASSIFIERS) == set(TITLES) == set(CASES)
    lites = [
        {"name": "efficientnet_lite"} | ({} if variant == "lite0" else {"variant": variant}) for variant in VARIANTS
    ]
    assert [title_of(spec) for spec in lites] == [f"EfficientNet-Lite{number}" for number in range(3)]


@pytest.mark.parametrize("spec", [{"name": "vgg"}, {}])
def test_an_unknown_network_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"network must be one of \['efficientnet_lite'"):
        build_network(spec)


def test_a_base_is_no_argument() -> None:
    network = build_network({"name": "lenet5", "base": "x", "num_classes": 3})
    assert network.classifier.out_features == 3  # type: ignore[union-attr]  # a Linear


@pytest.mark.parametrize(
    ("network", "millions"),
    [
        (MiniGoogLeNet(10), 1.65),
        (DeeperGoogLeNet(200), 3.6),
        (PreActResNet(1000), 11.7),  # ResNet-18 with 1,000 classes has 11.69 million
        (AlexNet(2), 3.67),
        (AlexNet(1000, dense=(4096, 4096)), 61.1),  # "one weird trick", as torchvision has it: 61.10 million
        # ResNet-164 of the paper has 1.70 million: a stem of 16 channels in place of 64
        (PreActResNet(10, (18, 18, 18), (64, 128, 256), bottleneck=True), 1.70),
        (LeNet5(10, channels=(6, 16), dropout=0), 0.0617),  # LeCun 1998: 60 thousand with fewer connections
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else "",
)
def test_the_numbers_of_parameters(network: torch.nn.Module, millions: float) -> None:
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(("kind", "last"), [(PreActBlock, "conv2"), (PreActBottleneck, "conv3")])
def test_a_block_without_a_residual_is_the_identity(kind: Any, last: str) -> None:
    block = kind(4, 4).eval()
    torch.nn.init.zeros_(getattr(block, last).weight)
    x = torch.randn(1, 4, 6, 6)
    assert torch.equal(block(x), x)
    assert kind(4, 8, stride=2)(x).shape == (1, 8, 3, 3)


def test_bottlenecks_have_their_3x3_convolution_on_a_quarter_of_the_channels() -> None:
    network = PreActResNet(10, (2, 1), (16, 32), bottleneck=True)
    kernels = [tuple(m.weight.shape) for m in network.modules() if isinstance(m, torch.nn.Conv2d)][1:4]
    assert kernels == [(4, 16, 1, 1), (4, 4, 3, 3), (16, 4, 1, 1)]
    assert network.eval().maps(torch.zeros(1, 3, 32, 32)).shape == (1, 32, 16, 16)
    with pytest.raises(ValueError, match=r"multiples of 4, got \(16, 30\)"):
        PreActResNet(10, (1, 1), (16, 30), bottleneck=True)


def test_depths_and_widths_go_together() -> None:
    with pytest.raises(ValueError, match="need one width for each depth"):
        PreActResNet(depths=(1, 1), widths=(8,))


def test_a_stem_of_stride_two_halves_the_maps() -> None:
    network = PreActResNet(depths=(1, 1), widths=(4, 8), stem_stride=2).eval()
    assert network.maps(torch.zeros(1, 3, 64, 64)).shape == (1, 8, 16, 16)


def test_alexnet_takes_smaller_pictures_while_it_learns() -> None:
    network = AlexNet(2, widths=(4, 4, 4, 4, 4), dense=(4, 4))
    assert network(torch.randn(2, 3, 128, 128)).shape == (2, 2)
    with pytest.raises(RuntimeError):
        network.eval()(torch.randn(2, 3, 128, 128))
    with pytest.raises(ValueError, match="need five widths and two dense layers"):
        AlexNet(2, widths=(4, 4))


def test_whitening_gives_patches_of_unit_covariance() -> None:
    mixed = torch.nn.functional.avg_pool2d(torch.randn(64, 3, 17, 17), 2, 1)  # neighbours correlate
    network = FastResNet(4, (24, 24, 24), 2)
    network.set_whitening(mixed, eps=0.0)
    white = torch.nn.functional.conv2d(mixed, network.whiten.weight[:12]).transpose(0, 1).flatten(1)
    assert torch.allclose(torch.cov(white), torch.eye(12), atol=0.05)
    with pytest.raises(ValueError, match="need 24 patches or more, got 4"):
        network.set_whitening(mixed[:1, :, :3, :3])


def test_the_filters_of_whitening_come_from_the_least_variance_to_the_most() -> None:
    """The order of the runs that the manifest records: another one would train another network."""
    mixed = torch.nn.functional.avg_pool2d(torch.randn(64, 3, 17, 17), 2, 1)
    network = FastResNet(4, (24, 24, 24), 2)
    network.set_whitening(mixed)
    lengths = network.whiten.weight[:12].flatten(1).norm(dim=1)  # one over the deviation of each component
    assert lengths.diff().max() <= 1e-4
    assert torch.equal(network.whiten.weight[12:], -network.whiten.weight[:12])
