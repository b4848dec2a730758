"""The Dream tab: a preset or settings of one's own, previews while it runs, and what became of the objective."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.utils import get_upload_folder
from PIL import Image

from cvdemo.config import default_of, settings_of
from cvdemo.demo import Lane, Run, Step
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.errors import InputError, brief
from cvdemo.images import ImageArray
from cvdemo.limits import DREAM_S
from cvdemo.ui.serving.results import save_pil_to_cache
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    given,
    load_picture,
    method_note,
    numbers_only,
    picture_input,
    picture_output,
    seed_control,
    share_button,
    took,
    warn_if_incomplete,
    whole_number,
)
from cvdemo.ui.wiring.parts import PREVIEW_STAYS, SETTLED_MS, Part, wire

NOTE = (
    "DeepDream changes the picture, not the network: each step moves the pixels along the gradient of what one layer "
    "answers, from a small copy up to the full size, so that the network's own associations appear "
    "([Mordvintsev, Olah and Tyka 2015](https://research.google/blog/inceptionism-going-deeper-into-neural-networks/))"
    ". The network is EfficientNet-Lite0, trained on ImageNet, which explains all the animals."
)
EXAMPLES = ("cheetah", "chelsea", "astronaut", "coffee", "rocket")
CUSTOM = "Custom"
PREVIEW_EVERY_S = 0.25
PREVIEW_SIDE_PX = 512
SETTINGS = (  # all but the seed, as they stand on the page
    *("layer", "channel", "steps", "step_size", "octaves", "octave_scale"),
    *("detail", "laplacian_bands", "jitter_px", "size_px"),
)
API_SETTINGS = (  # in the order of `dream_endpoint`
    *("octaves", "octave_scale", "steps", "step_size", "layer", "seed"),
    *("channel", "jitter_px", "detail", "laplacian_bands", "size_px"),
)


def config_of(preset: str, chosen: dict[str, Any]) -> DreamConfig:
    """The preset's config with every value of `chosen` that is not None in place of the preset's.

    Raises:
        InputError: no such preset; "Custom" is the default config.
    """
    if preset != CUSTOM and preset not in PRESETS:
        raise InputError(f"There is no preset {brief(preset)}; choose from {', '.join([*PRESETS, CUSTOM])}.")
    given = {name: type(default_of(DreamConfig, name))(value) for name, value in chosen.items() if value is not None}
    return replace(PRESETS.get(preset, DreamConfig()), **given)


def dream_endpoint(
    run: Run,
    image: str | None,
    preset: str = DEFAULT_PRESET,
    octaves: float | None = None,
    octave_scale: float | None = None,
    steps: float | None = None,
    step_size: float | None = None,
    layer: str | None = None,
    seed: float | None = None,
    channel: float | None = None,
    jitter_px: float | None = None,
    detail: float | None = None,
    laplacian_bands: float | None = None,
    size_px: float | None = None,
) -> Iterator[ImageArray | str]:
    """Streams JPEG previews of a dream, then the picture as PNG.

    The preset gives every setting its value; a setting that is sent (not null) takes the place of the preset's.
    """
    chosen = {name: value for name, value in locals().items() if name not in ("run", "image", "preset")}
    picture, config = load_picture(image), config_of(preset, chosen)
    for step in _shown(run, picture, config):
        yield _picture(step, config)
        if step.result is not None:
            warn_if_incomplete(step, f"{_hurried(step.result)} A smaller size leaves time for more.")


def _dream_on_page(run: Run, path: str | None, seed: float | None, *values: Any) -> Iterator[tuple[Any, str]]:
    chosen = dict(zip(SETTINGS, values, strict=True)) | {"seed": whole_number(seed, "The seed")}
    picture, config = load_picture(path), config_of(CUSTOM, chosen)
    started = time.monotonic()
    for step in _shown(run, picture, config):
        yield _picture(step, config), _status(step, (time.monotonic() - started) * 1000)


def _shown(run: Run, picture: ImageArray, config: DreamConfig) -> Iterator[Step[Dream]]:
    """The steps that show something: a preview or the result."""
    request = DreamRequest(image=picture, config=config, time_limit_s=DREAM_S, preview_every_s=PREVIEW_EVERY_S)
    return (step for step in run(request) if step.preview is not None or step.result is not None)


def _picture(step: Step[Dream], config: DreamConfig) -> ImageArray | str:
    """The result, or the path of a preview."""
    if step.result is not None:
        return step.result.image
    assert step.preview is not None  # `_shown` has seen to it
    return _preview(step.preview, config)


def _preview(picture: ImageArray, config: DreamConfig) -> str:
    """The path of a JPEG as large on the page as the result will be; a PNG would cost ten times the time."""
    height, width = picture.shape[:2]
    scale = min(config.size_px, PREVIEW_SIDE_PX) / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = Image.fromarray(picture).resize(size_wh, Image.Resampling.BICUBIC)
    return str(save_pil_to_cache(resized, get_upload_folder(), name="preview", format="jpeg"))


def _status(step: Step[Dream], elapsed_ms: float) -> str:
    """How far the dream is; of the last step, what became of it."""
    if step.result is not None:
        hurried = "" if step.complete else f". {_hurried(step.result)}"
        return f"{took(elapsed_ms)}. {_objectives(step.result)}{hurried}"
    octave, octaves = step.measures["octave"], step.measures["octaves"]
    return (
        f"Dreaming: octave {octave:g} of {octaves:g}, step {step.done} of {step.total} "
        f"({100 * step.done // step.total}\N{NO-BREAK SPACE}%)"
    )


def _objectives(dream: Dream) -> str:
    """What the steps of the last octave measured; those of others cannot be compared with them."""
    values = [f"{value:.3g}" for value in dream.objectives]
    if len(values) == 1:
        return f"Objective at full size: {values[0]}"
    return f"Objective at full size, at its first and last step: {values[0]} → {values[-1]}"


def _hurried(dream: Dream) -> str:
    return f"The limit of {DREAM_S:g} s left time for {dream.steps} of {dream.wanted} steps."


def follows(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a link brings along: the values of the preset that it names; of "Custom" those of the default config."""
    if "preset" not in restored:
        return {}
    config = config_of(restored["preset"], {})
    return {name: getattr(config, name) for name in SETTINGS}


