"""The zoom film on the Dream tab: a dive into the dream that is shown, frame by frame; and `/dream_film`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from cvdemo.config import settings_of
from cvdemo.demo import Lane, Run, Step
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import read_recipe
from cvdemo.dream.zoom_film import FORMATS, GIF, MP4, DreamFilm, DreamFilmRequest, ZoomFilmConfig
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, read_image
from cvdemo.limits import DREAM_FILM_S
from cvdemo.ui.dream_presets import config_of, preset_field, setting_fields
from cvdemo.ui.dream_where import load_guide
from cvdemo.ui.serving.result_names import file_stem, stem_of
from cvdemo.ui.serving.results import save_pil_to_cache
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.wiring.controls import (
    control,
    endpoint,
    given,
    load_picture,
    named,
    picture_input,
    picture_output,
    save_download,
    took,
    warn_if_incomplete,
)
from cvdemo.ui.wiring.parts import Part, wire

FILM_SETTINGS = tuple(settings_of(ZoomFilmConfig))
DREAM_FIELDS = ("objective", "layer", "channel", "colour", "seed")  # of the dream, in the order of the endpoint
FILM_NOTE = (
    "A film that dives into the dream above. Each frame is the one before, a little larger and turned, and dreamed on "
    "with the same settings."
)
NOT_DONE = "There is no finished dream to dive into: wait for it, or press Dream."
FRAME_STAYS = "Cancelled; the last frame stays."


def dream_film_endpoint(
    run: Run,
    image: str | None,
    preset: str | None = None,
    objective: str | None = None,
    layer: str | None = None,
    channel: float | None = None,
    colour: float | None = None,
    seed: float | None = None,
    guide: str | None = None,
    frames: int = ZoomFilmConfig.frames,
    fps: int = ZoomFilmConfig.fps,
    zoom: float = ZoomFilmConfig.zoom,
    turn_deg: float = ZoomFilmConfig.turn_deg,
    frame_steps: int = ZoomFilmConfig.frame_steps,
    film_px: int = ZoomFilmConfig.film_px,
    format: str = MP4,
) -> Iterator[tuple[str, str | None]]:
    """A zoom film that begins with a picture, best one that `/dream` has returned: streams its frames, then the file.

    A PNG of `/dream` brings its settings along; a preset and settings that are sent (not null) take their place. A
    `guide` is a picture whose features the dream follows. `format` is "mp4" (H.264) or "gif", of 8 MB at most. Each
    frame is `zoom` times the last one, turned by `turn_deg` degrees. Where time runs out, a warning says so, the film
    ends there, and its name ends in "_incomplete".
    """
    sent = dict(locals())
    picture, recipe = load_picture(image), None if image is None else read_recipe(read_upload(image))
    own = DreamConfig() if recipe is None else recipe.config
    request = DreamFilmRequest(
        image=picture,
        config=config_of(preset or own, {name: sent[name] for name in DREAM_FIELDS}),
        film=ZoomFilmConfig(**{name: sent[name] for name in FILM_SETTINGS}),
        guide=load_guide(guide),
        formats=(format,),
        time_limit_s=DREAM_FILM_S,
    )
    for step in run(request):
        yield _frame(step), None if step.result is None else str(_saved(step, format, image))
        warn_if_incomplete(step, _cut_short(step))


def _film_on_page(run: Run, dreamed: str | None, guide: str | None, *values: Any) -> Iterator[tuple[Any, ...]]:
    """Film, frame, download of the GIF, and status."""
    started = time.monotonic()
    picture, config = _finished(dreamed)
    film = ZoomFilmConfig(**dict(zip(FILM_SETTINGS, values, strict=True)))
    request = DreamFilmRequest(
        image=picture,
        config=config,
        film=film,
        guide=load_guide(guide),
        formats=(MP4, GIF),
        time_limit_s=DREAM_FILM_S,
    )
    for step in run(request):
        if step.result is None:
            yield gr.skip(), gr.Image(_frame(step), visible=True), gr.skip(), _status(step)
    status = took((time.monotonic() - started) * 1000, f"{step.done} frames")
    if not step.complete:
        status += f". {_cut_short(step)}"
    gif = gr.DownloadButton(value=str(_saved(step, GIF, dreamed)), visible=True)
    yield str(_saved(step, MP4, dreamed)), gr.Image(None, visible=False), gif, status


def _finished(path: str | None) -> tuple[ImageArray, DreamConfig]:
    """The dream that is shown and its settings, which are in its file. Raises `InputError` where it is a preview."""
    data = None if path is None else read_upload(path)
    recipe = None if data is None else read_recipe(data)
    if data is None or recipe is None:
        raise InputError(NOT_DONE)
    return read_image(data), recipe.config


def _frame(step: Step[DreamFilm]) -> str:
    """The path of the step's frame as a JPEG."""
    assert step.preview is not None  # every step has one
    return str(save_pil_to_cache(Image.fromarray(step.preview), get_upload_folder(), name="frame", format="jpeg"))


