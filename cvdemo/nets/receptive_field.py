"""Which input pixels one value of a layer sees: the receptive field, carried through each operation of a network.

Along each axis the values of a map see intervals of the input of one length, set apart by one stride. A convolution
widens the intervals by its kernel and multiplies the stride by its own; where branches meet, an interval is the
smallest that holds those of all of them (A. Araujo, W. Norris and J. Sim, "Computing Receptive Fields of Convolutional
Neural Networks", Distill 2019). Padding shifts the intervals, so those at the border lie partly outside the picture.

Operations are those of ATen, PyTorch's own list, so that it does not matter how a network is written. One that has no
rule here is an error, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Arguments = Mapping[str, Any]  # of an operation, by the names of its schema


@dataclass(frozen=True)
class Span:
    """Along one axis: the input pixels that value 0 sees, and how far those of the next value lie from them.

    Attributes:
        low, high: px, the first and the last pixel; below 0 lies padding.
        stride: px; less than 1 where a map is finer than the input.
    """

    low: float
    high: float
    stride: float

    @property
    def size(self) -> int:
        """How many pixels a value sees at most."""
        return math.ceil(self.high - self.low) + 1

    def at(self, index: int) -> tuple[int, int]:
        """The first pixel that value `index` sees, and the one after the last; both may lie outside the picture."""
        shift = index * self.stride
        return math.floor(self.low + shift), math.ceil(self.high + shift) + 1

    def through(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> Span:
        """The span of a window's outputs."""
        low = self.low - padding * self.stride
        return Span(low, low + (kernel - 1) * dilation * self.stride + self.high - self.low, self.stride * stride)

    def finer(self, factor: float, more: int = 0) -> Span:
        """The span after an enlargement by `factor`, each of whose values mixes `more` neighbours beside one."""
        return Span(self.low, self.high + more * self.stride, self.stride / factor)

    def moved(self, values: float) -> Span:
        """The span of a map that begins so many values later."""
        return Span(self.low + values * self.stride, self.high + values * self.stride, self.stride)

    def joined(self, other: Span) -> Span:
        """The smallest that holds both; of the coarser stride."""
        return Span(min(self.low, other.low), max(self.high, other.high), max(self.stride, other.stride))


@dataclass(frozen=True)
class Field:
    """The receptive field of a map's values, along height and width; None: each value sees the whole input."""

    spans: tuple[Span, Span] | None

    @property
    def size_hw(self) -> tuple[int, int] | None:
        """Height and width in px."""
        return None if self.spans is None else (self.spans[0].size, self.spans[1].size)

    def joined(self, other: Field) -> Field:
        """What a value sees that is made of values of both."""
        if self.spans is None or other.spans is None:
            return WHOLE
        rows, columns = (a.joined(b) for a, b in zip(self.spans, other.spans, strict=True))
        return Field((rows, columns))

    def mapped(self, change: Callable[[int, Span], Span]) -> Field:
        """Each span changed, given the axis, 0 or 1; the whole input stays the whole."""
        return self if self.spans is None else Field((change(0, self.spans[0]), change(1, self.spans[1])))


PIXEL = Field((Span(0, 0, 1), Span(0, 0, 1)))  # of the input itself
WHOLE = Field(None)
Rule = Callable[[Field, Arguments, Tensor], Field]  # field of the inputs, arguments, the output -> field of the output


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """One number for each axis; ATen gives one for both too."""
    numbers = [value] if isinstance(value, int) else list(value)
    return (numbers[0], numbers[-1])


def same(field: Field, given: Arguments, output: Tensor) -> Field:
    """Each value is made of values at its own place."""
    return field


def whole(field: Field, given: Arguments, output: Tensor) -> Field:
    """Each value is made of all places."""
    return WHOLE


