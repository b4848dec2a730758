"""What the picture is compared with at one scale, and how far it is from that: the losses of a shifted view."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.ops.colour_match import ColourReference, colour_loss
from cvdemo.runtime import Deadline
from cvdemo.style.losses import content_loss, gram_matrix, style_loss, total_variation

STYLE_LAYERS = {"stem": 1.0, "block1": 1.0, "block3": 1.0, "block5": 1.0, "block8": 1.0}  # strides 2, 4, 8, 16, 16
CONTENT_LAYER = "block5"
COLOUR_WEIGHT = 0.1  # of the colour loss beside the Gram matrices, within the style loss
SHIFTS = 12  # shifted views of the picture, taken in turn
SHIFT_PX = 8
BORDER_PX = 4  # least reflected border


@dataclass(frozen=True)
class Targets:
    """What the picture is compared with at one scale: one view of it for each shift."""

    shifts: list[tuple[int, int]]
    content: list[Tensor]
    grams: dict[str, Tensor]
    colours: ColourReference


def shifted(pixels: Tensor, shift_yx: tuple[int, int]) -> Tensor:
    """The picture with a reflected border of `BORDER_PX` to `BORDER_PX + SHIFT_PX`, so that it stands shifted.

    (1, 3, H, W) -> (1, 3, H + h, W + h) with h = 2 * BORDER_PX + SHIFT_PX; shifts are in [0, SHIFT_PX].
    """
    (y, x), most = shift_yx, BORDER_PX + SHIFT_PX
    return F.pad(pixels, (most - x, BORDER_PX + x, most - y, BORDER_PX + y), mode="reflect")


@torch.no_grad()
def make_targets(
    content: Tensor,
    style: Tensor,
    network: FeatureNetwork,
    generator: torch.Generator,
    views: int = SHIFTS,
    deadline: Deadline | None = None,
) -> Targets:
    """Content activations for the first `views` of `SHIFTS` random shifts, and the style's Gram matrices.

    Twelve views of 768 x 768 px take 4 s of one core: when nobody waits any more, the view under way is the last.
    """
    drawn = torch.randint(0, SHIFT_PX + 1, (SHIFTS, 2), generator=generator).tolist()
    grams = {name: gram_matrix(found) for name, found in network.features(style, list(STYLE_LAYERS)).items()}
    shifts: list[tuple[int, int]] = []
    activations: list[Tensor] = []
    for y, x in drawn[:views]:
        shifts.append((y, x))
        activations.append(network.features(shifted(content, (y, x)), [CONTENT_LAYER])[CONTENT_LAYER])
        if deadline is not None and deadline.abandoned:
            break
    return Targets(shifts, activations, grams, ColourReference.of(style))


def losses(pixels: Tensor, targets: Targets, step: int, network: FeatureNetwork) -> tuple[Tensor, Tensor, Tensor]:
    """Content, style and total-variation loss of (1, 3, H, W), seen through the shift whose turn it is."""
    turn = step % len(targets.shifts)
    found = network.features(shifted(pixels, targets.shifts[turn]), [*STYLE_LAYERS, CONTENT_LAYER])
    content = content_loss(found[CONTENT_LAYER], targets.content[turn])
    style = style_loss(found, targets.grams, STYLE_LAYERS) + COLOUR_WEIGHT * colour_loss(pixels, targets.colours)
    return content, style, total_variation(pixels)
