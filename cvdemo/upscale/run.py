"""One way to run what the Upscale demo does."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cvdemo.demo import Lane, Request, Step, lane_by_pixels, seconds_left
from cvdemo.images import ImageArray, on_white
from cvdemo.runtime import Deadline
from cvdemo.upscale.catalogue import network_named
from cvdemo.upscale.quality import Comparison, luma_quality, shrink
from cvdemo.upscale.upscale import UpscaleConfig, check_result_size, load_network, upscale_steps


@dataclass(frozen=True, kw_only=True, eq=False)
class UpscaleRequest(Request):
    """A picture enlarged, uint8 (H, W, 3) RGB or (H, W, 4) RGBA. The time limit begins once the network is loaded.

    Attributes:
        image: where it is shrunk first, its alpha is laid on white.
        jpeg_quality: of the file it came in, None of no JPEG; "auto" chooses by it, see `network_named`. A picture that
            is shrunk first counts as no JPEG, for shrinking takes the damage away.
        with_bicubic: whether the result holds the picture of bicubic alone; where it is measured, it always does.
    """

    image: ImageArray
    config: UpscaleConfig = field(default_factory=UpscaleConfig)
    jpeg_quality: int | None = None
    with_bicubic: bool = True

    @property
    def lane(self) -> Lane:
        """By the pixels of the result."""
        height, width = self.image.shape[:2]
        return lane_by_pixels(height * width * (1 if self.config.shrink_first else self.config.scale**2))


@dataclass(frozen=True, kw_only=True)
class UpscaleResult:
    """The enlarged picture and what it is compared with.

    Attributes:
        image: by the network, uint8 (H, W, 3), or (H, W, 4) where alpha was given.
        bicubic: the same by bicubic alone; None where it was not asked for.
        original: what was shrunk first, and only with that: the part of the picture sent that the others show.
        quality: against the original; None where there is none, or time ran out.
        network_title, network_kind: of the network, for people of the field and for anybody.
    """

    image: ImageArray
    bicubic: ImageArray | None
    original: ImageArray | None
    quality: Comparison | None
    network_title: str
    network_kind: str


def run_upscale(request: UpscaleRequest) -> Iterator[Step[UpscaleResult]]:
    """One step a tile; where the picture is shrunk first, one before that and one before the result is measured.

    Where time runs out among the tiles, bicubic fills those that are left, and nothing is measured. Where it runs out
    while the result is measured, the picture is whole. Both are marked as incomplete; `done` says which it was.

    Raises:
        InputError: the picture is too large, or too small to be measured, or there is no such network for the scale.
    """
    config, image, original = request.config, request.image, None
    if config.shrink_first:
        yield Step(done=0, total=1)  # whoever has left meanwhile need not wait for it
        image, original = shrink(on_white(image), config.scale)
    check_result_size(image.shape[0], image.shape[1], config.scale)
    jpeg_quality = request.jpeg_quality if original is None else None
    choice = network_named(config.scale, config.network, jpeg_quality=jpeg_quality)
    network = load_network(choice, request.device)
    deadline = Deadline(request.time_limit_s)
    with_bicubic = request.with_bicubic or original is not None
    for tile in upscale_steps(image, network, config, deadline, with_bicubic=with_bicubic):
        if tile.is_last:
            break
        left_s = seconds_left(deadline, tile.share, 1.0) if original is None else None  # measuring comes after
        yield Step(done=tile.done, total=tile.total, seconds_left=left_s, share=tile.share)
    complete, quality = tile.done == tile.total, None
    if complete and original is not None and tile.bicubic is not None:
        yield Step(done=tile.done, total=tile.total)
        quality = _compare(tile.bicubic, tile.image, original, config.scale, deadline)
        complete = quality is not None
    result = UpscaleResult(
        image=tile.image,
        bicubic=tile.bicubic,
        original=original,
        quality=quality,
        network_title=choice.title,
        network_kind=choice.kind,
    )
    yield Step(done=tile.done, total=tile.total, seconds_left=0.0, result=result, complete=complete)


def _compare(
    bicubic: ImageArray, image: ImageArray, original: ImageArray, scale: int, deadline: Deadline
) -> Comparison | None:
    """Both against the original, without a border of the scale as in the papers; None where the deadline came first."""
    measured = luma_quality([bicubic, image], original, scale, deadline)
    return None if measured is None else Comparison(*measured)
