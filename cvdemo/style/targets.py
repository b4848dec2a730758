"""What the picture is compared with at one scale, and how far it is from that: the losses of a shifted view.

A picture has one region, or two where a mask parts it. Each has the statistics that it is to have, those of one style
picture or of several, mixed by their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.ops.colour_match import ColourReference, colour_loss, mixed_colours
from cvdemo.runtime import Deadline
from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import (
    STYLE_DISTANCES,
    Statistics,
    content_loss,
    flatness_of,
    mixed,
    total_variation,
)

STYLE_LAYERS = {"stem": 1.0, "block1": 1.0, "block3": 1.0, "block5": 1.0, "block8": 1.0}
LAYER_STRIDES = {"stem": 2, "block1": 4, "block3": 8, "block5": 16, "block8": 16}
CONTENT_LAYER = "block5"
DETAIL_LAYER = "block3"  # where the picture's finer structure is compared, as far as the settings say
LAYERS = (*STYLE_LAYERS, CONTENT_LAYER, DETAIL_LAYER)
COLOUR_WEIGHT = 0.1  # of the colour loss beside the statistics, within the style loss
SHIFTS = 12  # shifted views of the picture, taken in turn
SHIFT_PX = 7  # all places of a stride of 8; with the border a side of 16 n becomes odd, which pads without a copy
BORDER_PX = 1  # least reflected border; each pixel of it costs 1 % of a step at 256 px
STEPS_A_VIEW = 4  # of a shift's content activations, which take a third of a step, this many steps are to profit


Describe = Callable[[Tensor, FeatureNetwork], Mapping[str, Statistics]]


class Losses(NamedTuple):
    """Of a picture, before the weights: scalars."""

    content: Tensor
    style: Tensor
    variation: Tensor

    def total(self, config: StyleConfig) -> Tensor:
        """Their weighted sum."""
        strokes = config.style_weight * self.style
        return config.content_weight * self.content + strokes + config.tv_weight * self.variation


@dataclass(frozen=True)
class Strokes:
    """Style pictures of a region.

    Attributes:
        pictures: (1, 3, h, w) each, with their weights.
        mask: how much each pixel of the content belongs to the region, (1, 1, H, W) in [0, 1]; None: it is all of it.
    """

    pictures: Sequence[tuple[Tensor, float]]
    mask: Tensor | None = None


@dataclass(frozen=True)
class Region:
    """What a region is to look like.

    Attributes:
        layers: statistics by layer. colours: those it is to have.
        share: of the picture. mask: see `Strokes`.
    """

    layers: Mapping[str, Statistics]
    colours: ColourReference
    share: float = 1.0
    mask: Tensor | None = None

    def weights(self, shift_yx: tuple[int, int], size_hw: tuple[int, int], multiple: int = 1) -> Tensor | None:
        """How much each position of a layer of this size belongs to it, seen through a shift: (h, w)."""
        if self.mask is None:
            return None
        return F.interpolate(shifted(self.mask, shift_yx, multiple), size_hw, mode="area")[0, 0]

    def style_loss(self, found: Mapping[str, Statistics], distance: str) -> Tensor:
        """Weighted mean over layers of the distances from its statistics: a scalar."""
        measure = STYLE_DISTANCES[distance]
        errors = torch.stack([measure(found[name], self.layers[name]) for name in STYLE_LAYERS])
        return errors @ errors.new_tensor(list(STYLE_LAYERS.values())) / sum(STYLE_LAYERS.values())


@dataclass(frozen=True)
class Targets:
    """What the picture is compared with at one scale.

    Attributes:
        shifts: one for each view.
        content: activations of the two content layers, by name, for each view.
        flatness: see `flatness_for`.
    """

    shifts: list[tuple[int, int]]
    content: list[dict[str, Tensor]]
    regions: list[Region]
    flatness: Tensor | None


def shifted(pixels: Tensor, shift_yx: tuple[int, int], multiple: int = 1) -> Tensor:
    """The picture with a reflected border of `BORDER_PX` to `BORDER_PX + SHIFT_PX`, so that it stands shifted.

    (1, C, H, W) -> (1, C, H + h, W + h) with h = 2 * BORDER_PX + SHIFT_PX; shifts are in [0, SHIFT_PX].

    Args:
        multiple: of which the sides of the result are; what is missing is added at the bottom and at the right.
    """
    (y, x), most = shift_yx, BORDER_PX + SHIFT_PX
    height, width = (length + 2 * BORDER_PX + SHIFT_PX for length in pixels.shape[-2:])
    right, bottom = BORDER_PX + x + -width % multiple, BORDER_PX + y + -height % multiple
    return F.pad(pixels, (most - x, right, most - y, bottom), mode="reflect")


def draw_shifts(generator: torch.Generator, views: int) -> list[tuple[int, int]]:
    """The first `views` of `SHIFTS` random shifts."""
    drawn = torch.randint(0, SHIFT_PX + 1, (SHIFTS, 2), generator=generator).tolist()
    return [(y, x) for y, x in drawn[:views]]


def views_for(steps: int) -> int:
    """How many shifts a scale of so many steps takes in turn."""
    return max(1, min(SHIFTS, steps // STEPS_A_VIEW))


@torch.no_grad()
def make_region(strokes: Strokes, network: FeatureNetwork, describe: Describe | None = None) -> Region:
    """What a region is to look like: the statistics of its style pictures, each as `describe` says."""
    parts = [((describe or describe_style)(pixels, network), weight) for pixels, weight in strokes.pictures]
    layers = {name: mixed([(found[name], weight) for found, weight in parts]) for name in STYLE_LAYERS}
    colours = ColourReference.of_statistics(*mixed_colours(strokes.pictures))
    share = 1.0 if strokes.mask is None else strokes.mask.mean().item()
    return Region(layers, colours, share, strokes.mask)


def describe_style(pixels: Tensor, network: FeatureNetwork) -> dict[str, Statistics]:
    """The statistics of a style picture (1, 3, h, w), by layer."""
    found = network.features(pixels, list(STYLE_LAYERS))
    return {name: Statistics.of(maps) for name, maps in found.items()}


@torch.no_grad()
def make_targets(
    content: Tensor,
    style: Tensor | Sequence[Strokes],
    network: FeatureNetwork,
    generator: torch.Generator,
    views: int = SHIFTS,
    deadline: Deadline | None = None,
    config: StyleConfig | None = None,
) -> Targets:
    """Content activations for the first `views` of `SHIFTS` random shifts, and the statistics of each region.

    Twelve views of 768 x 768 px take 4 s of one core: when nobody waits any more, the view under way is the last.

    Args:
        style: a style picture (1, 3, h, w) for the whole content, or the style pictures of each region.
        config: whose losses the targets are for; None: the defaults.
    """
    config = config or StyleConfig()
    drawn = draw_shifts(generator, views)
    regions = [make_region(strokes, network) for strokes in _strokes(style)]
    activations: list[dict[str, Tensor]] = []
    for shift in drawn:
        activations.append(network.features(shifted(content, shift), list(content_weights(config))))
        if deadline is not None and deadline.abandoned:
            break
    return Targets(drawn[: len(activations)], activations, regions, flatness_for(content, config))


def flatness_for(content: Tensor, config: StyleConfig) -> Tensor | None:
    """What the smoothness is weighted by, (1, 1, H, W); None: by nothing."""
    return 1 + config.flat_smoothing * (flatness_of(content) - 1) if config.flat_smoothing else None


def _strokes(style: Tensor | Sequence[Strokes]) -> Sequence[Strokes]:
    return [Strokes([(style, 1.0)])] if isinstance(style, Tensor) else style


def losses(
    pixels: Tensor, targets: Targets, step: int, network: FeatureNetwork, config: StyleConfig | None = None
) -> Losses:
    """Those of (1, 3, H, W), seen through the shift whose turn it is."""
    config = config or StyleConfig()
    turn = step % len(targets.shifts)
    found = network.features(shifted(pixels, targets.shifts[turn]), LAYERS)
    style = region_losses(
        targets,
        [_region_statistics(region, found, targets.shifts[turn]) for region in targets.regions],
        config.style_loss,
    )
    content = torch.stack(
        [
            weight * content_loss(found[name], targets.content[turn][name])
            for name, weight in content_weights(config).items()
        ]
    ).sum()
    return with_pixel_losses(pixels, targets, content, style, config)


def content_weights(config: StyleConfig) -> dict[str, float]:
    """The layers that content is compared in, and how much each counts."""
    weights = {CONTENT_LAYER: 1 - config.detail, DETAIL_LAYER: config.detail}
    return {name: weight for name, weight in weights.items() if weight}


def region_losses(targets: Targets, found: Sequence[Mapping[str, Statistics]], distance: str) -> Tensor:
    """The regions' style losses by their shares of the picture: a scalar."""
    pairs = zip(targets.regions, found, strict=True)
    return torch.stack([region.share * region.style_loss(own, distance) for region, own in pairs]).sum()


def with_pixel_losses(pixels: Tensor, targets: Targets, content: Tensor, style: Tensor, config: StyleConfig) -> Losses:
    """The losses together with those that the pixels tell themselves: of colours and of smoothness."""
    colours = [region.share * colour_loss(pixels, region.colours, region.mask) for region in targets.regions]
    return Losses(
        content, style + COLOUR_WEIGHT * torch.stack(colours).sum(), total_variation(pixels, targets.flatness)
    )


def _region_statistics(region: Region, found: Mapping[str, Tensor], shift_yx: tuple[int, int]) -> dict[str, Statistics]:
    """Those of the picture within a region."""
    return {name: Statistics.of(found[name], region.weights(shift_yx, size_of(found[name]))) for name in STYLE_LAYERS}


def size_of(maps: Tensor) -> tuple[int, int]:
    return maps.shape[-2], maps.shape[-1]