def convolution(field: Field, given: Arguments, output: Tensor) -> Field:
    """A convolution, or its transpose, over two axes."""
    weight = given["weight"]
    if weight.ndim != 4:
        raise ValueError(f"only convolutions over two axes have a receptive field here, got {tuple(weight.shape)}")
    kernel, stride = pair(tuple(weight.shape[2:])), pair(given["stride"])
    padding, dilation = pair(given["padding"]), pair(given["dilation"])
    if given["transposed"]:
        return field.mapped(lambda i, span: span.finer(stride[i], (kernel[i] - 1) * dilation[i] // stride[i]))
    return field.mapped(lambda i, span: span.through(kernel[i], stride[i], padding[i], dilation[i]))


def pooling(field: Field, given: Arguments, output: Tensor) -> Field:
    """Maximum or mean of windows."""
    kernel, padding, dilation = pair(given["kernel_size"]), pair(given["padding"]), pair(given.get("dilation", 1))
    stride = pair(given["stride"] or kernel)
    return field.mapped(lambda i, span: span.through(kernel[i], stride[i], padding[i], dilation[i]))


def adaptive_pooling(field: Field, given: Arguments, output: Tensor) -> Field:
    """Windows that cover the map in a given number of values."""
    before, after = given["self"].shape[-2:], output.shape[-2:]
    return field.mapped(
        lambda i, span: Span(
            span.low,
            span.high + (math.ceil(before[i] / after[i]) - 1) * span.stride,
            span.stride * before[i] / after[i],
        )
    )


def over_axes(field: Field, given: Arguments, output: Tensor) -> Field:
    """A mean or maximum over some axes: of the places, unless it is over channels alone."""
    axes = {axis % given["self"].ndim for axis in given.get("dim") or ()}
    return field if axes == {1} else WHOLE


def nearest_enlargement(field: Field, given: Arguments, output: Tensor) -> Field:
    """Each value repeated."""
    return _enlarged(field, given, output, 0)


def bilinear_enlargement(field: Field, given: Arguments, output: Tensor) -> Field:
    """Each value between two neighbours."""
    return _enlarged(field, given, output, 1)


def bicubic_enlargement(field: Field, given: Arguments, output: Tensor) -> Field:
    """Each value among four neighbours."""
    return _enlarged(field, given, output, 3)


def _enlarged(field: Field, given: Arguments, output: Tensor, more: int) -> Field:
    before, after = given["self"].shape[-2:], output.shape[-2:]
    return field.mapped(lambda i, span: span.finer(after[i] / before[i], more))


def pixel_shuffle(field: Field, given: Arguments, output: Tensor) -> Field:
    """Channels that become places."""
    return field.mapped(lambda i, span: span.finer(given["upscale_factor"]))


def padding(field: Field, given: Arguments, output: Tensor) -> Field:
    """Values added before and after; the last axis comes first in the list."""
    amounts = given["pad"] if "pad" in given else given["padding"]  # of constants, or of what is mirrored
    before = [amounts[i] if i < len(amounts) else 0 for i in (2, 0)]
    return field.mapped(lambda i, span: span.moved(-before[i]))


def chosen_places(field: Field, given: Arguments, output: Tensor) -> Field:
    """Places taken by their index: a mirrored border, as far on one side as on the other."""
    axis = given["dim"] % output.ndim - output.ndim + 2
    grown = (output.shape[given["dim"]] - given["self"].shape[given["dim"]]) / 2
    return field.mapped(lambda i, span: span.moved(-grown) if i == axis else span)


def crop(field: Field, given: Arguments, output: Tensor) -> Field:
    """A part of one axis."""
    x = given["self"]
    axis = given["dim"] % x.ndim
    start = given["start"] or 0
    start = min(start + x.shape[axis] if start < 0 else start, x.shape[axis])
    return field.mapped(lambda i, span: span.moved(start) if i == axis - x.ndim + 2 else span)


_SAME = """
    native_batch_norm _native_batch_norm_legit_no_training relu relu_ hardtanh hardtanh_ leaky_relu leaky_relu_ gelu
    tanh tanh_ sigmoid sigmoid_ logit silu silu_ hardswish hardswish_ elu elu_ _prelu_kernel exp log abs neg sqrt
    rsqrt pow add add_ addcmul sub sub_ mul mul_ div div_ rsub cat clamp clamp_ clamp_min view _unsafe_view unsqueeze
    squeeze alias detach clone _to_copy expand split split_with_sizes
"""
_aten = torch.ops.aten
RULES: dict[Any, Rule] = {
    **{getattr(_aten, name): same for name in _SAME.split()},
    _aten.convolution: convolution,
    _aten.max_pool2d_with_indices: pooling,
    _aten.avg_pool2d: pooling,
    _aten._adaptive_avg_pool2d: adaptive_pooling,
    _aten.mean: over_axes,
    _aten.amax: over_axes,
    _aten.mm: whole,
    _aten.addmm: whole,
    _aten.native_group_norm: whole,
    _aten.native_layer_norm: whole,
    _aten.upsample_nearest2d: nearest_enlargement,
    _aten.upsample_bilinear2d: bilinear_enlargement,
    _aten.upsample_bicubic2d: bicubic_enlargement,
    _aten.pixel_shuffle: pixel_shuffle,
    _aten.constant_pad_nd: padding,
    _aten.reflection_pad2d: padding,
    _aten.replication_pad2d: padding,
    _aten.index_select: chosen_places,
    _aten.slice: crop,
}


def field_after(operation: Any, field: Field, given: Arguments, output: Tensor) -> Field:
    """The field of what an operation of ATen makes of values with `field`.

    Raises:
        ValueError: there is no rule for it.
    """
    if operation not in RULES:
        raise ValueError(f"there is no receptive field for {operation} in {__name__}: give it a rule there")
    return RULES[operation](field, given, output)
