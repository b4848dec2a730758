"""A taught head live: the classes of what the visitor's camera sees, frame by frame."""

import time
from typing import Any

import gradio as gr

from cvdemo.classify.classifier import Prediction
from cvdemo.classify.taught_head import TaughtHead
from cvdemo.classify.teach import ClassifyTaughtRequest
from cvdemo.demo import Run, result_of
from cvdemo.errors import DemoError
from cvdemo.images import read_image
from cvdemo.limits import LIVE_MEGAPIXELS, LIVE_S
from cvdemo.ui.classify_words import answer_label
from cvdemo.ui.wiring.controls import given
from cvdemo.ui.wiring.live_camera import Rate, camera_field, stream

NOTE = (
    f"Press the camera, allow it, and press Record. It stops after {LIVE_S:g} seconds. Press Record to start again. "
    "No frames are kept."
)
NOT_TAUGHT = "Teach it first, or load what it learnt before."


def frame_on_page(run: Run, frame: bytes | None, head: TaughtHead | None, rate: Rate | None) -> tuple[Any, Any, Rate]:
    """The classes of a frame, how fast they come, and the rate; where it fails, the reason in the status alone."""
    now = (rate or Rate()).after(time.monotonic())
    if frame is None:
        return gr.skip(), gr.skip(), now
    if head is None:
        return None, NOT_TAUGHT, now
    try:
        picture = read_image(frame, "The camera's frame", max_megapixels=LIVE_MEGAPIXELS)
        prediction: Prediction = result_of(run(ClassifyTaughtRequest(image=picture, head=head)))
    except DemoError as error:
        return gr.skip(), str(error), now
    return prediction.by_label, now.in_words(), now


def build_camera(run: Run, head: gr.State) -> None:
    """Draws the camera and what it sees."""
    camera = camera_field("teach-camera", of_things=True, height=300)
    label = answer_label("teach-live", "It sees", admits_doubt=False)
    status = gr.Markdown(NOTE, elem_id="teach-live-status", elem_classes="status")
    rate = gr.State(Rate())
    stream(camera, given(run, frame_on_page), [camera, head, rate], [label, status, rate])
