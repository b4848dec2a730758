"""The Style tab: your picture in the manner of another, with previews, the three losses, and styles of our own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run
from cvdemo.images import ImageArray, resize, to_image, to_tensor
from cvdemo.runtime import Deadline
from cvdemo.style.optimise import PRESETS, StyleConfig, StyleStep, load_style_network, scale_sizes, stylize
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    light,
    load_picture,
    method_note,
    picture_input,
    picture_output,
    seed_control,
    share_button,
    took,
    whole_number,
)
from cvdemo.ui.wiring.loss_plot import loss_plot
from cvdemo.ui.wiring.parts import PREVIEW_STAYS, SETTLED_MS, Part, wire

NOTE = (
    "The picture is changed step by step until the correlations between a network's features, its Gram matrices, are "
    "those of the style picture, while the features themselves stay those of yours "
    "([Gatys et al. 2016](https://arxiv.org/abs/1508.06576)). Here the network is EfficientNet-Lite0, the work goes "
    "from coarse to fine, and a total-variation term keeps the surface calm "
    "([Johnson et al. 2016](https://arxiv.org/abs/1603.08155))."
)
PICTURES = ("chelsea", "astronaut", "tower", "coffee")
STYLES = ("night_swirls", "autumn_strokes", "stained_glass", "mosaic", "woodcut_waves", "halftone", "ink_wash")
TIME_LIMIT_S = 120.0
PREVIEW_EVERY_S = 0.35
PRESET_FIELDS = ("content_weight", "style_weight", "tv_weight", "style_scale", "keep_colours", "start")
OTHER_FIELDS = ("scales", "steps", "step_size")
CONTROLS = ("size", *PRESET_FIELDS, *OTHER_FIELDS, "seed")
ENDPOINT_FIELDS = (
    "content_weight",
    "style_weight",
    "tv_weight",
    "size",
    "seed",
    "style_scale",
    "keep_colours",
    "start",
    "scales",
    "steps",
)


@dataclass
class Progress:
    """What the page shows of a run: the curves so far, and when the next preview is due."""

    size_hw: tuple[int, int]
    curves: dict[str, list[float]] = field(default_factory=lambda: {"content": [], "style": [], "variation": []})
    marks: list[int] = field(default_factory=list)
    shown_at: float = 0.0
    finished: bool = False

    def add(self, step: StyleStep) -> None:
        for curve, value in zip(self.curves.values(), (step.content_loss, step.style_loss, step.tv_loss), strict=True):
            curve.append(value)
        if step.step == 1 and step.scale > 0:
            self.marks.append(step.done)

    def due(self) -> bool:
        """Whether a preview should be shown now; if so, the next one is due `PREVIEW_EVERY_S` later."""
        now = time.monotonic()
        if now - self.shown_at < PREVIEW_EVERY_S:
            return False
        self.shown_at = now
        return True

    def picture(self, step: StyleStep) -> ImageArray:
        """The step's picture at the size of the result, so that the page does not jump between scales."""
        if step.image.shape[:2] == self.size_hw:
            return step.image
        return to_image(resize(to_tensor(step.image), self.size_hw))

    def plot(self, step: StyleStep) -> str:
        return loss_plot(self.curves, step.total, self.marks)


def _previews(
    content: str | None, style: str | None, config: StyleConfig, deadline: Deadline
) -> Iterator[tuple[Progress, StyleStep]]:
    """Progress and step of every preview that is due, and of the last step."""
    picture, reference = load_picture(content), load_picture(style, "a style picture")
    progress = Progress(scale_sizes(picture.shape[:2], config.size, 1)[0])
    for step in stylize(picture, reference, load_style_network(), config, deadline):
        progress.add(step)
        if progress.due() and step.done < step.total:
            yield progress, step
    progress.finished = True
    yield progress, step


def stylize_endpoint(
    content: str | None,
    style: str | None,
    content_weight: float = StyleConfig.content_weight,
    style_weight: float = StyleConfig.style_weight,
    tv_weight: float = StyleConfig.tv_weight,
    size: int = StyleConfig.size,
    seed: int = StyleConfig.seed,
    style_scale: float = StyleConfig.style_scale,
    keep_colours: bool = StyleConfig.keep_colours,
    start: str = StyleConfig.start,
    scales: int = StyleConfig.scales,
    steps: int = StyleConfig.steps,
) -> Iterator[ImageArray]:
    """The content picture in the manner of the style picture: previews, then the result, `size` px on its long side."""
    config = StyleConfig(
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        size=int(size),
        seed=whole_number(seed, "Seed"),
        style_scale=style_scale,
        keep_colours=keep_colours,
        start=start,
        scales=int(scales),
        steps=int(steps),
    )
    for progress, step in _previews(content, style, config, Deadline(TIME_LIMIT_S)):
        yield progress.picture(step)
    if step.done < step.wanted:
        gr.Warning(_hurried(step))


