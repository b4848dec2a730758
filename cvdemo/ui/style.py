"""The Style tab: your picture in the manner of another, with previews, the three losses, and styles of our own."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Lane, Run, Step
from cvdemo.images import ImageArray
from cvdemo.limits import STYLE_S
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.presets import PRESETS
from cvdemo.style.run import StyleRequest, Stylized
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    given,
    light,
    load_picture,
    method_note,
    picture_input,
    picture_output,
    seed_control,
    share_button,
    took,
    warn_if_incomplete,
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
PREVIEW_EVERY_S = 0.35
LOSSES = ("content_loss", "style_loss", "tv_loss")  # in the order of the curves
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
class Curves:
    """The losses so far by name, and where scales began."""

    by_name: dict[str, list[float]] = field(default_factory=lambda: {"content": [], "style": [], "variation": []})
    marks: list[int] = field(default_factory=list)
    scale: float = 1

    def add(self, step: Step[Stylized]) -> None:
        for curve, name in zip(self.by_name.values(), LOSSES, strict=True):
            curve.append(step.measures[name])
        if step.measures["scale"] != self.scale:
            self.scale = step.measures["scale"]
            self.marks.append(step.done)

    def drawn(self, total: int) -> str:
        return loss_plot(self.by_name, total, self.marks)


def _steps(run: Run, content: str | None, style: str | None, config: StyleConfig) -> Iterator[Step[Stylized]]:
    picture, reference = load_picture(content), load_picture(style, "a style picture")
    request = StyleRequest(
        content=picture,
        style=reference,
        config=config,
        time_limit_s=STYLE_S,
        preview_every_s=PREVIEW_EVERY_S,
    )
    yield from run(request)


def _picture(step: Step[Stylized]) -> ImageArray | None:
    """What the step has to show."""
    return step.preview if step.result is None else step.result.image


def stylize_endpoint(
    run: Run,
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
    for step in _steps(run, content, style, config):
        if (picture := _picture(step)) is not None:
            yield picture
        if step.result is not None:
            warn_if_incomplete(step, _hurried(step.result))


def _stylize_on_page(
    run: Run, content: str | None, style: str | None, *values: Any
) -> Iterator[tuple[ImageArray, str, str]]:
    """Picture, status and loss curves at every preview; `values` are those of `CONTROLS`."""
    started = time.monotonic()
    settings = dict(zip(CONTROLS, values, strict=True))
    config = StyleConfig(seed=whole_number(settings.pop("seed"), "Seed"), **settings)
    curves = Curves()
    for step in _steps(run, content, style, config):
        if step.result is None:  # the last step tells the measures of the one before it
            curves.add(step)
        if (picture := _picture(step)) is not None:
            yield picture, _status(step, (time.monotonic() - started) * 1000), curves.drawn(step.total)


def _status(step: Step[Stylized], elapsed_ms: float) -> str:
    """How far the painting is; of the last step, what became of it."""
    if step.result is None:
        scale, scales = step.measures["scale"], step.measures["scales"]
        return f"Step {step.done} of {step.total}, scale {scale:g} of {scales:g}: {elapsed_ms / 1000:.0f} s so far"
    height, width = step.result.image.shape[:2]
    hurried = "" if step.complete else f". {_hurried(step.result)}"
    return took(elapsed_ms, f"{width} × {height} pixels, {step.result.steps} steps") + hurried


def _hurried(stylized: Stylized) -> str:
    return (
        f"The limit of {STYLE_S:g} s left time for {stylized.steps} of {stylized.wanted} steps. "
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
        lane=Lane.SLOW,
        inputs=[content, style, *controls.values()],
        needs=[content, style],
        outputs=[result, status, plot],
        status=status,
        cancelled_text=PREVIEW_STAYS,
    )
    watch = {content: 0, style: 0} | dict.fromkeys(controls.values(), SETTLED_MS)
    wire(part, given(run, _stylize_on_page), run=[start.click], watch=watch, cancel=cancel)
    light([style.change], _what_comes_next, [content, style], [status])
    fields = [controls[name] for name in ENDPOINT_FIELDS]
    endpoint("stylize", given(run, stylize_endpoint), [content, style, *fields], [result], Lane.SLOW)
    return controls


def _style_picture(name: str) -> str:
    return example_picture(f"styles/{name}")


TAB = Tab(slug="style", title="Style", build=build)
