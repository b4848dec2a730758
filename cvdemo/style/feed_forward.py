"""Instant style: any picture in the manner of any other in one pass of a small network, any size in bounded memory.

`cvdemo.nets.style_net` says what the network is, `train.recipes.instant_style` how it learned. A style is prepared
once, into a code and its colours, and then paints as many pictures as wanted, such as the frames of a film. Several
styles are mixed by their weights: their codes, and the statistics of their colours. A picture is painted in tiles with
their surroundings, which gives what painting it whole gives, and only a tile's activations are in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.errors import InputError, WeightsError, brief
from cvdemo.images import ImageArray, luminance, resize, resize_to_fit, to_image, to_tensor
from cvdemo.nets.backbone import FeatureNetwork, load_backbone
from cvdemo.nets.style_net import STATISTICS_LAYERS, STRIDE, StyleNet, style_statistics
from cvdemo.ops.colour_match import (
    ColourMap,
    colour_statistics,
    in_colours_of,
    match_colours,
    mixed_colours,
)
from cvdemo.ops.tiles import tiles, window
from cvdemo.runtime import Deadline, load_once, resolve_device
from cvdemo.style.config import COLOUR_WORDS, KEPT_COLOURS, stroke_size
from cvdemo.style.scales import scale_sizes
from cvdemo.weights import entry_of, load_manifest, load_state_dict

INSTANT = "instant_style"  # its weight in the manifest
NOT_HERE = f"There is no instant style here: its network, {INSTANT}, is not among the weights."
STYLE_PX = 320  # longer side at which styles are described; the network learned on paintings of about this size
TILE_PX = 512  # with its surroundings such a tile takes about 150 MB


@dataclass(frozen=True, kw_only=True)
class InstantConfig(Config):
    """How a picture is repainted in one pass."""

    strength: float = setting(
        1.0, "Strength", minimum=0, maximum=1, step=0.05, help="0: your picture, unchanged. 1: the full style."
    )
    size: int = setting(512, "Size", unit="px, longer side", minimum=128, maximum=4096, step=32)
    style_scale: float = stroke_size()
    keep_colours: str = setting(
        "no",
        "Colours",
        choices=KEPT_COLOURS,
        choice_words=COLOUR_WORDS,
        help="Which colours the painting has.",
    )


@dataclass(frozen=True, eq=False)
class Painter:
    """The network that repaints and the one that describes styles, shared by everyone."""

    network: StyleNet
    features: FeatureNetwork

    @property
    def device(self) -> torch.device:
        return self.features.device

    @torch.inference_mode()
    def code(self, pixels: Tensor) -> Tensor:
        """What the network knows of the style of (1, 3, H, W): (1, code_dim)."""
        found = self.features.features(pixels, STATISTICS_LAYERS)
        return self.network.code(style_statistics(pixels, found))


def make_style_net(spec: Mapping[str, Any]) -> StyleNet:
    """The untrained network of a manifest entry, `{"name": "style_net", **constructor arguments}`.

    Raises:
        ValueError: there is no network of that name.
    """
    arguments = dict(spec)
    if (name := arguments.pop("name", None)) != "style_net":
        raise ValueError(f"network must be 'style_net', got {name!r}")
    return StyleNet(**arguments)


def read_style_net(name: str = INSTANT, weights_dir: Path | None = None) -> StyleNet:
    """A network of the manifest by name: in eval mode, on the CPU, not shared.

    Raises:
        WeightsError: there is no such weight, it is no network for styles, or its file is missing or altered.
    """
    entry = entry_of(name, weights_dir)
    if entry.network.get("name") != "style_net":
        raise WeightsError(f"{brief(name)} is not a network that repaints.")
    network = make_style_net(entry.network)
    network.load_state_dict(load_state_dict(name, weights_dir))
    return network.eval()


def instant_offered(weights_dir: Path | None = None) -> bool:
    """Whether the manifest lists the network; without it there is no instant style to choose."""
    try:
        return INSTANT in load_manifest(weights_dir)
    except WeightsError:
        return False


def load_painter(device: str | torch.device = "auto", weights_dir: Path | None = None) -> Painter:
    """The networks, loaded on first use and shared.

    Raises:
        WeightsError: the manifest does not list the network, or a file is missing or altered.
    """
    if not instant_offered(weights_dir):
        raise WeightsError(NOT_HERE)
    return _load_painter(str(resolve_device(device)), weights_dir)


@load_once
def _load_painter(device: str, weights_dir: Path | None) -> Painter:
    network = read_style_net(INSTANT, weights_dir).requires_grad_(False).to(device)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return Painter(network, load_backbone(device))


@dataclass(frozen=True, eq=False)
class Seen:
    """What is taken from a picture before it is painted.

    Attributes:
        mean, covariance: of its colours, (3, 1) and (3, 3). code: that it is painted with, (1, code_dim).
    """

    mean: Tensor
    covariance: Tensor
    code: Tensor

    def towards(self, other: Seen, share: float) -> Seen:
        """The share of the way from this (0) to the other (1)."""
        pairs = ((self.mean, other.mean), (self.covariance, other.covariance), (self.code, other.code))
        return Seen(*(torch.lerp(own, theirs, share) for own, theirs in pairs))


@dataclass(frozen=True, eq=False)
class PreparedStyle:
    """One style or several, ready to paint any number of pictures.

    Attributes:
        styles: of each style picture its pixels (1, 3, h, w) in [0, 1], and its share; shares add up to 1.
        code: of them together, (1, code_dim).
    """

    painter: Painter
    config: InstantConfig
    styles: tuple[tuple[Tensor, float], ...]
    code: Tensor

    @classmethod
    def of(cls, style: ImageArray, config: InstantConfig, painter: Painter) -> PreparedStyle:
        """That of one uint8 (H, W, 3) picture of any size.

        Raises:
            InputError: it is too narrow.
        """
        return cls.mixed([(style, 1.0)], config, painter)

    @classmethod
    def mixed(
        cls, styles: Sequence[tuple[ImageArray, float]], config: InstantConfig, painter: Painter
    ) -> PreparedStyle:
        """That of several with their weights, of which only the ratios matter.

        Raises:
            ValueError: there are none, or a weight is not above 0.
            InputError: a picture is too narrow.
        """
        weights = [weight for _, weight in styles]
        if not styles or min(weights) <= 0:
            raise ValueError(f"need styles with weights above 0, got {weights}")
        long_px = round(STYLE_PX * config.style_scale)
        found = [_described(style, long_px, painter.device, "The style picture") for style, _ in styles]
        if config.keep_colours == "luminance":
            found = [_grey(pixels) for pixels in found]
        shared = tuple((pixels, weight / sum(weights)) for pixels, weight in zip(found, weights, strict=True))
        return cls(painter, config, shared, _mixed_code(shared, painter))

    @torch.inference_mode()
    def see(self, content: ImageArray) -> Seen:
        """What a picture is painted by. Of a film: that of earlier frames too, so that none flickers."""
        small = _described(content, STYLE_PX, self.painter.device)
        if self.config.keep_colours == "luminance":
            small = _grey(small)
        return Seen(*colour_statistics(small), self._code_for(small))

    def _code_for(self, small: Tensor) -> Tensor:
        """The code to paint a picture with: the style's, or between that and the picture's own."""
        config, wanted = self.config, self.code
        if config.keep_colours != "no":
            in_its_colours = tuple((match_colours(pixels, small), share) for pixels, share in self.styles)
            wanted = _mixed_code(in_its_colours, self.painter)
        return wanted if config.strength == 1 else torch.lerp(self.painter.code(small), wanted, config.strength)

    @torch.inference_mode()
    def colours(self, seen: Seen) -> ColourMap:
        """How a picture's colours are changed before it is painted."""
        if self.config.keep_colours != "no":
            return ColourMap.none(self.painter.device)
        target = mixed_colours(self.styles)
        return ColourMap.from_statistics(seen.mean, seen.covariance, *target).weakened(self.config.strength)

    def paint(self, content: ImageArray, seen: Seen | None = None, deadline: Deadline | None = None) -> ImageArray:
        """The picture in this style, uint8 (H, W, 3) with `config.size` on its longer side.

        Args:
            content: uint8 (H, W, 3) of any size; smaller pictures are enlarged.
            seen: None: of this picture.
            deadline: asked between tiles.

        Raises:
            InputError: the picture is too narrow, or nobody waits for it any more.
        """
        source, seen = self.source(content), self.see(content) if seen is None else seen
        colours = self.colours(seen)
        if self.config.keep_colours != "luminance":
            return paint_tiles(source, self.painter, seen.code, colours, deadline=deadline)
        grey = np.repeat(cv2.cvtColor(source, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8, copy=False)
        return in_colours_of(source, paint_tiles(grey, self.painter, seen.code, colours, deadline=deadline))

    def source(self, content: ImageArray) -> ImageArray:
        """The picture at the size at which it is painted; `InputError` where it is too narrow."""
        (size_hw,) = scale_sizes(content.shape[:2], self.config.size, 1)
        return _resized(content, size_hw)


def _mixed_code(styles: Sequence[tuple[Tensor, float]], painter: Painter) -> Tensor:
    return torch.stack([share * painter.code(pixels) for pixels, share in styles]).sum(dim=0)


def _grey(pixels: Tensor) -> Tensor:
    return luminance(pixels).expand(-1, 3, -1, -1)


def instant_style(
    content: ImageArray,
    style: ImageArray,
    config: InstantConfig | None = None,
    painter: Painter | None = None,
    deadline: Deadline | None = None,
) -> ImageArray:
    """`content` in the manner of `style`, uint8 (H, W, 3) with `config.size` on its longer side.

    Args:
        content, style: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        painter: None: the one of the manifest.
        deadline: asked between tiles.

    Raises:
        InputError: a picture is too narrow, or nobody waits for it any more.
        WeightsError: the manifest does not list the network, or its file is missing or altered.
    """
    prepared = PreparedStyle.of(style, config or InstantConfig(), painter or load_painter())
    return prepared.paint(content, deadline=deadline)


@torch.inference_mode()
def paint_tiles(
    source: ImageArray,
    painter: Painter,
    code: Tensor,
    colours: ColourMap,
    tile_px: int = TILE_PX,
    deadline: Deadline | None = None,
) -> ImageArray:
    """A picture of any size repainted tile by tile, uint8 (H, W, 3) in and out.

    Args:
        code: (1, code_dim).
        colours: what the picture's colours go through first.
        tile_px: side of a tile without its surroundings; a multiple of `STRIDE`.

    Raises:
        ValueError: another `tile_px`.
        InputError: nobody waits for it any more.
    """
    if tile_px < STRIDE or tile_px % STRIDE:
        raise ValueError(f"need tile_px of a multiple of {STRIDE}, got {tile_px}")
    height, width = source.shape[:2]
    padded = np.pad(source, ((0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="symmetric")
    painted = np.empty_like(padded)
    for place in tiles(padded.shape[0], padded.shape[1], tile_px):
        if deadline is not None and deadline.abandoned:
            raise InputError("The picture was not painted, for nobody waits for it any more.")
        near, (rows, columns) = window(padded, place, painter.network.halo_px)
        pixels = colours(to_tensor(near, painter.device)).contiguous(memory_format=torch.channels_last)
        painted[place] = to_image(painter.network(pixels, code))[rows, columns]
    return np.ascontiguousarray(painted[:height, :width])


def _resized(image: ImageArray, size_hw: tuple[int, int]) -> ImageArray:
    """The picture at this size, uint8; very large ones are first shrunk in bands."""
    smaller = resize_to_fit(image, max(size_hw))
    if smaller.shape[:2] == size_hw:
        return smaller
    return np.array(Image.fromarray(smaller).resize(size_hw[::-1], Image.Resampling.BICUBIC))


def _described(image: ImageArray, long_px: int, device: torch.device, what: str = "The picture") -> Tensor:
    """(1, 3, h, w) with this longer side, for statistics."""
    (size_hw,) = scale_sizes(image.shape[:2], long_px, 1, what)
    return resize(to_tensor(resize_to_fit(image, 2 * long_px), device), size_hw)
