"""The Upscale tab: a network beside bicubic on a slider, a close-up, the PNG in full, measuring by shrinking first."""

import math
import time
from collections.abc import Iterator
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component

from cvdemo.demo import Run, Step, last_step
from cvdemo.images import ImageArray, on_white, png_bytes, resize_to_fit
from cvdemo.limits import UPSCALE_S
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.lines import by_result_size
from cvdemo.ui.serving.result_names import call_results, file_stem, stem_of
from cvdemo.ui.upscale_parts import packed_level, scale_and_network
from cvdemo.ui.upscale_several import build_several
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    folded,
    given,
    load_picture,
    method_note,
    named,
    picture_input,
    save_download,
    sent_quality,
    share_button,
    took,
    warn_if_incomplete,
)
from cvdemo.ui.wiring.example_gallery import picture_examples
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire
from cvdemo.upscale.catalogue import AUTO, FAST, NETWORKS, PHOTO, SCALES, is_damaged, less_error, networks_or_default
from cvdemo.upscale.quality import Comparison
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from cvdemo.upscale.upscale import UpscaleConfig, time_ran_out

NOTE = (
    "Bicubic enlargement blurs a picture. The network sharpens its brightness; its colour stays bicubic. SRCNN, three "
    "convolutions on the enlarged picture, was the first deep network for upscaling "
    "([Dong et al. 2016](https://arxiv.org/abs/1501.00092)). {fast}Such networks invent nothing. To restore a bad "
    "photo today, you would use [Real-ESRGAN](https://github.com/xinntao/Real-ESRGAN)."
)
FAST_NOTE = (
    "Fast, our own, works on the small picture as FSRCNN does ([Dong et al. 2016](https://arxiv.org/abs/1608.00367)). "
)
PHOTO_NOTE = (
    "“For photographs” is the same network, trained on pictures with grain that were saved as JPEG. It removes the "
    "grain and the edges of JPEG's blocks, where Fast sharpens them. "
)
EXAMPLES = ("chelsea", "astronaut", "coffee", "lion")
PREVIEW_SIDE_PX = 1600  # of the pair on the slider; the PNG to download is not reduced
CLOSEUP_HW = (120, 180)  # px of the result that the close-up shows
CLOSEUP_ZOOM = 4  # screen pixels for one of the result
SEARCH_SIDE_PX = 512  # the busiest place is sought on a picture reduced to this

Pair = tuple[ImageArray, ImageArray]  # bicubic's picture and the network's, of one size


def pair_on_white(result: UpscaleResult) -> Pair:
    """Both pictures on white, for the screen; the PNG to download keeps its alpha."""
    if result.bicubic is None:
        raise ValueError("need a result with bicubic, see `UpscaleRequest.with_bicubic`")
    return on_white(result.bicubic), on_white(result.image)


def preview(pair: Pair) -> Pair:
    """The pair, small enough for a screen."""
    bicubic, restored = pair
    return resize_to_fit(bicubic, PREVIEW_SIDE_PX), resize_to_fit(restored, PREVIEW_SIDE_PX)


