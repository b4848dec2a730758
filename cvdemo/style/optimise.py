"""Neural style transfer: a content picture repainted until its Gram matrices are those of a style picture.

L. Gatys, A. Ecker, M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, on
EfficientNet-Lite0 in place of VGG-19, a fifteenth of its cost. Coarse to fine by sqrt(2), Adam instead of L-BFGS, and
averaged iterates are those of K. Crowson's style-transfer-pytorch (2021). What this light, strided network needs on
top of that, each found by eye:

- the start is the content in the style's colours, and a colour loss keeps them there (`cvdemo.ops.colour_match`), or
  colours take most of the steps and fine noise shimmers in hues that the style lacks;
- every step sees the picture shifted by a few pixels and reflected at its borders, or the strides show as a
  checkerboard and the zero padding as a frame;
- the step size grows with the pixel, from coarse scales down.

Tried on two or three pairs each and left out: Gram matrices of random windows beside those of the whole picture
(noise), content on block 7 (no clear gain), a step size of 0.03 (a higher style loss than 0.02). Known weakness: finely
textured or blank parts of a picture can keep a grainy patch, most of all with stained glass. At the defaults a picture
of 384 x 255 px takes 31 to 37 s of CPU time, 384 x 384 41 s (two cores shared with other work, torch 2.11).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing, normalise, resize, resize_to_fit, to_image, to_tensor
from cvdemo.nets.backbone import BACKBONE, load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.ops.colour_match import ColourReference, colour_loss, match_colours
from cvdemo.pace import Pace
from cvdemo.runtime import Deadline, load_once, releasing_memory, resolve_device
from cvdemo.style.losses import content_loss, gram_matrix, style_loss, total_variation
from cvdemo.weights import entry_of

STYLE_LAYERS = {"stem": 1.0, "block1": 1.0, "block3": 1.0, "block5": 1.0, "block8": 1.0}  # strides 2, 4, 8, 16, 16
CONTENT_LAYER = "block5"
COLOUR_WEIGHT = 0.1  # of the colour loss beside the Gram matrices, within the style loss

SCALE_RATIO = math.sqrt(2)
COARSEST_SHORT_PX = 64  # a scale smaller than this has no room for the style's larger shapes
ADAM_BETAS = (0.9, 0.99)  # as in style-transfer-pytorch
AVERAGE_DECAY = 0.97
SHIFTS = 12  # shifted views of the picture, taken in turn
SHIFT_PX = 8
BORDER_PX = 4  # least reflected border
START_NOISE = 0.03  # deviation, so that each seed sets out from another place
MAX_ASPECT_RATIO = 8.0


@dataclass(frozen=True, kw_only=True)
class StyleConfig(Config):
    """How a picture is repainted. Weights count against each other: only their ratios matter."""

    content_weight: float = setting(
        2.0, "Content weight", minimum=0, maximum=10, step=0.1, help="Higher keeps more of the picture's shapes."
    )
    style_weight: float = setting(
        10.0, "Style weight", minimum=0.1, maximum=100, step=0.1, help="Higher gives bolder strokes."
    )
    tv_weight: float = setting(
        40.0, "Smoothness (total variation)", minimum=0, maximum=300, step=1, help="Higher removes fine noise."
    )
    size: int = setting(
        384,
        "Size",
        unit="px, longer side",
        minimum=128,
        maximum=768,
        step=32,
        help="Twice the size takes four times as long.",
    )
    style_scale: float = setting(
        1.0, "Stroke size", minimum=0.5, maximum=2, step=0.1, help="Size of the style picture beside yours."
    )
    scales: int = setting(
        4, "Scales", minimum=1, maximum=6, step=1, help="From coarse to fine, each 1.41 times larger."
    )
    steps: int = setting(100, "Steps a scale", minimum=1, maximum=400, step=1)
    step_size: float = setting(
        0.015, "Step size", minimum=0.005, maximum=0.1, step=0.005, help="Adam's learning rate at the finest scale."
    )
    keep_colours: bool = setting(
        False, "Keep the picture's colours", help="Takes only the strokes of the style, not its colours."
    )
    start: str = setting(
        "content", "Start from", choices=("content", "noise"), help="Noise with content weight 0 gives pure texture."
    )
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1)


PRESETS = {
    "Balanced": StyleConfig(),
    "Bold strokes": StyleConfig(content_weight=1, style_weight=20, style_scale=1.4),
    "Gentle": StyleConfig(content_weight=6),
    "Fine brush": StyleConfig(style_scale=0.6, tv_weight=20),
    "Own colours": StyleConfig(keep_colours=True),
    "Texture only": StyleConfig(content_weight=0, start="noise"),
}


@dataclass(frozen=True)
class StyleNetwork:
    """The network whose activations are compared, with what it needs to be used."""

    network: EfficientNetLite
    preprocessing: Preprocessing
    device: torch.device

    def features(self, pixels: Tensor, names: list[str]) -> dict[str, Tensor]:
        """Activations of the named layers for pixels (1, 3, H, W) in [0, 1]."""
        return self.network.features(normalise(pixels, self.preprocessing), names)


@dataclass(frozen=True)
class StyleStep:
    """One step of optimisation.

    Attributes:
        scale: 0 is the coarsest. step: within the scale, from 1.
        done, total: steps of all scales together, as planned by the speed measured so far.
        wanted: steps that the config asks for; more than `total` where a deadline leaves no time for all.
        image: the averaged picture so far, uint8 (H, W, 3), of this scale's size.
        content_loss, style_loss, tv_loss: before their weights.
    """

    scale: int
    step: int
    done: int
    total: int
    wanted: int
    image: ImageArray
    content_loss: float
    style_loss: float
    tv_loss: float


@dataclass(frozen=True)
class Targets:
    """What the picture is compared with at one scale: one view of it for each shift."""

    shifts: list[tuple[int, int]]
    content: list[Tensor]
    grams: dict[str, Tensor]
    colours: ColourReference


@load_once
def load_style_network(device: str = "auto") -> StyleNetwork:
    """The backbone for style transfer, loaded on first use and shared.

    Raises:
        WeightsError: its file is missing or altered.
    """
    preprocessing = Preprocessing.from_manifest(entry_of(BACKBONE).preprocessing)
    return StyleNetwork(load_backbone(device), preprocessing, resolve_device(device))


def scale_sizes(
    size_hw: tuple[int, int], size_px: int, scales: int, what: str = "The picture"
) -> list[tuple[int, int]]:
    """Heights and widths (px) from coarse to fine; the finest has `size_px` as its longer side.

    Scales whose shorter side would fall below `COARSEST_SHORT_PX` are left out, but never the finest. `what` is how
    messages name the picture.

    Raises:
        InputError: the picture is too narrow.
    """
    long_px, short_px = max(size_hw), min(size_hw)
    if long_px > MAX_ASPECT_RATIO * short_px:
        raise InputError(
            f"{what} is {size_hw[1]} x {size_hw[0]} pixels; for style transfer its longer side may be at most "
            f"{MAX_ASPECT_RATIO:g} times its shorter side."
        )
    factors = [size_px / long_px / SCALE_RATIO**i for i in range(scales)]
    kept = [f for i, f in enumerate(factors) if i == 0 or round(short_px * f) >= COARSEST_SHORT_PX]
    return [(max(1, round(size_hw[0] * f)), max(1, round(size_hw[1] * f))) for f in reversed(kept)]


def strokes_size(style: ImageArray, size_hw: tuple[int, int], style_scale: float) -> tuple[int, int]:
    """Height and width (px) of the style picture beside a picture of `size_hw`; `InputError` where it is too narrow."""
    return scale_sizes(style.shape[:2], round(max(size_hw) * style_scale), 1, "The style picture")[0]


def shifted(pixels: Tensor, shift_yx: tuple[int, int]) -> Tensor:
    """The picture with a reflected border of `BORDER_PX` to `BORDER_PX + SHIFT_PX`, so that it stands shifted.

    (1, 3, H, W) -> (1, 3, H + h, W + h) with h = 2 * BORDER_PX + SHIFT_PX; shifts are in [0, SHIFT_PX].
    """
    (y, x), most = shift_yx, BORDER_PX + SHIFT_PX
    return F.pad(pixels, (most - x, BORDER_PX + x, most - y, BORDER_PX + y), mode="reflect")


@torch.no_grad()
def make_targets(
    content: Tensor, style: Tensor, network: StyleNetwork, generator: torch.Generator, views: int = SHIFTS
) -> Targets:
    """Content activations for the first `views` of `SHIFTS` random shifts, and the style's Gram matrices."""
    drawn = torch.randint(0, SHIFT_PX + 1, (SHIFTS, 2), generator=generator).tolist()
    shifts = [(y, x) for y, x in drawn[:views]]
    activations = [network.features(shifted(content, shift), [CONTENT_LAYER])[CONTENT_LAYER] for shift in shifts]
    grams = {name: gram_matrix(found) for name, found in network.features(style, list(STYLE_LAYERS)).items()}
    return Targets(shifts, activations, grams, ColourReference.of(style))


