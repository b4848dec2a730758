"""Networks as ONNX graphs: BatchNorms folded, sizes open, weights where they were, and what has no node refused."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import onnx
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.dcgan import Generator
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.forward import OnnxEngine
from cvdemo.nets.onnx_graph import OnnxModel
from cvdemo.nets.onnx_trace import MAPS, PICTURES, Symbol, onnx_model


class Calls(nn.Module):
    """A network of one function, with a convolution at hand."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        nn.init.uniform_(self.norm.running_mean, -1, 1)  # type: ignore[arg-type]  # a tensor
        nn.init.uniform_(self.norm.running_var, 0.5, 2)  # type: ignore[arg-type]  # a tensor
        nn.init.uniform_(self.norm.weight, -2, 2)
        nn.init.uniform_(self.norm.bias)
        self.function = function
        self.eval().requires_grad_(False)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


def kinds(model: OnnxModel) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.graph.node)


FUNCTIONS: dict[str, tuple[Callable[[Any, Any], Any], dict[str, int]]] = {  # and how many of some nodes there are
    "norm": (lambda n, x: n.norm(n.conv(x)), {"Conv": 1, "BatchNormalization": 0}),
    "conv by its defaults": (lambda n, x: F.conv2d(x, n.conv.weight), {"Conv": 1}),
    "norm alone": (lambda n, x: n.norm(F.relu(n.conv(x))), {"Conv": 1, "BatchNormalization": 1}),
    "norm without scale": (lambda n, x: F.batch_norm(n.conv(x), n.norm.running_mean, n.norm.running_var), {"Conv": 1}),
    "norm twice": (lambda n, x: n.norm(n.norm(n.conv(x))), {"BatchNormalization": 0}),
    "norm of what others read": (lambda n, x: (y := n.conv(x)) + n.norm(y), {"BatchNormalization": 1}),
    "join": (lambda n, x: torch.cat([F.relu(x), x], dim=1), {"Concat": 1}),
    "gelu": (lambda n, x: F.gelu(x), {"Erf": 1}),
    "leaky": (lambda n, x: F.leaky_relu(n.conv(x), 0.2), {"LeakyRelu": 1}),
    "maximum": (lambda n, x: x.amax((2, 3)), {"GlobalMaxPool": 1}),
    "mean": (lambda n, x: x.mean((2, 3)), {"GlobalAveragePool": 1}),
    "crop": (lambda n, x: x[..., 1:, 2:-1], {"Slice": 1}),
    "pools": (lambda n, x: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2, stride=1), {"MaxPool": 1, "AveragePool": 1}),
    "pool of its own stride": (lambda n, x: F.avg_pool2d(F.max_pool2d(x, 2), 2), {}),
    "tanh": (lambda n, x: torch.tanh(x), {"Tanh": 1}),
    "enlarged": (lambda n, x: F.interpolate(n.conv(x), scale_factor=2.0, mode="nearest"), {"Resize": 1}),
    "clamp": (lambda n, x: torch.exp(x.clamp(-0.5, 0.25)) * 3.0, {"Clip": 1, "Exp": 1, "Mul": 1}),
    "places": (lambda n, x: n.conv(x).flatten(2), {"Reshape": 1}),
    "relu6": (lambda n, x: F.relu6(n.conv(x)), {"Clip": 1}),
    "dropout": (lambda n, x: F.dropout(F.relu(x), 0.5, training=False), {"Relu": 1}),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_does_what_torch_does(name: str) -> None:
    function, expected = FUNCTIONS[name]
    network = Calls(function)
    model = onnx_model(network)
    model.complete()
    assert {kind: kinds(model)[kind] for kind in expected} == expected
    pixels = 4 * torch.randn(2, 3, 13, 10)
    wanted = network(pixels)
    torch.testing.assert_close(OnnxEngine(lambda: model, 1)(pixels), wanted, atol=1e-5, rtol=1e-5)
    assert wanted.std() > 0.05  # constants would prove nothing


