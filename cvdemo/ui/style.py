"""The Style tab: your picture in the manner of others, with previews, the three losses, and styles to choose from.

Where the network of the instant style is among the weights, a picture can be had at once, it comes first while the
optimisation refines it, and there are two more ways: the camera and a video. Without it none of that is offered.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.config import settings_of
from cvdemo.demo import Lane, Run, Step, result_of
from cvdemo.images import ImageArray
from cvdemo.limits import STYLE_S
from cvdemo.style.config import INSTANT_START, KEPT_COLOURS, LONGEST_S, STARTS, StyleConfig
from cvdemo.style.feed_forward import instant_offered
from cvdemo.style.instant import instant_config
from cvdemo.style.pictures import mask_of
from cvdemo.style.presets import PRESETS
from cvdemo.style.run import StyleRequest, Stylized
from cvdemo.ui.serving.lines import LaneOf
from cvdemo.ui.serving.result_names import call_results
from cvdemo.ui.style_camera import build_camera
from cvdemo.ui.style_examples import build_examples, first_style, painted_stem, style_input
from cvdemo.ui.style_instant import AT_ONCE, add_endpoint, instant_request, lane_by_size
from cvdemo.ui.style_instant import NOTE as INSTANT_NOTE
from cvdemo.ui.style_video import build_video
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    given,
    light,
    load_picture,
    method_note,
    named_choices,
    numbers_only,
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
    "Your picture is changed step by step ([Gatys et al. 2016](https://arxiv.org/abs/1508.06576)). A network looks at "
    "it. Its features should stay those of your picture. The correlations between them, the Gram matrices, should "
    "become those of the style picture. The network is EfficientNet-Lite0. The work goes from coarse to fine. A "
    "total-variation term keeps the surface calm ([Johnson et al. 2016](https://arxiv.org/abs/1603.08155)). The curves "
    "are the content loss, the style loss and the total variation loss."
)
PREVIEW_EVERY_S = 0.35
LOSSES = ("content_loss", "style_loss", "tv_loss")  # in the order of the curves
CURVES = {  # what is read, and what the papers call it
    "picture": "Content loss: how far it is from your picture",
    "style": "Style loss: how far it is from the style",
    "roughness": "Total variation loss: how rough it is",
}
PRESET_FIELDS = ("content_weight", "style_weight", "tv_weight", "style_scale", "keep_colours", "start")
OTHER_FIELDS = ("strength", "detail", "flat_smoothing", "style_loss", "scales", "steps", "step_size")
CONTROLS = ("seconds", "size", *PRESET_FIELDS, *OTHER_FIELDS, "seed")
BY_STEPS = 0  # as a time: as many steps as the settings say
TIMES = [("5 s", 5), ("15 s", 15), ("60 s", 60), ("by steps", BY_STEPS)]
USUAL_S, USUAL_PX = 15, 1024  # the page's own defaults: the largest size that this time is worth, up to 1,024 px
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
NEWER_FIELDS = ("strength", "detail", "flat_smoothing", "style_loss")  # after them, and after the time
OLD_KEPT_COLOURS = [("yes, by statistics", True), ("none", False)]  # what clients sent before there was a choice


@dataclass(frozen=True)
class Chosen:
    """The pictures that a visitor has chosen, as paths."""

    content: str | None
    style: str | None
    second: str | None = None
    second_weight: float = 1.0
    mask: str | None = None
    start: str | None = None

    def request(self, config: StyleConfig) -> StyleRequest:
        """What is asked for; `InputError` where a picture is missing or cannot be used."""
        content, style = load_picture(self.content), load_picture(self.style, "a style picture")
        second = None if self.second is None else load_picture(self.second, "a second style picture")
        return StyleRequest(
            content=content,
            style=style,
            config=config,
            time_limit_s=STYLE_S,
            preview_every_s=PREVIEW_EVERY_S,
            styles=() if second is None else ((second, self.second_weight),),
            mask=None if self.mask is None else mask_of(load_picture(self.mask, "a mask")),
            start_image=None if self.start is None else load_picture(self.start, "a start picture"),
        )


@dataclass
class Curves:
    """The losses so far by name, and where scales began."""

    by_name: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})
    marks: list[int] = field(default_factory=list)
    scale: float = 1

    def add(self, step: Step[Stylized]) -> None:
        """A step of the optimisation; the instant style before the first has no losses."""
        if not step.measures:
            return
        for curve, name in zip(self.by_name.values(), LOSSES, strict=True):
            curve.append(step.measures[name])
        if step.measures["scale"] != self.scale:
            self.scale = step.measures["scale"]
            self.marks.append(step.done)

    def drawn(self, total: int) -> str:
        return loss_plot(self.by_name, total, self.marks, CURVES)


def _picture(step: Step[Stylized]) -> ImageArray | None:
    """What the step has to show."""
    return step.preview if step.result is None else step.result.image


def _config_of(sent: dict[str, Any]) -> StyleConfig:
    """The settings that a program sent, by name; 0 seconds is no limit of time."""
    whole = {name: int(sent[name]) for name in ("size", "scales", "steps")}
    seed, seconds = whole_number(sent["seed"], "Seed"), sent["seconds"] or None
    return StyleConfig(**{**sent, **whole, "seed": seed, "seconds": seconds})


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
    keep_colours: str | bool = StyleConfig.keep_colours,
    start: str = StyleConfig.start,
    scales: int = StyleConfig.scales,
    steps: int = StyleConfig.steps,
    seconds: float = BY_STEPS,
    strength: float = StyleConfig.strength,
    detail: float = StyleConfig.detail,
    flat_smoothing: float = StyleConfig.flat_smoothing,
    style_loss: str = StyleConfig.style_loss,
    second_style: str | None = None,
    second_weight: float = 1.0,
    mask: str | None = None,
    start_image: str | None = None,
) -> Iterator[ImageArray]:
    """The content picture in the manner of the style picture: previews, then the result, `size` px on its long side.

    With `seconds` above 0 the result is the best of that time, at most `size` px, and a seed need not repeat. White
    parts of `mask` are painted like `second_style`; without a mask both styles are mixed by their weights.
    """
    config = _config_of({name: value for name, value in locals().items() if name in settings_of(StyleConfig)})
    chosen = Chosen(content, style, second_style, second_weight, mask, start_image)
    call_results(painted_stem(content, style))
    for step in run(chosen.request(config)):
        if (picture := _picture(step)) is not None:
            yield picture
        if step.result is not None:
            warn_if_incomplete(step, _hurried(step.result))


def _stylize_on_page(
    run: Run,
    content: str | None,
    style: str | None,
    second: str | None,
    mask: str | None,
    second_weight: float,
    *values: Any,
) -> Iterator[tuple[ImageArray, str, str]]:
    """Picture, status and loss curves at every preview; `values` are those of `CONTROLS`."""
    call_results(painted_stem(content, style))
    started = time.monotonic()
    chosen, settings = Chosen(content, style, second, second_weight, mask), dict(zip(CONTROLS, values, strict=True))
    if settings["seconds"] == AT_ONCE:
        yield _at_once(run, chosen, settings)
        return
    seed, seconds = whole_number(settings.pop("seed"), "Seed"), settings.pop("seconds") or None
    request, curves = chosen.request(StyleConfig(seed=seed, seconds=seconds, **settings)), Curves()
    for step in run(request):
        if step.result is None:  # the last step tells the measures of the one before it
            curves.add(step)
        if (picture := _picture(step)) is not None:
            drawing = curves.drawn(step.total) if step.measures else ""
            yield picture, _status(step, (time.monotonic() - started) * 1000, request), drawing


def _at_once(run: Run, chosen: Chosen, settings: Mapping[str, Any]) -> tuple[ImageArray, str, str]:
    """Picture, status and no curves of the instant style."""
    started = time.monotonic()
    shared = StyleConfig(**{name: settings[name] for name in ("strength", "style_scale", "keep_colours")})
    config = instant_config(shared, settings["size"])
    request = instant_request(chosen.content, chosen.style, chosen.second, chosen.second_weight, chosen.mask, config)
    painted: Stylized = result_of(run(request))
    height, width = painted.image.shape[:2]
    return painted.image, took((time.monotonic() - started) * 1000, f"{width} × {height} pixels"), ""


def _status(step: Step[Stylized], elapsed_ms: float, request: StyleRequest) -> str:
    """How far the painting is; of the last step, what became of it."""
    seconds = request.config.seconds
    if step.result is None and not step.measures:
        return f"This is the instant style. It is being refined: {elapsed_ms / 1000:.0f} s so far"
    if step.result is None:
        scale, scales = step.measures["scale"], step.measures["scales"]
        steps = f"{step.total}" if seconds is None else f"about {step.total}"  # for a time they are planned anew
        return f"Step {step.done} of {steps}, round {scale:g} of {scales:g}: {elapsed_ms / 1000:.0f} s so far"
    height, width = step.result.image.shape[:2]
    hurried = "" if step.complete else f". {_hurried(step.result)}"
    if seconds is not None and max(height, width) < min(request.config.size, max(request.content.shape[:2])):
        hurried += ". With more time it can be larger"
    return took(elapsed_ms, f"{width} × {height} pixels, {step.result.steps} steps") + hurried


def _hurried(stylized: Stylized) -> str:
    return (
        f"It stopped at the limit of {STYLE_S:g} s, after {stylized.steps} of {stylized.wanted} steps. "
        "A smaller size leaves time for more."
    )


def _what_comes_next(content: str | None, style: str | None) -> Any:
    """A line for a visitor who has just picked a style and has no picture yet."""
    return "That is the style; now choose your picture." if style and not content else gr.skip()


def _preset_values(name: str) -> list[Any]:
    """What the controls of `PRESET_FIELDS` show for a preset; where it starts as usual, the page's own start."""
    own = {"start": usual_start()} if PRESETS[name].start == StyleConfig.start else {}
    return [own.get(field, getattr(PRESETS[name], field)) for field in PRESET_FIELDS]


