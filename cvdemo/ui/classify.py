"""The Classify tab: top five with probabilities, ten crops, and a Grad-CAM overlay of the class picked."""

import time
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify import Classifier, ClassifyConfig, Prediction, classify, grad_cam, load_classifier, overlay_heatmap
from cvdemo.images import ImageArray
from cvdemo.ui.common import (
    Tab,
    control,
    endpoint,
    example_picture,
    load_picture,
    method_note,
    on_page,
    picture_input,
    picture_output,
    share_button,
    took,
)

NOTE = (
    "A convolutional network, EfficientNet-Lite0, gives each of its 1,000 ImageNet classes a probability "
    "([Tan and Le 2019](https://arxiv.org/abs/1905.11946)); ten crops and their mirror images, averaged, make it "
    "surer ([Krizhevsky et al. 2012](https://papers.nips.cc/paper/4824)). The heat map is Grad-CAM "
    "([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)): where the picture spoke for the class."
)
EXAMPLES = ("cheetah", "lion", "chelsea", "coffee", "rocket")


def classify_endpoint(image: str | None, model: str = "imagenet", ten_crop: bool = False) -> dict[str, float]:
    """The five most probable classes of a picture, with their probabilities."""
    config = ClassifyConfig(model=model, ten_crop=ten_crop)
    prediction = classify(load_picture(image), load_classifier(config.model), ten_crop=config.ten_crop)
    return _confidences(prediction)


def _confidences(prediction: Prediction) -> dict[str, float]:
    return dict(zip(prediction.labels, prediction.probabilities, strict=True))


def _overlay(picture: ImageArray, classifier: Classifier, class_index: int, show_heat: bool = True) -> ImageArray:
    crop, heat = grad_cam(picture, classifier, class_index)
    return overlay_heatmap(crop, heat) if show_heat else crop


def _classify_on_page(path: str | None, model: str, ten_crop: bool) -> tuple[Any, ...]:
    """Label, overlay of the best class, the choice of classes to explain, and the time taken."""
    started = time.monotonic()
    picture, classifier = load_picture(path), load_classifier(model)
    prediction = classify(picture, classifier, ten_crop=ten_crop)
    overlay = _overlay(picture, classifier, prediction.classes[0])
    choices = list(zip(prediction.labels, prediction.classes, strict=True))
    status = took((time.monotonic() - started) * 1000)
    explain = gr.Radio(choices=choices, value=prediction.classes[0], visible=True)
    return _confidences(prediction), overlay, explain, status


def _explain_on_page(path: str | None, model: str, class_index: int) -> ImageArray:
    return _overlay(load_picture(path), load_classifier(model), class_index)


def build() -> dict[str, Component]:
    """Draws the tab; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="classify-image")
            with gr.Row():
                run = gr.Button("Classify", variant="primary", elem_id="classify-run")
                cancel = gr.Button("Cancel", elem_id="classify-cancel", min_width=80, scale=0)
            ten_crop = control(ClassifyConfig, "ten_crop")
            model = control(ClassifyConfig, "model")
            pictures = gr.Examples([[example_picture(name)] for name in EXAMPLES], [image], label="Try one of these")
        with gr.Column(min_width=300):
            label = gr.Label(num_top_classes=5, label="The five best", elem_id="classify-result")
            status = gr.Markdown(elem_id="classify-status", elem_classes="status")
            overlay = picture_output("Where the network looked", elem_id="classify-overlay", height=320)
            explain = gr.Radio([], label="Explain this class", visible=False, elem_id="classify-explain")
    settings: dict[str, Component] = {"model": model, "ten_crop": ten_crop}
    share_button("classify", settings)
    method_note(NOTE)
    triggers = [run.click, image.upload]
    outputs = [label, overlay, explain, status]
    on_page(triggers, _classify_on_page, [image, model, ten_crop], outputs, examples=pictures, cancel=cancel)
    on_page([explain.input], _explain_on_page, [image, model, explain], [overlay])
    endpoint("classify", classify_endpoint, [image, model, ten_crop], [label])
    return settings


TAB = Tab(slug="classify", title="Classify", build=build)
