"""Training a PlaceNet: its first blocks stay those of the backbone, the others learn on with pyramid and head.

The norms of the trunk keep the statistics of ImageNet. Each step's pictures are random views on a square canvas whose
side is drawn anew; pictures are measured whole, at one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from cvdemo.config import setting
from cvdemo.images import Preprocessing, from_uint8, normalise
from cvdemo.nets.backbone import BACKBONE
from cvdemo.nets.efficientnet_lite import SameConv2d, same_conv2d
from cvdemo.nets.place_net import PlaceNet, lent_by
from cvdemo.weights import entry_of, load_state_dict
from train.data.read_pictures import Pictures, read_rgb
from train.detect.annotations import Annotated, Truth
from train.detect.place_augment import DRAWS, random_view
from train.detect.place_measure import finder_of, map50
from train.detect.place_targets import place_loss
from train.engine.device import autocast, channels_last
from train.engine.distributed import shard
from train.engine.loop import LoopConfig, Task, epoch_indices, with_steps
from train.engine.optimisers import decay_groups
from train.engine.schedules import lr_factor


@dataclass(frozen=True, kw_only=True)
class PlaceConfig(LoopConfig):
    """Hyper-parameters; learning rates of AdamW, warmed up and falling to 0 by a cosine."""

    input_px: int = setting(416, help="of the longer side when a picture is measured", unit="px", minimum=32)
    published_px: tuple[int, ...] = setting(
        (384, 416, 448, 480, 512), help="longer sides of which the best on the validation pictures is published"
    )
    train_px: tuple[int, ...] = setting(
        (288, 320, 352, 384, 416), help="sides of the canvas, one drawn for each step; multiples of the largest stride"
    )
    zoom: tuple[float, float] = setting((0.65, 1.8), help="longer side of a picture to the canvas's, least and most")
    strides: tuple[int, ...] = setting((8, 16, 32), help="of the places, each twice the one before", unit="px")
    last_block: int = setting(14, help="of the trunk", minimum=3, maximum=15)
    first_block: int = setting(6, help="blocks from here on are trained", minimum=0, maximum=15)
    frozen_fraction: float = setting(
        0.0,
        help="share of the steps during which the trunk (EfficientNet-Lite0's blocks) is not trained",
        minimum=0,
        below=1,
    )
    width: int = setting(96, help="channels of pyramid and head", minimum=8)
    depth: int = setting(2, help="convolutions of each tower of the head", minimum=1)
    epochs: int = 18
    batch_size: int = 16
    evaluate_every: int = setting(1, help="0: no measures; else one after each `measure_epochs`", minimum=0)
    measure_epochs: int = setting(2, help="epochs from one measure to the next", minimum=1)
    measured: int = setting(0, help="pictures that choose the checkpoint; 0: all", minimum=0)
    log_every: int = 20
    preview_every: int = 0
    ema_decay: float = 0.995
    clip_norm: float = 10.0
    warmup_fraction: float = setting(0.05, help="of the steps, in which learning rates rise", minimum=0, below=1)
    lr: float = setting(1.5e-3, help="learning rate of pyramid and head", minimum=0)
    lr_body: float = setting(3e-4, help="learning rate of the blocks that are trained", minimum=0)
    weight_decay: float = setting(0.02, help="of weights with two dimensions or more", minimum=0)
    box_weight: float = setting(2.0, help="of the boxes' loss beside the classes'", minimum=0)

    @property
    def network(self) -> dict[str, Any]:
        """`PlaceNet`'s arguments but the number of classes."""
        return {
            "strides": list(self.strides),
            "last_block": self.last_block,
            "width": self.width,
            "depth": self.depth,
        }


class FixedNorm(nn.Sequential):
    """A convolution and a BatchNorm that keeps its statistics, as one convolution: no pass over the map for the norm.

    Both still learn, and the tensors keep their names. Where gradients flow a depthwise convolution is computed in
    float32: in 16 bits its gradient takes CPUs several times as long. Measured, blocks 6 to 14 at 320 px, forward and
    backward, one thread with AVX-512 BF16: 34 ms a picture all in float32, 23 ms with the dense ones in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = cast(SameConv2d, self[0]), cast(nn.BatchNorm2d, self[1])
        assert norm.running_var is not None and norm.running_mean is not None
        factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight, bias = conv.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor
        if conv.groups == 1 or not weight.requires_grad:
            return same_conv2d(x, weight, bias, conv.stride, conv.dilation, conv.groups)
        with torch.autocast(x.device.type, enabled=False):
            return same_conv2d(x.float(), weight, bias, conv.stride, conv.dilation, conv.groups)


def fix_norms(network: nn.Module) -> None:
    """Makes every pair of convolution and BatchNorm in it a `FixedNorm`."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Sequential and len(child) == 2 and isinstance(child[1], nn.BatchNorm2d):
                setattr(parent, name, FixedNorm(*child))


