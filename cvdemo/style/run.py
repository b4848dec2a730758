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
from cvdemo.style.optimise import StyleConfig, StyleStep, stylize_pictures
from cvdemo.style.pictures import StylePictures


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleRequest(Request):
    """A picture in the manner of another.

    Attributes:
        content, style: uint8 (H, W, 3) RGB of any size; smaller pictures are enlarged.
        styles: further style pictures, with their weights beside the 1 of `style`.
        mask: uint8 (H, W) in the shape of the content: 255 is painted like `styles`, 0 like `style`; None: both
            are mixed everywhere.
        start_image: uint8 (H, W, 3) in the shape of the content, to begin with instead of `config.start`.
        preview_every_s: least seconds between two previews, which cost a conversion each; None is no previews.
    """

    usual_lane: ClassVar[Lane] = Lane.SLOW

    content: ImageArray
    style: ImageArray
    config: StyleConfig = field(default_factory=StyleConfig)
    preview_every_s: float | None = None
    styles: tuple[tuple[ImageArray, float], ...] = ()
    mask: ImageArray | None = None
    start_image: ImageArray | None = None

    @property
    def pictures(self) -> StylePictures:
        """All of them; `InputError` where they do not fit together."""
        return StylePictures(self.content, self.style, self.styles, self.mask, self.start_image)


@dataclass(frozen=True, eq=False)
class Stylized:
    """A repainted picture.

    Attributes:
        image: uint8 (H, W, 3), `config.size` on its longer side; with `config.seconds` at most that.
        steps: taken. wanted: those that the settings ask for, or the plan by time.
    """

    image: ImageArray
    steps: int
    wanted: int


def run_style(request: StyleRequest) -> Iterator[Step[Stylized]]:
    """A step after each step of optimisation, then one with the result.

    A preview has the size of the result, as it is planned. The measures are `content_loss`, `style_loss` and `tv_loss`,
    before their weights, of the picture just before the step; and the `scale`, from 1, of how many `scales`.

    Raises:
        InputError: a picture is too narrow, or they do not fit together.
    """
    deadline, previews = Deadline(request.time_limit_s), PreviewTimer(request.preview_every_s)
    network = load_backbone(request.device)
    for state in stylize_pictures(request.pictures, network, request.config, deadline):
        if previews.due and state.progress.done < state.progress.total:
            yield state.progress.step_shown(_measures(state), _picture(state.pixels, state.size_hw))
            previews.shown()
        else:
            yield state.progress.step_shown(_measures(state), None)
    yield _last_step(state)


def _last_step(state: StyleStep) -> Step[Stylized]:
    """The picture; where the visitor left before its last scale, that of the scale under way, enlarged."""
    progress = state.progress
    return Step(
        done=progress.done,
        total=progress.total,
        seconds_left=0.0,
        measures=_measures(state),
        result=Stylized(_picture(state.pixels, state.size_hw), progress.done, progress.wanted),
        complete=progress.done == progress.wanted,
    )


def _picture(pixels: Tensor, size_hw: tuple[int, int]) -> ImageArray:
    return to_image(pixels if pixels.shape[-2:] == size_hw else resize(pixels, size_hw))


def _measures(state: StyleStep) -> dict[str, float]:
    return asdict(state.losses) | {"scale": state.progress.size + 1, "scales": state.progress.sizes}
