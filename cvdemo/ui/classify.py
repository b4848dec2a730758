"""The Classify tab: a choice of networks, top five with probabilities, ten crops; `cvdemo.ui.explain` says why.

Its other ways: `cvdemo.ui.classify_several` names several pictures, `cvdemo.ui.teach` teaches classes of one's own.
"""

import time
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.classifier import ClassifyConfig, Prediction
from cvdemo.classify.explain import METHODS, ExplainConfig
from cvdemo.classify.run import ClassifyRequest, ExplainedPrediction
from cvdemo.demo import Run, result_of
from cvdemo.limits import EXPLAIN_S
from cvdemo.ui.classify_compare import build_compare, second_choice, second_label
from cvdemo.ui.classify_several import build_several
from cvdemo.ui.classify_words import answer_label, endpoint_label, network_choice
from cvdemo.ui.explain import ANSWER_FIELDS, WITHOUT_ANSWER, build_fool, build_heat_map, values_for
from cvdemo.ui.explain_layers import build_layers
from cvdemo.ui.serving.result_names import call_results, in_file_name, stem_of
from cvdemo.ui.teach.lesson import build_teach
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    given,
    load_picture,
    method_note,
    picture_input,
    share_button,
    took,
)
from cvdemo.ui.wiring.example_gallery import picture_examples
from cvdemo.ui.wiring.parts import Part, wire

NOTE = (
    "A convolutional network gives each of its classes a probability. Those for the 1,000 classes of ImageNet are "
    "EfficientNet-Lite0 and the larger Lite2 ([Tan and Le 2019](https://arxiv.org/abs/1905.11946)). The average "
    "over ten crops is right a little more often ([Krizhevsky et al. 2012](https://papers.nips.cc/paper/4824)). "
    "“Where it looked” is Grad-CAM ([Selvaraju et al. 2017](https://arxiv.org/abs/1610.02391)). "
    "“Which pixels count” is the gradient ([Simonyan et al. 2014](https://arxiv.org/abs/1312.6034)), averaged over "
    "noisy copies "
    "([Smilkov et al. 2017](https://arxiv.org/abs/1706.03825)). “Fool the network” goes back to DeepFool "
    "([Moosavi-Dezfooli et al. 2016](https://arxiv.org/abs/1511.04599))."
)
EXAMPLES = ("cheetah", "lion", "chelsea", "coffee", "rocket")


def classify_endpoint(run: Run, image: str | None, model: str = "imagenet", ten_crop: bool = False) -> dict[str, float]:
    """The five most probable classes of a picture, with their probabilities."""
    config = ClassifyConfig(model=model, ten_crop=ten_crop)
    prediction: Prediction = result_of(run(ClassifyRequest(image=load_picture(image), config=config)))
    return prediction.by_label


def classify_on_page(run: Run, path: str | None, model: str, ten_crop: bool, method: str) -> tuple[Any, ...]:
    """Label, status, and what the Explain part shows of a new answer."""
    started = time.monotonic()
    call_results(in_file_name(METHODS[method]), stem_of(path))
    prediction: ExplainedPrediction = result_of(run(_request(path, model, ten_crop, method)))
    values = values_for(prediction)
    return prediction.by_label, took((time.monotonic() - started) * 1000), *values


def _request(
    path: str | None,
    model: str = ClassifyConfig.model,
    ten_crop: bool = ClassifyConfig.ten_crop,
    method: str = ExplainConfig.method,
) -> ClassifyRequest:
    config, explain = ClassifyConfig(model=model, ten_crop=ten_crop), ExplainConfig(model=model, method=method)
    return ClassifyRequest(image=load_picture(path), config=config, explain=explain, time_limit_s=EXPLAIN_S)


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Tabs(elem_id="classify-ways", overflow_behavior="wrap"):
        with gr.Tab("Name what it shows", id="name"):
            settings = build_naming(run)
        with gr.Tab("Several pictures", id="several"):
            build_several(run)
        with gr.Tab("Teach your own classes", id="teach"):
            build_teach(run)
    return settings


def build_naming(run: Run) -> dict[str, Component]:
    """Draws the way to name a picture by one of the networks; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="classify-image")
            with gr.Row():
                start = gr.Button("Classify", variant="primary", elem_id="classify-run")
                cancel = gr.Button("Cancel", elem_id="classify-cancel", min_width=80, scale=0)
            model = network_choice("ClassifyConfig-model", "classify-about")
            ten_crop: Any = control(ClassifyConfig, "ten_crop")
            second = second_choice()
            picture_examples(EXAMPLES, image)
        with gr.Column(min_width=300):
            with gr.Row(elem_id="classify-answers"):
                label = answer_label("classify-result", min_width=240)
                other = second_label()
            status = gr.Markdown(elem_id="classify-status", elem_classes="status")
            parts, heat_map = build_heat_map(run, image, model)
    fooled, fool = build_fool(run, image, model)
    seen, layers = build_layers(run, image, model, parts["explained"])
    parts |= fooled | seen
    settings: dict[str, Component] = {"model": model, "ten_crop": ten_crop, "second": second}
    settings["method"] = parts["method"]
    share_button("classify", settings)
    method_note(NOTE)
    part = Part(
        name="classify",
        inputs=[image, model, ten_crop, parts["method"]],
        needs=[image],
        outputs=[label, status, *(parts[name] for name in ANSWER_FIELDS)],
        empty={parts[name]: value for name, value in WITHOUT_ANSWER.items()},
        status=status,
        children=[heat_map, fool, layers],
    )
    wire(part, given(run, classify_on_page), run=[start.click], watch={image: 0, model: 0, ten_crop: 0}, cancel=cancel)
    endpoint("classify", given(run, classify_endpoint), [image, model, ten_crop], [endpoint_label()])
    build_compare(run, image, model, second, ten_crop, other, start)
    return settings


TAB = Tab(slug="classify", title="Classify", build=build, first=_request)
