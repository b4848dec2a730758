"""Detect on a short video: boxes on every frame, as a film to look at and to download."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Lane, Run, Step
from cvdemo.detect.run import DetectedVideo, DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.errors import InputError
from cvdemo.limits import DETECT_VIDEO_S
from cvdemo.ui.detect_controls import Choice, sliders
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.wiring.controls import given, named, picture_output, save_download, took
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire

NOTE = "A short video: boxes are drawn on every frame. Only its beginning is searched where it is long."


def video_on_page(
    run: Run, path: str | None, detector: str, score: float, overlap: float
) -> Iterator[tuple[Any, Any, str]]:
    """Preview, film and status after each frame that has something new to show."""
    if path is None:
        raise InputError("Please choose a video first.")
    started = time.monotonic()
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap)
    request = DetectVideoRequest(
        video=read_upload(path, "video"), name=Path(path).name, config=config, time_limit_s=DETECT_VIDEO_S
    )
    for step in run(request):
        if step.result is None:
            preview = gr.skip() if step.preview is None else step.preview
            yield preview, gr.skip(), _progress(step)
    result: DetectedVideo | None = step.result
    assert result is not None  # a demo's last step has one
    film = save_download(named("detections", "mp4", step), result.mp4)
    yield None, str(film), _summary(step, result, (time.monotonic() - started) * 1000)


def _progress(step: Step[DetectedVideo]) -> str:
    left = "" if step.seconds_left is None else f", about {step.seconds_left:.0f} s left"
    return f"Frame {step.done} of {step.total}{left}"


def _summary(step: Step[DetectedVideo], result: DetectedVideo, elapsed_ms: float) -> str:
    """How much was searched, in what time, and whether it was cut short."""
    text = took(elapsed_ms, f"**{result.frames} frames** searched, {result.frames / result.fps:.1f} s of film")
    return text if step.complete else f"{text}. The limit of {DETECT_VIDEO_S:g} s ended it early."


def build_video(run: Run, choice: Choice) -> list[Component]:
    """Draws the way for a video; returns its pair of sliders."""
    with gr.Row():
        with gr.Column(min_width=300):
            video = gr.Video(label="Your video", sources=["upload"], height=240, elem_id="detect-video")
            with gr.Row():
                start = gr.Button("Detect on the video", variant="primary", elem_id="detect-video-run")
                cancel = gr.Button("Cancel", elem_id="detect-video-cancel", min_width=80, scale=0)
            pair = sliders("detect-video")
            gr.Markdown(NOTE, elem_classes="method-note")
        with gr.Column(min_width=300, scale=2):
            status = gr.Markdown(elem_id="detect-video-status", elem_classes="status")
            preview = picture_output("The frame that is searched", elem_id="detect-video-preview", height=360)
            film = gr.Video(
                label="With boxes",
                interactive=False,
                autoplay=True,
                height=360,
                buttons=["download"],
                elem_id="detect-video-film",
            )
    part = Part(
        name="detect-video",
        lane=Lane.SLOW,
        inputs=[video, choice.detector, *pair],
        needs=[video],
        outputs=[preview, film, status],
        status=status,
        cancelled_text="Cancelled; the last frame stays.",
    )
    watch = {video: 0, **dict.fromkeys([choice.detector, *pair], SETTLED_MS)}
    wire(part, given(run, video_on_page), run=[start.click], watch=watch, cancel=cancel, automatic=False)
    return pair
