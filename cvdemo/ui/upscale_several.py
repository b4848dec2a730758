"""Upscale several pictures, or a folder of them: a gallery to look at, and a ZIP with the PNGs in full size."""

import io
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from cvdemo.backends.durations import UnitTimes
from cvdemo.backends.work import PNG_S, QUICK_PNG_S, READ_S, SHOWN_S
from cvdemo.demo import Lane, Run, Step
from cvdemo.errors import InputError, LeftError
from cvdemo.images import ImageArray, on_white, png_bytes, read_image, resize_to_fit
from cvdemo.limits import STATE_S, UPSCALE_BATCH_MEGAPIXELS, UPSCALE_BATCH_S, UPSCALE_PICTURES, UPSCALE_S
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.result_names import file_stem, stem_of
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.serving.waiting import durations_of
from cvdemo.ui.several.fields import (
    CANCELLED_TEXT,
    files_field,
    followed_by,
    note,
    picture_files,
    start_and_cancel,
    was_cancelled,
)
from cvdemo.ui.several.files import Archive, chosen_pictures, count_of
from cvdemo.ui.several.foretold import Foretold, blank
from cvdemo.ui.several.job import Batch, Job, last_moment, megapixels_of, on_the_way
from cvdemo.ui.upscale_parts import QUICK_PNG_PIXELS, packed_level, scale_and_network
from cvdemo.ui.wiring.controls import endpoint, given, named, save_download, sent_quality, took
from cvdemo.ui.wiring.downloads import NO_FILE, file_buttons, offered_file
from cvdemo.ui.wiring.parts import Part, wire
from cvdemo.upscale.catalogue import AUTO, NETWORKS, network_named
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from cvdemo.upscale.upscale import UpscaleConfig, check_result_size

NAME = "upscale-several"
SIDE_PX = 1280  # longer side of a result in the gallery; the ZIP has it in full
LEAST_UNITS = 0.1  # megapixels; what every picture takes, however small
LEAST_AFTER_S = 0.002  # of the reference machine: what every result takes to be packed, however small
FILES = {"zip": "All in full size (ZIP)"}


@dataclass(frozen=True)
class Enlarged:
    """One picture of a batch.

    Attributes:
        file: its name in the ZIP. shown: the path of the result as JPEG, small enough for a screen.
        from_wh, to_wh: its size before and after. complete: whether the network came to its end.
    """

    file: str
    shown: str
    from_wh: tuple[int, int]
    to_wh: tuple[int, int]
    complete: bool

    @property
    def in_words(self) -> str:
        sizes = " → ".join(f"{width} × {height}" for width, height in (self.from_wh, self.to_wh))
        return f"{self.file}: {sizes}" + (
            "" if self.complete else "; the rest is enlarged plainly, because time ran out"
        )

    @property
    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, "size_wh": list(self.to_wh), "complete": self.complete}


@dataclass(frozen=True)
class Results:
    """What a session keeps: the pictures so far, and the path of the ZIP that holds them."""

    batch: Batch[Enlarged]
    archive: str


