"""What the layers see, a part of Explain: the maps of a layer's channels over the picture, and those that decide."""

import time
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.catalogue import class_names
from cvdemo.classify.classifier import NETWORKS
from cvdemo.classify.feature_maps import SHOW, FeatureMaps, FeatureMapsConfig, layers_of
from cvdemo.classify.run import FeatureMapsRequest
from cvdemo.config import default_of
from cvdemo.demo import Run, result_of
from cvdemo.errors import DemoError
from cvdemo.images import ImageArray
from cvdemo.limits import EXPLAIN_S
from cvdemo.ui.serving.result_names import call_results, stem_of
from cvdemo.ui.wiring.controls import endpoint, folded, given, light, load_picture, picture_output, took
from cvdemo.ui.wiring.parts import Part, wire

LAYERS_NOTE = (
    "A network looks for many patterns at once, in stages. The first stages find lines and colours. The last ones find "
    "parts of things. Each small picture shows one pattern: red is where it was found. (Channels of layers)"
)
SCALED = "Do not compare the red of two pictures: each has its own range of colours."
LAYER_FIELDS = ("layers_sheet", "layers_said")  # what a new answer empties
FILE = "what-it-looks-for"  # and the name of the picture
MIDDLE = ("The middle one", "")  # as a choice of stage


def feature_maps_endpoint(
    run: Run,
    image: str | None,
    model: str = "imagenet",
    show: str = "layer",
    layer: str = "",
    class_name: str = "",
    channels: int = 15,
) -> tuple[ImageArray, dict[str, Any]]:
    """What the channels of a network see in a picture: a contact sheet as a PNG, and their numbers and values as JSON.

    `show` is "layer", the strongest channels of `layer`, or "answer", those that add most to the logit of `class_name`
    or take most from it. Empty, the layer is the middle one and the class the best.
    """
    config = FeatureMapsConfig(model=model, show=show, layer=layer, class_name=class_name, channels=channels)
    call_results(FILE, stem_of(image))
    request = FeatureMapsRequest(image=load_picture(image), config=config, time_limit_s=EXPLAIN_S)
    found: FeatureMaps = result_of(run(request))
    return found.picture(), as_dict(found, model)


def as_dict(found: FeatureMaps, model: str) -> dict[str, Any]:
    """The channels for the API."""
    label = None if found.class_index is None else class_names(NETWORKS[model])[found.class_index]
    channels = [{"channel": each.channel, "value": round(each.value, 4)} for each in found.maps]
    return {"layer": found.layer, "class": label, "channels": channels}


def report(found: FeatureMaps, model: str) -> str:
    """What the sheet shows and what its numbers are, as Markdown."""
    if found.class_index is None:
        return (
            f"The patterns that the network found most strongly in this stage. The number says how strongly. {SCALED}"
        )
    label = class_names(NETWORKS[model])[found.class_index]
    return (
        f"The patterns of the last stage that decide for **{label}**, or against it. A number above 0 speaks "
        f"for it, below 0 against it. {SCALED}"
    )


def in_figures(found: FeatureMaps, model: str) -> str:
    """Layer, channels and what the numbers are for people of the field, folded, as Markdown."""
    layer, size = found.layer.replace(" × ", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}").split(": ")
    what = "what the channel adds to the logit of the class, before softmax"
    if found.class_index is None:
        what = "the mean of the positive part of the channel"
    sentences = [f"Channels of {layer} ({size}).", f"The number is {what}."]
    if len(members := NETWORKS[model].members) > 1:
        sentences.append(f"This is {members[0]}, the first network of the ensemble.")
    return folded("In figures", " ".join(sentences))


def layers_on_page(
    run: Run, path: str | None, model: str, show: str, layer: str, class_index: int | None
) -> tuple[ImageArray, str]:
    """The sheet and what it shows; of a layer or class that another network has, the usual one instead."""
    started = time.monotonic()
    known = {each.name for each in layers_of(model)}
    config = FeatureMapsConfig(model=model, show=show, layer=layer if layer in known else MIDDLE[1])
    own = class_index is not None and 0 <= class_index < len(class_names(NETWORKS[model]))
    call_results(FILE, stem_of(path))
    request = FeatureMapsRequest(
        image=load_picture(path), config=config, class_index=class_index if own else None, time_limit_s=EXPLAIN_S
    )
    found: FeatureMaps = result_of(run(request))
    done = took((time.monotonic() - started) * 1000)
    return found.picture(), f"{report(found, model)} {done}.\n\n{in_figures(found, model)}"


def layer_choices(model: str) -> dict[str, Any]:
    """The layers of a network, the middle one chosen; it alone where the manifest cannot be read: using it says why."""
    try:
        layers = layers_of(model)
    except DemoError:
        return gr.update(choices=[MIDDLE], value=MIDDLE[1])
    titles = [f"Stage {number} of {len(layers)} ({layer.title})" for number, layer in enumerate(layers, start=1)]
    named = zip(titles, (layer.name for layer in layers), strict=True)
    return gr.update(choices=[MIDDLE, *named], value=MIDDLE[1])


def build_layers(
    run: Run, image: gr.Image, model: gr.Dropdown, explained: Component
) -> tuple[dict[str, Component], Part]:
    """A choice of layer, or the answer, and the sheet of channels; on request."""
    with gr.Accordion("What it looks for, stage by stage", open=False, elem_id="layers") as accordion:
        gr.Markdown(LAYERS_NOTE)
        show, layer = _choices()
        with gr.Row():
            start = gr.Button("Look", variant="primary", elem_id="layers-run", scale=0, min_width=160)
            cancel = gr.Button("Cancel", elem_id="layers-cancel", min_width=80, scale=0)
        said = gr.Markdown(elem_id="layers-report", elem_classes="status")
        sheet = picture_output("What it found", elem_id="layers-sheet")
    light([accordion.expand, model.change], layer_choices, [model], [layer])  # not as the page starts: it takes time
    part = Part(
        name="layers",
        inputs=[image, model, show, layer, explained],
        needs=[image],
        outputs=[sheet, said],
        status=said,
    )
    watch = {show: 0, layer: 0, explained: 0}
    wire(part, given(run, layers_on_page), run=[start.click], watch=watch, cancel=cancel, automatic=False)
    channels = gr.Number(default_of(FeatureMapsConfig, "channels"), precision=0, visible=False, label="Channels")
    wanted, class_name = (gr.Textbox("", visible=False, label=label) for label in ("Layer's name", "Class name"))
    endpoint(
        "feature_maps",
        given(run, feature_maps_endpoint),
        [image, model, show, wanted, class_name, channels],
        [sheet, gr.JSON(visible=False)],
    )
    return dict(zip(LAYER_FIELDS, (sheet, said), strict=True)), part


def _choices() -> tuple[gr.Radio, gr.Dropdown]:
    """What is shown, and of which layer."""
    with gr.Row():
        show = gr.Radio(
            [(title, value) for value, title in SHOW.items()],
            value=default_of(FeatureMapsConfig, "show"),
            label="Show",
            elem_id="layers-show",
        )
        layer = gr.Dropdown([MIDDLE], value=MIDDLE[1], label="Stage", elem_id="layers-layer")
    light([show.change], lambda chosen: gr.update(visible=chosen == "layer"), [show], [layer])
    return show, layer
