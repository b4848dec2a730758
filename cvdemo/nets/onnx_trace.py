"""A network's ONNX graph, written down while the network's own code runs once on a symbol.

The network is called with a `Symbol` in place of a tensor. PyTorch hands each of its functions that meets one to the
symbol (`__torch_function__`, the protocol of `torch.overrides`), and a table says what nodes it becomes. A function
that the table lacks is an error, never a silent change. Sizes stay open: one graph serves any batch and, where the
network does, any height and width.

Neither exporter of PyTorch is used: the newer one needs two more packages and many seconds, the older one is going.
`torch.fx` traces as simply, but patches `nn.Module` for all threads meanwhile, which breaks what runs in another.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.efficientnet_lite import same_conv2d
from cvdemo.nets.onnx_graph import INPUT, Graph, OnnxModel

PICTURES = ("batch", 3, "height", "width")  # shapes; names are open sizes
MAPS = ("batch", "channels", "height", "width")


@dataclass(frozen=True, eq=False)
class Symbol:
    """What stands for a tensor of `rank` dimensions while the graph is written."""

    graph: Graph
    name: str
    rank: int

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Symbol:
        if function not in NODES:
            raise ValueError(f"there is no ONNX node for {getattr(function, '__name__', function)} in {__name__}")
        return NODES[function](*args, **(kwargs or {}))

    def then(self, kind: str, *inputs: Symbol | Tensor | None, rank: int | None = None, **attributes: Any) -> Symbol:
        """The output of a node that reads this symbol and then `inputs`; None is left out."""
        given = [value.name if isinstance(value, Symbol) else value for value in inputs if value is not None]
        return Symbol(self.graph, self.graph.add(kind, [self.name, *given], **attributes), rank or self.rank)

    def dim(self) -> int:
        return self.rank

    def mean(self, dim: Sequence[int]) -> Symbol:
        return _over_map(self, dim, "GlobalAveragePool")

    def amax(self, dim: Sequence[int]) -> Symbol:
        return _over_map(self, dim, "GlobalMaxPool")

    def flatten(self, start_dim: int, end_dim: int = -1) -> Symbol:
        if start_dim == 2 and end_dim == -1:  # the first two axes stay as they are, 0 in ONNX
            return self.then("Reshape", torch.tensor([0, 0, -1]), rank=3)
        if (start_dim, end_dim) != (1, -1):
            raise ValueError(f"only flatten(1) and flatten(2) have an ONNX node, got {start_dim=}, {end_dim=}")
        return self.then("Flatten", axis=1, rank=2)

    def clamp(self, min: float, max: float) -> Symbol:  # the names that torch has
        return self.then("Clip", torch.tensor(min), torch.tensor(max))

    def __add__(self, other: Symbol) -> Symbol:
        return self.then("Add", other)

    def __mul__(self, factor: float) -> Symbol:
        return self.then("Mul", torch.tensor(factor))

    def __getitem__(self, key: Any) -> Symbol:
        """`x[..., a:b, c:d]`, which crops the last axes."""
        dots, *crops = key if isinstance(key, tuple) else (key,)
        if dots is not Ellipsis or not all(isinstance(crop, slice) and crop.step is None for crop in crops):
            raise ValueError(f"only x[..., a:b, c:d] has an ONNX node, got {key}")
        ends = [crop.start or 0 for crop in crops], [sys.maxsize if crop.stop is None else crop.stop for crop in crops]
        axes = list(range(self.rank - len(crops), self.rank))
        return self.then("Slice", *(torch.tensor(values) for values in (*ends, axes)))


def _over_map(x: Symbol, dim: Sequence[int], kind: str) -> Symbol:
    """(B, C, h, w) -> (B, C)."""
    if x.rank != 4 or tuple(dim) != (2, 3):
        raise ValueError(f"only dim=(2, 3) of a map has an ONNX node, got {dim=} of {x.rank} dimensions")
    return x.then(kind).flatten(1)


def _pair(value: int | Sequence[int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def _conv(
    x: Symbol,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Symbol:
    pads = _pair(padding) * 2
    return x.then("Conv", weight, bias, strides=_pair(stride), pads=pads, dilations=_pair(dilation), group=groups)


def _same_conv(x: Symbol, weight: Tensor, bias: Tensor | None, stride: Any, dilation: Any, groups: int) -> Symbol:
    strides, dilations = _pair(stride), _pair(dilation)
    return x.then("Conv", weight, bias, strides=strides, auto_pad="SAME_UPPER", dilations=dilations, group=groups)


def _conv_transpose(
    x: Symbol, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, more: Any, groups: int, dilation: Any
) -> Symbol:
    return x.then(
        "ConvTranspose",
        weight,
        bias,
        strides=_pair(stride),
        pads=_pair(padding) * 2,
        output_padding=_pair(more),
        dilations=_pair(dilation),
        group=groups,
    )


def _batch_norm(x: Symbol, mean: Tensor, variance: Tensor, weight: Any, bias: Any, **others: Any) -> Symbol:
    _refuse_training(others["training"])
    scale = torch.ones_like(mean) if weight is None else weight
    shift = torch.zeros_like(mean) if bias is None else bias
    return x.then("BatchNormalization", scale, shift, mean, variance, epsilon=others["eps"])


def _max_pool(x: Symbol, kernel_size: Any, *, stride: Any = None, padding: Any = 0, **others: Any) -> Symbol:
    if others.get("ceil_mode") or others.get("return_indices") or others.get("dilation", 1) != 1:
        raise ValueError(f"max pooling with {others} has no ONNX node here")
    kernel = _pair(kernel_size)
    return x.then("MaxPool", kernel_shape=kernel, strides=_pair(stride or kernel), pads=_pair(padding) * 2)


def _avg_pool(x: Symbol, kernel_size: Any, stride: Any = None) -> Symbol:
    kernel = _pair(kernel_size)
    return x.then("AveragePool", kernel_shape=kernel, strides=_pair(stride or kernel))


def _gelu(x: Symbol) -> Symbol:
    """x (1 + erf(x / sqrt 2)) / 2: what ONNX has a node for from opset 20 on."""
    erf = x.then("Mul", torch.tensor(math.sqrt(0.5))).then("Erf")
    return x.then("Mul", erf.then("Add", torch.tensor(1.0))).then("Mul", torch.tensor(0.5))


def _cat(parts: Sequence[Symbol], dim: int) -> Symbol:
    first, *others = parts
    return first.then("Concat", *others, axis=dim)


def _interpolate(x: Symbol, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **others: Any) -> Symbol:
    """Enlargement by a whole number, each value repeated."""
    whole = isinstance(scale_factor, int | float) and float(scale_factor).is_integer()
    if size is not None or mode != "nearest" or not whole or any(others.values()):
        raise ValueError(f"only nearest enlargement by a whole number has an ONNX node, got {mode=}, {scale_factor=}")
    scales = torch.tensor([1.0, 1.0, scale_factor, scale_factor])
    region = torch.empty(0)  # an input of Resize that this mode leaves out
    grid = "asymmetric"  # output pixel i shows input pixel floor(i / scale)
    return x.then("Resize", region, scales, mode="nearest", coordinate_transformation_mode=grid, nearest_mode="floor")


def _dropout(x: Symbol, p: float, training: bool, inplace: bool = False) -> Symbol:
    _refuse_training(training)
    return x


def _refuse_training(training: bool) -> None:
    if training:
        raise ValueError("a layer is in training mode: its graph would be another one")


NODES: dict[Callable[..., Any], Callable[..., Symbol]] = {
    torch.conv2d: _conv,
    same_conv2d: _same_conv,
    torch.conv_transpose2d: _conv_transpose,
    F.batch_norm: _batch_norm,
    F.linear: lambda x, weight, bias: x.then("Gemm", weight, bias, transB=1),
    F.max_pool2d: _max_pool,
    F.avg_pool2d: _avg_pool,
    F.relu: lambda x, inplace: x.then("Relu"),
    F.relu6: lambda x, inplace: x.then("Clip", torch.tensor(0.0), torch.tensor(6.0)),
    F.leaky_relu: lambda x, negative_slope, inplace: x.then("LeakyRelu", alpha=negative_slope),
    F.gelu: _gelu,
    F.interpolate: _interpolate,
    torch.exp: lambda x: x.then("Exp"),
    torch.tanh: lambda x: x.then("Tanh"),
    torch.cat: _cat,
    torch.pixel_shuffle: lambda x, scale: x.then("DepthToSpace", blocksize=scale, mode="CRD"),
    F.dropout: _dropout,
}


@torch.no_grad()
def onnx_model(network: nn.Module, method: str = "forward", shape: Sequence[int | str] = PICTURES) -> OnnxModel:
    """The graph of a network, or of one method of it that takes a tensor and returns one, BatchNorms folded.

    Args:
        network: in eval mode.
        shape: of the tensor that the method takes; names are open sizes.

    Raises:
        ValueError: the network is in training mode, or calls a function that has no node here.
    """
    if network.training:
        raise ValueError(f"{type(network).__name__} must be in eval mode before its graph is written")
    graph = Graph()
    result: Symbol = getattr(network, method)(Symbol(graph, INPUT, len(shape)))
    graph.fold_batch_norms()
    return graph.model(shape, result.name, result.rank)
