"""The Explain part of the Classify tab: heat map, saliency, and the smallest change that turns the answer."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.classify.adversarial import FoolConfig, Fooled, FoolStep, fool_steps, succeeded
from cvdemo.classify.classifier import Classifier, Prediction, load_classifier
from cvdemo.classify.explain import METHODS, ExplainConfig, crop_of, explain
from cvdemo.config import default_of
from cvdemo.images import ImageArray
from cvdemo.ops.heatmap import repeat_pixels
from cvdemo.runtime import Deadline
from cvdemo.ui.wiring.controls import endpoint, load_picture, picture_output, took
from cvdemo.ui.wiring.parts import Part, wire

TIME_LIMIT_S = 60.0
FRESH = ("overlay", "explained", "target", "report", "before", "changed", "difference")  # what `fresh` fills
NEAREST = -1  # in the choice of classes to turn the answer into
NOTHING: dict[str, Any] = {  # what the choices of classes show while there is no answer
    "explained": gr.update(choices=[], value=None, visible=False),
    "target": gr.update(choices=[("the nearest", NEAREST)], value=NEAREST),
}
FOOL_NOTE = (
    "Changes the pixels that the network sees as little as it can, in whole grey levels, until the answer is another. "
    "To the eye the picture stays the same."
)


def fresh(picture: ImageArray, classifier: Classifier, prediction: Prediction, method: str) -> tuple[Any, ...]:
    """What a new answer shows: its best class explained, its classes to choose from, and nothing fooled yet."""
    classes = list(zip(prediction.labels, prediction.classes, strict=True))
    explained = explain(picture, classifier, prediction.classes[0], ExplainConfig(method=method)).picture()
    return (
        explained,
        gr.Radio(choices=classes, value=prediction.classes[0], visible=True),
        gr.Radio(choices=[("the nearest", NEAREST), *classes[1:]], value=NEAREST),
        *("", None, None, None),
    )


def explain_endpoint(
    image: str | None, model: str = "imagenet", method: str = "grad_cam", class_name: str = ""
) -> ImageArray:
    """What in a picture spoke for a class: the heat map of `method`, "grad_cam" or "saliency", as a PNG.

    `class_name` is one of the network's class names; empty, the best class is explained.
    """
    config = ExplainConfig(model=model, method=method, class_name=class_name)
    picture, classifier = load_picture(image), load_classifier(config.model)
    index = class_of(picture, classifier, config.class_name)
    return explain(picture, classifier, index, config, Deadline(TIME_LIMIT_S)).picture()


def class_of(picture: ImageArray, classifier: Classifier, class_name: str) -> int:
    """The class of that name; for an empty one that of the network's answer to its centre crop."""
    if class_name.strip():
        return classifier.index_of(class_name)
    return int(classifier.probabilities(crop_of(picture, classifier))[0].argmax())


def fool_endpoint(
    image: str | None, model: str = "imagenet", class_name: str = ""
) -> tuple[ImageArray, ImageArray, dict[str, Any]]:
    """The smallest change found that turns the answer: the changed crop, the difference amplified, the sizes as JSON.

    `class_name` is what the answer shall turn into; empty, the nearest of the next best classes. `l2`, `rms` and
    `largest` are in grey levels of 255; the difference is shown times `amplification` around middle grey.
    """
    config = FoolConfig(model=model, class_name=class_name)
    picture, classifier = load_picture(image), load_classifier(config.model)
    target = classifier.index_of(config.class_name) if config.class_name.strip() else None
    deadline = Deadline(TIME_LIMIT_S)
    *_, last = fool_steps(picture, classifier, config, target=target, deadline=deadline)
    found = succeeded(last, classifier, deadline)
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
    """Old and new answer and the size of the change, as Markdown."""
    old, new = found.before, found.after
    mean = f"{found.rms:.2f}" if found.rms >= 0.005 else f"{found.rms:.4f}"
    return (
        f"**{old.labels[0]}** ({_share(old)}) → **{new.labels[0]}** ({_share(new)}). "
        f"No pixel changed by more than {found.largest} of 255 grey levels, the root mean square is {mean} "
        f"(L2 norm {found.l2:.0f}). The difference is shown × {found.amplification} around middle grey."
    )


def _share(prediction: Prediction) -> str:
    return f"{100 * prediction.probabilities[0]:.0f}\N{NO-BREAK SPACE}%"


