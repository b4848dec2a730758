"""PlaceNet: boxes and classes at every place of a grid, on the blocks of EfficientNet-Lite0.

A feature pyramid (T.-Y. Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017) and a head that tells
at each place the classes and the distances to the four edges of a box (Z. Tian et al., "FCOS: Fully Convolutional
One-Stage Object Detection", ICCV 2019). Departures: the head's convolutions are shared over the strides, its norms are
not; there is no centre-ness, since the class scores learn the overlap.

Places are ordered stride by stride, finest first, row by row. The centre of place (row, column) at stride s is
((column + 0.5) s, (row + 0.5) s) px.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cvdemo.nets.efficientnet_lite import STAGES, EfficientNetLite

TAPS = {4: 2, 8: 4, 16: 10, 32: 15}  # last block of the trunk at each stride
LONGEST = 4.0  # e to this power, times 4 strides: the longest distance, 7000 px at stride 32
FIRST_DISTANCE = 4.0  # strides from the centre to an edge where the head says 0
PRIOR = 0.01  # score of every class before anything is learnt, as in RetinaNet


def channels_of(block: int) -> int:
    """Output channels of a block of the trunk."""
    return [stage.channels for stage in STAGES for _ in range(stage.repeats)][block]


class Trunk(nn.Module):
    """Stem and first blocks of EfficientNet-Lite0, under the same names: pixels -> maps of some of the blocks."""

    def __init__(self, taps: Sequence[int]) -> None:
        super().__init__()
        base = EfficientNetLite(num_classes=1)
        self.taps = tuple(taps)
        self.stem = base.stem
        self.blocks = base.blocks[: max(taps) + 1]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the maps of `taps`, finest first."""
        return self.later(self.earlier(pixels, 0), 0)

    def earlier(self, pixels: Tensor, first_block: int) -> list[Tensor]:
        """The maps of the taps before `first_block`, then what that block reads (once, where it is a tap's)."""
        x = F.relu6(self.stem(pixels))
        return self._blocks(x, 0, first_block)

    def later(self, maps: list[Tensor], first_block: int) -> list[Tensor]:
        """The maps of all taps from what `earlier` gave."""
        found = self._blocks(maps[-1], first_block, len(self.blocks))
        done = [x for x, tap in zip(maps, self.taps, strict=False) if tap < first_block]
        return [*done, *found][: len(self.taps)]

    def _blocks(self, x: Tensor, start: int, end: int) -> list[Tensor]:
        """The maps of the taps among blocks `start` to `end`, and the last one's, once."""
        found: list[Tensor] = []
        for i in range(start, end):
            x = self.blocks[i](x)
            if i in self.taps:
                found.append(x)
        return found if found and end - 1 in self.taps else [*found, x]


class LevelConv(nn.Module):
    """A 3x3 convolution shared by all strides, with a BatchNorm for each, and ReLU."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(levels))

    def forward(self, x: Tensor, level: int) -> Tensor:
        return F.relu(self.norms[level](self.conv(x)))


class PlaceNet(nn.Module):
    """(B, 3, H, W) normalised pixels -> (B, num_classes + 4, places).

    H and W are multiples of the largest stride. Out come num_classes logits (sigmoid, no background), then the
    distances left, top, right, bottom from the place's centre to the edges of its box, in px of the input, positive.

    Args:
        num_classes: K.
        strides: of the places, px: each twice the one before, among 4, 8, 16 and 32.
        last_block: of the trunk; None: the last one of the largest stride.
        width: channels of pyramid and head. depth: convolutions of each of the head's two towers.

    Raises:
        ValueError: other strides, or a last block of another stride.
    """

    def __init__(
        self,
        num_classes: int,
        strides: Sequence[int] = (8, 16, 32),
        last_block: int | None = None,
        width: int = 96,
        depth: int = 2,
    ) -> None:
        super().__init__()
        self.num_classes, self.strides = num_classes, tuple(strides)
        taps = _taps(self.strides, last_block)
        levels = len(taps)
        self.trunk = Trunk(taps)
        self.laterals = nn.ModuleList(nn.Conv2d(channels_of(tap), width, 1) for tap in taps)
        self.smooth = nn.ModuleList(LevelConv(width, 1) for _ in taps)
        self.class_tower = nn.ModuleList(LevelConv(width, levels) for _ in range(depth))
        self.box_tower = nn.ModuleList(LevelConv(width, levels) for _ in range(depth))
        self.classes = nn.Conv2d(width, num_classes, 1)
        self.boxes = nn.Conv2d(width, 4, 1)
        self._first_weights()

    def _first_weights(self) -> None:
        """Scores of `PRIOR` and boxes of twice `FIRST_DISTANCE` strides everywhere."""
        for layer, bias in ((self.classes, math.log(PRIOR / (1 - PRIOR))), (self.boxes, 0.0)):
            nn.init.normal_(layer.weight, std=0.01)
            layer.bias = nn.Parameter(torch.full_like(layer.weight[:, 0, 0, 0], bias))

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.trunk(pixels))

    def head(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps of the trunk, finest first -> (B, K + 4, places)."""
        return torch.cat([self._level(x, i) for i, x in enumerate(self.pyramid(maps))], 2)

    def pyramid(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps with what the coarser ones know added to each, (B, width, h, w), finest first."""
        found: list[Tensor] = []
        above: Tensor | None = None
        for lateral, x in zip(reversed(self.laterals), reversed(maps), strict=True):
            x = lateral(x)
            above = x if above is None else x + F.interpolate(above, scale_factor=2.0, mode="nearest")
            found.insert(0, above)
        return [smooth(x, 0) for smooth, x in zip(self.smooth, found, strict=True)]

    def _level(self, x: Tensor, level: int) -> Tensor:
        """(B, width, h, w) -> (B, K + 4, h w)."""
        of_class, of_box = x, x
        for conv in self.class_tower:
            of_class = conv(of_class, level)
        for conv in self.box_tower:
            of_box = conv(of_box, level)
        distances = torch.exp(self.boxes(of_box).clamp(-LONGEST, LONGEST)) * (FIRST_DISTANCE * self.strides[level])
        return torch.cat([self.classes(of_class), distances], 1).flatten(2)


def _taps(strides: tuple[int, ...], last_block: int | None) -> list[int]:
    """The blocks whose maps are read, one a stride."""
    if not strides or any(s not in TAPS for s in strides) or any(b != 2 * a for a, b in pairwise(strides)):
        raise ValueError(f"strides must double among {list(TAPS)}, got {strides}")
    taps = [TAPS[stride] for stride in strides]
    if last_block is not None:
        before = TAPS.get(strides[-1] // 2, -1)
        if not before < last_block <= taps[-1]:
            raise ValueError(
                f"last_block must be in {before + 1} to {taps[-1]} at stride {strides[-1]}, got {last_block}"
            )
        taps[-1] = last_block
    return taps


def lent_by(base: Mapping[str, Tensor], network: PlaceNet) -> dict[str, Tensor]:
    """The backbone's tensors (state dict of EfficientNet-Lite0) under the names that they have in the network."""
    own = network.state_dict()
    return {f"trunk.{key}": tensor for key, tensor in base.items() if f"trunk.{key}" in own}
