"""How far a repainted picture is from its content and its style: the losses of the optimiser, for a batch of pairs.

`cvdemo.style` optimises one picture for content, style and smoothness; here a network learns to answer as low. The
style loss is squeezed by log(1 + x): the same near 0, and a painting that is nearly of one colour, beside which any
other picture is hundreds of times its energy away, does not outweigh the rest of the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.nets.style_net import STATISTICS_LAYERS, style_statistics
from cvdemo.ops.colour_match import ColourReference, colour_loss, match_colours
from cvdemo.style.losses import content_loss, gram_matrix, style_loss, total_variation
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.targets import BORDER_PX, COLOUR_WEIGHT, CONTENT_LAYER, SHIFT_PX, STYLE_LAYERS, shifted

CENTRED = (SHIFT_PX // 2, SHIFT_PX // 2)  # the shift of what is measured
SMALLEST_PX = 2 * (BORDER_PX + SHIFT_PX)  # of a picture that can be shifted: less could not be reflected


class PairLosses(NamedTuple):
    """Of each pair, (B,)."""

    content: Tensor
    style: Tensor
    variation: Tensor

    def total(self, weights: StyleConfig) -> Tensor:
        """The sum by these weights, (B,)."""
        strokes = weights.style_weight * self.style
        return weights.content_weight * self.content + strokes + weights.tv_weight * self.variation


@dataclass(frozen=True)
class PairTargets:
    """What repainted pictures are compared with, for B pairs.

    Attributes:
        content: activations of the content layer for the shifted pictures.
        grams: of the styles, by layer, (B, C, C).
        colours: of the styles.
        statistics: of the styles, for the network's code.
        shift: at which pictures are seen, see `shifted`.
    """

    content: Tensor
    grams: dict[str, Tensor]
    colours: list[ColourReference]
    statistics: Tensor
    shift: tuple[int, int]

    @classmethod
    @torch.no_grad()
    def of(cls, content: Tensor, style: Tensor, network: FeatureNetwork, shift: tuple[int, int]) -> PairTargets:
        """Those of contents, already in their style's colours, and styles: (B, 3, H, W) each."""
        found = network.features(style, {*STYLE_LAYERS, *STATISTICS_LAYERS})
        return cls(
            network.features(shifted(content, shift), [CONTENT_LAYER])[CONTENT_LAYER],
            {name: gram_matrix(found[name]) for name in STYLE_LAYERS},
            [ColourReference.of(picture) for picture in torch.split(style, 1)],
            style_statistics(style, found),
            shift,
        )

    def losses(self, painted: Tensor, network: FeatureNetwork) -> PairLosses:
        """How far repainted pictures (B, 3, H, W) are."""
        found = network.features(shifted(painted, self.shift), {*STYLE_LAYERS, CONTENT_LAYER})
        rows = range(len(painted))
        content = [content_loss(found[CONTENT_LAYER][i : i + 1], self.content[i : i + 1]) for i in rows]
        return PairLosses(
            torch.stack(content),
            torch.stack([self._style(painted, found, i) for i in rows]).log1p(),
            torch.stack([total_variation(painted[i : i + 1]) for i in rows]),
        )

    def _style(self, painted: Tensor, found: dict[str, Tensor], row: int) -> Tensor:
        one = slice(row, row + 1)
        features = {name: maps[one] for name, maps in found.items()}
        strokes = style_loss(features, {name: gram[one] for name, gram in self.grams.items()}, STYLE_LAYERS)
        return strokes + COLOUR_WEIGHT * colour_loss(painted[one], self.colours[row])


@torch.no_grad()
def in_colours_of(content: Tensor, style: Tensor) -> Tensor:
    """Contents (B, 3, H, W), each recoloured to mean and covariance of its style."""
    pairs = zip(torch.split(content, 1), torch.split(style, 1), strict=True)
    return torch.cat([match_colours(picture, reference) for picture, reference in pairs])
