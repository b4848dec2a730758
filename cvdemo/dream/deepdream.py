"""DeepDream: gradient ascent on a picture, so that it shows more of what a layer of a network looks for.

A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism: Going Deeper into Neural Networks", Google Research, 2015, and the
notebook google/deepdream: octaves from small to large, a random shift before every step, the gradient divided by its
mean absolute value, and the detail of the original put back whenever the picture grows. From its sequel in the
TensorFlow examples comes the Laplacian normalisation: every frequency band of the gradient gets the same strength.

Departures: the network is EfficientNet-Lite0 instead of GoogLeNet, in half the time; the random shift moves
the picture inside a wider frame instead of rolling it round (see `jitter`); pixels are kept in [0, 1] at every step,
so that colours cannot drift beyond what can be shown; four Laplacian bands by default, because the plain gradient of
this network draws mostly the finest lines. At the defaults a 512 x 342 picture takes 6.8 s of one core.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing, normalise, resize, resize_to_fit, to_image, to_tensor
from cvdemo.nets.efficientnet_lite import LAYER_NAMES
from cvdemo.pace import Pace
from cvdemo.runtime import Deadline, releasing_memory

LAYERS = tuple(name for name in LAYER_NAMES if name.startswith("block"))
WHOLE_LAYER = -1  # as a channel: all of them
MAX_CHANNEL = 319  # the widest layer, block15, has 320
MIN_SIDE_PX = 32  # smaller octaves than the network's stride teach it nothing
EPS = 1e-12


class FeatureNetwork(Protocol):
    """What the dream needs of a network: activations (B, C, h, w) of layers by name."""

    def features(self, x: Tensor, names: Collection[str]) -> dict[str, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class DreamConfig(Config):
    """How deep the dream goes. Octaves, scale and jitter are google/deepdream's; it takes 10 steps of 1.5 levels."""

    layer: str = setting("block10", "Layer", choices=LAYERS, help="Early blocks draw lines, late ones animals.")
    channel: int = setting(
        WHOLE_LAYER, "Channel", minimum=WHOLE_LAYER, maximum=MAX_CHANNEL, step=1, help="-1 excites the whole layer."
    )
    octaves: int = setting(4, "Octaves", minimum=1, maximum=8, step=1, help="Sizes the dream runs at, small to large.")
    octave_scale: float = setting(
        1.4, "Octave scale", minimum=1.1, maximum=2.0, step=0.05, help="Each size over the one before."
    )
    steps: int = setting(12, "Steps", minimum=1, maximum=50, step=1, help="Gradient steps at each size.")
    step_size: float = setting(
        3.0, "Step size", unit="grey levels", minimum=0.1, maximum=10.0, step=0.1, help="Mean change of a pixel."
    )
    jitter_px: int = setting(
        32, "Jitter", unit="px", minimum=0, maximum=64, step=1, help="Random shift at each step; 0 shows the grid."
    )
    detail: float = setting(
        1.0, "Detail kept", minimum=0.0, maximum=1.0, step=0.05, help="Of the original, put back at each size."
    )
    laplacian_bands: int = setting(
        4, "Smoothness", unit="bands", minimum=1, maximum=6, step=1, help="1: fine lines; more: larger, softer forms."
    )
    size_px: int = setting(
        512, "Size", unit="px", minimum=128, maximum=1024, step=32, help="Longer side of the result."
    )
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1)


PRESETS = {  # named for what they were seen to draw, on faces, animals and night skies alike
    "Dogs and fur": DreamConfig(),
    "Eyes": DreamConfig(layer="block8"),
    "Fruit market": DreamConfig(layer="block11"),
    "Engraving": DreamConfig(layer="block4", octaves=3, steps=10, step_size=2.0, laplacian_bands=2),
    "Neon maze": DreamConfig(layer="block2", octaves=5, steps=10, step_size=2.5, laplacian_bands=3),
    "Balloons": DreamConfig(layer="block9", channel=3, steps=10),
    "Spider webs": DreamConfig(layer="block9", channel=41, steps=10),
    "Tartan": DreamConfig(layer="block9", channel=53, steps=10),
    "Woollen braids": DreamConfig(layer="block9", channel=56, steps=10),
    "Carved pillars": DreamConfig(layer="block9", channel=18, steps=10),
}
DEFAULT_PRESET = "Dogs and fur"


