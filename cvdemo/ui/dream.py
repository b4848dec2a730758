"""The Dream tab: a preset or settings of one's own, previews while it runs, and what became of the objective."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency
from gradio.utils import get_upload_folder
from PIL import Image

from cvdemo.config import settings_of
from cvdemo.demo import Lane, Run, Step
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import dreamed_png, read_recipe
from cvdemo.dream.presets import DEFAULT_PRESET, PRESETS
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.images import ImageArray
from cvdemo.limits import DREAM_S
from cvdemo.ui.dream_film import build_film
from cvdemo.ui.dream_presets import (
    CUSTOM,
    config_of,
    name_of,
    preset_field,
    preset_radio,
    setting_fields,
    show_when_custom,
    wire_presets,
)
from cvdemo.ui.dream_where import build_where, load_guide, load_mask
from cvdemo.ui.serving.result_names import file_stem, in_file_name, stem_of
from cvdemo.ui.serving.results import save_bytes_to_cache, save_pil_to_cache
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
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
from cvdemo.ui.wiring.example_gallery import picture_examples
from cvdemo.ui.wiring.parts import PREVIEW_STAYS, SETTLED_MS, Part, wire
from cvdemo.ui.wiring.plain_text import plain

NOTE = (
    "DeepDream changes the picture, not the network. Each step moves the pixels along the gradient of one layer's "
    "answer, so that the layer responds more strongly. It begins on a small copy and goes on up to the full size. So "
    "the picture shows more and more of what the network knows ([Mordvintsev, Olah and Tyka 2015]"
    "(https://research.google/blog/inceptionism-going-deeper-into-neural-networks/)). The network is "
    "EfficientNet-Lite0. It learned from ImageNet, which has many animals. That is why dreams are full of them."
)
EXAMPLES = ("lion", "chelsea", "castle", "coffee", "rocket")
PREVIEW_EVERY_S = 0.25
PREVIEW_SIDE_PX = 512
SETTINGS = (  # all but the seed, as they stand on the page
    *("objective", "colour", "strength", "layer", "channel", "steps", "step_size", "octaves", "octave_scale"),
    *("detail", "laplacian_bands", "jitter_px", "parameterisation", "size_px"),
)
API_SETTINGS = (  # in the order of `dream_endpoint`
    *("octaves", "octave_scale", "steps", "step_size", "layer", "seed"),
    *("channel", "jitter_px", "detail", "laplacian_bands", "size_px"),
    *("objective", "colour", "parameterisation", "strength"),
)
API_PICTURES = ("Mask", "Guide picture")


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
    objective: str | None = None,
    colour: float | None = None,
    parameterisation: str | None = None,
    strength: float | None = None,
    mask: str | None = None,
    guide: str | None = None,
) -> Iterator[str]:
    """Streams JPEG previews of a dream, then the picture as PNG, with its settings in the file.

    The preset gives every setting its value; a setting that is sent (not null) takes the place of the preset's.
    `objective` is what the dream raises, such as "block8 + 0.3*block12", "block9:41" or "class:peacock"; a layer or
    channel that is sent without it takes its place. `mask` is a picture that is white where to dream and black
    elsewhere, stretched to the size of `image`. `guide` is a picture whose features the dream follows.
    """
    chosen = {name: value for name, value in locals().items() if name in API_SETTINGS}
    request = _request(image, mask, guide, config_of(preset, chosen))
    for step in _shown(run, request):
        yield _picture(step, request, image)
        if step.result is not None:
            warn_if_incomplete(step, f"{_hurried(step.result)} A smaller size leaves time for more.")


def _dream_on_page(
    run: Run, path: str | None, mask: str | None, guide: str | None, seed: float | None, *values: Any
) -> Iterator[tuple[str, str]]:
    chosen = dict(zip(SETTINGS, values, strict=True)) | {"seed": whole_number(seed, "The seed")}
    request = _request(path, mask, guide, config_of(CUSTOM, chosen))
    started = time.monotonic()
    for step in _shown(run, request):
        yield _picture(step, request, path), _status(step, (time.monotonic() - started) * 1000)


def _request(path: str | None, mask: str | None, guide: str | None, config: DreamConfig) -> DreamRequest:
    picture = load_picture(path)
    return DreamRequest(
        image=picture,
        config=config,
        mask=load_mask(mask, picture),
        guide=load_guide(guide),
        time_limit_s=DREAM_S,
        preview_every_s=PREVIEW_EVERY_S,
    )


def _shown(run: Run, request: DreamRequest) -> Iterator[Step[Dream]]:
    """The steps that show something: a preview or the result."""
    return (step for step in run(request) if step.preview is not None or step.result is not None)


def _picture(step: Step[Dream], request: DreamRequest, sent: str | None) -> str:
    """The path of the result, a PNG with its recipe, or of a preview."""
    if step.result is not None:
        data = dreamed_png(step.result.image, request.config, guided=request.guide is not None)
        name = file_stem("dream", in_file_name(name_of(request.config)), stem_of(sent))
        return save_bytes_to_cache(data, f"{name}.png", get_upload_folder())
    assert step.preview is not None  # `_shown` has seen to it
    return _preview(step.preview, request.config)


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
        f"Dreaming: round {octave:g} of {octaves:g}, step {step.done} of {step.total} "
        f"({100 * step.done // step.total}\N{NO-BREAK SPACE}%)"
    )


def _objectives(dream: Dream) -> str:
    """What the steps of the last octave measured; those of others cannot be compared with them."""
    values = [f"{value:.3g}" for value in dream.objectives]
    if len(values) == 1:
        return f"How strongly the network sees what it dreams of: {values[0]}"
    return f"How strongly the network sees what it dreams of: {values[0]} → {values[-1]}"


def _hurried(dream: Dream) -> str:
    return f"It stopped at the limit of {DREAM_S:g} s, after {dream.steps} of {dream.wanted} steps."


def follows(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a link brings along: the values of the preset that it names; of "Custom" those of the default config."""
    if "preset" not in restored:
        return {}
    config = config_of(restored["preset"], {})
    return {name: getattr(config, name) for name in SETTINGS}


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    preset = preset_radio()  # before the picture, which starts a dream at once
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="dream-image")
            told = gr.Markdown(elem_id="dream-recipe")
            with gr.Row():
                start = gr.Button("Dream", variant="primary", elem_id="dream-run")
                cancel = gr.Button("Cancel", elem_id="dream-cancel", min_width=80, scale=0)
            seed, controls, more = _controls()
            show_when_custom(preset, more)
            picture_examples(EXAMPLES, image)
            where = build_where(image)
        with gr.Column(min_width=300):
            result = picture_output("The dream", elem_id="dream-result")
            status = gr.Markdown(elem_id="dream-status", elem_classes="status")
            _wire_again(result, image)
            film = build_film(run, result, where.guide)
            settings: dict[str, Component] = {"preset": preset, **controls, "seed": seed}
            share_button("dream", settings)
            method_note(NOTE)
    part = Part(
        name="dream",
        lane=Lane.SLOW,
        inputs=[image, where.mask, where.guide, seed, *controls.values()],
        needs=[image],
        outputs=[result, status],
        status=status,
        children=[film],
        cancelled_text=PREVIEW_STAYS,
    )
    _wire(run, part, start, cancel, [wire_presets(preset, controls), _wire_recipe(image, told, settings)])
    fields = [preset_field(), *setting_fields(API_SETTINGS), *(picture_input(n, visible=False) for n in API_PICTURES)]
    endpoint("dream", given(run, dream_endpoint), [image, *fields], [result], Lane.SLOW)
    return settings