def usual_start() -> str:
    """Where the page's paintings start: from the instant style, where there is one."""
    return INSTANT_START if instant_offered() else StyleConfig.start


def _choices() -> tuple[list[tuple[str, Any]], list[str]]:
    """The times and the starts to choose from: what needs the instant style is there only where that is."""
    if instant_offered():
        return [("at once", AT_ONCE), *TIMES], list(STARTS)
    return list(TIMES), [start for start in STARTS if start != INSTANT_START]


def _controls() -> tuple[gr.Radio, dict[str, Component]]:
    """The presets, and the controls of all settings by field name, in the order of `CONTROLS`."""
    made: dict[str, Component] = {}
    times, starts = _choices()
    made["seconds"] = gr.Radio(times, value=USUAL_S, label="How long to paint", elem_id="StyleConfig-seconds")
    preset = gr.Radio(list(PRESETS), value=next(iter(PRESETS)), label="Preset", elem_id="style-preset")
    made["size"] = control(StyleConfig, "size", value=USUAL_PX)
    with gr.Accordion("More settings", open=False, elem_id="style-more"):
        own = {"start": {"choices": named_choices(StyleConfig, "start", starts), "value": usual_start()}}
        made |= {name: control(StyleConfig, name, **own.get(name, {})) for name in (*PRESET_FIELDS, *OTHER_FIELDS)}
        made["seed"] = seed_control(elem_id="style-seed")
    return preset, {name: made[name] for name in CONTROLS}


