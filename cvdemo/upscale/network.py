"""The super-resolution networks behind one interface: what is to be added to bicubic, for a tile with its halo.

SRCNN reads the picture that bicubic has enlarged, `FastSRCNN` the small one; both are without padding here. On the CPU
ONNX Runtime runs them (`cvdemo.upscale.bands` says how much faster that is), on a GPU torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.forward import Engine
from cvdemo.nets.srcnn import SRCNN
from cvdemo.ops.mirror_padding import with_border
from cvdemo.upscale.bands import inner_method, onnx_engine

Net = SRCNN | FastSRCNN


@dataclass(frozen=True)
class DetailNetwork:
    """A network for one scale, ready to run and shared by everyone.

    Attributes:
        scale: 2, 3 or 4.
        reads: the low-resolution luminance, or the one that bicubic has enlarged from it.
        halo_px: what it needs round a tile, in px of what it reads.
        run: luminance with its halo -> (1, 1, H, W) of the result without: detail for "low_res", else luminance.
        device: where `run` wants its input.
    """

    scale: int
    reads: Literal["low_res", "enlarged"]
    halo_px: int
    run: Engine
    device: torch.device

    def detail(self, luminance: Tensor) -> Tensor:
        """What is to be added to the luminance that bicubic gives, (1, 1, H, W) in px of the result.

        Args:
            luminance: in [0, 1], what the network `reads` of the tile and of `halo_px` round it.
        """
        if self.reads == "low_res":
            return self.run(luminance)
        inner = slice(self.halo_px, -self.halo_px or None)
        return self.run(luminance) - luminance[..., inner, inner]

    def restore(self, low_res: Tensor, enlarged: Tensor) -> Tensor:
        """The restored luminance of a whole picture, not clipped."""
        low_res, enlarged = low_res.to(self.device), enlarged.to(self.device)
        luminance = low_res if self.reads == "low_res" else enlarged
        return enlarged + self.detail(with_border(luminance, self.halo_px))


def make_network(spec: Mapping[str, Any]) -> Net:
    """The untrained network of a manifest entry, `{"name": "srcnn" or "fast_srcnn", **constructor arguments}`.

    Raises:
        ValueError: there is no network of that name.
    """
    arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    name = arguments.pop("name", None)
    makers: dict[Any, Callable[..., Net]] = {"srcnn": SRCNN, "fast_srcnn": FastSRCNN}
    if name not in makers:
        raise ValueError(f"network must be one of {list(makers)}, got {name!r}")
    return makers[name](**arguments)


def prepared(
    network: Net, scale: int, device: torch.device | str = "cpu", engine: Engine | None = None
) -> DetailNetwork:
    """The network as the demo runs it: by `engine`, or by ONNX Runtime on the CPU and by torch elsewhere."""
    device = torch.device(device)
    if engine is None:
        engine = onnx_engine(network) if device.type == "cpu" else torch_engine(network, device)
    reads: Literal["low_res", "enlarged"] = "low_res" if isinstance(network, FastSRCNN) else "enlarged"
    return DetailNetwork(scale, reads, network.halo_px, engine, device)


def torch_engine(network: Net, device: torch.device | str = "cpu") -> Engine:
    """A copy of the network on the device, as a function of tensors."""
    own = copy.deepcopy(network).eval().requires_grad_(False).to(device)
    for parameter in own.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)  # an eighth less CPU time
    run: Engine = getattr(own, inner_method(own))
    return run