def _controls() -> tuple[gr.Number, dict[str, Component], gr.Accordion]:
    """The seed, and the controls of all other settings by field name in an accordion."""
    shown = {name: getattr(PRESETS[DEFAULT_PRESET], name) for name in SETTINGS}
    with gr.Accordion("More settings", open=False, elem_id="dream-more") as more:
        objective = _objective(shown.pop("objective"))
        others = {name: control(DreamConfig, name, value=value) for name, value in shown.items()}
    seed = seed_control(elem_id="dream-seed")
    return seed, {"objective": objective, **others}, more


def _objective(value: str) -> gr.Textbox:
    described = settings_of(DreamConfig)["objective"]
    return gr.Textbox(value, label=described.label, info=described.help, max_lines=1, elem_id="DreamConfig-objective")


def _wire_again(result: gr.Image, image: gr.Image) -> None:
    """A button by which a finished result becomes the picture; a preview does not."""
    again = gr.Button("Dream again, on the result", size="sm", elem_id="dream-again")
    script = r"""(result, picture) => (/\.png$/.test(result?.path ?? "") ? result : picture)"""
    again.click(None, [result, image], image, js=script, api_visibility="private")


def _wire_recipe(image: gr.Image, told: gr.Markdown, settings: dict[str, Component]) -> Dependency:
    """A picture that was dreamed here brings its settings along when it is dropped in."""
    names = [name for name in settings if name != "preset"]

    def restored(path: str | None) -> list[Any]:
        recipe = None if path is None else read_recipe(read_upload(path))
        if recipe is None:
            return [gr.skip() for _ in settings] + [""]
        values = [getattr(recipe.config, name) for name in names]
        return [name_of(recipe.config), *values, plain(recipe.in_words)]

    image.change(None, None, told, js='() => ""', api_visibility="private", show_progress="hidden")
    event: Dependency = light([image.upload], restored, [image], [*settings.values(), told])
    return event


def _wire(run: Run, part: Part, start: gr.Button, cancel: gr.Button, events: list[Dependency]) -> None:
    """What starts a dream: the button, a picture, a setting that has settled, and an objective once it is written."""
    image, mask, guide, *settings = part.inputs
    written = [field for field in settings if isinstance(field, gr.Textbox)]
    typed = [event for field in written for event in (field.blur, field.submit)]
    done = gr.on(typed, None, None, None, js="() => {}", api_visibility="private", show_progress="hidden")
    others = [field for field in settings if not isinstance(field, gr.Textbox)]
    watch = {image: 0, guide: 0} | dict.fromkeys([mask, *others], SETTLED_MS)
    handler = given(run, _dream_on_page)
    wire(part, handler, run=[start.click], watch=watch, watch_after=[done, *events], cancel=cancel)


def _first(path: str) -> DreamRequest:
    return _request(path, None, None, PRESETS[DEFAULT_PRESET])


TAB = Tab(slug="dream", title="Dream", build=build, first=_first, follows=follows)
