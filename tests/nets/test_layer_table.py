"""Layers, sizes and receptive fields against answers counted by hand, and against the gradient of a network."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.efficientnet_lite import EfficientNetLite, SameConv2d
from cvdemo.nets.googlenet import Branches, ConvNorm
from cvdemo.nets.layer_table import INPUT, LayerTable, block_of, layer_table
from cvdemo.nets.lenet import LeNet5
from cvdemo.nets.place_net import PlaceNet
from cvdemo.nets.preact_resnet import PreActBlock, PreActResNet
from cvdemo.nets.receptive_field import PIXEL, WHOLE, Field, Span
from cvdemo.ops.mirror_padding import with_border


def fields(table: LayerTable) -> list[int | None]:
    return [size[0] if (size := layer.field.size_hw) else None for layer in table.layers]


class Steps(nn.Module):
    """Functions and modules one after the other."""

    def __init__(self, *steps: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.steps = steps
        self.layers = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x


def test_lenet_by_hand() -> None:
    table = layer_table(LeNet5(channels=(6, 16)), (1, 28, 28))
    seen = [(layer.kind, layer.shape, layer.parameters, layer.multiply_adds) for layer in table.layers]
    assert seen[:8] == [
        ("5×5 convolution", (6, 28, 28), 150, 150 * 28 * 28),
        ("BatchNorm", (6, 28, 28), 12, 0),
        ("ReLU", (6, 28, 28), 0, 0),
        ("2×2 max pooling, stride 2", (6, 14, 14), 0, 0),
        ("5×5 convolution", (16, 10, 10), 2400, 2400 * 10 * 10),
        ("BatchNorm", (16, 10, 10), 32, 0),
        ("ReLU", (16, 10, 10), 0, 0),
        ("2×2 max pooling, stride 2", (16, 5, 5), 0, 0),
    ]
    assert seen[8] == ("linear", (120,), 400 * 120, 400 * 120)
    assert seen[-1] == ("linear", (10,), 84 * 10 + 10, 840)
    assert fields(table)[:9] == [5, 5, 5, 6, 14, 14, 14, 16, None]
    assert table.receptive_field == (16, 16)
    assert table.parameters == sum(layer.parameters for layer in table.layers)
    assert table.multiply_adds == 150 * 784 + 240_000 + 48_000 + 120 * 84 + 840


def test_a_residual_block_by_hand() -> None:
    """The shortcut sees a pixel, the residual 3 + 2 x 2 = 7, their sum the larger of the two."""
    table = layer_table(PreActBlock(4, 8, stride=2), (4, 16, 16))
    kinds = [layer.kind for layer in table.layers]
    assert kinds == [
        *("BatchNorm", "ReLU", "1×1 convolution, stride 2", "3×3 convolution, stride 2"),
        *("BatchNorm", "ReLU", "3×3 convolution", "sum"),
    ]
    assert fields(table) == [1, 1, 1, 3, 3, 3, 7, 7]
    total, shortcut, residual = table.layers[-1], 2, 6
    assert set(total.reads) == {shortcut, residual} and table.layers[0].reads == (INPUT,)
    assert total.shape == (8, 8, 8)
    assert table.parameters == 8 + 4 * 8 + 4 * 8 * 9 + 16 + 8 * 8 * 9
    assert table.multiply_adds == (4 * 8 + 4 * 8 * 9 + 8 * 8 * 9) * 8 * 8


def test_the_branches_of_an_inception_module_by_hand() -> None:
    pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvNorm(3, 2, 1))
    deep = nn.Sequential(ConvNorm(3, 4, 3), ConvNorm(4, 6, 5))
    table = layer_table(Branches(ConvNorm(3, 5, 1), deep, pooled), (3, 8, 8))
    joined = table.layers[-1]
    assert joined.kind == "concatenation" and joined.shape == (5 + 6 + 2, 8, 8) and len(joined.reads) == 3
    assert [table.layers[number].field.size_hw for number in joined.reads] == [(1, 1), (7, 7), (3, 3)]
    assert table.receptive_field == (7, 7)
    assert table.multiply_adds == 64 * (3 * 5 + 3 * 4 * 9 + 4 * 6 * 25 + 3 * 2)


def convolution(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(1, 1, kernel, stride, padding, dilation)


NETWORKS = {
    "plain": Steps(convolution(3, 2, 1), convolution(3, 1, 1), nn.MaxPool2d(2)),
    "dilated": Steps(convolution(3, 1, 2, 2), convolution(5, 2)),
    "uneven": Steps(nn.Conv2d(1, 1, (3, 5), (1, 2)), nn.AvgPool2d((2, 1))),
    "same": Steps(SameConv2d(1, 1, 3, 2), SameConv2d(1, 1, 5, 2)),
    "same by other ways": Steps(lambda x: F.pad(x, (1, 3, 2, 0)), convolution(4)),
    "mirrored": Steps(lambda x: with_border(x, 3), convolution(3)),
    "cropped": Steps(lambda x: x[..., 2:-1, 4:], convolution(3)),
    "finer": Steps(convolution(3, 2, 1), nn.Upsample(scale_factor=2), convolution(3, 1, 1)),
    "transposed": Steps(convolution(3, 2, 1), nn.ConvTranspose2d(1, 1, 4, 2, 1)),
    "adaptive": Steps(convolution(5), nn.AdaptiveAvgPool2d(11)),
    "joined": Branches(convolution(3, 1, 1), Steps(convolution(1), convolution(5, 1, 2)), nn.MaxPool2d(3, 1, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_is_where_the_gradient_is(name: str) -> None:
    """Of a value in the middle: the pixels with a gradient lie within what is told, and no smaller field would do."""
    torch.manual_seed(0)
    network = NETWORKS[name].eval()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1)
    table = layer_table(network, (1, 48, 48))
    spans = table.layers[-1].field.spans
    assert spans is not None
    seen = [set[int](), set[int]()]
    largest = [0, 0]
    for shift in (0, 1, 2):
        # ascending pixels: the maximum of a window is at its end, of their negative at its start
        for sign in (1, -1):
            pixels = (sign * torch.arange(48.0 * 48).view(1, 1, 48, 48)).requires_grad_()
            output = network(pixels)
            place = [output.shape[axis] // 2 + shift for axis in (2, 3)]
            (gradient,) = torch.autograd.grad(output[..., place[0], place[1]].sum(), pixels)
            for axis, values in enumerate((gradient[0, 0].sum(dim=1), gradient[0, 0].sum(dim=0))):
                found = values.nonzero().flatten().tolist()
                seen[axis] = set(found) if sign == 1 else seen[axis] | set(found)
        for axis in (0, 1):
            low, high = min(seen[axis]), max(seen[axis]) + 1
            largest[axis] = max(largest[axis], high - low)
            if name not in ("finer", "transposed"):  # where it differs from value to value
                assert (low, high) == spans[axis].at(place[axis])
    assert tuple(largest) == (spans[0].size, spans[1].size)


def test_what_sees_every_place_sees_the_whole_input() -> None:
    network = Steps(convolution(3), lambda x: x.mean(dim=(2, 3)), nn.Linear(1, 2))
    assert fields(layer_table(network, (1, 8, 8))) == [3, None, None]
    assert WHOLE.joined(PIXEL) == WHOLE and PIXEL.joined(WHOLE) == WHOLE
    over_channels = Steps(convolution(3), lambda x: x.mean(dim=1, keepdim=True))
    assert fields(layer_table(over_channels, (1, 8, 8))) == [3, 3]


def test_spans_of_two_strides_are_joined_to_the_coarser() -> None:
    joined = Field((Span(-1, 1, 1),) * 2).joined(Field((Span(-3, 0, 2),) * 2))
    assert joined.spans == (Span(-3, 1, 2),) * 2


def test_an_operation_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no receptive field for aten\.cumsum"):
        layer_table(Steps(lambda x: x.cumsum(dim=2)), (1, 4, 4))


def test_weights_that_are_used_twice_count_once() -> None:
    shared = nn.Conv2d(2, 2, 3, padding=1)
    table = layer_table(nn.Sequential(shared, nn.ReLU(), shared), (2, 8, 8))
    assert [layer.parameters for layer in table.layers] == [38, 0, 0]
    assert [layer.multiply_adds for layer in table.layers] == [36 * 64, 0, 36 * 64]


def test_kinds_of_convolutions_are_told() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 3, stride=(2, 1), groups=2), nn.Conv2d(6, 2, 1, dilation=2)
    )
    kinds = [layer.kind for layer in layer_table(network, (4, 16, 16)).layers]
    assert kinds[:2] == ["depthwise 3×3 convolution", "3×3 convolution in 2 groups, stride 2×1"]
    assert kinds[2] == "1×1 convolution, dilation 2×2"


def test_the_network_stays_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    layer_table(network, (1, 8, 8))
    assert network.training and network[0].weight.device.type == "cpu"
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_the_backbone_has_the_numbers_that_are_published() -> None:
    """4.65 M parameters and 0.39 G multiply-adds; a receptive field of 851 px (Araujo et al. 2019, EfficientNet-B0)."""
    with torch.device("meta"):
        network = EfficientNetLite()
    table = layer_table(network, (3, 224, 224))
    assert table.parameters == 4_652_008 and table.receptive_field == (851, 851)
    assert round(table.multiply_adds / 1e6) == 385


def test_blocks_are_the_outermost_parts() -> None:
    with torch.device("meta"):
        lite, places, residual = (
            EfficientNetLite(),
            PlaceNet(2, strides=(8, 16)),
            PreActResNet(depths=(1,), widths=(8,)),
        )
    assert block_of("stem.0", lite) == "stem"
    assert block_of("blocks.3.expand.0", lite) == "blocks.3"
    assert block_of("trunk.blocks.3.expand.0", places) == "trunk.blocks.3"
    assert block_of("blocks.0.conv1", residual) == "blocks.0"
    assert block_of("", lite) == ""
    assert layer_table(residual, (3, 16, 16)).block_kinds["blocks.0"] == "PreActBlock"
