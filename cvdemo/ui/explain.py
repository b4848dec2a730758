"""The Explain part of the Classify tab: heat map, saliency, and the smallest change that turns the answer."""

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.adversarial import FoolConfig, Fooled
from cvdemo.classify.catalogue import class_names
from cvdemo.classify.classifier import NETWORKS
from cvdemo.classify.explain import METHODS, ExplainConfig, Explanation
from cvdemo.classify.exports import in_per_cent
from cvdemo.classify.run import ExplainedPrediction, ExplainRequest, FoolRequest
from cvdemo.config import default_of
from cvdemo.demo import Run, Step, last_step, result_of
from cvdemo.images import ImageArray
from cvdemo.limits import EXPLAIN_S
from cvdemo.ops.heatmap import repeat_pixels
from cvdemo.ui.explain_layers import LAYER_FIELDS
from cvdemo.ui.serving.result_names import call_results, in_file_name, stem_of, tell_apart
from cvdemo.ui.wiring.controls import endpoint, folded, given, load_picture, picture_output, took, warn_if_incomplete
from cvdemo.ui.wiring.parts import Part, wire

# What a new answer fills, in the order of `values_for`.
ANSWER_FIELDS = ("overlay", "explained", "target", "report", "before", "changed", "difference", *LAYER_FIELDS)
_STOPPED = f"the limit of {EXPLAIN_S:g} s stopped the search for a smaller change"
NEAREST = -1  # in the choice of classes to turn the answer into
WITHOUT_ANSWER: dict[str, Any] = {  # what the choices of classes show while there is no answer
    "explained": gr.update(choices=[], value=None, visible=False),
    "target": gr.update(choices=[("the nearest", NEAREST)], value=NEAREST),
}
FOOL_NOTE = (
    "Makes parts of the picture very slightly lighter or darker, until the network gives another answer. To the eye, "
    "the picture stays the same. (An adversarial example)"
)


def values_for(prediction: ExplainedPrediction) -> tuple[Any, ...]:
    """What a new answer shows: its best class explained, its classes to choose from, nothing fooled or looked into."""
    classes = list(zip(prediction.labels, prediction.classes, strict=True))
    return (
        prediction.explanation.picture(),
        gr.Radio(choices=classes, value=prediction.classes[0], visible=True),
        gr.Radio(choices=[("the nearest", NEAREST), *classes[1:]], value=NEAREST),
        *("", None, None, None),
        *(None, ""),
    )


def explain_endpoint(
    run: Run, image: str | None, model: str = "imagenet", method: str = "grad_cam", class_name: str = ""
) -> ImageArray:
    """What in a picture spoke for a class: the heat map of `method`, "grad_cam" or "saliency", as a PNG.

    `class_name` is one of the network's class names; empty, the best class is explained.
    """
    config = ExplainConfig(model=model, method=method, class_name=class_name)
    call_results(in_file_name(METHODS[config.method]), stem_of(image))
    request = ExplainRequest(image=load_picture(image), config=config, time_limit_s=EXPLAIN_S)
    last: Step[Explanation] = last_step(run(request))
    warn_if_incomplete(
        last, f"It stopped at the limit of {EXPLAIN_S:g} s, after {last.done} of {last.total} noisy copies."
    )
    assert last.result is not None  # `last_step` has seen to it
    return last.result.picture()


def fool_endpoint(
    run: Run, image: str | None, model: str = "imagenet", class_name: str = ""
) -> tuple[ImageArray, ImageArray, dict[str, Any]]:
    """The smallest change found that turns the answer: the changed crop, the difference amplified, the sizes as JSON.

    `class_name` is what the answer shall turn into; empty, the nearest of the next best classes. `l2`, `rms` and
    `largest` are in grey levels of 255; the difference is shown times `amplification` around middle grey.
    """
    config = FoolConfig(model=model, class_name=class_name)
    call_results("fooled", stem_of(image))
    request = FoolRequest(image=load_picture(image), config=config, time_limit_s=EXPLAIN_S)
    last: Step[Fooled] = last_step(run(request))
    warn_if_incomplete(last, f"{_STOPPED[0].upper()}{_STOPPED[1:]}.")
    found = last.result
    assert found is not None  # `last_step` has seen to it
    return found.changed, found.difference_picture(), as_dict(found)


def as_dict(found: Fooled) -> dict[str, Any]:
    """Answers and sizes for the API."""
    answers = {
        name: {"label": prediction.labels[0], "probability": round(prediction.probabilities[0], 4)}
        for name, prediction in (("before", found.before), ("after", found.after))
    }
    sizes = {"l2": round(found.l2, 1), "rms": round(found.rms, 3), "largest": found.largest}
    return {**answers, **sizes, "amplification": found.amplification}


def report(found: Fooled) -> str:
    """Old and new answer and how much was changed, as Markdown."""
    old, new = (
        f"**{answer.labels[0]}** ({in_per_cent(answer.probabilities[0])})" for answer in (found.before, found.after)
    )
    return (
        f"{old} → {new}. "
        f"No point of it became lighter or darker by more than {found.largest} of 255 steps. "
        f"The difference is shown {found.amplification} times stronger, on grey."
    )


