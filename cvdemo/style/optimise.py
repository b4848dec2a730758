"""Neural style transfer: a content picture repainted until its features have the statistics of a style picture.

L. Gatys, A. Ecker, M. Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016, on
EfficientNet-Lite0 in place of VGG-19, a fifteenth of its cost. Coarse to fine by sqrt(2), Adam instead of L-BFGS with
moments carried from scale to scale, and averaged iterates are those of K. Crowson's style-transfer-pytorch (2021). Adam
moves several resolutions at once, which is our own: see `cvdemo.style.painting`. What this light, strided network needs
on top of that, each found by eye:

- the start is the content in the style's colours, and a colour loss keeps them there (`cvdemo.ops.colour_match`), or
  colours take most of the steps and fine noise shimmers in hues that the style lacks;
- every step sees the picture shifted by a few pixels and reflected at its borders, or the strides show as a
  checkerboard and the zero padding as a frame;
- the step size grows with the pixel, from coarse scales down.

Tried on two or three pairs each and left out: Gram matrices of random windows beside those of the whole picture
(noise), content on block 7 (no clear gain), a step size of 0.03 (a higher style loss than 0.02, with Adam on pixels
alone). Known weakness: finely textured or blank parts of a picture can keep a small grainy patch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cvdemo.images import ImageArray
from cvdemo.nets.backbone import FeatureNetwork
from cvdemo.pace import STEP_OVERHEAD_S, STYLE_FIXED_PX, Pace, Progress, step_work
from cvdemo.runtime import Deadline
from cvdemo.style.config import StyleConfig as StyleConfig
from cvdemo.style.painting import Gradient, Painting, average_decay
from cvdemo.style.pictures import Scaled, StylePictures
from cvdemo.style.pictures import start_picture as start_picture
from cvdemo.style.scales import SCALE_RATIO, planned_scales, scale_sizes
from cvdemo.style.targets import Losses, Targets, losses, make_targets, views_for
from cvdemo.style.tiled import WHOLE_PIXELS, tiled_gradient, tiled_targets

LARGEST_STEP = 3  # scales below the finest from which on the step size grows no more
FINER_SHARE = 0.7  # steps of a scale over those of the coarser one before it: late steps change less
LEAST_STEPS = 12  # at the largest scale that a plan by time includes: with fewer it is hardly more than enlarged
LEAST_PX = 256  # longer side that a plan by time reaches on any machine: less is no picture to keep
MOST_STEPS = 400  # a scale, however much time there is


@dataclass(frozen=True)
class StyleLosses:
    """What a step saw, before the weights."""

    content_loss: float
    style_loss: float
    tv_loss: float

    @classmethod
    def of(cls, found: Losses) -> StyleLosses:
        return cls(found.content.item(), found.style.item(), found.variation.item())


@dataclass(frozen=True, eq=False)
class StyleStep:
    """The state after one step of optimisation.

    Attributes:
        progress: its sizes are the scales.
        pixels: the averaged picture so far, (1, 3, h, w) in [0, 1], of this scale's size.
        losses: of the picture just before this step.
        size_hw: of the result, as it is planned.
    """

    progress: Progress
    pixels: Tensor
    losses: StyleLosses
    size_hw: tuple[int, int]


def whole_gradient(
    pixels: Tensor, targets: Targets, step: int, network: FeatureNetwork, config: StyleConfig
) -> tuple[Tensor, Losses]:
    """Gradient (1, 3, H, W) of the weighted losses of a picture, and the losses, in one pass of the network."""
    with torch.enable_grad():
        variable = pixels.detach().requires_grad_()
        found = losses(variable, targets, step, network, config)
        (gradient,) = torch.autograd.grad(found.total(config), variable)
    return gradient, Losses(*(loss.detach() for loss in found))


def paint_scale(
    pixels: Tensor, targets: Targets, network: FeatureNetwork, config: StyleConfig, step_size: float
) -> Iterator[tuple[Tensor, StyleLosses]]:
    """The steps at one scale, without end: after each step the averaged picture, and the losses that the step saw."""
    painting = Painting(pixels, step_size)
    while True:
        found = painting.step(lambda at, step: whole_gradient(at, targets, step, network, config))
        yield painting.average.value, StyleLosses.of(found)


def stylize(
    content: ImageArray,
    style: ImageArray,
    network: FeatureNetwork,
    config: StyleConfig | None = None,
    deadline: Deadline | None = None,
) -> Iterator[StyleStep]:
    """`stylize_pictures` of one content and one style picture."""
    yield from stylize_pictures(StylePictures(content, style), network, config, deadline)


def stylize_pictures(
    pictures: StylePictures,
    network: FeatureNetwork,
    config: StyleConfig | None = None,
    deadline: Deadline | None = None,
) -> Iterator[StyleStep]:
    """Repaints a picture in the manner of others; the last step's picture has `config.size` on its longer side.

    With `config.seconds` that is the most: it has the largest size that is worth beginning in this time.

    Args:
        deadline: scales get fewer steps by the measured speed, so that the finest is painted in time, see `Pace`.
            When nobody waits any more the step under way is the last one.

    Raises:
        InputError: a picture is too narrow.
    """
    config, deadline = config or StyleConfig(), deadline or Deadline()
    sizes = sizes_for(pictures.content.shape[:2], config)
    generator = torch.Generator().manual_seed(config.seed)
    scaled = Scaled(pictures, config, network.device)
    pace, painting = pace_for(sizes, config, deadline), None
    for scale in pace.sizes():
        step_size = config.step_size * SCALE_RATIO ** min(LARGEST_STEP, pace.finest - scale)
        gradient = _gradient_at(scaled, sizes[scale], network, generator, pace.planned, deadline)
        painting = _painting_at(painting, scaled, sizes[scale], step_size, generator)
        pace.prepared()
        enough = False
        while not enough:
            painting.average.decay = average_decay(pace.planned)
            found = painting.step(gradient)
            pace.step_done()
            enough = pace.size_done or deadline.expired
            shown = scaled.shown(painting.average.value)
            yield StyleStep(pace.progress, shown, StyleLosses.of(found), sizes[pace.finest])


def sizes_for(size_hw: tuple[int, int], config: StyleConfig) -> list[tuple[int, int]]:
    """The scales from coarse to fine; by time there are as many as fit below the size."""
    scales = config.scales if config.seconds is None else planned_scales(config.size)
    return scale_sizes(size_hw, config.size, scales)


def pace_for(sizes: Sequence[tuple[int, int]], config: StyleConfig, deadline: Deadline) -> Pace:
    """The plan: coarse scales get more steps, the finest, whose steps cost most, the fewest."""
    shares = [FINER_SHARE**scale for scale in range(len(sizes))]
    mean = sum(shares) / len(shares)
    costs = [height * width for height, width in sizes]
    return Pace(
        deadline,
        costs,
        config.steps if config.seconds is None else MOST_STEPS,
        shares=[share / mean for share in shares],
        budget_s=config.seconds,
        least_steps=LEAST_STEPS,
        least_size=sum(max(size_hw) < LEAST_PX for size_hw in sizes),
        overhead_s=STEP_OVERHEAD_S,
        told_costs=[step_work(pixels, STYLE_FIXED_PX) for pixels in costs],
    )


def _gradient_at(
    scaled: Scaled,
    size_hw: tuple[int, int],
    network: FeatureNetwork,
    generator: torch.Generator,
    steps: int,
    deadline: Deadline,
) -> Gradient:
    """What a step at one scale follows: in one pass of the network, or by tiles where that would take much memory."""
    content, strokes, config = scaled.content(size_hw), scaled.strokes(size_hw), scaled.config
    styles = [pixels[0, 0].numel() for each in strokes for pixels, _ in each.pictures]
    whole = max(content[0, 0].numel(), *(pixels // 2 for pixels in styles)) <= WHOLE_PIXELS  # styles take no gradient
    prepare: Callable[..., Targets] = make_targets if whole else tiled_targets
    targets = prepare(content, strokes, network, generator, views_for(steps), deadline, config)
    descend = whole_gradient if whole else tiled_gradient
    return lambda pixels, step: descend(pixels, targets, step, network, config)


def _painting_at(
    before: Painting | None,
    scaled: Scaled,
    size_hw: tuple[int, int],
    step_size: float,
    generator: torch.Generator,
) -> Painting:
    """The picture at the next scale, or where it sets out."""
    if before is None:
        return Painting(scaled.begin(size_hw, generator), step_size)
    return before.at_scale(size_hw, step_size)
