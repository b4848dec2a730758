"""What the Sample tab does with picks: interpolate, calculate, walk, and enlarge one; each in an accordion."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.config import SEED_MAX
from cvdemo.demo import Lane, Run, last_step, result_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, png_bytes
from cvdemo.limits import UPSCALE_S, WALK_S
from cvdemo.sample.generate import COUNT_MAX, Pick, grid
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.sample.run import ANGLE, ArithmeticRequest, InterpolateRequest, WalkRequest
from cvdemo.ui.sample_api import (
    BETWEEN,
    arithmetic_endpoint,
    cut_short,
    interpolate_endpoint,
    save_film,
    walk_endpoint,
)
from cvdemo.ui.sample_names import pick_stem, sum_stem, way_stem
from cvdemo.ui.sample_picks import PickPanel, Picks, chosen, draw, figures, filled
from cvdemo.ui.serving.result_names import call_results, tell_apart
from cvdemo.ui.wiring.controls import (
    control,
    endpoint,
    folded,
    given,
    numbers_only,
    picture_output,
    save_download,
    took,
    whole_number,
)
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from cvdemo.upscale.upscale import SCALES, UpscaleConfig

BETWEEN_MIN, BETWEEN_MAX = 3, 16  # pictures of an interpolation
WALK_SETTINGS = ("seconds", "fps", "stops", "enlarge")
INTERPOLATE_NOTE = (
    "Pictures on the way from A to B. Each is a little less A and a little more B. (Spherical interpolation, "
    "[White 2016](https://arxiv.org/abs/1609.04468))"
)
ARITHMETIC_NOTE = (
    "Gives C what A has and B has not. Choose A and B that differ in one thing, such as the colour of the hair or the "
    "sleeves. It does not always work. (Arithmetic on latents, [Radford et al. 2016]"
    "(https://arxiv.org/abs/1511.06434), section 6.3.2)"
)
WALK_NOTE = (
    "A film that goes smoothly from A to B to C and back to A. If nothing is picked, it goes through random pictures "
    "of the seed above. (A walk in latent space)"
)
UPSCALE_NOTE = (
    "The picture that you clicked last, enlarged by the network of the Upscale tab, beside plain enlargement. (Bicubic)"
)


@dataclass(frozen=True)
class Source:
    """The settings that say where random latents come from."""

    generator: gr.Dropdown
    seed: gr.Number
    truncation: gr.Slider


def interpolate_on_page(run: Run, slots: Picks, count: int) -> tuple[Any, ...]:
    """Gallery, download and status."""
    started = time.monotonic()
    a, b = chosen(slots, "AB", "The way goes from A to B")
    call_results(way_stem(a, b))
    last = last_step(run(InterpolateRequest(picks=(a, b), count=int(count))))
    pictures: list[ImageArray] = last.result or []
    apart = folded("In figures", f"The numbers of A and B are {last.measures[ANGLE]:.0f}° apart.")
    strip = save_download(f"{way_stem(a, b)}.png", png_bytes(grid(pictures, len(pictures))))
    columns = len(pictures) if len(pictures) <= 5 else (len(pictures) + 1) // 2  # one row or two
    gallery = gr.Gallery(pictures, columns=columns, selected_index=None)
    status = f"{took((time.monotonic() - started) * 1000, f'{len(pictures)} pictures')}\n\n{apart}"
    return gallery, gr.DownloadButton(value=str(strip), visible=True), status


def calculate_on_page(run: Run, slots: Picks) -> tuple[str, ImageArray, str]:
    """The left side of the equation, its right side, and status."""
    started = time.monotonic()
    a, b, c = chosen(slots, "ABC", "A − B + C takes three pictures")
    call_results(sum_stem(a, b, c))
    result: ImageArray = result_of(run(ArithmeticRequest(a=a, b=b, c=c)))
    return equation(run, slots), result, took((time.monotonic() - started) * 1000)


def equation(run: Run, slots: Picks) -> str:
    """A − B + C = in small pictures."""
    parts = [f"{shown}<span>{sign}</span>" for shown, sign in zip(figures(run, slots), "−+=", strict=True)]
    return f'<div class="picks">{"".join(parts)}</div>'


def walk_on_page(
    run: Run, slots: Picks, generator: str, seed: float | None, truncation: float, *values: Any
) -> Iterator[tuple[Any, str]]:
    """Film and status; while frames are drawn, only the status changes."""
    started = time.monotonic()
    request = WalkRequest(
        config=WalkConfig(**dict(zip(WALK_SETTINGS, values, strict=True))),
        picks=tuple(filled(slots)),
        source=Pick(generator=generator, seed=whole_number(seed, "The seed"), truncation=truncation),
        time_limit_s=WALK_S,
    )
    for step in run(request):
        if step.result is None:
            yield gr.skip(), f"Frame {step.done} of {step.total}"
    status = took((time.monotonic() - started) * 1000, f"{step.done} frames {_way(request)}")
    if not step.complete:
        status += f". {cut_short(step)}"
    yield str(save_film(request, step)), status


def _way(request: WalkRequest) -> str:
    """Where a walk goes, in words."""
    if request.picks:
        return f"through {len(request.picks)} picks"
    return f"through {request.config.stops} random pictures of seed {request.source.seed}"


def upscale_on_page(run: Run, pick: Pick | None, scale: int) -> tuple[ImageArray | None, ImageArray, str]:
    """Bicubic, the network's picture, and status."""
    if pick is None:
        raise InputError("There is nothing to enlarge yet: click a picture first.")
    started = time.monotonic()
    config = UpscaleConfig(scale=scale)
    call_results(f"upscaled-x{config.scale}", pick_stem(pick))
    picture = draw(run, [pick])[0].image
    result: UpscaleResult = result_of(run(UpscaleRequest(image=picture, config=config, time_limit_s=UPSCALE_S)))
    sizes = f"{picture.shape[1]} × {picture.shape[0]} → {result.image.shape[1]} × {result.image.shape[0]} pixels"
    return result.bicubic, result.image, took((time.monotonic() - started) * 1000, sizes)


