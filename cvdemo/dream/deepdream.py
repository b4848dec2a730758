"""DeepDream: gradient ascent on a picture, so that it shows more of what a layer of a network looks for.

A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism: Going Deeper into Neural Networks", Google Research, 2015, and the
notebook google/deepdream: octaves from small to large, a random shift before every step, the gradient divided by its
mean absolute value, and the detail of the original put back whenever the picture grows. From its sequel in the
TensorFlow examples comes the Laplacian normalisation: every frequency band of the gradient gets the same strength.

Departures: the network is EfficientNet-Lite0 instead of GoogLeNet, in half the time; the random shift moves
the picture inside a wider frame instead of rolling it round (see `jitter`); the gradient has the colours of natural
pictures, and highlights are compressed instead of clipped (`cvdemo.dream.colour`); four Laplacian bands by default,
because the plain gradient of this network draws mostly the finest lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.config import SEED_MAX, Config, SettingError, setting
from cvdemo.dream.colour import Tone, colour_matrix, recoloured, soft_step
from cvdemo.dream.fourier import natural_spectrum
from cvdemo.dream.gradient import TILE_PX, TILED_FROM_PX, gradient_of, laplacian_normalise, mean_size
from cvdemo.dream.mask import feathered
from cvdemo.dream.objectives import (
    WHOLE_LAYER,
    Channel,
    DreamNetwork,
    LayerStrength,
    Objective,
    Scene,
    follow_guide,
    parse_objective,
)
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, resize, resize_to_fit, to_tensor
from cvdemo.limits import DREAM_MEGAPIXELS
from cvdemo.nets.efficientnet_lite import LAYER_NAMES
from cvdemo.pace import STEP_OVERHEAD_S, Pace, Progress, step_work
from cvdemo.runtime import Deadline

LAYERS = tuple(name for name in LAYER_NAMES if name.startswith("block"))
_DRAWN = {range(2, 5): "lines", range(5, 9): "patterns and eyes", range(9, 15): "fur, faces and animals"}  # seen
LAYER_WORDS = {
    name: ": ".join([name, *(words for depths, words in _DRAWN.items() if depth in depths)])
    for depth, name in enumerate(LAYERS)
}
MAX_CHANNEL = 319  # the widest layer, block15, has 320
MIN_SIDE_PX = 32  # smaller octaves than the network's stride teach it nothing
SCENE_PX = 384  # longer side of the picture, or the guide, that objectives are bound to
PIXELS, FOURIER = "pixels", "fourier"


@dataclass(frozen=True, kw_only=True)
class DreamConfig(Config):
    """How deep the dream goes. Octaves, scale and jitter are google/deepdream's; it takes 10 steps of 1.5 levels."""

    objective: str = setting(
        "",
        "Formula of the dream",
        help="What should appear. A thing: class:peacock. A kind of shapes: block8. Some of its patterns: block9:41 or "
        "block9:strongest5. The shapes of a guide picture: guide:block8. You can add them: block8 + 0.3*block12. "
        "If this is empty, the two settings below decide. (Objective)",
    )
    layer: str = setting(
        "block10",
        "Kind of shapes",
        choices=LAYERS,
        choice_words=LAYER_WORDS,
        help="Blocks 2 to 4 draw lines, 5 to 8 patterns and eyes, 9 to 14 fur, faces and animals. (Layer)",
    )
    channel: int = setting(
        WHOLE_LAYER,
        "Pattern",
        minimum=WHOLE_LAYER,
        maximum=MAX_CHANNEL,
        step=1,
        help="-1: all patterns of the chosen kind together. 0 or more: only the pattern with this number. (Channel)",
    )
    octaves: int = setting(
        4,
        "Number of sizes",
        minimum=1,
        maximum=8,
        step=1,
        help="The dream begins on a small copy of the picture and goes on at larger ones. More sizes give shapes of "
        "more sizes. (Octaves)",
    )
    octave_scale: float = setting(
        1.4, "Growth from size to size", minimum=1.1, maximum=2.0, step=0.05, help="Each over the last. (Octave scale)"
    )
    steps: int = setting(
        12,
        "Steps at each size",
        minimum=1,
        maximum=50,
        step=1,
        help="More steps give a stronger dream and take longer. (Gradient steps)",
    )
    step_size: float = setting(
        2.0,
        "Strength of a step",
        unit="grey levels",
        minimum=0.1,
        maximum=10.0,
        step=0.1,
        help="How much a step changes a pixel, on average. Higher: stronger and rougher. (Step size)",
    )
    colour: float = setting(
        0.55,
        "Colour",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
        help="0: your picture's own colours. 0.5: those of nature. 1: psychedelic.",
    )
    strength: float = setting(
        1.0,
        "Strength",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
        help="1: only the dream. Lower: your picture shows through.",
    )
    jitter_px: int = setting(
        32,
        "Random shift",
        unit="px",
        minimum=0,
        maximum=64,
        step=1,
        help="The picture is moved a little before each step, so that no grid shows. 0: the grid shows. (Jitter)",
    )
    detail: float = setting(
        1.0,
        "Detail of your picture",
        minimum=0.0,
        maximum=1.0,
        step=0.05,
        help="How much of its fine detail is put back at each size.",
    )
    laplacian_bands: int = setting(
        4,
        "Smoothness",
        minimum=1,
        maximum=6,
        step=1,
        help="1: fine lines. Higher: larger, softer forms. (Laplacian bands)",
    )
    parameterisation: str = setting(
        PIXELS,
        "Forms",
        choices=(PIXELS, FOURIER),
        choice_words={PIXELS: "crisp", FOURIER: "broad and soft"},
        help="How the dream is drawn. Smoothness acts on crisp forms only. (Parameterisation: pixels or Fourier)",
    )
    size_px: int = setting(
        512, "Size", unit="px", minimum=128, maximum=4096, step=32, help="Longer side of the result."
    )
    seed: int = setting(0, "Seed", minimum=0, maximum=SEED_MAX, step=1, help="Another number gives another dream.")

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            _ = self.goal  # refuses what it cannot read now, not when the dream begins
        except InputError as error:
            raise SettingError(str(error)) from error

    @property
    def goal(self) -> Objective:
        """What the dream raises: the objective, or where it is empty the layer or its channel."""
        if self.objective.strip():
            return parse_objective(self.objective)
        return LayerStrength(self.layer) if self.channel == WHOLE_LAYER else Channel(self.layer, self.channel)


