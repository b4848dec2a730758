"""What the layers of a classifier see: the maps of a layer's strongest channels, and the channels that decide.

A channel of a convolutional network is a detector that looks everywhere in the picture; its map says where it found
what it looks for (M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014). The
strength of a channel is the mean of the positive part of its map.

What a channel of the last convolution adds to the logit of a class is the sum over its map of activation times
gradient. Where the classifier is linear on the mean of each map, as in most of the networks here, this is weight times
mean activation, and these products, with the bias, add up to the logit: B. Zhou et al., "Learning Deep Features for
Discriminative Localization", CVPR 2016, equation 1. Elsewhere it is the first term of the logit's Taylor series.

Of an ensemble it is the first network that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cvdemo.classify.classifier import NETWORKS, Classifier
from cvdemo.config import Config, setting
from cvdemo.errors import InputError, brief
from cvdemo.images import ImageArray, normalise, to_image
from cvdemo.nets.build import build_network
from cvdemo.nets.layer_table import layer_table
from cvdemo.nets.map_layers import MapLayer, activations, map_layers
from cvdemo.ops.heatmap import HeatMap, overlay_heatmap, repeat_pixels
from cvdemo.weights import entry_of

SHOW = {"layer": "What one stage finds", "answer": "What decides the answer"}
TILE_PX = 160  # smaller crops are enlarged, pixel by pixel, to this or a little more
COLUMNS, GAP_PX, CAPTION_PX, FONT_PX = 4, 8, 22, 14
_INK, _PAPER = (31, 41, 55), (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class FeatureMapsConfig(Config):
    """What is shown of a network's inside."""

    model: str = setting("imagenet", "Network", choices=tuple(NETWORKS), help="Whose layers are looked into.")
    show: str = setting("layer", "Show", choices=tuple(SHOW), help="A layer's channels, or those that decide.")
    layer: str = setting("", "Layer", help="Its name in the network; empty: the middle one.")
    class_name: str = setting("", "Class", help="Whose deciding channels are shown; empty: the best class.")
    channels: int = setting(
        15, "Channels", minimum=1, maximum=47, step=1, help="How many are shown, beside the picture itself."
    )


@dataclass(frozen=True)
class ChannelMap:
    """One channel: how strong it is or what it adds to the logit, and where, (input_px, input_px) in [0, 1]."""

    channel: int
    value: float
    heat: HeatMap


@dataclass(frozen=True)
class FeatureMaps:
    """The channels that are shown, most important first.

    Attributes:
        crop: uint8 (input_px, input_px, 3), what the network sees.
        layer: their layer's title.
        channels: how many it has.
        maps: of those that are shown.
        class_index: the class that they decide for or against; None: it is their strength that is shown.
    """

    crop: ImageArray
    layer: str
    channels: int
    maps: tuple[ChannelMap, ...]
    class_index: int | None = None

    def picture(self) -> ImageArray:
        """A contact sheet: the crop, then each channel's map over it, with its number and value below."""
        crop = repeat_pixels(self.crop, TILE_PX)
        tiles = [(crop, "what the network sees")]
        for each in self.maps:
            sign = "+" if self.class_index is not None else ""
            caption = f"pattern {each.channel}: {each.value:{sign}.3g}"
            tiles.append((overlay_heatmap(crop, repeat_pixels(each.heat, TILE_PX)), caption))
        return contact_sheet(tiles)


def layers_of(model: str, weights_dir: Path | None = None) -> list[MapLayer]:
    """The layers of a network on offer, for pictures of its own size, by the manifest alone.

    Raises:
        WeightsError: the manifest is missing or damaged.
    """
    entry = entry_of(NETWORKS[model].members[0], weights_dir)
    with torch.device("meta"):
        network = build_network(entry.network)
    side_px, channels = entry.preprocessing["input_px"], len(entry.preprocessing["mean"])
    return map_layers(layer_table(network, (channels, side_px, side_px)))