class Work:
    """Enlarges picture after picture into one ZIP.

    Args:
        archive: has each result as soon as it is there, so that no two of them are held in memory.
    """

    def __init__(self, run: Run, config: UpscaleConfig, archive: Archive) -> None:
        self.run, self.config, self.archive = run, config, archive
        self.megapixels_left = UPSCALE_BATCH_MEGAPIXELS

    def __call__(self, path: str, name: str, seconds: float) -> Generator[Step[UpscaleResult], None, Enlarged]:
        """The steps of one picture; returns it as the session keeps it."""
        picture = read_image(read_upload(path), keep_alpha=True)
        self._check_size(picture)
        limit_s, last = min(UPSCALE_S, seconds), Step[UpscaleResult](done=0, total=1)
        request = UpscaleRequest(
            image=picture,
            config=self.config,
            jpeg_quality=sent_quality(path),
            with_bicubic=False,
            time_limit_s=limit_s,
        )
        for last in self.run(request):
            yield last
        assert last.result is not None  # of the last step
        if Deadline().abandoned:  # tiles are black then; the ZIP holds what the visitor has seen
            raise LeftError("Nobody waits for the result any more.")
        return self._kept(name, picture, last.result.image, last)

    def _check_size(self, picture: ImageArray) -> None:
        """Raises `InputError` where the result is too large, or more than is left for all of them together."""
        height, width = picture.shape[:2]
        check_result_size(height, width, self.config.scale)
        megapixels = height * width * self.config.scale**2 / 1e6
        if megapixels > self.megapixels_left:
            raise InputError(
                f"The result would have {megapixels:.1f} megapixels; of the {UPSCALE_BATCH_MEGAPIXELS:g} for all "
                f"results together {self.megapixels_left:.1f} are left: choose fewer pictures or a smaller enlargement."
            )

    def _kept(self, name: str, picture: ImageArray, image: ImageArray, last: Step[UpscaleResult]) -> Enlarged:
        file = named(file_stem(f"upscaled-x{self.config.scale}", stem_of(name)), "png", last)
        shown = str(save_download(f"{Path(file).stem}.jpg", _jpeg(image)))
        self.archive.add(file, png_bytes(image, packed_level(image), Deadline()))  # last: the ZIP has what is told
        self.megapixels_left -= image[..., 0].size / 1e6
        (height, width), (high, wide) = picture.shape[:2], image.shape[:2]
        return Enlarged(file, shown, (width, height), (wide, high), last.complete)


def _jpeg(image: ImageArray) -> bytes:
    """The picture on white, small enough for a screen."""
    data = io.BytesIO()
    Image.fromarray(resize_to_fit(on_white(image), SIDE_PX)).save(data, format="JPEG", quality=90)
    return data.getvalue()


def several_on_page(
    run: Run, times: UnitTimes, files: list[str] | None, scale: int, network: str
) -> Iterator[tuple[Any, ...]]:
    """Gallery and status with every picture; at the end the ZIP too. The session keeps the results."""
    began, archive = time.monotonic(), Archive(_archive_name(scale))

    def so_far(line: str, batch: Batch[Enlarged] | None) -> tuple[Any, ...]:
        new = [gr.skip()] * 2 if batch is None else [gallery(batch), Results(batch, str(archive.path))]
        return new[0], line, gr.skip(), new[1]

    job = batch_job(run, times, files, UpscaleConfig(scale=scale, network=network), archive)
    batch = yield from on_the_way(job, so_far)
    kept = Results(batch, str(archive.path))
    yield gallery(batch), status(batch, time.monotonic() - began), _offered(kept), kept


def several_endpoint(
    run: Run, times: UnitTimes, files: list[str] | None, scale: int = 2, network: str = AUTO
) -> tuple[str | None, dict[str, Any]]:
    """A ZIP with several pictures enlarged by a network, PNGs that keep their alpha; and what became of each as JSON.

    A picture that cannot be read is among the refused ones, with the reason; the others go on. Where time runs out,
    `not_reached` says how many are left, and the name of a PNG that bicubic had to fill ends in "_incomplete". Where
    the page is full, `stopped` says so.
    """
    archive = Archive(_archive_name(scale))
    batch = last_moment(batch_job(run, times, files, UpscaleConfig(scale=scale, network=network), archive))
    report = batch.report([picture.as_dict for picture in batch.pictures])
    return str(archive.path) if batch.pictures else None, report


def _archive_name(scale: int) -> str:
    return f"upscaled-x{scale}-pictures.zip"


def batch_job(
    run: Run, times: UnitTimes, files: list[str] | None, config: UpscaleConfig, archive: Archive
) -> Job[Enlarged]:
    """The enlargement of all pictures; its time goes by their sizes, of the network and of packing apart.

    Raises:
        InputError: the scale has no such network.
    """
    paths = chosen_pictures(files, UPSCALE_PICTURES)
    megapixels = [megapixels_of(path) for path in paths]
    results = [each * config.scale**2 for each in megapixels]
    after_s = [_after_s(each) for each in results]
    return Job(
        paths=paths,
        units=[LEAST_UNITS + each for each in results],
        after_units=after_s,
        kind=network_named(config.scale, config.network),
        one=Work(run, config, archive),
        limit_s=UPSCALE_BATCH_S,
        times=times,
        foretold=Foretold(
            durations=durations_of(run),
            requests=[UpscaleRequest(image=blank(each), config=config, with_bicubic=False) for each in megapixels],
            before_s=[READ_S * each for each in megapixels],
            after_s=after_s,
        ),
    )