def build_explore(run: Run, panel: PickPanel, source: Source) -> None:
    """Draws the four accordions and registers `/interpolate`, `/arithmetic` and `/walk`."""
    _build_interpolate(run, panel, source)
    _build_arithmetic(run, panel, source)
    _build_walk(run, panel, source)
    _build_upscale(run, panel)


def _build_interpolate(run: Run, panel: PickPanel, source: Source) -> None:
    with gr.Accordion("Step by step from A to B", open=False, elem_id="sample-interpolate"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(INTERPOLATE_NOTE, elem_classes="method-note")
            count = gr.Slider(
                BETWEEN_MIN, BETWEEN_MAX, BETWEEN, step=1, label="Pictures", elem_id="sample-between-count"
            )
            start = gr.Button("Show the way", variant="primary", elem_id="sample-interpolate-run")
        with gr.Column(min_width=280, scale=2):
            gallery = _between_gallery()
            status = gr.Markdown(elem_id="sample-interpolate-status", elem_classes="status")
            strip = gr.DownloadButton(
                "Download the strip (PNG)", size="sm", visible=False, elem_id="sample-interpolate-file"
            )
    numbers_only(count)
    part = Part(name="sample-interpolate", inputs=[panel.slots, count], outputs=[gallery, strip, status], status=status)
    explicit: dict[str, Any] = {"run": [start.click], "clears": [panel.slots.change], "automatic": False}
    wire(part, given(run, interpolate_on_page), watch={count: SETTLED_MS}, show_progress_on=gallery, **explicit)
    inputs = [source.generator, *_named("a", 0), *_named("b", 1), count, source.truncation]
    endpoint("interpolate", given(run, interpolate_endpoint), inputs, [gallery])


def _between_gallery() -> gr.Gallery:
    return gr.Gallery(
        label="From A to B",
        show_label=False,
        format="png",
        columns=BETWEEN // 2,
        height="auto",
        object_fit="contain",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_id="sample-between",
    )


def _build_arithmetic(run: Run, panel: PickPanel, source: Source) -> None:
    with gr.Accordion("Add and subtract: A − B + C", open=False, elem_id="sample-arithmetic"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(ARITHMETIC_NOTE, elem_classes="method-note")
            start = gr.Button("A − B + C", variant="primary", elem_id="sample-arithmetic-run")
        with gr.Column(min_width=280, scale=1):
            left = gr.HTML(elem_id="sample-equation")
            status = gr.Markdown(elem_id="sample-arithmetic-status", elem_classes="status")
        with gr.Column(min_width=240, scale=1):
            result = picture_output("The result", elem_id="sample-sum", height=240)
    part = Part(name="sample-arithmetic", inputs=[panel.slots], outputs=[left, result, status], status=status)
    wire(part, given(run, calculate_on_page), run=[start.click], clears=[panel.slots.change], show_progress_on=result)
    inputs = [source.generator, *_named("a", 0), *_named("b", 1), *_named("c", 2), source.truncation]
    endpoint("arithmetic", given(run, arithmetic_endpoint), inputs, [result])


def _build_walk(run: Run, panel: PickPanel, source: Source) -> None:
    with gr.Accordion("Walk: a film that loops", open=False, elem_id="sample-walk"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(WALK_NOTE, elem_classes="method-note")
            controls = [control(WalkConfig, name) for name in WALK_SETTINGS]
            with gr.Row():
                start = gr.Button("Walk", variant="primary", elem_id="sample-walk-run")
                cancel = gr.Button("Cancel", elem_id="sample-walk-cancel", min_width=80, scale=0)
        with gr.Column(min_width=280, scale=2):
            film = gr.Video(
                label="The walk",
                interactive=False,
                autoplay=True,
                loop=True,
                height=360,
                buttons=["download"],
                elem_id="sample-film",
            )
            status = gr.Markdown(elem_id="sample-walk-status", elem_classes="status")
    settings: list[Component] = [source.generator, source.seed, source.truncation]
    part = Part(
        name="sample-walk",
        lane=Lane.SLOW,
        inputs=[panel.slots, *settings, *controls],
        outputs=[film, status],
        status=status,
    )
    explicit: dict[str, Any] = {"run": [start.click], "clears": [panel.slots.change], "automatic": False}
    watch = dict.fromkeys([*settings, *controls], SETTLED_MS)
    wire(part, given(run, walk_on_page), watch=watch, cancel=cancel, show_progress_on=film, **explicit)
    through = gr.JSON(value=None, visible=False, label="Through")
    endpoint("walk", given(run, walk_endpoint), [*settings, through, *controls], [film], Lane.SLOW)


def _build_upscale(run: Run, panel: PickPanel) -> None:
    with gr.Accordion("Upscale this one", open=False, elem_id="sample-upscale"), gr.Row():
        with gr.Column(min_width=280, scale=1):
            gr.Markdown(UPSCALE_NOTE, elem_classes="method-note")
            scale = gr.Radio(
                [(f"×{s}", s) for s in SCALES], value=SCALES[-1], label="How many times larger", elem_id="sample-scale"
            )
            start = gr.Button("Upscale", variant="primary", elem_id="sample-upscale-run")
        with gr.Column(min_width=280, scale=2):
            with gr.Row(elem_classes="tight"):
                bicubic = picture_output("Plain enlargement", elem_id="sample-bicubic", min_width=200)
                tell_apart(bicubic, "plain")
                restored = picture_output("By the network", elem_id="sample-restored", min_width=200)
            status = gr.Markdown(elem_id="sample-upscale-status", elem_classes="status")
    outputs: list[Component] = [bicubic, restored, status]
    part = Part(name="sample-upscale", inputs=[panel.current, scale], outputs=outputs, status=status)
    explicit: dict[str, Any] = {"run": [start.click], "clears": [panel.current.change], "automatic": False}
    wire(part, given(run, upscale_on_page), watch={scale: 0}, show_progress_on=restored, **explicit)


def _named(letter: str, index: int) -> list[Component]:
    """Fields for a seed and an index that only API clients fill."""
    ranges = ((f"Seed of {letter.upper()}", 0, SEED_MAX), (f"Index of {letter.upper()}", index, COUNT_MAX - 1))
    return [
        numbers_only(gr.Number(value, label=label, precision=0, minimum=0, maximum=highest, visible=False))
        for label, value, highest in ranges
    ]