def _wire_presets(preset: gr.Radio, controls: dict[str, Component]) -> None:
    """A preset sets every control at once, in the browser; a control moved by hand makes the preset "Custom"."""
    table = json.dumps({name: [getattr(config, field) for field in SETTINGS] for name, config in PRESETS.items()})
    values = list(controls.values())
    script = f"(name, ...current) => ({table})[name] ?? current"
    preset.input(None, [preset, *values], values, js=script, api_visibility="private")
    moved = [component.input for component in values if isinstance(component, gr.Slider | gr.Dropdown)]
    gr.on(moved, None, None, preset, js=f"() => {json.dumps(CUSTOM)}", api_visibility="private")


def _api_inputs() -> list[Component]:
    """Fields that only API clients fill, empty by default, with the ranges of the config."""
    described = settings_of(DreamConfig)
    fields: dict[str, Component] = {}
    for name in API_SETTINGS:
        setting = described[name]
        if setting.choices is not None:
            fields[name] = gr.Dropdown(list(setting.choices), value=None, label=setting.label, visible=False)
        else:
            limits: dict[str, Any] = {"minimum": setting.minimum, "maximum": setting.maximum}
            fields[name] = numbers_only(gr.Number(None, label=setting.label, visible=False, **limits))
    return list(fields.values())


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="dream-image")
            preset = gr.Radio([*PRESETS, CUSTOM], value=DEFAULT_PRESET, label="Dream of", elem_id="dream-preset")
            with gr.Row():
                start = gr.Button("Dream", variant="primary", elem_id="dream-run")
                cancel = gr.Button("Cancel", elem_id="dream-cancel", min_width=80, scale=0)
            gr.Examples([[example_picture(name)] for name in EXAMPLES], [image], label="Try one of these")
            seed = seed_control(elem_id="dream-seed")
            with gr.Accordion("More settings", open=False, elem_id="dream-more"):
                controls = {name: control(DreamConfig, name) for name in SETTINGS}
        with gr.Column(min_width=300):
            result = picture_output("The dream", elem_id="dream-result")
            status = gr.Markdown(elem_id="dream-status", elem_classes="status")
            settings: dict[str, Component] = {"preset": preset, **controls, "seed": seed}
            share_button("dream", settings)
            method_note(NOTE)
    _wire_presets(preset, controls)
    part = Part(
        name="dream",
        lane=Lane.SLOW,
        inputs=[image, seed, *controls.values()],
        needs=[image],
        outputs=[result, status],
        status=status,
        cancelled_text=PREVIEW_STAYS,
    )
    watch = {image: 0} | dict.fromkeys([seed, *controls.values()], SETTLED_MS)
    wire(part, given(run, _dream_on_page), run=[start.click], watch=watch, cancel=cancel)
    endpoint("dream", given(run, dream_endpoint), [image, preset, *_api_inputs()], [result], Lane.SLOW)
    return settings


TAB = Tab(slug="dream", title="Dream", build=build, follows=follows)