def busiest_place(pair: Pair, size_hw: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the rectangle, at most `size_hw` px, in which the network differs most from bicubic."""
    bicubic, restored = pair
    height, width = restored.shape[:2]
    change = cv2.absdiff(restored, bicubic)[..., 1]  # green stands for brightness
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


def closeup(pair: Pair) -> Pair:
    """The pair where it differs most, with visible pixels."""
    place = busiest_place(pair, CLOSEUP_HW)
    bicubic, restored = (picture[place].repeat(CLOSEUP_ZOOM, axis=0).repeat(CLOSEUP_ZOOM, axis=1) for picture in pair)
    return bicubic, restored


def quality_report(quality: Comparison, title: str) -> str:
    """What the network gains in words, and folded the figures of the papers, as Markdown."""
    gain = quality.network.psnr - quality.bicubic.psnr
    words = f"**{less_error(gain)}** than plain enlargement, measured against your picture."
    if not math.isfinite(gain):
        words = "The picture comes back exactly." if math.isinf(quality.network.psnr) else "Plain enlargement is exact."
    return f"{words}\n\n{folded('In figures', quality_table(quality, title))}"


def quality_table(quality: Comparison, title: str) -> str:
    """PSNR and SSIM of both as a Markdown table; a picture that comes back exactly has no PSNR to give."""
    bicubic, restored = quality.bicubic, quality.network
    gain = restored.psnr - bicubic.psnr
    return (
        "| against the original | PSNR, dB | SSIM |\n|---|---:|---:|\n"
        f"| bicubic | {_decibels(bicubic.psnr)} | {bicubic.ssim:.4f} |\n"
        f"| **{title}** | **{_decibels(restored.psnr)}** | **{restored.ssim:.4f}** |\n"
        f"| difference | {f'{gain:+.2f}' if math.isfinite(gain) else '-'} | {restored.ssim - bicubic.ssim:+.4f} |\n"
    )


def _decibels(psnr: float) -> str:
    return f"{psnr:.2f}" if math.isfinite(psnr) else "identical"


def save_result(last: Step[UpscaleResult], path: str | None, scale: int, deadline: Deadline) -> str:
    """The path of the PNG in full size, named after the picture sent; packing it ends with its visitor."""
    assert last.result is not None  # of the last step
    image = last.result.image
    name = named(file_stem(f"upscaled-x{scale}", stem_of(path)), "png", last)
    return str(save_download(name, png_bytes(image, packed_level(image), deadline)))


def upscale_endpoint(run: Run, image: str | None, scale: int = 2, network: str = AUTO) -> tuple[Pair, str]:
    """The picture enlarged: bicubic and a network's as a pair (at most 1600 px a side), and the latter's full-size PNG.

    The pair is laid on white, the PNG keeps the picture's alpha. "auto" takes photo for a JPEG of quality 90 or
    less and fast for any other file, where the scale has them. Where time runs out, bicubic fills the rest, a warning
    says so, and the name of the PNG ends in "_incomplete".
    """
    config = UpscaleConfig(scale=scale, network=network)
    call_results(f"compared-x{config.scale}", stem_of(image))
    last = last_step(run(_request(image, load_picture(image, keep_alpha=True), config)))
    warn_if_incomplete(last, _what_is_missing(last))
    result = last.result
    assert isinstance(result, UpscaleResult)  # `last_step` has seen to it
    return preview(pair_on_white(result)), save_result(last, image, config.scale, Deadline())


def _request(path: str | None, picture: ImageArray, config: UpscaleConfig) -> UpscaleRequest:
    """What is asked of the picture that came in the file."""
    return UpscaleRequest(image=picture, config=config, jpeg_quality=sent_quality(path), time_limit_s=UPSCALE_S)


def _upscale_on_page(
    run: Run, path: str | None, scale: int, network: str, shrink_first: bool, tile_px: int
) -> Iterator[tuple[Any, ...]]:
    """Slider, close-up, table, download and status; while tiles are worked on, only the status changes."""
    started = time.monotonic()
    config = UpscaleConfig(scale=scale, network=network, shrink_first=shrink_first, tile_px=tile_px)
    picture = load_picture(path, keep_alpha=not shrink_first)
    call_results(f"compared-x{config.scale}", stem_of(path))
    request = _request(path, picture, config)
    for step in run(request):
        yield *[gr.skip()] * 4, _progress(step)
    result = step.result
    assert isinstance(result, UpscaleResult)  # of the last step
    height, width = result.image.shape[:2]
    title = f"{result.network_kind}{_why(request)}: {width // scale} × {height // scale} → {width} × {height} pixels"
    status = took((time.monotonic() - started) * 1000, title)
    if not step.complete:
        status += f". {_what_is_missing(step)}"
    download = gr.update(value=save_result(step, path, scale, Deadline()), visible=True)
    table = "" if result.quality is None else quality_report(result.quality, result.network_title)
    shown = pair_on_white(result)
    yield preview(shown), closeup(shown), gr.update(value=table, visible=bool(table)), download, status


def _why(request: UpscaleRequest) -> str:
    """Why "auto" took the network that it took; nothing where the visitor chose it."""
    if request.config.network != AUTO:
        return ""
    if request.config.shrink_first:
        return ", because shrinking removes damage by JPEG" if is_damaged(request.jpeg_quality) else ""
    if request.jpeg_quality is None:
        return ", because your file is not a JPEG"
    hardly = "" if is_damaged(request.jpeg_quality) else ", hardly damaged"
    return f", because your file is a JPEG of quality {request.jpeg_quality}{hardly}"


def _progress(step: Step[UpscaleResult]) -> str:
    if step.result is not None:
        return "Saving the PNG"
    if step.done == 0:
        return "Shrinking the picture"
    return f"Piece {step.done} of {step.total}" if step.done < step.total else "Measuring"


def _what_is_missing(step: Step[UpscaleResult]) -> str:
    """Why a result is incomplete."""
    if step.done == step.total:
        return "Time ran out while it was measured: choose a smaller picture."
    return f"The rest is enlarged plainly. {time_ran_out(step.done, step.total)}"


def in_figures() -> str:
    """The mean PSNR on Set5, as the manifest has it, of the networks for clean pictures; nothing where it has none."""
    told = []
    for scale in SCALES:
        found = networks_or_default(scale).values()
        networks = [choice for choice in found if choice.psnr is not None and choice.value != PHOTO]
        shown = [f"{choice.title} {choice.psnr:.2f}" for choice in networks]
        if networks and networks[0].bicubic_psnr is not None:
            told.append(f"×{scale}: {', '.join(shown)}, bicubic {networks[0].bicubic_psnr:.2f}")
    return f" Mean PSNR on Set5 in dB: {'; '.join(told)}." if told else ""


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Tabs(elem_id="upscale-ways", overflow_behavior="wrap"):
        with gr.Tab("One picture", id="picture"):
            settings = build_one(run)
        with gr.Tab("Several", id="several"):
            build_several(run)
    ours = "".join(note for value, note in {FAST: FAST_NOTE, PHOTO: PHOTO_NOTE}.items() if value in NETWORKS)
    method_note(NOTE.format(fast=ours) + in_figures())
    return settings


def build_one(run: Run) -> dict[str, Component]:
    """Draws the way for one picture; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="upscale-image")
            with gr.Row():
                start = gr.Button("Upscale", variant="primary", elem_id="upscale-run")
                cancel = gr.Button("Cancel", elem_id="upscale-cancel", min_width=80, scale=0)
            scale, network, offered = scale_and_network("upscale-scale", "UpscaleConfig-network")
            shrink_first = control(UpscaleConfig, "shrink_first")
            with gr.Accordion("More settings", open=False):
                tile_px = control(UpscaleConfig, "tile_px")
            picture_examples(EXAMPLES, image)
        with gr.Column(min_width=300, scale=2):
            results = _results()
    settings: dict[str, Component] = {
        "scale": scale,
        "network": network,
        "shrink_first": shrink_first,
        "tile_px": tile_px,
    }
    share_button("upscale", settings)
    part = _part(image, settings, results)
    watch = {image: 0, network: 0, shrink_first: 0, tile_px: SETTLED_MS}
    options: dict[str, Any] = {"watch_after": [offered], "cancel": cancel}
    wire(part, given(run, _upscale_on_page), run=[start.click], watch=watch, **options)
    any_network = gr.Dropdown(list(NETWORKS), value=AUTO, visible=False, label="Network")
    outputs = [results["pair"], gr.File(visible=False, label="PNG")]
    endpoint("upscale", given(run, upscale_endpoint), [image, scale, any_network], outputs, by_result_size())
    return settings


