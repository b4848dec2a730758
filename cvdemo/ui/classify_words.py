"""What all ways of naming a picture share on the page: the choice of a network, and the label with the five best."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components.label import LabelData

from cvdemo.classify.catalogue import describe, figures
from cvdemo.classify.classifier import NETWORKS, ClassifyConfig
from cvdemo.config import default_of
from cvdemo.errors import DemoError
from cvdemo.ui.wiring.controls import folded, light

SURE = 0.3  # below it the best class is no answer
NOT_SURE = "not sure"


def about(model: str) -> str:
    """What the network may answer and how often it is right, the figures folded; where that cannot be read, why.

    Nothing for a name that is no network's.
    """
    if model not in NETWORKS:
        return ""
    try:
        return f"{describe(NETWORKS[model])}\n\n{folded('In figures', figures(NETWORKS[model]))}"
    except DemoError as error:
        return str(error)


def network_choice(
    elem_id: str, about_id: str, label: str = "What it knows", more: Mapping[str, str] | None = None
) -> gr.Dropdown:
    """The networks by what they know and how often they are right, and under them more of the chosen one.

    Args:
        more: other choices, which come first and are chosen at first, by value.
    """
    choices = [(words, value) for value, words in (more or {}).items()]
    start = choices[0][1] if choices else default_of(ClassifyConfig, "model")
    choices += [(choice.words, choice.value) for choice in NETWORKS.values()]
    model = gr.Dropdown(choices, value=start, label=label, elem_id=elem_id, elem_classes="long-choice")
    told = gr.Markdown(about(start), elem_id=about_id, elem_classes="method-note")
    light([model.change], about, [model], [told])
    return model


def answer_label(elem_id: str, label: str = "What it sees", *, admits_doubt: bool = True, **options: Any) -> gr.Label:
    """The five best, however unlikely; its headline may admit that the best is doubtful.

    What gradio would show as 0 %, `static/access.js` calls "under 1 %".
    """
    field = gr.Label(num_top_classes=5, label=label, elem_id=elem_id, **options)
    postprocess = field.postprocess

    def told(value: Any) -> Any:
        data = postprocess(value)
        if not isinstance(data, LabelData) or not data.confidences:
            return data
        if admits_doubt and (data.confidences[0].confidence or 0) < SURE:
            data.label = NOT_SURE
        return data

    setattr(field, "postprocess", told)  # noqa: B010  # a subclass would make gradio write a .pyi into the package
    return field


def endpoint_label() -> gr.Label:
    """What programs get: the best class, however doubtful, and its probability."""
    return gr.Label(num_top_classes=5, visible=False, label="The five best")