def _explain_on_page(path: str | None, model: str, method: str, class_index: int | None) -> ImageArray:
    config = ExplainConfig(model=model, method=method)
    picture, classifier = load_picture(path), load_classifier(model)
    if class_index is None or class_index >= len(classifier.labels):
        class_index = class_of(picture, classifier, "")
    return explain(picture, classifier, class_index, config, Deadline(TIME_LIMIT_S)).picture()


def _fool_on_page(path: str | None, model: str, target: int | None) -> Iterator[tuple[Any, ...]]:
    """Report, crop, changed crop and difference: of the first change that works, then of each smaller one.

    Until there is one, and between them, only the report says how far the search is.
    """
    deadline = Deadline(TIME_LIMIT_S)
    picture, classifier = load_picture(path), load_classifier(model)
    wanted = None if target in (None, NEAREST) or target >= len(classifier.labels) else target
    best: Fooled | None = None
    for step in fool_steps(picture, classifier, FoolConfig(model=model), target=wanted, deadline=deadline):
        pictures = [gr.skip()] * 3 if step.best is None or step.best is best else _pictures(step.best)
        best = step.best
        yield _searching(step, classifier), *pictures
    found = succeeded(step, classifier, deadline)
    stopped = f"; the limit of {TIME_LIMIT_S:g} s stopped the search for a smaller one" if deadline.expired else ""
    yield f"{report(found)} {took(deadline.elapsed_ms, 'Found')}{stopped}.", *_pictures(found)


def _searching(step: FoolStep, classifier: Classifier) -> str:
    """One line on how far the search is; with a change found, what it does so far."""
    if step.best is not None:
        return f"{report(step.best)} Step {step.done}: looking for a smaller change."
    share = f"{100 * step.probability:.0f}\N{NO-BREAK SPACE}%"
    return f"Step {step.done}: {classifier.labels[step.target]} {share}"


def _pictures(found: Fooled) -> list[Any]:
    """The crop, the changed crop and the difference, large enough to be seen."""
    return [repeat_pixels(picture) for picture in (found.crop, found.changed, found.difference_picture())]


def build_heat(image: gr.Image, model: gr.Dropdown) -> tuple[dict[str, Component], Part]:
    """The picture that explains an answer, by which method, and for which class; acts at once."""
    overlay = picture_output("Explained", elem_id="classify-overlay", height=320)
    method = gr.Radio(
        [(title, value) for value, title in METHODS.items()],
        value=default_of(ExplainConfig, "method"),
        label="Explain",
        elem_id="classify-method",
    )
    explained = gr.Radio([], label="Explain this class", visible=False, elem_id="classify-explain")
    part = Part(name="explain", inputs=[image, model, method, explained], needs=[image], outputs=[overlay])
    wire(part, _explain_on_page, again=[method.input, explained.input])
    class_name = gr.Textbox("", visible=False, label="Class name")
    endpoint("explain", explain_endpoint, [image, model, method, class_name], [overlay])
    return {"overlay": overlay, "method": method, "explained": explained}, part


def build_fool(image: gr.Image, model: gr.Dropdown) -> tuple[dict[str, Component], Part]:
    """What the network saw, the same changed just enough, and the difference; on request."""
    with gr.Accordion("Fool the network", open=False, elem_id="fool"):
        gr.Markdown(FOOL_NOTE)
        target = gr.Radio([("the nearest", NEAREST)], value=NEAREST, label="Turn the answer into", elem_id="fool-into")
        with gr.Row():
            run = gr.Button("Fool it", variant="primary", elem_id="fool-run", scale=0, min_width=160)
            cancel = gr.Button("Cancel", elem_id="fool-cancel", min_width=80, scale=0)
        report = gr.Markdown(elem_id="fool-report", elem_classes="status")
        with gr.Row():
            before = picture_output("What the network sees", elem_id="fool-before", height=300, min_width=220)
            changed = picture_output("Changed", elem_id="fool-changed", height=300, min_width=220)
            difference = picture_output("Difference, amplified", elem_id="fool-difference", height=300, min_width=220)
    part = Part(
        name="fool",
        inputs=[image, model, target],
        needs=[image],
        outputs=[report, before, changed, difference],
        status=report,
        told="Cancelled; the smallest change so far stays.",
    )
    wire(part, _fool_on_page, run=[run.click], watch={target: 0}, cancel=cancel, automatic=False)
    class_name = gr.Textbox("", visible=False, label="Class name")
    endpoint("fool", fool_endpoint, [image, model, class_name], [changed, difference, gr.JSON(visible=False)])
    shown = {"target": target, "report": report, "before": before, "changed": changed, "difference": difference}
    return shown, part