def _part(image: gr.Image, settings: dict[str, Component], results: dict[str, Component]) -> Part:
    return Part(
        name="upscale",
        lane=by_result_size(shrunk=3),
        inputs=[image, *settings.values()],
        needs=[image],
        outputs=[results[name] for name in ("pair", "detail", "table", "download", "status")],
        empty={results["table"]: gr.update(value="", visible=False)},
        status=results["status"],
    )


def _results() -> dict[str, Component]:
    """The right-hand column: the pair, status, measures, the PNG, the close-up."""
    shown: dict[str, Component] = {
        "pair": _slider("Plain on the left, the network on the right", "upscale-result", max_height=520)
    }
    shown["status"] = gr.Markdown(elem_id="upscale-status", elem_classes="status")
    shown["table"] = gr.Markdown(visible=False, elem_id="upscale-quality", elem_classes="numbers")
    words = "Download the PNG in full size"
    shown["download"] = gr.DownloadButton(words, size="md", visible=False, elem_id="upscale-download")
    closer = f"Where they differ most, {CLOSEUP_ZOOM} times larger"
    shown["detail"] = _slider(closer, "upscale-closeup", max_height=480)
    return shown


def _slider(label: str, elem_id: str, max_height: int) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label,
        format="png",
        interactive=False,
        max_height=max_height,
        buttons=["fullscreen"],
        elem_id=elem_id,
    )


def _first(path: str) -> UpscaleRequest:
    return _request(path, load_picture(path, keep_alpha=True), UpscaleConfig())


TAB = Tab(slug="upscale", title="Upscale", build=build, first=_first)
