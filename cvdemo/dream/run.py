"""One way to run what the Dream demo does, by its requests."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from cvdemo.demo import Lane, Request, Step
from cvdemo.dream.deepdream import DreamConfig, Dreaming, DreamStep
from cvdemo.dream.network import load_dream_network
from cvdemo.images import ImageArray, preview_size, resize, to_image
from cvdemo.pace import PreviewTimer
from cvdemo.runtime import Deadline


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamRequest(Request):
    """A dream of a picture.

    Attributes:
        image: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        mask: uint8 (H, W), 255 where to dream, of the picture's size; None is everywhere. Outside it the result is the
            picture at the size of the dream, bit for bit; the mask's edge is feathered inwards.
        guide: uint8 (h, w, 3) RGB whose features the dream follows, in place of the strength of whole layers, or where
            the objective says guide:LAYER.
        preview_every_s: least seconds between two previews, which cost a conversion each; None is no previews.
    """

    usual_lane: ClassVar[Lane] = Lane.SLOW

    image: ImageArray
    config: DreamConfig = field(default_factory=DreamConfig)
    mask: ImageArray | None = None
    guide: ImageArray | None = None
    preview_every_s: float | None = None


@dataclass(frozen=True, eq=False)
class Dream:
    """A dreamed picture.

    Attributes:
        image: uint8 (H, W, 3), `config.size_px` on its longer side.
        steps: gradient steps taken. wanted: those that the settings ask for.
        objectives: of the last octave, the picture's before each step; those of other octaves cannot be compared.
    """

    image: ImageArray
    steps: int
    wanted: int
    objectives: tuple[float, ...]


def run_dream(request: DreamRequest) -> Iterator[Step[Dream]]:
    """A step after each gradient step, then one with the result.

    A preview has the size of its octave, or that of `preview_size` where it is larger. The measures are the
    `objective`, which can be compared within an octave only, and the `octave`, from 1, of how many `octaves`; see
    `DreamStep`.

    Raises:
        InputError: the layer has no such channel, the mask or the size cannot be used, or a guide is missing.
    """
    network, config = load_dream_network(request.device), request.config
    previews = PreviewTimer(request.preview_every_s)
    objectives: list[float] = []  # of the octave under way
    deadline = Deadline(request.time_limit_s)
    work = Dreaming(request.image, network, config, request.mask, request.guide)
    for state in work.steps(deadline):
        objectives = [*objectives, state.objective] if state.progress.step > 1 else [state.objective]
        if previews.due and state.progress.done < state.progress.total:
            yield state.progress.step_shown(_measures(state), _preview(state.pixels))
            previews.shown()
        else:
            yield state.progress.step_shown(_measures(state), None)
    yield _last_step(work, state, objectives)


def _preview(pixels: Tensor) -> ImageArray:
    """(1, 3, H, W) as it is shown on the way: 12 megapixels at full size would take 0.2 GB on top."""
    size_hw = (pixels.shape[-2], pixels.shape[-1])
    shown_hw = preview_size(size_hw)
    return to_image(pixels if shown_hw == size_hw else resize(pixels, shown_hw))


def _last_step(work: Dreaming, last: DreamStep, objectives: list[float]) -> Step[Dream]:
    """The dream; where the visitor left before its last octave, that of the octave under way, enlarged."""
    progress, pixels = last.progress, work.enlarged(last.pixels)
    return Step(
        done=progress.done,
        total=progress.total,
        seconds_left=0.0,
        measures=_measures(last),
        result=Dream(to_image(pixels), progress.done, progress.wanted, tuple(objectives)),
        complete=progress.done == progress.wanted,
    )


def _measures(state: DreamStep) -> dict[str, float]:
    octave = {"octave": state.progress.size + 1, "octaves": state.progress.sizes}
    return {"objective": state.objective, **octave}
