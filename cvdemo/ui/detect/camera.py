"""Detect live: boxes on the moving picture of the visitor's camera, frame by frame.

The browser sends small JPEG frames through gradio's streaming. One of a visitor is searched at a time, one is on its
way, and of those that wait the newest replaces the others, so that nothing stale piles up. Each frame is a request of
its own, so that cameras wait in the same line as pictures do.
"""

import time
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run, result_of
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, Detections
from cvdemo.errors import DemoError
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.limits import LIVE_AT_ONCE, LIVE_FRAME_S, LIVE_MEGAPIXELS, LIVE_S, LIVE_SIDE_PX
from cvdemo.ui.detect.controls import Choice, sliders
from cvdemo.ui.detect.results import headline
from cvdemo.ui.wiring.controls import given
from cvdemo.ui.wiring.live_camera import Rate, camera_field, show_frames, stream

NOTE = (
    f"Press the camera, allow it, and press Record. The server searches every frame and keeps none. It stops after "
    f"{LIVE_S:g} seconds. Press Record to start again. At most {LIVE_AT_ONCE} cameras run at once; other visitors wait."
)
CUT = "; {} of the last {} frames searched only in part: time ran out, and small things may be missing"


def frame_on_page(
    run: Run, frame: bytes | None, detector: str, score: float, overlap: float, rate: Rate | None
) -> tuple[Any, str, Rate]:
    """The frame with its boxes, what was counted, and the rate; where it fails, the reason in the status alone.

    A stream that raised would end, begin again with the next frame, and raise again.
    """
    now = (rate or Rate()).after(time.monotonic())
    if frame is None:
        return gr.skip(), gr.skip(), now
    try:
        picture, found = _searched(run, frame, detector, score, overlap)
    except DemoError as error:
        return gr.skip(), str(error), now
    now = now.noting(complete=found.complete)
    line = f"**{headline(found, detector)}.** {found.elapsed_ms:.0f} ms a frame, {now.in_words()}".rstrip(", ")
    line += CUT.format(sum(now.cut), len(now.cut)) if any(now.cut) else ""
    return draw_detections(picture, found), line, now


def _searched(run: Run, frame: bytes, detector: str, score: float, overlap: float) -> tuple[ImageArray, Detections]:
    """The frame at the size at which it is searched, and what was found in it."""
    read = read_image(frame, "The camera's frame", max_megapixels=LIVE_MEGAPIXELS)
    picture = resize_to_fit(read, LIVE_SIDE_PX)
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap, max_upscale=1.0)
    found: DetectResult = result_of(run(DetectRequest(image=picture, config=config, time_limit_s=LIVE_FRAME_S)))
    return picture, found.detections


def build_camera(run: Run, choice: Choice) -> dict[str, Component]:
    """Draws the way for the camera; returns its pair of sliders."""
    with gr.Row():
        with gr.Column(min_width=300, scale=2):
            camera = camera_field("detect-camera")
            show_frames(camera)
            status = gr.Markdown(NOTE, elem_id="detect-live-status", elem_classes="status")
        with gr.Column(min_width=280):
            pair = sliders("detect-live")
    rate = gr.State(Rate())
    inputs, outputs = [camera, choice.detector, *pair.values(), rate], [camera, status, rate]
    stream(camera, given(run, frame_on_page), inputs, outputs)
    return pair
