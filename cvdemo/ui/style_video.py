"""A short video in a style: each frame painted, as a film to look at and to download."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from cvdemo.demo import Run
from cvdemo.limits import MB, STYLE_VIDEO_S, UPLOAD_BYTES, VIDEO_S
from cvdemo.style.video import StyleVideoConfig, StyleVideoRequest
from cvdemo.ui.style_examples import painted_stem, style_input, styles_gallery
from cvdemo.ui.wiring.controls import (
    control,
    given,
    load_picture,
    picture_output,
)
from cvdemo.ui.wiring.films import chosen_video, film_on_page, film_part
from cvdemo.ui.wiring.parts import SETTLED_MS, wire

NOTE = f"Every frame is painted, with little flicker. Only the first {VIDEO_S:g} seconds of a video are painted."
SETTINGS = ("size", "strength", "style_scale", "keep_colours", "steadiness")


def video_on_page(run: Run, path: str | None, style: str | None, *values: Any) -> Iterator[tuple[Any, Any, str]]:
    """Preview, film and status after each frame that has something new to show; `values` are those of `SETTINGS`."""
    request = StyleVideoRequest(
        video=chosen_video(path),
        style=load_picture(style, "a style picture"),
        config=StyleVideoConfig(**dict(zip(SETTINGS, values, strict=True))),
        time_limit_s=STYLE_VIDEO_S,
    )
    yield from film_on_page(run(request), painted_stem(path, style))


def build_video(run: Run) -> None:
    """Draws the way for a video."""
    with gr.Row():
        with gr.Column(min_width=300):
            video = gr.Video(
                label=f"Your video ({UPLOAD_BYTES // MB} MB at most)",
                sources=["upload"],
                height=240,
                elem_id="style-video",
            )
            style = style_input("style-video-style")
            with gr.Row():
                start = gr.Button("Paint the video", variant="primary", elem_id="style-video-run")
                cancel = gr.Button("Cancel", elem_id="style-video-cancel", min_width=80, scale=0)
            styles_gallery(style, "style-video-styles")
            fields = [control(StyleVideoConfig, name) for name in SETTINGS]
            gr.Markdown(NOTE, elem_classes="method-note")
        with gr.Column(min_width=300, scale=2):
            status = gr.Markdown(elem_id="style-video-status", elem_classes="status")
            preview = picture_output("The frame that is painted", elem_id="style-video-preview", height=420)
            film = _film_field()
    part = film_part("style-video", [video, style, *fields], [video, style], preview, film, status)
    watch = {video: 0, style: 0, **dict.fromkeys(fields, SETTLED_MS)}
    wire(part, given(run, video_on_page), run=[start.click], watch=watch, cancel=cancel, automatic=False)


def _film_field() -> gr.Video:
    return gr.Video(
        label="The film",
        interactive=False,
        autoplay=True,
        loop=True,
        visible=False,
        height=420,
        buttons=["download"],
        elem_id="style-video-film",
    )