@dataclass(frozen=True)
class DreamStep:
    """The state after one gradient step.

    Attributes:
        octave, step: 0-based.
        octaves, done, total: octaves and gradient steps of the whole dream, and steps so far, as planned by the speed
            measured so far.
        wanted: steps that the config asks for; more than `total` where a deadline leaves no time for all.
        image: uint8 (h, w, 3), at the size of the octave; of the last step of a dream, at the full size.
        objective: of the picture just before this step, jittered; comparable within an octave only.
    """

    octave: int
    octaves: int
    step: int
    done: int
    total: int
    wanted: int
    image: ImageArray
    objective: float


def fit(image: ImageArray, size_px: int, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) -> (1, 3, h, w) in [0, 1] with its longer side exactly `size_px`, enlarged if need be.

    Only a picture of at most twice that size becomes floats: 40 megapixels of them would take 2 GB and 15 s.
    """
    pixels = to_tensor(resize_to_fit(image, 2 * size_px), device)
    height, width = image.shape[:2]
    scale = size_px / max(height, width)
    return resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))


def octave_sizes(size_hw: tuple[int, int], octaves: int, octave_scale: float) -> list[tuple[int, int]]:
    """The sizes (height, width) in px, small to large, the last being `size_hw`.

    Sizes whose shorter side would fall below 32 px are left out, so there may be fewer than `octaves`.
    """
    height, width = size_hw
    factors = [octave_scale**i for i in range(octaves)]
    kept = [f for f in factors if f == 1 or min(height, width) / f >= MIN_SIDE_PX]
    return [(round(height / f), round(width / f)) for f in reversed(kept)]


def objective(activations: Tensor, channel: int = WHOLE_LAYER) -> Tensor:
    """What the dream raises, a scalar: the mean square of all of (B, C, h, w), or the mean of one channel.

    The mean square's gradient is the layer's own activations, as in google/deepdream (`objective_L2`).

    Raises:
        InputError: the layer has no such channel.
    """
    if channel == WHOLE_LAYER:
        return activations.square().mean()
    count = activations.shape[1]
    if not 0 <= channel < count:
        raise InputError(f"This layer has channels 0 to {count - 1}, or -1 for all of them; {channel} was asked for.")
    return activations[:, channel].mean()


def laplacian_normalise(gradient: Tensor, bands: int) -> Tensor:
    """(1, C, H, W) with each of `bands` frequency bands divided by its root mean square; one band: only scaled.

    TensorFlow examples, `deepdream.ipynb` (`lap_normalize`); halving here is antialiased bilinear, not a 5x5 kernel.
    """
    low, details = gradient, []
    for _ in range(bands - 1):
        height, width = low.shape[-2:]
        half = F.interpolate(low, ((height + 1) // 2, (width + 1) // 2), mode="bilinear", antialias=True)
        details.append(low - _grow(half, (height, width)))
        low = half
    merged = _unit_rms(low)
    for detail in reversed(details):
        size_hw = (detail.shape[-2], detail.shape[-1])
        merged = _grow(merged, size_hw) + _unit_rms(detail)
    return merged


def _grow(band: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return F.interpolate(band, size_hw, mode="bilinear", align_corners=False)


def _unit_rms(band: Tensor) -> Tensor:
    return band / (band.square().mean().sqrt() + EPS)


def measure(pixels: Tensor, network: FeatureNetwork, preprocessing: Preprocessing, config: DreamConfig) -> Tensor:
    """The objective (scalar) of pixels (1, 3, H, W) in [0, 1] for the config's layer and channel."""
    activations = network.features(normalise(pixels, preprocessing), [config.layer])[config.layer]
    return objective(activations, config.channel)