def losses(pixels: Tensor, targets: Targets, step: int, network: StyleNetwork) -> tuple[Tensor, Tensor, Tensor]:
    """Content, style and total-variation loss of (1, 3, H, W), seen through the shift whose turn it is."""
    turn = step % len(targets.shifts)
    found = network.features(shifted(pixels, targets.shifts[turn]), [*STYLE_LAYERS, CONTENT_LAYER])
    content = content_loss(found[CONTENT_LAYER], targets.content[turn])
    style = style_loss(found, targets.grams, STYLE_LAYERS) + COLOUR_WEIGHT * colour_loss(pixels, targets.colours)
    return content, style, total_variation(pixels)


class IterateAverage:
    """Exponential moving average of a tensor with the start's bias divided out, as in Adam."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.total: Tensor | None = None
        self.weight = 0.0

    def update(self, value: Tensor) -> None:
        previous = torch.zeros_like(value) if self.total is None else self.total
        self.total = previous * self.decay + value.detach() * (1 - self.decay)
        self.weight = self.weight * self.decay + 1 - self.decay

    @property
    def value(self) -> Tensor:
        """The average.

        Raises:
            ValueError: nothing was averaged.
        """
        if self.total is None:
            raise ValueError("nothing was averaged yet")
        return self.total / self.weight


def start_picture(content: Tensor, style: Tensor, config: StyleConfig, generator: torch.Generator) -> Tensor:
    """Where the coarsest scale sets out: (1, 3, H, W) of the content, or noise in the style's colours.

    The content comes without its finest detail: whiskers and grass would stay where strokes belong.
    """
    noise = torch.randn(content.shape, generator=generator).to(content)
    if config.start == "noise":
        return match_colours((0.5 + 0.15 * noise).clamp(0, 1), style)
    height, width = content.shape[-2:]
    half = resize(content, (-(-height // 2), -(-width // 2)))
    return (resize(half, (height, width)) + START_NOISE * noise).clamp(0, 1)


def paint_scale(
    pixels: Tensor, targets: Targets, network: StyleNetwork, config: StyleConfig, step_size: float
) -> Iterator[tuple[Tensor, tuple[float, float, float]]]:
    """Adam at one scale, without end: after each step the averaged picture, and the losses that the step saw."""
    pixels = pixels.clone().requires_grad_()
    optimiser = torch.optim.Adam([pixels], lr=step_size, betas=ADAM_BETAS)
    average = IterateAverage(AVERAGE_DECAY)
    for step in count():
        with torch.enable_grad():
            content, style, variation = losses(pixels, targets, step, network)
            total = config.content_weight * content + config.style_weight * style + config.tv_weight * variation
            (pixels.grad,) = torch.autograd.grad(total, pixels)
        optimiser.step()
        with torch.no_grad():
            pixels.clamp_(0, 1)
        average.update(pixels)
        yield average.value, (content.item(), style.item(), variation.item())


def matched_pair(
    content: ImageArray, style: ImageArray, config: StyleConfig, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Both pictures as (1, 3, H, W), one of them in the other's colours: the style's, or the content's if kept.

    Each comes at no more than twice the size at which it is used: 40 megapixels of floats would take 3 GB and 15 s.
    """
    source = to_tensor(resize_to_fit(content, 2 * config.size), device)
    reference = to_tensor(resize_to_fit(style, round(2 * config.size * config.style_scale)), device)
    if config.keep_colours:
        return source, match_colours(reference, source)
    return match_colours(source, reference), reference


