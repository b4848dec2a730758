"""Layers to look at, and their activations taken from a copy that shares the tensors."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from cvdemo.nets.efficientnet_lite import LAYER_NAMES, EfficientNetLite
from cvdemo.nets.googlenet import MiniGoogLeNet
from cvdemo.nets.layer_table import layer_table
from cvdemo.nets.lenet import LeNet5
from cvdemo.nets.map_layers import MapLayer, activations, map_layers, sharing_tensors, watch
from cvdemo.nets.preact_resnet import PreActResNet


def layers(network: nn.Module, *shape: int) -> list[MapLayer]:
    return map_layers(layer_table(network, shape))


def test_the_backbone_has_the_layers_that_dreams_know() -> None:
    with torch.device("meta"):
        network = EfficientNetLite()
    found = layers(network, 3, 224, 224)
    assert [layer.name.replace("blocks.", "block") for layer in found] == list(LAYER_NAMES)
    assert found[3].shape == (24, 56, 56) and found[3].title == "block 2: 24 channels of 56 × 56"


def test_a_norm_belongs_to_the_convolution_before_it() -> None:
    found = layers(LeNet5(), 1, 28, 28)
    assert [(layer.block, layer.name, layer.shape) for layer in found] == [
        ("conv1", "norm1", (32, 28, 28)),
        ("conv2", "norm2", (64, 10, 10)),
    ]


def test_the_last_block_of_a_preactivation_network_is_taken_after_its_norm() -> None:
    with torch.device("meta"):
        found = layers(PreActResNet(depths=(1, 1), widths=(4, 8)), 3, 16, 16)
    assert [layer.name for layer in found] == ["stem", "blocks.0", "norm"]


def test_latents_have_no_maps() -> None:
    assert layers(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), 3) == []


@pytest.mark.parametrize("name", ["features.0", "features.1", "features.3", "features.10"])
def test_activations_are_what_the_module_gives(name: str) -> None:
    torch.manual_seed(0)
    network, pixels = MiniGoogLeNet().eval(), torch.rand(2, 3, 32, 32)
    part = network.features[: int(name.split(".")[1]) + 1]
    with torch.no_grad():
        assert torch.equal(activations(network, name, pixels), part(pixels))


def test_shapes_are_those_that_were_told() -> None:
    network = MiniGoogLeNet().eval()
    for layer in layers(network, 3, 32, 32):
        assert tuple(activations(network, layer.name, torch.rand(1, 3, 32, 32)).shape[1:]) == layer.shape


def test_gradients_flow_to_the_pixels() -> None:
    pixels = torch.rand(1, 3, 32, 32, requires_grad=True)
    (gradient,) = torch.autograd.grad(activations(MiniGoogLeNet().eval(), "features.2", pixels).sum(), pixels)
    assert gradient.abs().sum() > 0


def test_the_network_of_others_gets_no_hook() -> None:
    """Several threads look into different layers of one network, and none sees another's."""
    network, pixels = MiniGoogLeNet().eval(), torch.rand(1, 3, 32, 32)
    names = [layer.name for layer in layers(network, 3, 32, 32)]
    expected = [activations(network, name, pixels).shape for name in names]
    with ThreadPoolExecutor(4) as pool:
        shapes = list(pool.map(lambda name: activations(network, name, pixels).shape, names * 3))
    assert shapes == expected * 3
    assert not any(module._forward_hooks for module in network.modules())


def test_the_copy_shares_every_tensor() -> None:
    network = MiniGoogLeNet()
    twin = sharing_tensors(network)
    pairs = zip(network.state_dict(keep_vars=True).values(), twin.state_dict(keep_vars=True).values(), strict=True)
    assert all(one is other for one, other in pairs) and twin is not network
    assert not set(map(id, network.modules())) & set(map(id, twin.modules()))


def test_a_module_that_is_not_called_is_told() -> None:
    network = LeNet5()
    network.add_module("spare", nn.Conv2d(1, 1, 1))
    with pytest.raises(ValueError, match="LeNet5 does not call its module 'spare'"):
        activations(network.eval(), "spare", torch.rand(1, 1, 28, 28))


def test_a_watched_layer_may_be_asked_again() -> None:
    network, pixels = MiniGoogLeNet().eval(), torch.rand(2, 1, 3, 32, 32)
    outputs = watch(network, "features.1")
    assert not torch.equal(outputs(pixels[0]), outputs(pixels[1]))
    assert torch.equal(outputs(pixels[0]), activations(network, "features.1", pixels[0]))
