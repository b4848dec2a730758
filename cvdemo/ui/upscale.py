"""The Upscale tab: a network beside bicubic on a slider, a close-up, the PNG in full, measuring by shrinking first."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component

from cvdemo.config import default_of
from cvdemo.demo import Run
from cvdemo.images import ImageArray, on_white, png_bytes, resize_to_fit
from cvdemo.runtime import Deadline
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    light,
    load_picture,
    method_note,
    picture_input,
    save_download,
    share_button,
    took,
)
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire
from cvdemo.upscale.catalogue import AUTO, CHOICES, FAST, SCALES, network_named, networks_or_default
from cvdemo.upscale.upscale import (
    Quality,
    UpscaleConfig,
    Upscaled,
    check_result_size,
    finished,
    load_srcnn,
    luma_quality,
    shrink,
    upscale,
    upscale_steps,
)

NOTE = (
    "A network restores the brightness that bicubic enlargement has blurred; colour stays bicubic. SRCNN, three "
    "convolutions on the enlarged picture, is the classic that began upscaling by deep networks "
    "([Dong et al. 2016](https://arxiv.org/abs/1501.00092)). {fast}Such networks invent nothing: to restore a bad "
    "photo you would pick [Real-ESRGAN](https://github.com/xinntao/Real-ESRGAN) today."
)
FAST_NOTE = (
    "Fast, our own, works on the small picture as FSRCNN does ([Dong et al. 2016](https://arxiv.org/abs/1608.00367)). "
)
EXAMPLES = ("chelsea", "astronaut", "coffee", "lion")
TIME_LIMIT_S = 150.0  # for the tiles; 40 megapixels take 52 s of CPU time with 9-5-5
QUICK_PNG_PIXELS = 10_000_000  # larger results are packed less: at level 6 they would take longer than the network
PREVIEW_SIDE_PX = 1600  # of the pair on the slider; the PNG to download is not reduced
CLOSEUP_HW = (120, 180)  # px of the result that the close-up shows
CLOSEUP_ZOOM = 4  # screen pixels for one of the result
SEARCH_SIDE_PX = 512  # the busiest place is sought on a picture reduced to this

Pair = tuple[ImageArray, ImageArray]


def without_alpha(result: Upscaled) -> Upscaled:
    """Both pictures on white, for the screen; the PNG to download keeps its alpha."""
    return Upscaled(on_white(result.image), on_white(result.bicubic))


def preview(result: Upscaled) -> Pair:
    """Bicubic and the network's picture of one size, small enough for a screen."""
    return resize_to_fit(result.bicubic, PREVIEW_SIDE_PX), resize_to_fit(result.image, PREVIEW_SIDE_PX)


