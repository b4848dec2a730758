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

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.images import ImageArray, resize, resize_to_fit, to_tensor
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.ops.colour_match import match_colours
from cvdemo.pace import Pace, Progress
from cvdemo.runtime import Deadline
from cvdemo.style.scales import SCALE_RATIO, scale_sizes, strokes_size
from cvdemo.style.targets import SHIFTS, Targets, losses, make_targets

ADAM_BETAS = (0.9, 0.99)  # as in style-transfer-pytorch
AVERAGE_DECAY = 0.97
START_NOISE = 0.03  # deviation, so that each seed sets out from another place


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


@dataclass(frozen=True)
class StyleLosses:
    """What a step saw, before the weights."""

    content_loss: float
    style_loss: float
    tv_loss: float


@dataclass(frozen=True, eq=False)
class StyleStep:
    """The state after one step of optimisation.

    Attributes:
        progress: its sizes are the scales.
        pixels: the averaged picture so far, (1, 3, h, w) in [0, 1], of this scale's size.
        losses: of the picture just before this step.
    """

    progress: Progress
    pixels: Tensor
    losses: StyleLosses


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
    pixels: Tensor, targets: Targets, network: FeatureNetwork, config: StyleConfig, step_size: float
) -> Iterator[tuple[Tensor, StyleLosses]]:
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
        yield average.value, StyleLosses(content.item(), style.item(), variation.item())


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


def stylize(
    content: ImageArray,
    style: ImageArray,
    network: FeatureNetwork,
    config: StyleConfig | None = None,
    deadline: Deadline | None = None,
) -> Iterator[StyleStep]:
    """Repaints `content` in the manner of `style`; the last step's picture has `config.size` on its longer side.

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
        targets = make_targets(fitted, strokes, network, generator, min(SHIFTS, pace.planned), deadline)
        step_size = config.step_size * SCALE_RATIO ** (len(sizes) - 1 - scale)
        pace.prepared()
        painting = paint_scale(pixels, targets, network, config, step_size)
        for pixels, found in painting:
            pace.step_done()
            enough = pace.size_done
            yield StyleStep(pace.progress, pixels, found)
            if enough or deadline.expired:
                break
