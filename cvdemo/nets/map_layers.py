"""The layers of a network whose maps can be looked at, and their activations.

A layer is a block of the architecture, see `cvdemo.nets.layer_table.block_of`; a norm that follows a convolution of its
own is taken with it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from cvdemo.nets.layer_table import Layer, LayerTable
from cvdemo.nets.receptive_field import Field

_ONE_OF = {"blocks": "block", "groups": "group", "features": "layer"}  # of what the networks number
_NORMS = ("BatchNorm", "GroupNorm", "LayerNorm")


@dataclass(frozen=True, kw_only=True)
class MapLayer:
    """One layer to look at.

    Attributes:
        name: the module whose output it is, "blocks.5".
        block: the part of the network that it stands for, mostly of the same name.
        shape: (C, h, w) for pictures of the network's size.
        field: what one of its values sees of the picture.
    """

    name: str
    block: str
    shape: tuple[int, int, int]
    field: Field

    @property
    def title(self) -> str:
        """For people: "block 5: 40 channels of 28 × 28"."""
        channels, height, width = self.shape
        outermost, *inner = self.block.split(".")
        words = " ".join([_ONE_OF.get(outermost, outermost) if inner else outermost, *inner])
        return f"{words}: {channels} channels of {height} × {width}"


def map_layers(table: LayerTable) -> list[MapLayer]:
    """The layers whose outputs are maps, in the order of their work."""
    found: list[MapLayer] = []
    for layer in table.layers:
        if not layer.block or len(layer.shape) != 3 or layer.field.spans is None:
            continue
        channels, height, width = layer.shape
        here = MapLayer(name=layer.block, block=layer.block, shape=(channels, height, width), field=layer.field)
        if found and found[-1].block == layer.block:
            found[-1] = here
        elif not _only_changes(layer):
            found.append(here)
        elif found and found[-1].shape == layer.shape and layer.kind in _NORMS:
            found[-1] = replace(found[-1], name=layer.block)
    return found


def _only_changes(layer: Layer) -> bool:
    """Whether a layer stands for itself and only changes the values of the one before it."""
    return layer.name == layer.block and layer.multiply_adds == 0 and "pooling" not in layer.kind


class _Reached(Exception):
    """The layer has given its output: the rest of the network need not run."""


def activations(network: nn.Module, name: str, pixels: Tensor) -> Tensor:
    """The output (B, C, h, w) of module `name` for normalised pixels; gradients flow through it.

    Raises:
        ValueError: the network does not call that module.
    """
    return watch(network, name)(pixels)


def watch(network: nn.Module, name: str) -> Callable[[Tensor], Tensor]:
    """`activations` of one module as a function of pixels, to be called many times, by one thread at a time.

    The network, which others may be using, gets no hook: a copy of its modules that shares all tensors does.
    """
    twin = sharing_tensors(network)
    found: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        found.append(output)
        raise _Reached

    def output_of(pixels: Tensor) -> Tensor:
        with suppress(_Reached):
            twin(pixels)
        if not found:
            raise ValueError(f"{type(network).__name__} does not call its module {name!r}")
        return found.pop()

    twin.get_submodule(name).register_forward_hook(keep)
    return output_of


def sharing_tensors(network: nn.Module) -> nn.Module:
    """A copy of the modules of a network, whose parameters and buffers are the network's own."""
    tensors: dict[int, Any] = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return copy.deepcopy(network, tensors)
