"""The windows in motion: a short film of the window that slides over each level of the picture on the page."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run
from cvdemo.detect.run import MotionRequest
from cvdemo.detect.selection import select
from cvdemo.errors import InputError
from cvdemo.limits import MOTION_S
from cvdemo.ui.detect.controls import live_config
from cvdemo.ui.serving.result_names import file_stem
from cvdemo.ui.wiring.controls import given, named, save_download, took
from cvdemo.ui.wiring.parts import Part, wire

NOTE = (
    "A film of the search. A frame moves over the picture, the largest size first, and leaves a dot at each place. The "
    "redder they are, the surer the network was there. The film ends with the boxes that are kept. The real search is "
    "faster: it looks at all places of one size at once. (Sliding windows, coloured by score)"
)
TOLD_EVERY = 20  # frames, between two changes of the status


def motion_on_page(run: Run, session: Any, only: list[int] | None, *values: Any) -> Iterator[tuple[Any, str]]:
    """Film and status; while frames are drawn only the status changes. It ends with the boxes as they stand."""
    if session is None:
        raise InputError("There is nothing to show yet: detect something first.")
    started = time.monotonic()
    found = select(session.scan, live_config(session.detector, values), tuple(only or ()))
    request = MotionRequest(image=session.canvas, scan=session.scan, detections=found, time_limit_s=MOTION_S)
    for step in run(request):
        if step.result is not None:
            film = save_download(named(file_stem(session.stem, "search"), "mp4", step), step.result.mp4)
            said = took((time.monotonic() - started) * 1000, f"{step.result.seconds:.0f} seconds of film")
            yield str(film), said if step.complete else f"{said}; stopped before the end"
        elif step.done % TOLD_EVERY == 1:
            yield gr.skip(), f"Frame {step.done} of {step.total}"


def build_motion(run: Run, session: gr.State, controls: Sequence[Component]) -> Part:
    """Draws the accordion; its film is of the scan that the session keeps, `controls` are the filter and those of LIVE.

    A run that changes the scan has to empty the outputs of the part, which is to be its child.
    """
    with gr.Accordion("Watch it search", open=False, elem_id="detect-motion"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(NOTE, elem_classes="method-note")
            with gr.Row():
                start = gr.Button("Show the film", variant="primary", elem_id="detect-motion-run")
                cancel = gr.Button("Cancel", elem_id="detect-motion-cancel", min_width=80, scale=0)
        with gr.Column(min_width=280, scale=2):
            film = gr.Video(
                label="The search as a film",
                interactive=False,
                autoplay=True,
                loop=True,
                height=360,
                buttons=["download"],
                elem_id="detect-film",
            )
            status = gr.Markdown(elem_id="detect-motion-status", elem_classes="status")
    part = Part(name="detect-motion", inputs=[session, *controls], outputs=[film, status], status=status)
    wire(part, given(run, motion_on_page), run=[start.click], cancel=cancel, automatic=False, show_progress_on=film)
    return part