def jitter(pixels: Tensor, jitter_px: int, generator: torch.Generator) -> Tensor:
    """(1, 3, H, W) -> (1, 3, H + jitter_px, W + jitter_px), its place in the wider frame drawn at random.

    The frame repeats the border pixels and takes no gradient. Rolling the picture round, as the original does, makes
    opposite edges meet: here that drew a column of eyes along the seam. A mirrored frame drew heads cut by the border,
    being symmetric; repeated pixels that took a gradient burnt in as coloured streaks.
    """
    left, top = torch.randint(0, jitter_px + 1, (2,), generator=generator).tolist()
    height, width = pixels.shape[-2:]
    frame = (left, jitter_px - left, top, jitter_px - top)
    wider = F.pad(pixels.detach(), frame, mode="replicate").clone()
    wider[..., top : top + height, left : left + width] = pixels
    return wider


def ascend(
    pixels: Tensor,
    network: FeatureNetwork,
    preprocessing: Preprocessing,
    config: DreamConfig,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """Pixels (1, 3, H, W) in [0, 1] after one step, and the objective before it.

    The step follows the normalised gradient, `step_size` grey levels on average, and is clamped.
    """
    with torch.enable_grad():
        variable = pixels.detach().requires_grad_()
        value = measure(jitter(variable, config.jitter_px, generator), network, preprocessing, config)
        (gradient,) = torch.autograd.grad(value, variable)
    direction = laplacian_normalise(gradient, config.laplacian_bands)
    direction = direction / (direction.abs().mean() + EPS)
    return (pixels + config.step_size / 255 * direction).clamp(0, 1), value.item()


def grow_octave(dreamed: Tensor, original: Tensor, size_hw: tuple[int, int], detail: float) -> Tensor:
    """The dreamed (1, 3, h, w) at the next octave's size, with the detail of the original that h x w had lost.

    Args:
        original: (1, 3, H, W) in [0, 1], at its full size.
        detail: share of the lost detail that is put back, in [0, 1].
    """
    small_hw = (dreamed.shape[-2], dreamed.shape[-1])
    lost = resize(original, size_hw) - resize(resize(original, small_hw), size_hw)
    return (resize(dreamed, size_hw) + detail * lost).clamp(0, 1)


@releasing_memory
def dream(
    image: ImageArray,
    network: FeatureNetwork,
    preprocessing: Preprocessing,
    config: DreamConfig,
    *,
    device: torch.device | str = "cpu",
    deadline: Deadline | None = None,
) -> Iterator[DreamStep]:
    """Yields the picture after every step; the last one has `config.size_px` on its longer side.

    Args:
        image: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        network: on `device`, in eval mode, its parameters without gradients.
        deadline: each octave gets fewer steps where the measured speed asks for it, so that the full size is dreamed
            in time. When the deadline is there the full size gets one step; when nobody waits any more the step under
            way is the last one.

    Raises:
        InputError: the layer has no such channel.
    """
    deadline = deadline or Deadline()
    generator = torch.Generator().manual_seed(config.seed)
    original = fit(image, config.size_px, device)
    full_hw = (original.shape[-2], original.shape[-1])
    sizes = octave_sizes(full_hw, config.octaves, config.octave_scale)
    pace, pixels = Pace(deadline, [height * width for height, width in sizes], config.steps), resize(original, sizes[0])
    for octave in pace.sizes():
        if octave > 0:
            pixels = grow_octave(pixels, original, sizes[octave], config.detail)
        pace.prepared()
        enough = False
        while not (enough or (pace.done[octave] and deadline.expired)):
            pixels, value = ascend(pixels, network, preprocessing, config, generator)
            pace.step_done()
            steps = pace.done[octave] - 1, sum(pace.done), pace.total, len(sizes) * config.steps
            enough = pace.size_done
            yield DreamStep(octave, len(sizes), *steps, to_image(pixels), value)


def dream_image(
    image: ImageArray,
    network: FeatureNetwork,
    preprocessing: Preprocessing,
    config: DreamConfig,
    *,
    device: torch.device | str = "cpu",
    deadline: Deadline | None = None,
) -> ImageArray:
    """The finished picture of `dream`, uint8 (h, w, 3), for callers who want no previews."""
    *_, last = dream(image, network, preprocessing, config, device=device, deadline=deadline)
    return last.image
