"""What a network is made of: layers with their shapes, parameters, multiply-adds and receptive fields.

The network runs once on an input without data (PyTorch's "meta" device), and every operation that it calls is written
down, whether a layer or a plain function did so. Multiply-adds are half of the floating-point operations that
`torch.utils.flop_counter` tells of convolutions and matrix products; norms, activations and pooling count nothing, as
is usual. The receptive field is that of `cvdemo.nets.receptive_field`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from cvdemo.nets.receptive_field import PIXEL, WHOLE, Arguments, Field, field_after, pair

INPUT = -1  # in `Layer.reads`: the network's input
MOST_FILTERS = 10  # layers of weights in one block; a module of more, such as a whole trunk, is opened
_aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One operation of a network.

    Attributes:
        name: of the module that calls it, empty for the network itself.
        block: of the outermost part of the network that it belongs to, see `block_of`.
        kind: in words, "3×3 convolution, stride 2".
        shape: of its output, without the batch: (C, h, w), or (C,).
        parameters: that no layer before it has used.
        multiply_adds: for one picture.
        field: what one value of its output sees of the input.
        reads: the layers, by number, whose outputs it takes; `INPUT` for the network's input.
    """

    name: str
    block: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    field: Field
    reads: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LayerTable:
    """A network's layers in the order of their work.

    Attributes:
        input_shape: without the batch.
        parameters: of the whole network.
        block_kinds: name of the class of each block.
    """

    layers: tuple[Layer, ...]
    input_shape: tuple[int, ...]
    parameters: int
    block_kinds: Mapping[str, str]

    @property
    def multiply_adds(self) -> int:
        """For one input of this shape."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def receptive_field(self) -> tuple[int, int] | None:
        """Height and width (px) of the largest that is not the whole input by itself; None where there is none."""
        sizes = [size for layer in self.layers if (size := layer.field.size_hw) is not None]
        return max(sizes) if sizes else None


def layer_table(network: nn.Module, input_shape: Sequence[int], *others: Sequence[int]) -> LayerTable:
    """The layers of a network for an input of that shape, without the batch; its weights are not read.

    Args:
        network: it is copied, and the copy is in eval mode.
        others: shapes of what it takes beside its input; receptive fields are those on the input.

    Raises:
        ValueError: it calls a function that has no rule in `cvdemo.nets.receptive_field`.
    """
    twin = copy.deepcopy(network).to("meta").eval()
    x = torch.zeros(1, *input_shape, device="meta")
    trace = _Trace(x, twin)
    with torch.no_grad(), _named_calls(twin, trace.calls), trace:
        twin(x, *(torch.zeros(1, *shape, device="meta") for shape in others))
    blocks = dict.fromkeys(layer.block for layer in trace.layers)
    return LayerTable(
        layers=tuple(trace.layers),
        input_shape=tuple(input_shape),
        parameters=sum(parameter.numel() for parameter in twin.parameters()),
        block_kinds={name: type(twin.get_submodule(name)).__name__ for name in blocks},
    )


def block_of(name: str, network: nn.Module) -> str:
    """The outermost part of a network that a module belongs to: the first on the way to it that is no mere container.

    A sequence with one layer of weights at most, as of a convolution and its norm, is a part too.
    """
    module, path = network, list[str]()
    for part in name.split(".") if name else ():
        module = module.get_submodule(part)
        path.append(part)
        if not _is_container(module):
            break
    return ".".join(path)


def _is_container(module: nn.Module) -> bool:
    filters = sum(_has_filters(child) for child in module.modules())
    if filters > MOST_FILTERS:
        return True
    return filters > 1 if type(module) is nn.Sequential else type(module) in (nn.ModuleList, nn.ModuleDict)


def _has_filters(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 1


@contextmanager
def _named_calls(network: nn.Module, calls: list[str]) -> Iterator[None]:
    """Within the block `calls` holds the names of the modules that are at work, outermost first."""
    handles = []
    for name, module in network.named_modules():
        handles.append(module.register_forward_pre_hook(lambda *_, name=name: calls.append(name)))
        handles.append(module.register_forward_hook(lambda *_: _drop_last(calls)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _drop_last(calls: list[str]) -> None:
    calls.pop()


@dataclass(frozen=True)
class _Known:
    """What is known of a tensor that comes from the input: its field, and the layers that made it."""

    field: Field
    made_by: tuple[int, ...]


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch gives this class no types
    """Writes down each operation on what comes from the input; see `layer_table`."""

    def __init__(self, x: Tensor, network: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.layers: list[Layer] = []
        self.calls: list[str] = []
        self._network = network
        self._known = {id(x): _Known(PIXEL if x.ndim == 4 else WHOLE, (INPUT,))}
        self._weights = {id(parameter): frozenset([id(parameter)]) for parameter in network.parameters()}
        self._sizes = {id(parameter): parameter.numel() for parameter in network.parameters()}
        self._alive: list[Any] = [x]  # so that no address is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        self._alive.append(output)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        results = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
        weights = frozenset[int]().union(*(self._weights.get(id(tensor), frozenset()) for tensor in tensors))
        read = [self._known[id(tensor)] for tensor in tensors if id(tensor) in self._known]
        if read and results:
            known = self._after(func, args, kwargs, read, results[0], weights)
            self._known |= {id(result): known for result in results}
        elif weights:  # made of weights alone, as a transposed or a normalised filter is
            self._weights |= {id(result): weights for result in results}
        return output

    def _after(
        self, func: Any, args: Any, kwargs: Any, read: Sequence[_Known], output: Tensor, weights: Iterable[int]
    ) -> _Known:
        operation, given = func.overloadpacket, _arguments(func, args, kwargs)
        field = read[0].field
        for other in read[1:]:
            field = field.joined(other.field)
        field = field_after(operation, field, given, output)
        made_by = tuple(dict.fromkeys(number for known in read for number in known.made_by))
        kind = KINDS.get(operation, _nothing)(given)
        if not kind:
            return _Known(field, made_by)
        counted = flop_registry[operation](*args, **kwargs, out_val=output) // 2 if operation in flop_registry else 0
        name = self.calls[-1]
        layer = Layer(
            name=name,
            block=block_of(name, self._network),
            kind=kind,
            shape=tuple(output.shape[1:]),
            parameters=sum(self._sizes.pop(weight, 0) for weight in weights),
            multiply_adds=int(counted),
            field=field,
            reads=made_by,
        )
        self.layers.append(layer)
        return _Known(field, (len(self.layers) - 1,))


def _arguments(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
    """The arguments of an operation by name, defaults included."""
    schema = func._schema.arguments
    given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    return given | {argument.name: value for argument, value in zip(schema, args, strict=False)} | dict(kwargs)


def _convolution(given: Arguments) -> str:
    weight, groups, stride = given["weight"], given["groups"], pair(given["stride"])
    words = f"{_by(pair(tuple(weight.shape[2:])))} convolution"
    if given["transposed"]:
        words = f"transposed {words}"
    if groups > 1:
        words = f"depthwise {words}" if groups == given["input"].shape[1] else f"{words} in {groups} groups"
    dilation = pair(given["dilation"])
    return words + _stride(stride) + (f", dilation {_by(dilation)}" if max(dilation) > 1 else "")


def _pooling(kind: str) -> Callable[[Arguments], str]:
    def words(given: Arguments) -> str:
        kernel = pair(given["kernel_size"])
        return f"{_by(kernel)} {kind} pooling" + _stride(pair(given["stride"] or kernel))

    return words


def _over_axes(kind: str) -> Callable[[Arguments], str]:
    return lambda given: f"{kind} over {'channels' if list(given.get('dim') or ()) == [1] else 'all places'}"


def _by(sizes: tuple[int, int]) -> str:
    return f"{sizes[0]}×{sizes[1]}"


def _stride(stride: tuple[int, int]) -> str:
    if stride == (1, 1):
        return ""
    return f", stride {stride[0]}" if stride[0] == stride[1] else f", stride {_by(stride)}"


def _clip(given: Arguments) -> str:
    limits = given.get("min_val", given.get("min")), given.get("max_val", given.get("max"))
    return "ReLU6" if limits == (0, 6) else "clip"


def _nothing(given: Arguments) -> str:
    """Operations that only move values are no layers."""
    return ""


def _named(words: str) -> Callable[[Arguments], str]:
    return lambda given: words


_NAMED = {
    "BatchNorm": "native_batch_norm _native_batch_norm_legit_no_training",
    "GroupNorm": "native_group_norm",
    "LayerNorm": "native_layer_norm",
    "ReLU": "relu relu_",
    "LeakyReLU": "leaky_relu leaky_relu_",
    "PReLU": "_prelu_kernel",
    "ELU": "elu elu_",
    "GELU": "gelu",
    "SiLU": "silu silu_",
    "hard swish": "hardswish hardswish_",
    "tanh": "tanh tanh_",
    "sigmoid": "sigmoid sigmoid_",
    "exponential": "exp",
    "sum": "add add_",
    "product": "mul mul_",
    "concatenation": "cat",
    "linear": "mm addmm",
    "adaptive mean pooling": "_adaptive_avg_pool2d",
    "nearest enlargement": "upsample_nearest2d",
    "bilinear enlargement": "upsample_bilinear2d",
    "bicubic enlargement": "upsample_bicubic2d",
    "pixel shuffle": "pixel_shuffle",
}
KINDS: dict[Any, Callable[[Arguments], str]] = {
    **{getattr(_aten, name): _named(words) for words, names in _NAMED.items() for name in names.split()},
    _aten.convolution: _convolution,
    _aten.max_pool2d_with_indices: _pooling("max"),
    _aten.avg_pool2d: _pooling("mean"),
    _aten.mean: _over_axes("mean"),
    _aten.amax: _over_axes("maximum"),
    _aten.hardtanh: _clip,
    _aten.hardtanh_: _clip,
    _aten.clamp: _clip,
    _aten.clamp_: _clip,
}