@dataclass(frozen=True, eq=False)
class DreamStep:
    """The state after one gradient step.

    Attributes:
        progress: its sizes are the octaves.
        pixels: (1, 3, h, w) in [0, 1], at the size of the octave.
        objective: of the picture just before this step, jittered; comparable within an octave only.
    """

    progress: Progress
    pixels: Tensor
    objective: float


def full_size(size_hw: tuple[int, int], size_px: int) -> tuple[int, int]:
    """Height and width (px) of a picture of `size_hw` whose longer side is brought to `size_px`."""
    scale = size_px / max(size_hw)
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def checked_size(size_hw: tuple[int, int], size_px: int) -> tuple[int, int]:
    """`full_size`.

    Raises:
        InputError: the dream would have more pixels than `DREAM_MEGAPIXELS`; names the largest size that would not.
    """
    height, width = full_size(size_hw, size_px)
    if height * width > DREAM_MEGAPIXELS * 1e6:
        most = int(size_px * (DREAM_MEGAPIXELS * 1e6 / (height * width)) ** 0.5) // 32 * 32
        raise InputError(
            f"The dream would have {height * width / 1e6:.1f} megapixels; the limit is {DREAM_MEGAPIXELS:g}. "
            f"Please choose a size of at most {most} px."
        )
    return height, width