def _second_style() -> tuple[gr.Image, gr.Image, Component]:
    """A second style picture, the mask that says where it is, and its weight."""
    with gr.Accordion("A second style", open=False, elem_id="style-second"):
        with gr.Row():
            second = picture_input("Second style", elem_id="style-second-style", height=200, min_width=140)
            mask = picture_input("Where to paint it (white)", elem_id="style-mask", height=200, min_width=140)
        info = "1: as much of it as of the first style. It has no effect if you say where to paint the second."
        weight = gr.Slider(
            0.1, 4, value=1, step=0.1, label="Share of the second style", info=info, elem_id="style-second-weight"
        )
    return second, mask, numbers_only(weight)


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    if not instant_offered():
        return _build_picture(run)
    with gr.Tabs(elem_id="style-ways"):
        with gr.Tab("Picture", id="picture"):
            settings = _build_picture(run)
        with gr.Tab("Camera", id="camera"):
            build_camera(run)
        with gr.Tab("Video", id="video"):
            build_video(run)
    return settings


def _build_picture(run: Run) -> dict[str, Component]:
    """Draws the way for a picture, and registers the endpoints; returns its settings."""
    with gr.Row(elem_id="style-parts"):
        with gr.Column(min_width=300):
            with gr.Row():
                content = picture_input(elem_id="style-image", height=240, min_width=140)
                style = style_input("style-style")
            with gr.Row():
                start = gr.Button("Stylize", variant="primary", elem_id="style-run")
                cancel = gr.Button("Cancel", elem_id="style-cancel", min_width=80, scale=0)
            build_examples(content, style)
        with gr.Column(min_width=300, scale=1):
            result = picture_output("Result", elem_id="style-result")
            status = gr.Markdown(elem_id="style-status", elem_classes="status")
            preset, controls = _controls()
            second = _second_style()
        with gr.Column(min_width=300):
            plot = gr.HTML(label="How close the result is so far", elem_id="style-losses")
    share_button("style", controls)
    method_note(NOTE + INSTANT_NOTE if instant_offered() else NOTE)
    light([preset.input], _preset_values, [preset], [controls[name] for name in PRESET_FIELDS])
    inputs = [content, style, *second, *controls.values()]
    part = Part(
        name="style",
        lane=_lane_of(inputs, controls) if instant_offered() else Lane.SLOW,
        expects=lambda *values: _seconds_of(values[inputs.index(controls["seconds"])]),
        inputs=inputs,
        needs=[content, style],
        outputs=[result, status, plot],
        status=status,
        cancelled_text=PREVIEW_STAYS,
    )
    watch = {content: 0, style: 0} | dict.fromkeys([*second, *controls.values()], SETTLED_MS)
    wire(part, given(run, _stylize_on_page), run=[start.click], watch=watch, cancel=cancel)
    light([style.change], _what_comes_next, [content, style], [status])
    _endpoint(run, [content, style], controls, second, result)
    add_endpoint(run, [content, style], second, result)
    return controls