def _stylize_on_page(content: str | None, style: str | None, *values: Any) -> Iterator[tuple[ImageArray, str, str]]:
    """Picture, status and loss curves at every preview; `values` are those of `CONTROLS`."""
    settings = dict(zip(CONTROLS, values, strict=True))
    seed = whole_number(settings.pop("seed"), "Seed")
    config, deadline = StyleConfig(seed=seed, **settings), Deadline(TIME_LIMIT_S)
    for progress, step in _previews(content, style, config, deadline):
        yield progress.picture(step), _status(step, config, deadline, progress), progress.plot(step)


def _status(step: StyleStep, config: StyleConfig, deadline: Deadline, progress: Progress) -> str:
    if not progress.finished:
        at = f"Step {step.done} of {step.total}, scale {step.scale + 1} of {step.wanted // config.steps}"
        return f"{at}: {deadline.elapsed_ms / 1000:.0f} s so far"
    height, width = progress.size_hw
    hurried = f". {_hurried(step)}" if step.done < step.wanted else ""
    return took(deadline.elapsed_ms, f"{width} × {height} pixels, {step.done} steps") + hurried


def _hurried(step: StyleStep) -> str:
    return (
        f"The limit of {TIME_LIMIT_S:g} s left time for {step.done} of {step.wanted} steps. "
        "A smaller size leaves time for more."
    )


def _what_comes_next(content: str | None, style: str | None) -> Any:
    """A line for a visitor who has just picked a style and has no picture yet."""
    return "That is the style; now choose your picture." if style and not content else gr.skip()


def _preset_values(name: str) -> list[Any]:
    """What the controls of `PRESET_FIELDS` show for a preset."""
    return [getattr(PRESETS[name], field) for field in PRESET_FIELDS]


def _controls() -> tuple[gr.Radio, dict[str, Component]]:
    """The presets, and the controls of all settings by field name, in the order of `CONTROLS`."""
    preset = gr.Radio(list(PRESETS), value=next(iter(PRESETS)), label="Preset", elem_id="style-preset")
    made: dict[str, Component] = {"size": control(StyleConfig, "size")}
    with gr.Accordion("More settings", open=False, elem_id="style-more"):
        made |= {name: control(StyleConfig, name) for name in (*PRESET_FIELDS, *OTHER_FIELDS)}
        made["seed"] = seed_control(elem_id="style-seed")
    return preset, {name: made[name] for name in CONTROLS}


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            with gr.Row():
                content = picture_input(elem_id="style-image", height=240, min_width=140)
                style = picture_input(
                    "Style", value=_style_picture(STYLES[0]), elem_id="style-style", height=240, min_width=140
                )
            with gr.Row():
                start = gr.Button("Stylize", variant="primary", elem_id="style-run")
                cancel = gr.Button("Cancel", elem_id="style-cancel", min_width=80, scale=0)
            gr.Examples(
                [[example_picture(name)] for name in PICTURES], [content], label="Pictures", elem_id="style-pictures"
            )
            gr.Examples([[_style_picture(name)] for name in STYLES], [style], label="Styles", elem_id="style-styles")
            preset, controls = _controls()
        with gr.Column(min_width=300, scale=1):
            result = picture_output("Result", elem_id="style-result")
            status = gr.Markdown(elem_id="style-status", elem_classes="status")
            plot = gr.HTML(label="Losses", elem_id="style-losses")
    share_button("style", controls)
    method_note(NOTE)
    light([preset.input], _preset_values, [preset], [controls[name] for name in PRESET_FIELDS])
    part = Part(
        name="style",
        inputs=[content, style, *controls.values()],
        needs=[content, style],
        outputs=[result, status, plot],
        status=status,
        told=PREVIEW_STAYS,
    )
    watch = {content: 0, style: 0} | dict.fromkeys(controls.values(), SETTLED_MS)
    wire(part, _stylize_on_page, run=[start.click], watch=watch, cancel=cancel)
    light([style.change], _what_comes_next, [content, style], [status])
    endpoint("stylize", stylize_endpoint, [content, style, *(controls[name] for name in ENDPOINT_FIELDS)], [result])
    return controls


def _style_picture(name: str) -> str:
    return example_picture(f"styles/{name}")


TAB = Tab(slug="style", title="Style", build=build)
