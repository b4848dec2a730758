"""Losses and gradient of pictures too large for one pass of the network: tile by tile, in bounded memory.

A style loss is one of statistics over the whole picture, so a step goes over the tiles twice. First their sums add up
to the statistics, without a graph; the loss and its gradient by the statistics follow. Then each tile's sums,
multiplied by that gradient, give the gradient of its pixels. Tiles carry their surroundings and begin where the
network's strides do. So there is no seam, and what is computed is what one pass computes, but for what lies beyond
`HALO_PX`, where the network hardly looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cvdemo.memory import give_back_memory
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.ops.tiles import Place
from cvdemo.runtime import Deadline
from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import SMALLEST_ENERGY, Statistics, statistic_sums
from cvdemo.style.targets import (
    LAYER_STRIDES,
    LAYERS,
    STYLE_LAYERS,
    Losses,
    Region,
    Strokes,
    Targets,
    content_weights,
    draw_shifts,
    flatness_for,
    make_region,
    region_losses,
    shifted,
    with_pixel_losses,
)

STRIDE = 16  # of the coarsest layer: tiles begin at its multiples, and views have sides of them
TILE_PX = 432  # most of a tile's side; with its surroundings a tile then takes about 0.3 GB
HALO_PX = 64  # surroundings of a tile, a multiple of STRIDE; block8 sees 105 px far, but little of it beyond 64
KEPT_DTYPE = torch.float16  # of the content's maps: twelve views of 2,048 px take 190 MB in float32
WHOLE_PIXELS = 1100 * 1100  # a picture of at most so many takes about 1 GB in one pass, half the time of tiles


@dataclass(frozen=True)
class Tile:
    """A tile of a view. `place` is its own, `near` with its surroundings; rows and columns in px."""

    place: Place
    near: Place

    def inner(self, maps: Tensor) -> Tensor:
        """Its own positions of a layer (1, C, h, w) of `near`."""
        stride = (self.near[0].stop - self.near[0].start) // maps.shape[-2]
        rows, cols = (_part(own, around, stride) for own, around in zip(self.place, self.near, strict=True))
        return maps[..., rows, cols]

    def of_view(self, maps: Tensor, view_height: int) -> Tensor:
        """Its own positions of a layer (..., h, w) of the whole view."""
        stride = view_height // maps.shape[-2]
        rows, cols = (slice(span.start // stride, span.stop // stride) for span in self.place)
        return maps[..., rows, cols]


def _part(own: slice, around: slice, stride: int) -> slice:
    return slice((own.start - around.start) // stride, (own.stop - around.start) // stride)


def even_tiles(height: int, width: int, side: int = TILE_PX, halo: int = HALO_PX) -> list[Tile]:
    """Tiles of about one size that cover a view whose sides are multiples of `STRIDE`.

    Raises:
        ValueError: the sides of the view, of tiles or of surroundings are not.
    """
    if height % STRIDE or width % STRIDE or side % STRIDE or halo % STRIDE or side < STRIDE:
        raise ValueError(f"need multiples of {STRIDE}, got {height} x {width}, {side=}, {halo=}")
    return [
        Tile((rows, cols), (_around(rows, height, halo), _around(cols, width, halo)))
        for rows in _even_spans(height, side)
        for cols in _even_spans(width, side)
    ]


def _even_spans(length: int, side: int) -> list[slice]:
    count = -(-length // side)
    step = -(-length // count // STRIDE) * STRIDE
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def _around(span: slice, length: int, halo: int) -> slice:
    return slice(max(0, span.start - halo), min(length, span.stop + halo))


class Sums:
    """The sums of one region that its statistics are made of, layer by layer, over the tiles so far."""

    def __init__(self) -> None:
        self.moment: dict[str, Tensor] = {}
        self.mean: dict[str, Tensor] = {}
        self.count: dict[str, Tensor] = {}

    def add(self, name: str, sums: tuple[Tensor, Tensor, Tensor]) -> None:
        for into, part in zip((self.moment, self.mean, self.count), sums, strict=True):
            into[name] = into[name] + part if name in into else part

    def statistics(self) -> dict[str, Statistics]:
        return {name: Statistics(self.mean[name] / n, self.moment[name] / n) for name, n in self.count.items()}


@torch.no_grad()
def tiled_statistics(pixels: Tensor, network: FeatureNetwork, side: int = TILE_PX) -> dict[str, Statistics]:
    """Those of a style picture (1, 3, H, W), without the last pixels that fill no stride."""
    height, width = (max(STRIDE, length // STRIDE * STRIDE) for length in pixels.shape[-2:])
    sums = Sums()
    for tile in even_tiles(height, width, side):
        for name, maps in _features(pixels[..., :height, :width], tile, network, list(STYLE_LAYERS)).items():
            sums.add(name, statistic_sums(tile.inner(maps)))
    return sums.statistics()


def _near(view: Tensor, tile: Tile) -> Tensor:
    """What a tile sees of a view."""
    rows, cols = tile.near
    return view[..., rows, cols]


def _features(view: Tensor, tile: Tile, network: FeatureNetwork, names: Sequence[str]) -> dict[str, Tensor]:
    return network.features(_near(view, tile), names)


@torch.no_grad()
def tiled_targets(
    content: Tensor,
    strokes: Sequence[Strokes],
    network: FeatureNetwork,
    generator: torch.Generator,
    views: int,
    deadline: Deadline | None = None,
    config: StyleConfig | None = None,
    side: int = TILE_PX,
) -> Targets:
    """`make_targets` for `tiled_gradient`."""
    config = config or StyleConfig()
    regions = [make_region(each, network, lambda pixels, net: tiled_statistics(pixels, net, side)) for each in strokes]
    drawn = draw_shifts(generator, views)
    activations: list[dict[str, Tensor]] = []
    for shift in drawn:
        activations.append(_whole_maps(shifted(content, shift, STRIDE), network, list(content_weights(config)), side))
        if deadline is not None and deadline.abandoned:
            break
    return Targets(drawn[: len(activations)], activations, regions, flatness_for(content, config))


def _whole_maps(view: Tensor, network: FeatureNetwork, names: Sequence[str], side: int) -> dict[str, Tensor]:
    """These layers of a whole view, in `KEPT_DTYPE`."""
    height, width = view.shape[-2:]
    whole: dict[str, Tensor] = {}
    for tile in even_tiles(height, width, side):
        for name, maps in _features(view, tile, network, names).items():
            inner = tile.inner(maps)
            stride = (tile.place[0].stop - tile.place[0].start) // inner.shape[-2]
            if name not in whole:
                shape = (1, inner.shape[1], height // stride, width // stride)
                whole[name] = view.new_empty(shape, dtype=KEPT_DTYPE)
            tile.of_view(whole[name], height).copy_(inner)
    return whole


def tiled_gradient(
    pixels: Tensor, targets: Targets, step: int, network: FeatureNetwork, config: StyleConfig, side: int = TILE_PX
) -> tuple[Tensor, Losses]:
    """Gradient (1, 3, H, W) of the weighted losses of a picture, and the losses, as one pass would give them."""
    turn = step % len(targets.shifts)
    shift = targets.shifts[turn]
    with torch.enable_grad():
        variable = pixels.detach().requires_grad_()
        found, total = _of_pixels(variable, targets, config)
        view = shifted(variable, shift, STRIDE)
        seen = _Seen(view.detach(), targets, turn, network, config, side)
        style, by_sums = seen.style_loss()
        content, gradient = seen.content_loss(by_sums)
        give_back_memory()  # of the tiles, before the whole picture needs some
        total += torch.autograd.grad(view, variable, gradient)[0]
    return total, Losses(content, style + found.style.detach(), found.variation.detach())


def _of_pixels(variable: Tensor, targets: Targets, config: StyleConfig) -> tuple[Losses, Tensor]:
    """The losses that the pixels tell themselves, and the gradient of those."""
    none = variable.new_zeros(())
    found = with_pixel_losses(variable, targets, none, none, config)
    return found, torch.autograd.grad(found.total(config), variable)[0]


class _Seen:
    """One view of the picture, gone over tile by tile."""

    def __init__(
        self, view: Tensor, targets: Targets, turn: int, network: FeatureNetwork, config: StyleConfig, side: int
    ) -> None:
        self.view, self.targets, self.network, self.config = view, targets, network, config
        self.content = targets.content[turn]
        self.energies = {name: _energy(maps) for name, maps in self.content.items()}
        self.height, width = view.shape[-2:]
        self.tiles = even_tiles(self.height, width, side)
        self.weights = [_weights(region, targets.shifts[turn], self.height, width) for region in targets.regions]

    def style_loss(self) -> tuple[Tensor, list[Sums]]:
        """Of the whole view, and for each region what its gradient is by the sums of a tile; `count` as it is."""
        with torch.no_grad():
            totals = [Sums() for _ in self.targets.regions]
            for tile in self.tiles:
                maps = _features(self.view, tile, self.network, list(STYLE_LAYERS))
                for name, region, sums in self._sums(tile, maps):
                    totals[region].add(name, sums)
        found = [total.statistics() for total in totals]
        leaves = [leaf.requires_grad_() for each in found for own in each.values() for leaf in (own.mean, own.moment)]
        loss = region_losses(self.targets, found, self.config.style_loss)
        gradients = iter(torch.autograd.grad(loss, leaves, allow_unused=True))  # Gram matrices take no means
        for total in totals:
            for name, count in total.count.items():
                mean, moment = next(gradients), next(gradients)
                total.mean[name] = torch.zeros_like(total.mean[name]) if mean is None else mean / count
                total.moment[name] = torch.zeros_like(total.moment[name]) if moment is None else moment / count
        return loss.detach(), totals

    def content_loss(self, by_sums: list[Sums]) -> tuple[Tensor, Tensor]:
        """Of the whole view; and the gradient of content and style by the view's pixels."""
        gradient, content = torch.zeros_like(self.view), self.view.new_zeros(())
        for tile in self.tiles:
            error, by_pixels = self._of_tile(tile, by_sums)
            _near(gradient, tile).add_(by_pixels)
            content = content + error
        return content, gradient

    def _of_tile(self, tile: Tile, by_sums: list[Sums]) -> tuple[Tensor, Tensor]:
        """What a tile adds to the content loss, and the gradient by the pixels that it sees; its maps end with it."""
        near = _near(self.view, tile).clone().requires_grad_()
        maps = self.network.features(near, LAYERS)
        error = self._content_error(tile, maps)
        parts = [
            (moment * by_sums[region].moment[name]).sum() + (mean * by_sums[region].mean[name]).sum()
            for name, region, (moment, mean, _) in self._sums(tile, maps)
        ]
        total = self.config.content_weight * error + self.config.style_weight * torch.stack(parts).sum()
        return error.detach(), torch.autograd.grad(total, near)[0]

    def _sums(self, tile: Tile, maps: Mapping[str, Tensor]) -> Iterator[tuple[str, int, tuple[Tensor, Tensor, Tensor]]]:
        """Layer, number of the region, and the sums of the tile's own positions."""
        for name in STYLE_LAYERS:
            inner = tile.inner(maps[name])
            for region, weights in enumerate(self.weights):
                own = None if weights is None else tile.of_view(weights[name], self.height)
                yield name, region, statistic_sums(inner, own)

    def _content_error(self, tile: Tile, maps: Mapping[str, Tensor]) -> Tensor:
        """What the tile's own positions add to the content loss."""
        errors = []
        for name, weight in content_weights(self.config).items():
            missed = tile.inner(maps[name]) - tile.of_view(self.content[name], self.height)
            errors.append(weight * missed.square().sum() / self.energies[name])
        return torch.stack(errors).sum()


def _energy(maps: Tensor) -> Tensor:
    return maps.float().square().sum().clamp(min=SMALLEST_ENERGY)


def _weights(region: Region, shift_yx: tuple[int, int], height: int, width: int) -> dict[str, Tensor] | None:
    """How much each position of each layer belongs to a region; None: all of them."""
    if region.mask is None:
        return None
    sizes = {name: (height // stride, width // stride) for name, stride in LAYER_STRIDES.items()}
    found = {name: region.weights(shift_yx, size, STRIDE) for name, size in sizes.items()}
    return {name: own for name, own in found.items() if own is not None}