class PlaceTask(Task):
    """Classes and boxes at places, on the backbone's blocks.

    Args:
        config: hyper-parameters; its epochs become steps here.
        labels: names of the classes.
        data: training pictures. validation: those that choose the checkpoint.
        device, amp: where, and whether convolutions take 16 bits; see `FixedNorm`.

    Raises:
        ValueError: a canvas that is no multiple of the largest stride, or fewer pictures than one batch.
    """

    product = "network"
    metric = "map50"

    def __init__(
        self,
        config: PlaceConfig,
        labels: Sequence[str],
        data: Sequence[Annotated],
        validation: Sequence[Annotated],
        device: torch.device,
        amp: bool,
    ) -> None:
        if unfit := [px for px in config.train_px if px % max(config.strides)]:
            raise ValueError(f"canvases must be multiples of {max(config.strides)} px, got {unfit}")
        config = with_steps(config, len(data))
        self.config: PlaceConfig = replace(config, evaluate_every=config.evaluate_every * config.measure_epochs)
        self.labels, self.data = tuple(labels), data
        self.validation = _spread(validation, config.measured)
        self.device, self.amp = device, amp
        self.preprocessing = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
        torch.manual_seed(config.seed)
        network = PlaceNet(len(labels), **config.network)
        network.load_state_dict(network.state_dict() | lent_by(load_state_dict(BACKBONE), network))
        fix_norms(network.trunk)
        self.network = channels_last(network.to(device))
        self.network.train()
        self.network.trunk.eval()
        learnt = self.network.trunk.blocks[config.first_block :]
        self.network.trunk.requires_grad_(False)
        learnt.requires_grad_(True)
        rest = [module for name, module in self.network.named_children() if name != "trunk"]
        self.networks = {"network": self.network}
        self.optimizers = {
            "head": _adamw(rest, config.lr, config.weight_decay),
            "body": _adamw([learnt], config.lr_body, config.weight_decay),
        }

    def lr_factor(self, step: int) -> float:
        return lr_factor("cosine", step, self.config.steps, self.config.warmup_fraction)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step on random views."""
        pixels, truths = self.batch(step, generator)
        output = self.answers(pixels, self.first_learnt(step))
        of_class, of_box = place_loss(output.cpu(), truths, (pixels.shape[2], pixels.shape[3]), self.config.strides)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        loss = of_class + self.config.box_weight * of_box
        self.backward(loss)
        self.update()
        return {"loss": loss.detach(), "class_loss": of_class.detach(), "box_loss": of_box.detach()}

    def first_learnt(self, step: int) -> int:
        """The first block that a step trains; their number where it trains none."""
        frozen = step < self.config.frozen_fraction * self.config.steps
        return len(self.network.trunk.blocks) if frozen else self.config.first_block

    def answers(self, pixels: Tensor, first: int) -> Tensor:
        """As the network's; the blocks before `first` take no gradient."""
        trunk = self.network.trunk
        with autocast(self.device, self.amp):
            with torch.no_grad():
                maps = trunk.earlier(pixels, first)
            answers: Tensor = self.network.head(trunk.later(maps, first))
        return answers

    def batch(self, step: int, generator: torch.Generator) -> tuple[Tensor, list[Truth]]:
        """Normalised views (B, 3, side, side) and their boxes, of this process's share of one step."""
        config = self.config
        indices = shard(epoch_indices(step, config.batch_size, len(self.data), config.seed))
        side = config.train_px[int(torch.randint(len(config.train_px), (1,), generator=generator))]
        draws = shard(torch.rand(config.batch_size, DRAWS, generator=generator))
        views = [
            random_view(read_rgb(self.data[index].path), self.data[index].truth, side, config.zoom, draw)
            for index, draw in zip(indices.tolist(), draws.tolist(), strict=True)
        ]
        return self._pixels([view for view, _ in views]), [truth for _, truth in views]

    def _pixels(self, pictures: list[Pictures]) -> Tensor:
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).to(self.device)
        pixels = normalise(from_uint8(batch), self.preprocessing)
        return pixels.contiguous(memory_format=torch.channels_last)

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """mAP at IoU 0.5 (area) on the validation pictures, in [0, 1]."""
        assert isinstance(network, PlaceNet)
        finder = finder_of(network, self.preprocessing, self.config.input_px, self.device)
        return {"map50": map50(finder, self.validation, len(self.labels))}


def _spread(items: Sequence[Annotated], count: int) -> Sequence[Annotated]:
    """`count` of them, evenly spread; all of them for 0."""
    return items if not count or count >= len(items) else [items[i * len(items) // count] for i in range(count)]


def _adamw(modules: Sequence[nn.Module], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Over all weights of these modules; vectors are not decayed."""
    weights = [weight for module in modules for weight in module.parameters()]
    return torch.optim.AdamW(decay_groups(weights, weight_decay), lr)
