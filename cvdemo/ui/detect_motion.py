"""The windows in motion: a short film of the window that slides over each level of the picture on the page."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from cvdemo.detect.motion import windows_in_motion
from cvdemo.errors import InputError
from cvdemo.limits import MOTION_S
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.results import download_path
from cvdemo.ui.wiring.controls import took
from cvdemo.ui.wiring.parts import Part, wire

NOTE = (
    "What “sliding” means, seen: the window passes over every level of the pyramid, from the coarsest to the finest, "
    "in the colour of its score; what it finds stays framed. The real scan does all windows of a level at once."
)
FPS = 24.0


def motion_on_page(session: Any) -> Iterator[tuple[Any, str]]:
    """Film and status; while frames are drawn only the status changes."""
    if session is None:
        raise InputError("There is nothing to show yet: detect something first.")
    if not session.scan.levels:
        raise InputError("OpenCV does not tell what its windows scored; choose another detector to see them move.")
    started, clock, path = time.monotonic(), Deadline(MOTION_S), download_path("windows_in_motion.mp4")
    with Film(path, FPS) as film:
        for frame in windows_in_motion(session.canvas, session.scan):
            film.add(frame)
            if film.frames % FPS == 0:
                yield gr.skip(), f"Frame {film.frames}"
            if clock.expired:
                break
    yield str(path), took((time.monotonic() - started) * 1000, f"{film.frames / FPS:.0f} seconds of film")


def build_motion(session: gr.State) -> Part:
    """Draws the accordion; its film is of the scan that the session keeps.

    A run that changes the scan has to empty the outputs of the part, which is to be its child.
    """
    with gr.Accordion("The windows in motion", open=False, elem_id="detect-motion"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(NOTE, elem_classes="method-note")
            with gr.Row():
                start = gr.Button("Show the film", variant="primary", elem_id="detect-motion-run")
                cancel = gr.Button("Cancel", elem_id="detect-motion-cancel", min_width=80, scale=0)
        with gr.Column(min_width=280, scale=2):
            film = gr.Video(
                label="The windows in motion",
                interactive=False,
                autoplay=True,
                loop=True,
                height=360,
                buttons=["download"],
                elem_id="detect-film",
            )
            status = gr.Markdown(elem_id="detect-motion-status", elem_classes="status")
    part = Part(name="detect-motion", inputs=[session], outputs=[film, status], status=status)
    wire(part, motion_on_page, run=[start.click], cancel=cancel, automatic=False, show_progress_on=film)
    return part