def in_figures(found: Fooled) -> str:
    """The size of the change for people of the field, folded, as Markdown."""
    mean = f"{found.rms:.2f}" if found.rms >= 0.005 else f"{found.rms:.4f}"
    words = f"In grey levels of 255: maximum norm {found.largest}, root mean square {mean}, L2 norm {found.l2:.0f}."
    return f"\n\n{folded('In figures', words)}"


def explain_on_page(run: Run, path: str | None, model: str, method: str, class_index: int | None) -> ImageArray:
    """The class that was chosen, explained; the best where none is, or one that another network has."""
    config, chosen = ExplainConfig(model=model, method=method), _class_or_none(class_index, model)
    call_results(in_file_name(METHODS[config.method]), stem_of(path))
    request = ExplainRequest(image=load_picture(path), config=config, class_index=chosen, time_limit_s=EXPLAIN_S)
    explanation: Explanation = result_of(run(request))
    return explanation.picture()


def _class_or_none(class_index: int | None, model: str) -> int | None:
    """The index if the network has such a class: the visitor may have chosen another network since."""
    if class_index is None or not 0 <= class_index < len(class_names(NETWORKS[model])):
        return None
    return class_index


def fool_on_page(run: Run, path: str | None, model: str, target: int | None) -> Iterator[tuple[Any, ...]]:
    """Report, crop, changed crop and difference: of the first change that works, then of each smaller one.

    Until there is one, and between them, only the report says how far the search is.
    """
    started, config, wanted = time.monotonic(), FoolConfig(model=model), _class_or_none(target, model)
    call_results("fooled", stem_of(path))
    request = FoolRequest(image=load_picture(path), config=config, class_index=wanted, time_limit_s=EXPLAIN_S)
    for step in run(request):
        pictures = [gr.skip()] * 3
        if step.preview is not None and step.partial is not None:
            pictures = _pictures(step.partial)
        if step.result is None:
            yield _searching(step), *pictures
            continue
        elapsed = took((time.monotonic() - started) * 1000, "Found")
        stopped = "" if step.complete else f"; {_STOPPED}"
        yield f"{report(step.result)} {elapsed}{stopped}.{in_figures(step.result)}", *pictures


def _searching(step: Step[Fooled]) -> str:
    """One line on how far the search is; with a change found, what it does so far."""
    if step.partial is not None:
        return f"{report(step.partial)} Step {step.done}: looking for a smaller change."
    return " ".join(
        [f"Step {step.done}:", *(f"{name} {in_per_cent(probability)}" for name, probability in step.measures.items())]
    )


def _pictures(found: Fooled) -> list[Any]:
    """The crop, the changed crop and the difference, large enough to be seen."""
    return [repeat_pixels(picture) for picture in (found.crop, found.changed, found.difference_picture())]


def build_heat_map(run: Run, image: gr.Image, model: gr.Dropdown) -> tuple[dict[str, Component], Part]:
    """The picture that explains an answer, by which method, and for which class; acts at once."""
    overlay = picture_output("Explained", elem_id="classify-overlay", height=320)
    method = gr.Radio(
        [(title, value) for value, title in METHODS.items()],
        value=default_of(ExplainConfig, "method"),
        label="Explain",
        elem_id="classify-method",
    )
    explained = gr.Radio([], label="Explain this answer", visible=False, elem_id="classify-explain")
    part = Part(name="explain", inputs=[image, model, method, explained], needs=[image], outputs=[overlay])
    wire(part, given(run, explain_on_page), restarts=[method.input, explained.input])
    class_name = gr.Textbox("", visible=False, label="Class name")
    endpoint("explain", given(run, explain_endpoint), [image, model, method, class_name], [overlay])
    return {"overlay": overlay, "method": method, "explained": explained}, part


def build_fool(run: Run, image: gr.Image, model: gr.Dropdown) -> tuple[dict[str, Component], Part]:
    """What the network saw, the same changed just enough, and the difference; on request."""
    with gr.Accordion("Fool the network", open=False, elem_id="fool"):
        gr.Markdown(FOOL_NOTE)
        target = gr.Radio([("the nearest", NEAREST)], value=NEAREST, label="Turn the answer into", elem_id="fool-into")
        with gr.Row():
            start = gr.Button("Fool it", variant="primary", elem_id="fool-run", scale=0, min_width=160)
            cancel = gr.Button("Cancel", elem_id="fool-cancel", min_width=80, scale=0)
        said = gr.Markdown(elem_id="fool-report", elem_classes="status")
        with gr.Row():
            before = picture_output("What the network sees", elem_id="fool-before", height=300, min_width=220)
            changed = picture_output("Changed", elem_id="fool-changed", height=300, min_width=220)
            difference = picture_output("Difference, amplified", elem_id="fool-difference", height=300, min_width=220)
    for field, kind in ((before, "before"), (changed, "after"), (difference, "difference")):
        tell_apart(field, kind)
    part = Part(
        name="fool",
        inputs=[image, model, target],
        needs=[image],
        outputs=[said, before, changed, difference],
        status=said,
        cancelled_text="Cancelled; the smallest change so far stays.",
    )
    wire(part, given(run, fool_on_page), run=[start.click], watch={target: 0}, cancel=cancel, automatic=False)
    class_name = gr.Textbox("", visible=False, label="Class name")
    endpoint(
        "fool", given(run, fool_endpoint), [image, model, class_name], [changed, difference, gr.JSON(visible=False)]
    )
    shown = {"target": target, "report": said, "before": before, "changed": changed, "difference": difference}
    return shown, part
