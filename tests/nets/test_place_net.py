"""PlaceNet: shapes and order of places, first answers, the backbone's tensors, and equality in ONNX Runtime."""

from typing import Any

import pytest
import torch
from torch import nn

from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.forward import OnnxEngine, forward_engine
from cvdemo.nets.place_net import FIRST_DISTANCE, PRIOR, PlaceNet, lent_by
from cvdemo.weights import load_state_dict


def small(num_classes: int = 3, **spec: Any) -> PlaceNet:
    torch.manual_seed(0)
    return PlaceNet(num_classes, **{"width": 8, "depth": 1, **spec}).eval()


def with_norms(network: PlaceNet) -> PlaceNet:
    """Norms that do something, and a head that answers differently at each place."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]  # a tensor
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]  # a tensor
    nn.init.normal_(network.boxes.weight, std=0.3)
    nn.init.normal_(network.classes.weight, std=0.3)
    return network


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        ({}, 12 * 8 + 6 * 4 + 3 * 2),
        ({"strides": (8, 16), "last_block": 10}, 12 * 8 + 6 * 4),
        ({"strides": (4, 8, 16)}, 24 * 16 + 12 * 8 + 6 * 4),
        ({"last_block": 12}, 12 * 8 + 6 * 4 + 3 * 2),
        ({"strides": (16,), "last_block": 6}, 6 * 4),
    ],
)
def test_each_place_of_each_stride_answers(spec: dict[str, Any], places: int) -> None:
    network = small(**spec)
    with torch.no_grad():
        output = network(torch.randn(2, 3, 96, 64))
    assert output.shape == (2, 3 + 4, places)
    assert (output[:, 3:] > 0).all()


def test_before_training_scores_are_rare_and_boxes_grow_with_the_stride() -> None:
    network = small()
    for layer in (network.classes, network.boxes):
        nn.init.zeros_(layer.weight)
    with torch.no_grad():
        output = network(torch.randn(1, 3, 64, 64))[0]
    assert output[:3].sigmoid().allclose(torch.tensor(PRIOR))
    first, last = output[3:, 0], output[3:, -1]
    assert first.allclose(torch.tensor(FIRST_DISTANCE * 8)) and last.allclose(torch.tensor(FIRST_DISTANCE * 32))


def test_places_run_row_by_row_finest_first() -> None:
    """A bright spot changes the answers of the place under it most, at every stride."""
    network = with_norms(small(strides=(8, 16), last_block=5))
    dark = torch.zeros(1, 3, 128, 192)
    spot = dark.clone()
    spot[..., 88:96, 136:144] = 4.0  # inside row 11, column 17 at stride 8
    with torch.no_grad():
        change = (network(spot) - network(dark))[0, :3].abs().sum(0)
    fine, coarse = change[: 16 * 24].view(16, 24), change[16 * 24 :].view(8, 12)
    for found, stride in ((fine, 8), (coarse, 16)):
        row, column = divmod(int(found.argmax()), found.shape[1])
        assert abs((row + 0.5) * stride - 92) <= 2 * stride and abs((column + 0.5) * stride - 140) <= 2 * stride


@pytest.mark.parametrize("first_block", [0, 3, 5, 6, 11, 12, 13])
def test_the_trunk_in_two_parts_is_the_trunk(first_block: int) -> None:
    trunk = with_norms(small(last_block=12)).trunk
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        whole, parts = trunk(pixels), trunk.later(trunk.earlier(pixels, first_block), first_block)
    assert [x.shape[1:] for x in whole] == [(40, 8, 8), (112, 4, 4), (192, 2, 2)]
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_onnx_runtime_gives_the_same() -> None:
    network = with_norms(small())
    engine = forward_engine(network, threads=1)
    assert isinstance(engine, OnnxEngine)
    for height, width in ((64, 96), (128, 32)):
        pixels = torch.randn(1, 3, height, width)
        with torch.no_grad():
            expected = network(pixels)
        assert torch.allclose(engine(pixels), expected, rtol=1e-4, atol=1e-4)


def test_the_backbone_lends_its_blocks() -> None:
    network = small(last_block=12)
    network.load_state_dict(network.state_dict() | lent_by(load_state_dict(BACKBONE), network))
    base = EfficientNetLite()
    base.load_state_dict(load_state_dict(BACKBONE))
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = base.eval().features(pixels, ["block4", "block10", "block12"])
        found = network.trunk(pixels)
    assert all(torch.equal(a, b) for a, b in zip(found, expected.values(), strict=True))


@pytest.mark.parametrize("strides", [(), (8, 32), (16, 8), (64,)])
def test_other_strides_are_refused(strides: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="strides must double"):
        PlaceNet(1, strides)


@pytest.mark.parametrize("last_block", [10, 16])
def test_a_last_block_of_another_stride_is_refused(last_block: int) -> None:
    with pytest.raises(ValueError, match="last_block must be in 11 to 15 at stride 32"):
        PlaceNet(1, last_block=last_block)
