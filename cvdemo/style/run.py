"""One way to run what the Style demo does, by its requests: an optimised picture, an instant one, a camera's frame."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from cvdemo.demo import Lane, Request, Step, lane_by_pixels
from cvdemo.images import ImageArray, preview_size, resize, to_image, to_tensor
from cvdemo.nets.backbone import load_backbone
from cvdemo.pace import PreviewTimer
from cvdemo.runtime import Deadline
from cvdemo.style.config import INSTANT_START
from cvdemo.style.feed_forward import InstantConfig, load_painter
from cvdemo.style.instant import first_picture, instant_picture, prepare
from cvdemo.style.optimise import StyleConfig, StyleStep, pace_for, sizes_for, stylize_pictures
from cvdemo.style.pictures import StylePictures
from cvdemo.style.steady import Before, steady_frame


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


@dataclass(frozen=True, kw_only=True, eq=False)
class InstantRequest(Request):
    """A picture in the manner of others, in one pass of a network.

    Attributes:
        content, style, styles, mask: as in `StyleRequest`.
    """

    content: ImageArray
    style: ImageArray
    config: InstantConfig = field(default_factory=InstantConfig)
    styles: tuple[tuple[ImageArray, float], ...] = ()
    mask: ImageArray | None = None

    @property
    def lane(self) -> Lane:
        """By the pixels of the result; a megapixel takes 1.3 s of one core."""
        height, width = self.content.shape[:2]
        return lane_by_pixels(height * width * (self.config.size / max(height, width)) ** 2)

    @property
    def pictures(self) -> StylePictures:
        """All of them; `InputError` where they do not fit together."""
        return StylePictures(self.content, self.style, self.styles, self.mask)


@dataclass(frozen=True, kw_only=True, eq=False)
class InstantFrameRequest(Request):
    """A frame of a camera in the manner of a picture.

    Attributes:
        frame, style: uint8 (H, W, 3) RGB.
        before: of the frame before, with the same style and settings; None: this one is the first.
        steadiness: from 0 to 1, see `cvdemo.style.steady`.
    """

    frame: ImageArray
    style: ImageArray
    config: InstantConfig = field(default_factory=InstantConfig)
    before: Before | None = None
    steadiness: float


@dataclass(frozen=True, eq=False)
class Stylized:
    """A repainted picture.

    Attributes:
        image: uint8 (H, W, 3), `config.size` on its longer side; with `config.seconds` at most that.
        steps: taken; 1 of an instant one. wanted: those that the settings ask for, or the plan by time.
    """

    image: ImageArray
    steps: int
    wanted: int


def run_style(request: StyleRequest) -> Iterator[Step[Stylized]]:
    """A step after each step of optimisation, then one with the result.

    With `start` "instant" there is one more at the beginning, whose preview is the instant style. Later previews carry
    its fine detail until their scale has its own.

    A preview has the size of the result, as it is planned, or that of `preview_size` where it is larger. The measures
    are `content_loss`, `style_loss` and `tv_loss`, before their weights, of the picture just before the step; and the
    `scale`, from 1, of how many `scales`.

    Raises:
        InputError: a picture is too narrow, or they do not fit together.
        WeightsError: it should start from the instant style, and there is none here, or its file is missing or altered.
    """
    deadline, previews = Deadline(request.time_limit_s), PreviewTimer(request.preview_every_s)
    network, pictures, config = load_backbone(request.device), request.pictures, request.config
    first: ImageArray | None = None
    if config.start == INSTANT_START and pictures.start is None:
        first = first_picture(pictures, config, request.device, deadline)
        pictures = replace(pictures, start=first)
        total = pace_for(sizes_for(pictures.content.shape[:2], config), config, deadline).total
        yield Step(done=0, total=total, preview=None if previews.every_s is None else first)
    for state in stylize_pictures(pictures, network, config, deadline):
        if previews.due and state.progress.done < state.progress.total:
            yield state.progress.step_shown(_measures(state), _picture(state, first, preview_size(state.size_hw)))
            previews.shown()
        else:
            yield state.progress.step_shown(_measures(state), None)
    yield _last_step(state, first)


def run_instant(request: InstantRequest) -> Iterator[Step[Stylized]]:
    """One step, with the result.

    Raises:
        InputError: a picture is too narrow, they do not fit together, or nobody waits for the result any more.
        WeightsError: there is no instant style here, or its file is missing or altered.
    """
    pictures, deadline = request.pictures, Deadline(request.time_limit_s)
    image = instant_picture(pictures, request.config, load_painter(request.device), deadline)
    yield Step(done=1, total=1, seconds_left=0.0, result=Stylized(image, 1, 1))


def run_instant_frame(request: InstantFrameRequest) -> Iterator[Step[Before]]:
    """One step; its result is what the next frame needs, with the picture as `painted`.

    Raises:
        InputError, WeightsError: as in `run_instant`.
    """
    style = prepare([(request.style, 1.0)], request.config, load_painter(request.device))
    yield Step(done=1, total=1, result=steady_frame(request.frame, style, request.before, request.steadiness))


def _last_step(state: StyleStep, first: ImageArray | None) -> Step[Stylized]:
    """The picture; where the visitor left before its last scale, that of the scale under way, enlarged."""
    progress = state.progress
    return Step(
        done=progress.done,
        total=progress.total,
        seconds_left=0.0,
        measures=_measures(state),
        result=Stylized(_picture(state, first, state.size_hw), progress.done, progress.wanted),
        complete=progress.done == progress.wanted,
    )


def _picture(state: StyleStep, first: ImageArray | None, size_hw: tuple[int, int]) -> ImageArray:
    """What is painted so far at a size; where that is larger, with the finer detail of what the picture began with."""
    pixels = state.pixels
    if pixels.shape[-2:] == size_hw:
        return to_image(pixels)
    sized = resize(pixels, size_hw)
    if first is None or pixels.shape[-1] > size_hw[1]:
        return to_image(sized)
    return to_image(sized + _finer(to_tensor(first, pixels.device), pixels, size_hw))


def _finer(first: Tensor, pixels: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """The detail of a picture, at a size, that one of the size of `pixels` cannot show."""
    coarse = resize(first, (pixels.shape[-2], pixels.shape[-1]))
    return resize(first, size_hw) - resize(coarse, size_hw)


def _measures(state: StyleStep) -> dict[str, float]:
    return asdict(state.losses) | {"scale": state.progress.size + 1, "scales": state.progress.sizes}