def _after_s(megapixels: float) -> float:
    """Seconds of the reference machine to pack a result as PNG, and to make it small for the gallery."""
    png_s = QUICK_PNG_S if 1e6 * megapixels > QUICK_PNG_PIXELS else PNG_S
    return LEAST_AFTER_S + (png_s + SHOWN_S) * megapixels


def gallery(batch: Batch[Enlarged]) -> list[tuple[str, str]]:
    """The results with their names and sizes."""
    return [(picture.shown, picture.in_words) for picture in batch.pictures]


def status(batch: Batch[Enlarged], seconds: float) -> str:
    """How many were enlarged, in what time, and which could not be."""
    lines = [f"**{took(1000 * seconds, f'{count_of(len(batch.pictures))} enlarged')}.**", *batch.sentences("reached")]
    if in_part := sum(not picture.complete for picture in batch.pictures):
        lines.append(f"{count_of(in_part)} enlarged only in part: the rest is plain.")
    return "\n".join([" ".join(lines), *batch.lines()])


def _offered(results: Results) -> Any:
    """The ZIP, if anything is in it."""
    return offered_file(results.archive) if results.batch.pictures else gr.skip()


def _offer_if_cancelled(before: str, results: Results | None) -> Any:
    """The ZIP of the pictures so far, after a run that was cancelled; any other has given it already."""
    return gr.skip() if results is None or not was_cancelled(before) else _offered(results)


def build_several(run: Run) -> None:
    """Draws the way for several pictures and registers its endpoint."""
    with gr.Row():
        with gr.Column(min_width=300):
            files = picture_files(NAME, UPSCALE_PICTURES)
            start, cancel = start_and_cancel(NAME, "Upscale all")
            scale, network, _ = scale_and_network(f"{NAME}-scale", f"{NAME}-network")
            note(UPSCALE_PICTURES, f"All results together may have at most {UPSCALE_BATCH_MEGAPIXELS:g} megapixels.")
        with gr.Column(min_width=300, scale=2):
            shown: dict[str, Component] = {
                "status": gr.Markdown(elem_id=f"{NAME}-status", elem_classes="status"),
                "gallery": _gallery_field(),
            }
            shown |= file_buttons(NAME, FILES)
    times = UnitTimes()
    _wire(given(run, several_on_page, times), [files, scale, network], start, cancel, shown)
    any_network = gr.Dropdown(list(NETWORKS), value=AUTO, visible=False, label="Network")
    outputs = [gr.File(visible=False, label="ZIP"), gr.JSON(visible=False)]
    handler = given(run, several_endpoint, times)
    endpoint("upscale_several", handler, [files_field(), scale, any_network], outputs, Lane.SLOW)


def _gallery_field() -> gr.Gallery:
    return gr.Gallery(
        label="Enlarged",
        show_label=False,
        columns=3,
        height="auto",
        object_fit="contain",
        interactive=False,
        buttons=["fullscreen"],
        elem_id=f"{NAME}-gallery",
    )


def _wire(
    handler: Callable[..., Any],
    inputs: list[Component],
    start: gr.Button,
    cancel: gr.Button,
    shown: dict[str, Component],
) -> None:
    """The run, whose first input are the files; then the ZIP of one that was cancelled.

    It begins with the button, not with the files: the scale is chosen after them.
    """
    session, button = gr.State(time_to_live=STATE_S), shown["zip"]
    part = Part(
        name=NAME,
        lane=Lane.SLOW,
        several=True,
        inputs=inputs,
        needs=inputs[:1],
        outputs=[shown["gallery"], shown["status"], button, session],
        empty={button: NO_FILE},
        status=shown["status"],
        cancelled_text=CANCELLED_TEXT,
    )
    watch = dict.fromkeys(inputs, 0)
    runs = wire(part, handler, run=[start.click], watch=watch, cancel=cancel, automatic=False)
    followed_by(runs, _offer_if_cancelled, [shown["status"], session], [button])