def busiest_place(result: Upscaled, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the rectangle, at most `size_hw` px, in which the network differs most from bicubic."""
    height, width = result.image.shape[:2]
    change = cv2.absdiff(result.image, result.bicubic)[..., 1]  # green stands for brightness
    shrunk = min(1.0, SEARCH_SIDE_PX / max(height, width))
    size_wh = max(1, round(width * shrunk)), max(1, round(height * shrunk))
    small = cv2.resize(change, size_wh, interpolation=cv2.INTER_AREA).astype(np.float32)
    sigma_x, sigma_y = (max(0.5, side * shrunk / 4) for side in reversed(size_hw))
    total = cv2.GaussianBlur(small, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    return _around(int(row / shrunk), size_hw[0], height), _around(int(column / shrunk), size_hw[1], width)


def _around(centre: int, span: int, length: int) -> slice:
    start = max(0, min(centre - span // 2, length - span))
    return slice(start, min(start + span, length))


def closeup(result: Upscaled) -> Pair:
    """Bicubic and the network's picture where they differ most, with visible pixels."""
    place = busiest_place(result, CLOSEUP_HW)
    bicubic, image = (
        picture[place].repeat(CLOSEUP_ZOOM, axis=0).repeat(CLOSEUP_ZOOM, axis=1)
        for picture in (result.bicubic, result.image)
    )
    return bicubic, image


def quality_table(bicubic: Quality, restored: Quality, title: str) -> str:
    """PSNR and SSIM of both as a Markdown table; a picture that comes back exactly has no PSNR to give."""
    gain = restored.psnr - bicubic.psnr
    return (
        "| against the original | PSNR, dB | SSIM |\n|---|---:|---:|\n"
        f"| bicubic | {_decibels(bicubic.psnr)} | {bicubic.ssim:.4f} |\n"
        f"| **{title}** | **{_decibels(restored.psnr)}** | **{restored.ssim:.4f}** |\n"
        f"| difference | {f'{gain:+.2f}' if math.isfinite(gain) else '-'} | {restored.ssim - bicubic.ssim:+.4f} |\n"
    )


def _decibels(psnr: float) -> str:
    return f"{psnr:.2f}" if math.isfinite(psnr) else "identical"


def _save(result: Upscaled, path: str | None, scale: int, deadline: Deadline) -> str:
    level = 1 if result.image[..., 0].size > QUICK_PNG_PIXELS else 6
    content = png_bytes(result.image, level, deadline)
    return str(save_download(f"{Path(path or 'picture').stem}_x{scale}.png", content))


def upscale_endpoint(image: str | None, scale: int = 2, network: str = AUTO) -> tuple[Pair, str]:
    """The picture enlarged: bicubic and a network's as a pair (at most 1600 px a side), and the latter's full-size PNG.

    The pair is laid on white, the PNG keeps the picture's alpha. "auto" takes fast, where the scale has it.
    """
    picture, config = load_picture(image, keep_alpha=True), UpscaleConfig(scale=scale, network=network)
    check_result_size(picture.shape[0], picture.shape[1], config.scale)
    deadline = Deadline(TIME_LIMIT_S)
    result = upscale(picture, load_srcnn(config.scale, network=config.network), config, deadline)
    return preview(without_alpha(result)), _save(result, image, config.scale, deadline)


def _upscale_on_page(
    path: str | None, scale: int, network: str, shrink_first: bool, tile_px: int
) -> Iterator[tuple[Any, ...]]:
    """Slider, close-up, table, download and status; while tiles are worked on, only the status changes."""
    deadline = Deadline(TIME_LIMIT_S)
    config = UpscaleConfig(scale=scale, network=network, shrink_first=shrink_first, tile_px=tile_px)
    picture = load_picture(path, keep_alpha=not shrink_first)
    if shrink_first:
        yield *[gr.skip()] * 4, "Shrinking the picture"
    low_res, original = shrink(picture, scale) if shrink_first else (picture, None)
    check_result_size(low_res.shape[0], low_res.shape[1], scale)
    for step in upscale_steps(low_res, load_srcnn(scale, network=network), config, deadline):
        yield *[gr.skip()] * 4, f"Tile {step.done} of {step.total}"
    result, title = finished(step), network_named(scale, network).title
    table = ""
    if original is not None:
        border_px = scale  # left out, as in the papers
        yield *[gr.skip()] * 4, "Measuring bicubic"
        bicubic = luma_quality(result.bicubic, original, border_px, deadline)
        yield *[gr.skip()] * 4, f"Measuring {title}"
        table = quality_table(bicubic, luma_quality(result.image, original, border_px, deadline), title)
    yield *[gr.skip()] * 4, "Saving the PNG"
    height, width = result.image.shape[:2]
    status = took(deadline.elapsed_ms, f"{title}: {low_res.shape[1]} × {low_res.shape[0]} → {width} × {height} pixels")
    download = gr.DownloadButton(value=_save(result, path, scale, deadline), visible=True)
    shown = without_alpha(result)
    yield preview(shown), closeup(shown), gr.Markdown(table, visible=bool(table)), download, status


def _offer(scale: int, chosen: str | None = None) -> dict[str, Any]:
    """The networks for a scale with their PSNR; what is chosen is left alone where the scale has it.

    Left alone, not set again: a link sets scale and network together, and `chosen` may still be the one before.
    """
    networks = networks_or_default(scale)
    first = next(iter(networks.values()))
    bicubic = first.bicubic_psnr
    return {
        "choices": [
            (choice.title if choice.psnr is None else f"{choice.title}: {choice.psnr:.2f} dB", choice.value)
            for choice in networks.values()
        ],
        **({} if chosen in networks else {"value": first.value}),
        "info": None if bicubic is None else f"Mean PSNR on Set5 at ×{scale}; bicubic has {bicubic:.2f} dB.",
    }


def _scale_and_network() -> tuple[gr.Radio, gr.Radio, Any]:
    """The two choices, and the event that the networks are those of a newly chosen scale."""
    start = default_of(UpscaleConfig, "scale")
    scale = gr.Radio([(f"×{scale}", scale) for scale in SCALES], value=start, label="Scale", elem_id="upscale-scale")
    network = gr.Radio(**_offer(start), label="Network", elem_id="UpscaleConfig-network")
    offer = light([scale.change], lambda scale, chosen: gr.Radio(**_offer(scale, chosen)), [scale, network], [network])
    return scale, network, offer


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="upscale-image")
            with gr.Row():
                start = gr.Button("Upscale", variant="primary", elem_id="upscale-run")
                cancel = gr.Button("Cancel", elem_id="upscale-cancel", min_width=80, scale=0)
            scale, network, offered = _scale_and_network()
            shrink_first = control(UpscaleConfig, "shrink_first")
            with gr.Accordion("More settings", open=False):
                tile_px = control(UpscaleConfig, "tile_px")
            gr.Examples([[example_picture(name)] for name in EXAMPLES], [image], label="Try one of these")
        with gr.Column(min_width=300, scale=2):
            pair = _slider("Bicubic on the left, the network on the right", "upscale-result", max_height=520)
            status = gr.Markdown(elem_id="upscale-status", elem_classes="status")
            table = gr.Markdown(visible=False, elem_id="upscale-quality", elem_classes="numbers")
            download = gr.DownloadButton(
                "Download the PNG in full size", size="md", visible=False, elem_id="upscale-download"
            )
            detail = _slider(f"Where they differ most, {CLOSEUP_ZOOM} times larger", "upscale-closeup", max_height=480)
    chosen = {"scale": scale, "network": network, "shrink_first": shrink_first, "tile_px": tile_px}
    settings: dict[str, Component] = chosen
    share_button("upscale", settings)
    method_note(NOTE.format(fast=FAST_NOTE if FAST in CHOICES else ""))
    part = Part(
        name="upscale",
        inputs=[image, scale, network, shrink_first, tile_px],
        needs=[image],
        outputs=[pair, detail, table, download, status],
        empty={table: gr.update(value="", visible=False)},
        status=status,
    )
    watch = {image: 0, network: 0, shrink_first: 0, tile_px: SETTLED_MS}
    wire(part, _upscale_on_page, run=[start.click], watch=watch, watch_after=[offered], cancel=cancel)
    any_network = gr.Dropdown(list(CHOICES), value=AUTO, visible=False, label="Network")
    png = gr.File(visible=False, label="PNG")
    endpoint("upscale", upscale_endpoint, [image, scale, any_network], [pair, png])
    return settings


def _slider(label: str, elem_id: str, max_height: int) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label,
        format="png",
        interactive=False,
        max_height=max_height,
        buttons=["fullscreen"],
        elem_id=elem_id,
    )


TAB = Tab(slug="upscale", title="Upscale", build=build)