def _seconds_of(time: Any) -> float | None:
    """What a painting by time takes; nothing is known of one by steps, or at once."""
    return float(time) if isinstance(time, int | float) and time > 0 else None


def _lane_of(inputs: Sequence[Component], controls: Mapping[str, Component]) -> LaneOf:
    places = list(inputs)
    return lane_by_size(places.index(controls["size"]), places.index(controls["seconds"]))


def _endpoint(
    run: Run,
    pictures: Sequence[Component],
    controls: Mapping[str, Component],
    second: tuple[gr.Image, gr.Image, Component],
    result: Component,
) -> None:
    """The public endpoint, whose defaults are those of the library: a number of steps, and the size of the config."""
    ways: list[Any] = [*((way, way) for way in KEPT_COLOURS), *OLD_KEPT_COLOURS]
    own: dict[str, Component] = {
        "keep_colours": gr.Dropdown(ways, value=StyleConfig.keep_colours, label="Keep colours", visible=False),
        "size": control(StyleConfig, "size", visible=False, elem_id="style-endpoint-size"),
        "start": control(StyleConfig, "start", visible=False, elem_id="style-endpoint-start"),
    }
    seconds = numbers_only(gr.Number(BY_STEPS, label="Time", minimum=0, maximum=LONGEST_S, visible=False))
    start_image = picture_input("Start picture", visible=False)
    style, mask, weight = second
    fields = [own.get(name, controls[name]) for name in ENDPOINT_FIELDS]
    newer = [controls[name] for name in NEWER_FIELDS]
    inputs = [*pictures, *fields, seconds, *newer, style, weight, mask, start_image]
    endpoint("stylize", given(run, stylize_endpoint), inputs, [result], Lane.SLOW)


def follows(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """A link that says how many steps, as links did before there was a time, goes by them."""
    return {"seconds": BY_STEPS} if "steps" in restored else {}


def _first(path: str) -> StyleRequest:
    return Chosen(path, first_style()).request(StyleConfig(seconds=USUAL_S, size=USUAL_PX, start=usual_start()))


TAB = Tab(slug="style", title="Style", build=build, first=_first, follows=follows)
