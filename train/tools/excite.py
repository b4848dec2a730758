"""What excites a channel of a network most: a picture found by ascent, and pictures found in a folder.

By ascent: D. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009; the objective, the random
shifts and the smoothing of the gradient are those of the dream (`cvdemo.dream`), from grey noise, not a photograph.
By data: M. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4: the
places with the highest activations, each cut out by the receptive field.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cvdemo.classify.classifier import Classifier
from cvdemo.classify.explain import crop_of
from cvdemo.config import Config, setting
from cvdemo.dream.gradient import jitter, laplacian_normalise, mean_size
from cvdemo.dream.objectives import strength
from cvdemo.images import ImageArray, normalise, to_image
from cvdemo.nets.map_layers import MapLayer, watch
from cvdemo.ops.heatmap import repeat_pixels

TILE_PX = 160
_BATCH = 16  # pictures at a time
_BOX = (220, 38, 38)


@dataclass(frozen=True, kw_only=True)
class AscentConfig(Config):
    """How a picture is made that excites a channel."""

    steps: int = setting(64, help="gradient steps", minimum=1)
    step_size: float = setting(4.0, help="mean change of a pixel", unit="grey levels", above=0)
    noise: float = setting(0.05, help="standard deviation of what it begins with", minimum=0, maximum=0.5)
    jitter: float = setting(0.06, help="random shift at each step, as a share of the side", minimum=0, maximum=0.5)
    bands: int = setting(3, help="frequency bands of the gradient that get equal strength", minimum=1, maximum=6)
    seed: int = setting(0, help="of noise and shifts", minimum=0)


def by_ascent(classifier: Classifier, layer: MapLayer, channel: int, config: AscentConfig) -> tuple[ImageArray, float]:
    """A picture of the network's size that excites a channel, and the mean activation that it reaches.

    Raises:
        InputError: the layer has no such channel.
    """
    preprocessing = classifier.preprocessing
    side_px, channels = preprocessing.input_px, len(preprocessing.mean)
    generator = torch.Generator().manual_seed(config.seed)
    noise = torch.randn(1, channels, side_px, side_px, generator=generator)
    pixels = (0.5 + config.noise * noise).clamp(0, 1).to(classifier.device)
    outputs, shift_px = watch(classifier.network, layer.name), round(config.jitter * side_px)
    for _ in range(config.steps):
        with torch.enable_grad():
            variable = pixels.detach().requires_grad_()
            shifted = normalise(jitter(variable, shift_px, generator), preprocessing)
            (gradient,) = torch.autograd.grad(strength(outputs(shifted), channel), variable)
        direction = laplacian_normalise(gradient, config.bands)
        pixels = (pixels + config.step_size / 255 / mean_size(direction) * direction).clamp(0, 1)
    with torch.no_grad():
        reached = strength(outputs(normalise(pixels, preprocessing)), channel)
    return to_image(pixels), float(reached)


@dataclass(frozen=True, order=True)
class Find:
    """A place in a picture that excites a channel: its activation, the picture's number, row and column of the map."""

    value: float
    number: int
    row: int
    column: int


def by_data(
    pictures: Iterable[ImageArray], classifier: Classifier, layer: MapLayer, channels: Sequence[int], count: int
) -> dict[int, list[Find]]:
    """For each channel the pictures that excite it most, each at its best place, best first."""
    outputs = watch(classifier.network, layer.name)
    found: dict[int, list[Find]] = {channel: [] for channel in channels}
    left, number = iter(pictures), 0
    while group := list(islice(left, _BATCH)):
        crops = torch.cat([crop_of(picture, classifier) for picture in group])
        with torch.inference_mode():
            maps = outputs(normalise(crops, classifier.preprocessing))[:, list(channels)]  # (B, wanted, h, w)
        for each in maps:
            for channel, values in zip(channels, each, strict=True):
                _keep(found[channel], values, number, count)
            number += 1
    return {channel: sorted(finds, reverse=True) for channel, finds in found.items()}


def _keep(finds: list[Find], values: Tensor, number: int, count: int) -> None:
    """Puts the best place of a map (h, w) into a heap of the `count` best."""
    row, column = divmod(int(values.argmax()), values.shape[1])
    find = Find(float(values[row, column]), number, row, column)
    if len(finds) < count:
        heapq.heappush(finds, find)
    else:
        heapq.heappushpop(finds, find)


def patch_box(find: Find, layer: MapLayer, side_px: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom (px) of what the place sees of the crop, within it."""
    assert layer.field.spans is not None  # of a layer with maps
    (top, bottom), (left, right) = (
        span.at(index) for span, index in zip(layer.field.spans, (find.row, find.column), strict=True)
    )
    return max(left, 0), max(top, 0), min(right, side_px), min(bottom, side_px)


def find_tiles(
    find: Find, path: Path, picture: ImageArray, classifier: Classifier, layer: MapLayer
) -> list[tuple[ImageArray, str]]:
    """The picture as the network sees it with a frame around the patch, and the patch, each with a caption."""
    crop = to_image(crop_of(picture, classifier))
    box = patch_box(find, layer, crop.shape[0])
    scale = -(-TILE_PX // crop.shape[0])
    framed = Image.fromarray(repeat_pixels(crop, TILE_PX))
    ImageDraw.Draw(framed).rectangle(tuple(scale * edge - (i > 1) for i, edge in enumerate(box)), outline=_BOX, width=2)
    patch = Image.fromarray(crop).crop(box).resize(framed.size, Image.Resampling.BICUBIC)
    return [(np.asarray(framed), f"{find.value:.3g}: {path.name}"[:28]), (np.asarray(patch), "what it saw there")]
