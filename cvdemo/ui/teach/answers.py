"""What a taught head says of new pictures: of one, and live of the camera's."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.classifier import Prediction
from cvdemo.classify.taught_head import TaughtHead
from cvdemo.classify.teach import ClassifyTaughtRequest
from cvdemo.demo import Run, result_of
from cvdemo.ui.classify_words import answer_label
from cvdemo.ui.teach.camera import NOT_TAUGHT, build_camera
from cvdemo.ui.teach.classes import EXAMPLE, TRIED_SEED, drawing_name
from cvdemo.ui.teach.taught_lesson import OUTDATED
from cvdemo.ui.wiring.controls import given, load_picture, picture_input
from cvdemo.ui.wiring.example_gallery import picture_examples
from cvdemo.ui.wiring.live_camera import webcam
from cvdemo.ui.wiring.parts import Part, wire

NOT_TAUGHT_AGAIN = "Press Teach again first."
TRIED = tuple(drawing_name(kind, TRIED_SEED) for kind in EXAMPLE.values())


@dataclass(frozen=True)
class Answers:
    """The part that names a new picture.

    Attributes:
        tried: pictures of the example to try, which are shown with it.
    """

    part: Part
    tried: gr.Dataset


def answer_on_page(run: Run, path: str | None, mark: str, head: TaughtHead | None) -> tuple[Any, str]:
    """The classes of a picture, and what is missing where there is no head; `mark` is that of the head."""
    if head is None:
        return None, NOT_TAUGHT_AGAIN if mark == OUTDATED else NOT_TAUGHT
    prediction: Prediction = result_of(run(ClassifyTaughtRequest(image=load_picture(path), head=head)))
    return prediction.by_label, ""


def build_answers(run: Run, head: gr.State, mark: gr.Textbox) -> Answers:
    """Draws the fields for a new picture and for the camera; both answer by the head of the session."""
    with gr.Tabs(elem_id="teach-tries"):
        with gr.Tab("A new picture", id="picture"):
            picture = picture_input(
                "Something new", height=220, webcam_options=webcam(of_things=True), elem_id="teach-try-image"
            )
            label = answer_label("teach-answer", "It is", admits_doubt=False)
            status = gr.Markdown(elem_id="teach-try-status", elem_classes="status")
            tried = picture_examples(TRIED, picture, "Drawings that it has not seen", "teach-tried", visible=False)
        with gr.Tab("Live", id="live"):
            build_camera(run, head)
    inputs: list[Component] = [picture, mark, head]
    part = Part(name="teach-try", inputs=inputs, needs=[picture], outputs=[label, status])
    wire(part, given(run, answer_on_page), watch={picture: 0, mark: 0})
    return Answers(part, tried)
