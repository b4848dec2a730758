"""One way to run what the Style demo does, by its requests."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import ClassVar

from torch import Tensor

from cvdemo.demo import Lane, Request, Step
from cvdemo.images import ImageArray, resize, to_image
from cvdemo.nets.backbone import load_backbone
from cvdemo.pace import PreviewTimer
from cvdemo.runtime import Deadline
from cvdemo.style.optimise import StyleConfig, StyleStep, stylize
from cvdemo.style.scales import scale_sizes


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleRequest(Request):
    """A picture in the manner of another.

    Attributes:
        content, style: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        preview_every_s: least seconds between two previews, which cost a conversion each; None is no previews.
    """

    usual_lane: ClassVar[Lane] = Lane.SLOW

    content: ImageArray
    style: ImageArray
    config: StyleConfig = field(default_factory=StyleConfig)
    preview_every_s: float | None = None


@dataclass(frozen=True, eq=False)
class Stylized:
    """A repainted picture.

    Attributes:
        image: uint8 (H, W, 3), `config.size` on its longer side.
        steps: taken. wanted: those that the settings ask for.
    """

    image: ImageArray
    steps: int
    wanted: int


def run_style(request: StyleRequest) -> Iterator[Step[Stylized]]:
    """A step after each step of optimisation, then one with the result.

    A preview has the size of the result. The measures are `content_loss`, `style_loss` and `tv_loss`, before their
    weights, of the picture just before the step; and the `scale`, from 1, of how many `scales`.

    Raises:
        InputError: a picture is too narrow.
    """
    network, config = load_backbone(request.device), request.config
    (size_hw,) = scale_sizes(request.content.shape[:2], config.size, 1)
    previews = PreviewTimer(request.preview_every_s)
    for state in stylize(request.content, request.style, network, config, Deadline(request.time_limit_s)):
        if previews.due and state.progress.done < state.progress.total:
            yield state.progress.step_shown(_measures(state), _picture(state.pixels, size_hw))
            previews.shown()
        else:
            yield state.progress.step_shown(_measures(state), None)
    yield _last_step(state, size_hw)


def _last_step(state: StyleStep, size_hw: tuple[int, int]) -> Step[Stylized]:
    """The picture; where the visitor left before its last scale, that of the scale under way, enlarged."""
    progress = state.progress
    return Step(
        done=progress.done,
        total=progress.total,
        seconds_left=0.0,
        measures=_measures(state),
        result=Stylized(_picture(state.pixels, size_hw), progress.done, progress.wanted),
        complete=progress.done == progress.wanted,
    )


def _picture(pixels: Tensor, size_hw: tuple[int, int]) -> ImageArray:
    return to_image(pixels if pixels.shape[-2:] == size_hw else resize(pixels, size_hw))


def _measures(state: StyleStep) -> dict[str, float]:
    return asdict(state.losses) | {"scale": state.progress.size + 1, "scales": state.progress.sizes}