def chosen_layer(name: str, layers: Sequence[MapLayer]) -> MapLayer:
    """The layer of that name, or the middle one where it is empty.

    Raises:
        InputError: there is none of that name; the sentence names those there are.
    """
    if not name.strip():
        return layers[len(layers) // 2]
    for layer in layers:
        if name.strip() in (layer.name, layer.block):
            return layer
    known = ", ".join(layer.block for layer in layers)
    raise InputError(f"This network has no layer named {brief(name)}; it has {known}.")


@torch.inference_mode()
def strongest_channels(crop: Tensor, classifier: Classifier, layer: MapLayer, count: int) -> FeatureMaps:
    """The strongest channels of a layer for a crop (1, C, h, w) in [0, 1], as `crop_of` gives it."""
    member = classifier.members[0]
    maps = activations(classifier.network, layer.name, normalise(crop, member.preprocessing))[0].clamp(min=0)
    strength = maps.mean(dim=(1, 2))
    best = strength.topk(min(count, len(strength))).indices.tolist()
    return _shown(crop, layer.title, maps, [(channel, float(strength[channel])) for channel in best])


def deciding_channels(crop: Tensor, classifier: Classifier, class_index: int | None, count: int) -> FeatureMaps:
    """The channels of the last convolution that add most to the logit of a class, or take most from it.

    Args:
        crop: (1, C, h, w) in [0, 1], as `crop_of` gives it.
        class_index: None is the network's answer.
    """
    member = classifier.members[0]
    with torch.enable_grad():
        maps = member.network.maps(normalise(crop, member.preprocessing).requires_grad_())
        logits = member.network.logits(maps)[0]
        index = int(logits.argmax()) if class_index is None else class_index
        (gradient,) = torch.autograd.grad(logits[index], maps)
    maps = maps.detach()[0]
    added = (gradient[0] * maps).sum(dim=(1, 2))  # (C,)
    largest = added.abs().topk(min(count, len(added))).indices.tolist()
    largest.sort(key=lambda channel: -float(added[channel]))
    title = f"the last convolution: {len(added)} channels of {maps.shape[1]} × {maps.shape[2]}"
    pairs = [(channel, float(added[channel])) for channel in largest]
    return _shown(crop, title, maps.clamp(min=0), pairs, index)


def _shown(
    crop: Tensor, title: str, maps: Tensor, chosen: Sequence[tuple[int, float]], class_index: int | None = None
) -> FeatureMaps:
    """The maps (C, h, w) of the chosen channels, each enlarged to the crop and with its maximum at 1."""
    size_hw = (crop.shape[-2], crop.shape[-1])
    found = []
    for channel, value in chosen:
        heat = F.interpolate(maps[None, None, channel], size_hw, mode="bilinear", align_corners=False)[0, 0]
        heat = heat / heat.max() if heat.max() > 0 else heat
        found.append(ChannelMap(channel, value, heat.cpu().numpy().astype(np.float32)))
    return FeatureMaps(to_image(crop), title, len(maps), tuple(found), class_index)


def contact_sheet(tiles: Sequence[tuple[ImageArray, str]], columns: int = COLUMNS) -> ImageArray:
    """Pictures of one size side by side, `columns` in a row, each with a line of words below it."""
    height, width = tiles[0][0].shape[:2]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    step = width + GAP_PX, height + CAPTION_PX + GAP_PX
    sheet = Image.new("RGB", (columns * step[0] + GAP_PX, rows * step[1] + GAP_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (tile, caption) in enumerate(tiles):
        left, top = GAP_PX + number % columns * step[0], GAP_PX + number // columns * step[1]
        sheet.paste(Image.fromarray(tile), (left, top))
        pen.text((left, top + height + 3), caption, _INK, _font())
    return np.asarray(sheet)


@lru_cache(maxsize=1)
def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(FONT_PX)
