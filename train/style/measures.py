"""Losses of held-out pairs, of what a network paints and of what it is to be judged by.

A loss alone says little. Beside it stand that of pictures which only got their style's colours, the most that a network
may have, and that of pictures which were optimised for just these losses, step by step and seconds long each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from cvdemo.images import ImageArray, to_batch
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.nets.style_net import StyleNet
from cvdemo.style.optimise import StyleConfig, paint_scale, start_picture
from cvdemo.style.targets import make_targets
from train.style.pair_losses import CENTRED, PairTargets, in_colours_of

OPTIMISER_STEPS = 100  # those of one scale of the page's default

_TOGETHER = 8  # pairs measured at once

Pairs = tuple[ImageArray, ImageArray]  # squares of photographs and of paintings, (N, side, side, 3) uint8 each
Paint = Callable[[Tensor, Tensor, Tensor], Tensor]  # contents in the styles' colours, styles, their statistics


def untouched(content: Tensor, style: Tensor, statistics: Tensor) -> Tensor:
    """The contents in their style's colours."""
    return content


def by_network(network: StyleNet) -> Paint:
    """What a network paints."""

    def paint(content: Tensor, style: Tensor, statistics: Tensor) -> Tensor:
        painted: Tensor = network(content, network.code(statistics))
        return painted

    return paint


def by_optimiser(features: FeatureNetwork, config: StyleConfig, steps: int = OPTIMISER_STEPS) -> Paint:
    """What the optimiser paints at one scale in so many steps, by the losses that are measured."""
    config = replace(config, detail=0.0, flat_smoothing=0.0)

    def paint_one(content: Tensor, style: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(config.seed)
        targets = make_targets(content, style, features, generator, config=config)
        start = start_picture(content, style, config, generator)
        painting = paint_scale(start, targets, features, config, config.step_size)
        *_, (painted, _) = islice(painting, steps)
        return painted

    def paint(content: Tensor, style: Tensor, statistics: Tensor) -> Tensor:
        return torch.cat(
            [paint_one(*pair) for pair in zip(torch.split(content, 1), torch.split(style, 1), strict=True)]
        )

    return paint


@torch.no_grad()
def measure(paint: Paint, pairs: Pairs, features: FeatureNetwork, weights: StyleConfig) -> dict[str, float]:
    """Mean over the pairs: "loss", the sum by these weights, and its parts "content", "style", "variation"."""
    found: list[tuple[Tensor, ...]] = []
    for photographs, paintings in zip(*(_parts(pictures) for pictures in pairs), strict=True):
        style = to_batch(paintings, features.device)
        content = in_colours_of(to_batch(photographs, features.device), style)
        targets = PairTargets.of(content, style, features, CENTRED)
        losses = targets.losses(paint(content, style, targets.statistics), features)
        found.append((losses.total(weights), *losses))
    names = ("loss", "content", "style", "variation")
    return {name: torch.cat(of).mean().item() for name, of in zip(names, zip(*found, strict=True), strict=True)}


def _parts(pictures: ImageArray) -> list[ImageArray]:
    return np.array_split(pictures, -(-len(pictures) // _TOGETHER))