def _status(step: Step[DreamFilm]) -> str:
    left = "" if step.seconds_left is None else f", about {step.seconds_left:.0f} s left"
    return f"Frame {step.done} of {step.total}{left}"


def _cut_short(step: Step[DreamFilm]) -> str:
    """What is said of a film that the time limit has ended."""
    return (
        f"It stopped at the limit of {DREAM_FILM_S:g} s, after {step.done} of {step.total} frames: the film ends "
        "there. A smaller one leaves time for more."
    )


def _saved(step: Step[DreamFilm], ending: str, dreamed: str | None) -> Path:
    """A file of the last step to download. Raises `RoomError` where there is no room for it."""
    assert step.result is not None  # the last step has it
    return save_download(named(file_stem("zoom-film", stem_of(dreamed)), ending, step), step.result.files[ending])


def build_film(run: Run, result: gr.Image, guide: gr.Image) -> Part:
    """Draws the part that opens, and registers `/dream_film`; the dream's own part ends it when it begins anew."""
    with gr.Accordion("Zoom film: dive into the dream", open=False, elem_id="dream-film"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(FILM_NOTE, elem_classes="method-note")
            controls = [control(ZoomFilmConfig, name) for name in FILM_SETTINGS]
            with gr.Row():
                start = gr.Button("Make the film", variant="primary", elem_id="dream-film-run")
                cancel = gr.Button("Cancel", elem_id="dream-film-cancel", min_width=80, scale=0)
        with gr.Column(min_width=280, scale=2):
            status = gr.Markdown(elem_id="dream-film-status", elem_classes="status")
            frame = picture_output("The frame that was dreamed last", elem_id="dream-film-frame", visible=False)
            film = _film_field()
            gif = gr.DownloadButton("Download as GIF", size="sm", visible=False, elem_id="dream-film-gif")
    part = Part(
        name="dream-film",
        lane=Lane.SLOW,
        inputs=[result, guide, *controls],
        outputs=[film, frame, gif, status],
        empty={frame: gr.Image(None, visible=False)},
        status=status,
        cancelled_text=FRAME_STAYS,
    )
    wire(part, given(run, _film_on_page), run=[start.click], cancel=cancel, automatic=False, show_progress_on=film)
    empties = '(dreamed) => { if (dreamed === null) document.getElementById("dream-film-empty").click(); }'
    result.change(None, result, None, js=empties, api_visibility="private", show_progress="hidden")
    fields = [
        preset_field(None),
        *setting_fields(DREAM_FIELDS),
        picture_input("Guide picture", visible=False),
        *controls,
    ]
    form = gr.Dropdown(list(FORMATS), value=MP4, label="Format", visible=False)
    outputs = [gr.Image(label="Frame", visible=False), gr.File(label="Film", visible=False)]
    inputs = [picture_input(visible=False), *fields, form]
    endpoint("dream_film", given(run, dream_film_endpoint), inputs, outputs, Lane.SLOW)
    return part


def _film_field() -> gr.Video:
    return gr.Video(
        label="The film",
        interactive=False,
        autoplay=True,
        loop=True,
        height=360,
        buttons=["download"],
        elem_id="dream-film-video",
    )