def fit(image: ImageArray, size_px: int, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) -> (1, 3, h, w) in [0, 1] with its longer side exactly `size_px`, enlarged if need be.

    Only a picture of at most twice that size becomes floats: 40 megapixels of them would take 2 GB and 15 s.
    """
    pixels = to_tensor(resize_to_fit(image, 2 * size_px), device)
    return resize(pixels, full_size((image.shape[0], image.shape[1]), size_px))


def octave_sizes(size_hw: tuple[int, int], octaves: int, octave_scale: float) -> list[tuple[int, int]]:
    """The sizes (height, width) in px, small to large, the last being `size_hw`.

    Sizes whose shorter side would fall below 32 px are left out, so there may be fewer than `octaves`.
    """
    height, width = size_hw
    factors = [octave_scale**i for i in range(octaves)]
    kept = [f for f in factors if f == 1 or min(height, width) / f >= MIN_SIDE_PX]
    return [(round(height / f), round(width / f)) for f in reversed(kept)]


@dataclass(frozen=True, eq=False)
class Octave:
    """What the steps at one size need beside the pixels.

    Attributes:
        objective: bound.
        tone: of the picture at this size, which the dream stays near.
        within: (1, 1, h, w) in [0, 1], where to dream; None is everywhere.
        tile_px: side of the tiles that the gradient is computed in; None: the picture as a whole.
    """

    network: DreamNetwork
    objective: Objective
    tone: Tone
    within: Tensor | None = None
    tile_px: int | None = None


def ascend(pixels: Tensor, octave: Octave, config: DreamConfig, generator: torch.Generator) -> tuple[Tensor, float]:
    """Pixels (1, 3, H, W) in [0, 1] after one step, and the objective before it.

    The step follows the normalised gradient, `step_size` grey levels on average.
    """
    gradient, value = gradient_of(pixels, octave.network, octave.objective, config.jitter_px, generator, octave.tile_px)
    change = direction_of(gradient, config).mul_(config.step_size / 255)
    del gradient  # each copy of 12 megapixels takes 144 MB
    change = octave.tone.drawing_back(pixels, change)
    if octave.within is not None:
        change *= octave.within
    return soft_step(pixels, change), value


def direction_of(gradient: Tensor, config: DreamConfig) -> Tensor:
    """Where a step goes, (1, 3, H, W) with a mean absolute value of 1: the gradient in natural colours and bands."""
    coloured = recoloured(gradient, colour_matrix(config.colour))
    if config.parameterisation == FOURIER:
        direction = natural_spectrum(coloured)
    else:
        direction = laplacian_normalise(coloured, config.laplacian_bands)
    return direction.div_(mean_size(direction))


def grow_octave(dreamed: Tensor, original: Tensor, size_hw: tuple[int, int], detail: float) -> Tensor:
    """The dreamed (1, 3, h, w) at the next octave's size, with the detail of the original that h x w had lost.

    Args:
        original: (1, 3, H, W) in [0, 1], at its full size.
        detail: share of the lost detail that is put back, in [0, 1].
    """
    small_hw = (dreamed.shape[-2], dreamed.shape[-1])
    full_hw = (original.shape[-2], original.shape[-1])
    grown = resize(dreamed, size_hw)
    grown.add_(original if size_hw == full_hw else resize(original, size_hw), alpha=detail)
    grown.sub_(resize(resize(original, small_hw), size_hw), alpha=detail)
    return grown.clamp_(0, 1)


class Dreaming:
    """A picture, and what may be dreamed on it.

    Args:
        image: uint8 (H, W, 3). mask: uint8 (H, W). guide: uint8 (h, w, 3).

    Raises:
        InputError: the objective, the mask or the size cannot be used.
    """

    def __init__(
        self,
        image: ImageArray,
        network: DreamNetwork,
        config: DreamConfig,
        mask: ImageArray | None = None,
        guide: ImageArray | None = None,
    ) -> None:
        self.network, self.config, self.mask = network, config, mask
        picture_hw = (image.shape[0], image.shape[1])
        full_hw = checked_size(picture_hw, config.size_px)
        self.within = None if mask is None else feathered(mask, picture_hw, full_hw, network.device)
        self.original = fit(image, config.size_px, network.device)
        self.sizes = octave_sizes(full_hw, config.octaves, config.octave_scale)
        self.objective = self._bound(guide)

    def _bound(self, guide: ImageArray | None) -> Objective:
        """The config's objective, or what follows the guide, settled on this picture."""
        goal = self.config.goal if guide is None else follow_guide(self.config.goal)
        seen = None if guide is None else to_tensor(resize_to_fit(guide, SCENE_PX), self.network.device)
        picture = self.original
        if max(picture.shape[-2:]) > SCENE_PX:
            picture = resize(picture, full_size((picture.shape[-2], picture.shape[-1]), SCENE_PX))
        return goal.bound(Scene(self.network, picture, seen))

    def octave(self, size_hw: tuple[int, int]) -> Octave:
        """What the steps at a size need."""
        tiled = size_hw[0] * size_hw[1] > TILED_FROM_PX
        within = self.within
        if within is not None and within.shape[-2:] != size_hw:
            within = F.interpolate(within, size_hw, mode="area")
        tone = Tone.of(resize(self.original, size_hw))
        return Octave(self.network, self.objective, tone, within, TILE_PX if tiled else None)

    def steps(self, deadline: Deadline) -> Iterator[DreamStep]:
        """The picture after every step; see `dream`."""
        generator = torch.Generator().manual_seed(self.config.seed)
        sizes, pixels = self.sizes, resize(self.original, self.sizes[0])
        costs = [height * width for height, width in sizes]
        told = [step_work(pixels) for pixels in costs]
        pace = Pace(deadline, costs, self.config.steps, overhead_s=STEP_OVERHEAD_S, told_costs=told)
        for index in pace.sizes():
            if index > 0:
                pixels = grow_octave(pixels, self.original, sizes[index], self.config.detail)
            octave = self.octave(sizes[index])
            pace.prepared()
            enough = False
            while not (enough or (pace.done[index] and deadline.expired)):
                pixels, value = ascend(pixels, octave, self.config, generator)
                pace.step_done()
                enough = pace.size_done
                yield DreamStep(pace.progress, self.shown(pixels), value)

    def shown(self, dreamed: Tensor) -> Tensor:
        """The dream laid over the picture: as strong as the config says, and outside the mask the picture itself."""
        if self.config.strength == 1 and self.within is None:
            return dreamed
        size_hw = (dreamed.shape[-2], dreamed.shape[-1])
        under = self.original if size_hw == self.sizes[-1] else resize(self.original, size_hw)
        laid = torch.lerp(under, dreamed, self.config.strength)
        if self.within is None:
            return laid
        within = self.within if size_hw == self.sizes[-1] else F.interpolate(self.within, size_hw, mode="area")
        return torch.where(within > 0, laid, under)

    def enlarged(self, shown: Tensor) -> Tensor:
        """What was shown of an octave, at the full size; outside the mask the picture itself."""
        if shown.shape == self.original.shape:
            return shown
        pixels = resize(shown, self.sizes[-1])
        return pixels if self.within is None else torch.where(self.within > 0, pixels, self.original)


def dream(
    image: ImageArray,
    network: DreamNetwork,
    config: DreamConfig,
    deadline: Deadline | None = None,
    *,
    mask: ImageArray | None = None,
    guide: ImageArray | None = None,
) -> Iterator[DreamStep]:
    """Yields the picture after every step; that of the last has `config.size_px` on its longer side.

    Args:
        image: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        network: in eval mode, its parameters without gradients.
        deadline: each octave gets fewer steps where the measured speed asks for it, so that the full size is dreamed
            in time. When the deadline is there the full size gets one step; when nobody waits any more the step under
            way is the last one.
        mask: uint8 (H, W), 255 where to dream; of the picture's size. Elsewhere the picture stays as it is.
        guide: uint8 (h, w, 3) RGB, whose features the dream follows: see `follow_guide`.

    Raises:
        InputError: a layer has no such channel, the mask or the size cannot be used, or a guide is missing.
    """
    yield from Dreaming(image, network, config, mask, guide).steps(deadline or Deadline())
