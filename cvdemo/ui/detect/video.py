"""Detect on a short video: boxes on every frame, as a film to look at and to download."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run
from cvdemo.detect.run import DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.detect.video import DetectedVideo
from cvdemo.limits import DETECT_VIDEO_S, MB, UPLOAD_BYTES, VIDEO_S
from cvdemo.ui.detect.controls import Choice, sliders
from cvdemo.ui.detect.results import found_stem
from cvdemo.ui.wiring.controls import given, picture_output
from cvdemo.ui.wiring.films import chosen_video, film_on_page, film_part
from cvdemo.ui.wiring.parts import SETTLED_MS, wire

NOTE = f"Boxes are drawn on every frame and kept steady. Only the first {VIDEO_S:g} seconds of a video are searched."


def video_on_page(
    run: Run, path: str | None, detector: str, score: float, overlap: float
) -> Iterator[tuple[Any, Any, str]]:
    """Preview, film and status after each frame that has something new to show."""
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap)
    request = DetectVideoRequest(video=chosen_video(path), config=config, time_limit_s=DETECT_VIDEO_S)
    yield from film_on_page(run(request), found_stem(detector, path), _found)


def _found(result: DetectedVideo) -> str:
    """What was found at once at most."""
    return f"**{result.in_words}** at once at most. " if result.most_at_once else "**Nothing found.** "


def build_video(run: Run, choice: Choice) -> dict[str, Component]:
    """Draws the way for a video; returns its pair of sliders."""
    with gr.Row():
        with gr.Column(min_width=300):
            video = gr.Video(
                label=f"Your video ({UPLOAD_BYTES // MB} MB at most)",
                sources=["upload"],
                height=240,
                elem_id="detect-video",
            )
            with gr.Row():
                start = gr.Button("Detect on the video", variant="primary", elem_id="detect-video-run")
                cancel = gr.Button("Cancel", elem_id="detect-video-cancel", min_width=80, scale=0)
            pair = sliders("detect-video")
            gr.Markdown(NOTE, elem_classes="method-note")
        with gr.Column(min_width=300, scale=2):
            status = gr.Markdown(elem_id="detect-video-status", elem_classes="status")
            preview = picture_output("The frame that is searched", elem_id="detect-video-preview", height=420)
            film = gr.Video(
                label="With boxes",
                interactive=False,
                autoplay=True,
                visible=False,
                height=420,
                buttons=["download"],
                elem_id="detect-video-film",
            )
    part = film_part("detect-video", [video, choice.detector, *pair.values()], [video], preview, film, status)
    watch = {video: 0, **dict.fromkeys([choice.detector, *pair.values()], SETTLED_MS)}
    wire(part, given(run, video_on_page), run=[start.click], watch=watch, cancel=cancel, automatic=False)
    return pair
