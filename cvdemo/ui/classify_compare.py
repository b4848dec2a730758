"""Classify by a second network, whose answer stands beside that of the first; on a phone below it."""

from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.classifier import NETWORKS, ClassifyConfig, Prediction
from cvdemo.classify.run import ClassifyRequest
from cvdemo.config import default_of
from cvdemo.demo import Run, result_of
from cvdemo.ui.classify_words import answer_label, endpoint_label, network_choice
from cvdemo.ui.wiring.controls import endpoint, given, light, load_picture
from cvdemo.ui.wiring.parts import Part, wire

NOBODY = ""  # the choice of no second network
FIRST = default_of(ClassifyConfig, "model")
SECOND = "cats_dogs_features"  # to programs that name none; by name, so that another weight does not change it


def compare_endpoint(
    run: Run, image: str | None, model: str = FIRST, second_model: str = SECOND, ten_crop: bool = False
) -> tuple[dict[str, float], dict[str, float]]:
    """The five most probable classes of a picture by each of two networks, with their probabilities."""
    picture = load_picture(image)
    configs = [ClassifyConfig(model=name, ten_crop=ten_crop) for name in (model, second_model)]
    first, second = (result_of(run(ClassifyRequest(image=picture, config=config))) for config in configs)
    return first.by_label, second.by_label


def compare_on_page(run: Run, path: str | None, second_model: str, ten_crop: bool) -> dict[str, float]:
    """The second network's label; it is not asked where none is chosen."""
    config = ClassifyConfig(model=second_model, ten_crop=ten_crop)
    prediction: Prediction = result_of(run(ClassifyRequest(image=load_picture(path), config=config)))
    return prediction.by_label


def second_choice() -> gr.Dropdown:
    """The second network, at first none."""
    return network_choice("classify-second", "classify-second-about", "Compare with", {NOBODY: "No other network"})


def second_label() -> gr.Label:
    """The second answer, out of sight until a second network is chosen."""
    return answer_label("classify-second-result", "The other network sees", visible="hidden", min_width=240)


def build_compare(
    run: Run, image: gr.Image, model: gr.Dropdown, second: gr.Dropdown, ten_crop: Any, label: gr.Label, start: gr.Button
) -> None:
    """Wires the second answer, which comes with each first one, and the endpoint."""
    inputs: list[Component] = [image, second, ten_crop]
    part = Part(name="classify-second", inputs=inputs, needs=[image, second], outputs=[label])
    watch = dict.fromkeys(inputs, 0)
    wire(part, given(run, compare_on_page), restarts=[start.click], watch=watch)
    light([second.change], _shown_for, [second], [label])
    fields = [image, model, _second_field(), ten_crop]
    endpoint("compare", given(run, compare_endpoint), fields, [endpoint_label(), endpoint_label()])


def _shown_for(second_model: str | None) -> Any:
    """Whether the second label is in sight."""
    return gr.update(visible=True if second_model else "hidden")


def _second_field() -> gr.Dropdown:
    """Of the endpoint: any network."""
    return gr.Dropdown(list(NETWORKS), value=SECOND, visible=False, label="The second network")