@releasing_memory
def stylize(
    content: ImageArray,
    style: ImageArray,
    network: StyleNetwork,
    config: StyleConfig | None = None,
    deadline: Deadline | None = None,
) -> Iterator[StyleStep]:
    """Repaints `content` in the manner of `style`; the last step's image is the result.

    Args:
        content, style: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        deadline: scales get fewer steps by the measured speed, so that the finest is painted in time, see `Pace`.
            When nobody waits any more the step under way is the last one.

    Raises:
        InputError: a picture is too narrow.
    """
    config, deadline = config or StyleConfig(), deadline or Deadline()
    sizes = scale_sizes(content.shape[:2], config.size, config.scales)
    generator = torch.Generator().manual_seed(config.seed)
    source, reference = matched_pair(content, style, config, network.device)
    pace = Pace(deadline, [height * width for height, width in sizes], config.steps)
    pixels: Tensor | None = None
    for scale in pace.sizes():
        size_hw = sizes[scale]
        fitted = resize(source, size_hw)
        strokes = resize(reference, strokes_size(style, size_hw, config.style_scale))
        pixels = start_picture(fitted, strokes, config, generator) if pixels is None else resize(pixels, size_hw)
        targets = make_targets(fitted, strokes, network, generator, min(SHIFTS, pace.planned))
        step_size = config.step_size * SCALE_RATIO ** (len(sizes) - 1 - scale)
        pace.prepared()
        painting = paint_scale(pixels, targets, network, config, step_size)
        for pixels, found in painting:
            pace.step_done()
            steps = pace.done[scale], sum(pace.done), pace.total, len(sizes) * config.steps
            enough = pace.size_done
            yield StyleStep(scale, *steps, to_image(pixels), *found)
            if enough or deadline.expired:
                break