UNKNOWN: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "function": (lambda n, x: torch.sigmoid(x), "no ONNX node for sigmoid"),
    "ceiling": (lambda n, x: F.max_pool2d(x, 2, ceil_mode=True), "max pooling with .*ceil_mode"),
    "axis": (lambda n, x: x.mean((1, 2)), r"only dim=\(2, 3\) of a map has an ONNX node, got dim=\(1, 2\)"),
    "flatten": (lambda n, x: x.flatten(1, 2), r"only flatten\(1\) and flatten\(2\) have an ONNX node, got start_dim=1"),
    "smooth enlargement": (
        lambda n, x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
        "only nearest enlargement",
    ),
    "enlargement by a part": (lambda n, x: F.interpolate(x, scale_factor=1.5, mode="nearest"), "by a whole number"),
    "enlargement to a size": (lambda n, x: F.interpolate(x, size=(8, 8), mode="nearest"), "only nearest enlargement"),
    "index": (lambda n, x: x[0], "only x.* has an ONNX node, got"),
    "stride of a crop": (lambda n, x: x[..., ::2, ::2], "only x.* has an ONNX node, got"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_node_is_refused(name: str) -> None:
    function, message = UNKNOWN[name]
    with pytest.raises(ValueError, match=message):
        onnx_model(Calls(function))


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="Calls must be in eval mode"):
        onnx_model(Calls(lambda n, x: x).train())


def test_a_network_in_eval_mode_with_a_part_in_training_is_refused() -> None:
    network = Calls(lambda n, x: n.norm(n.conv(x)))
    network.norm.train()
    with pytest.raises(ValueError, match="in training mode"):
        onnx_model(network)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_norms_after_transposed_and_linear_layers(bias: bool, groups: int) -> None:
    def normed(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> nn.Module:
        for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
            assert values is not None
            nn.init.uniform_(values, 0.5, 2)
        return norm

    network = nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=groups, bias=bias),
        normed(nn.BatchNorm2d(6)),
        nn.Flatten(),
        nn.Linear(6 * 8 * 8, 5, bias=bias),
        normed(nn.BatchNorm1d(5)),
    )
    model = onnx_model(network.eval().requires_grad_(False), shape=("batch", 4, "height", "width"))
    x = torch.randn(3, 4, 4, 4)
    torch.testing.assert_close(OnnxEngine(lambda: model, 1)(x), network(x), atol=1e-5, rtol=1e-5)
    assert kinds(model)["BatchNormalization"] == (0 if groups == 1 else 1)


def test_the_model_says_what_it_takes() -> None:
    model = onnx_model(FastSRCNN(2, width=12, depth=3).eval(), "detail_inner", ("batch", 1, "height", "width"))
    (given,), (result,) = model.graph.graph.input, model.graph.graph.output
    assert (given.name, result.name) == ("input", "output")
    sides = [(dim.dim_value, dim.dim_param) for dim in given.type.tensor_type.shape.dim]
    assert sides == [(0, "batch"), (1, ""), (0, "height"), (0, "width")]
    assert model.graph.opset_import[0].version == 17 and model.graph.ir_version == 8


def test_weights_stay_where_they_are() -> None:
    """No copy of the parameters is made, and the graph itself is small."""
    network = Generator(latent_dim=5, width=16, size=16).eval().requires_grad_(False)
    last = network.layers[-2]
    model = onnx_model(network.layers, shape=("batch", 5, 1, 1))
    assert isinstance(last, nn.ConvTranspose2d)
    assert any(array.ctypes.data == last.weight.data_ptr() for array in model.tensors.values())
    lite = onnx_model(EfficientNetLite(num_classes=3).eval())
    assert lite.graph.ByteSize() < 100_000 < sum(array.nbytes for array in lite.tensors.values())
    with pytest.raises(onnx.checker.ValidationError):  # it cannot stand alone
        onnx.checker.check_model(lite.graph)
    assert lite.complete().ByteSize() > 10_000_000


def test_the_network_is_left_as_it_was() -> None:
    network = Calls(lambda n, x: n.norm(n.conv(x)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    onnx_model(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_one_method_may_be_written_alone() -> None:
    network = EfficientNetLite(num_classes=3).eval().requires_grad_(False)
    pixels = torch.randn(1, 3, 40, 70)
    maps, head = onnx_model(network, "maps"), onnx_model(network, "logits", MAPS)
    assert kinds(maps)["Gemm"] == 0 and kinds(head) == {"GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    halves = OnnxEngine(lambda: head, 1)(OnnxEngine(lambda: maps, 1)(pixels))
    torch.testing.assert_close(halves, network(pixels), atol=1e-5, rtol=1e-4)


def test_other_threads_are_not_disturbed() -> None:
    """While a graph is written, a network that runs elsewhere, here in between, runs as ever."""
    other = nn.Conv2d(3, 4, 3).eval()
    seen: list[Tensor] = []

    def meanwhile(n: Calls, x: Symbol | Tensor) -> Any:
        seen.append(other(torch.ones(1, 3, 4, 4)))
        return n.conv(x)

    onnx_model(Calls(meanwhile), shape=PICTURES)
    assert torch.equal(seen[0], other(torch.ones(1, 3, 4, 4)))
