"""The Sample tab: pictures from a DCGAN generator, by seed, as a gallery, a grid and a zip."""

import io
import time
import zipfile
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run, result_of
from cvdemo.finished import SHEETS, path_of
from cvdemo.images import ImageArray, png_bytes
from cvdemo.sample.generate import TRUNCATION, SampleConfig, columns_for, generators_or_default, grid
from cvdemo.sample.run import SampleRequest
from cvdemo.ui.sample_explore import Source, build_explore
from cvdemo.ui.sample_names import seed_stem
from cvdemo.ui.sample_picks import build_picks
from cvdemo.ui.serving.result_names import call_results, numbered
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    given,
    light,
    method_note,
    save_download,
    seed_control,
    share_button,
    took,
    whole_number,
)
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire
from cvdemo.ui.wiring.settings_link import LINK

NOTE = (
    "A generator of transposed convolutions turns random numbers into small pictures. In training, a second network "
    "tried to tell its pictures from real ones, and the generator learned to deceive it "
    "([Radford et al. 2016](https://arxiv.org/abs/1511.06434)). Less variety is the truncation of "
    "[Karras et al. 2019](https://arxiv.org/abs/1812.04948). It pulls the random numbers towards their mean, so that "
    "the pictures come closer to the average one."
)


def sample_endpoint(
    run: Run, generator: str = "dcgan_anime", count: int = 16, seed: int = 0, truncation: float = TRUNCATION
) -> Any:
    """Small pictures as PNG; number i of a seed is the same whatever the count."""
    config = _config(generator, count, seed, truncation)
    call_results(seed_stem(config.generator, config.seed))
    return result_of(run(SampleRequest(config=config)))


def _config(generator: str, count: float, seed: float | None, truncation: float) -> SampleConfig:
    return SampleConfig(
        generator=generator,
        count=whole_number(count, "The count"),
        seed=whole_number(seed, "The seed"),
        truncation=truncation,
    )


def sample_on_page(run: Run, generator: str, count: float, seed: float | None, truncation: float) -> tuple[Any, ...]:
    """Gallery, status, the two downloads, and the settings that made the pictures."""
    config = _config(generator, count, seed, truncation)
    call_results(seed_stem(config.generator, config.seed))
    started = time.monotonic()
    pictures: list[ImageArray] = result_of(run(SampleRequest(config=config)))
    status = took((time.monotonic() - started) * 1000, f"{len(pictures)} pictures of seed {config.seed}")
    gallery = gr.Gallery(pictures, columns=columns_for(len(pictures)), selected_index=None)
    return gallery, status, *_downloads(pictures, config), config


def _downloads(pictures: list[ImageArray], config: SampleConfig) -> tuple[gr.DownloadButton, gr.DownloadButton]:
    name = seed_stem(config.generator, config.seed)
    sheet = save_download(f"{name}-sheet.png", png_bytes(grid(pictures, columns_for(len(pictures)))))
    archive = save_download(f"{name}.zip", zip_bytes(pictures, name))
    return gr.DownloadButton(value=str(sheet), visible=True), gr.DownloadButton(value=str(archive), visible=True)


def zip_bytes(pictures: list[ImageArray], name: str) -> bytes:
    """The pictures as `<name>-no-<number from 1>.png` in one zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for number, picture in enumerate(pictures, start=1):
            archive.writestr(f"{numbered(name, number)}.png", png_bytes(picture))
    return file.getvalue()


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    drawn, link = gr.State(None), gr.Textbox(visible="hidden")
    with gr.Row():
        with gr.Column(min_width=260, scale=3):
            choices = [(label, name) for name, label in generators_or_default().items()]
            generator = gr.Dropdown(choices, label="What it draws", elem_id="sample-generator")
            count = _slider("count")
            seed = seed_control(elem_id="sample-seed")
            truncation = _slider("truncation")
            with gr.Row():
                start = gr.Button("Generate", variant="primary", elem_id="sample-run")
                cancel = gr.Button("Cancel", elem_id="sample-cancel", min_width=80, scale=0)
            _build_sheets([generator, count, seed, truncation])
        with gr.Column(min_width=320, scale=7):
            gallery = _gallery()
            status = gr.Markdown(elem_id="sample-status", elem_classes="status")
            with gr.Row(elem_classes="tight"):
                sheet = _download("Download the grid (PNG)", "sample-grid")
                archive = _download("Download all (ZIP)", "sample-zip")
        with gr.Column(min_width=260, scale=3):
            panel = build_picks(run, gallery, drawn)
    build_explore(run, panel, Source(generator, seed, truncation))
    settings: dict[str, Component] = {"generator": generator, "count": count, "truncation": truncation, "seed": seed}
    share_button("sample", settings)
    method_note(NOTE)
    inputs: list[Component] = [generator, count, seed, truncation]
    outputs = [gallery, status, sheet, archive, drawn]
    part = Part(name="sample", inputs=inputs, outputs=outputs, status=status)
    watch = {generator: SETTLED_MS, count: SETTLED_MS, seed: SETTLED_MS, truncation: SETTLED_MS}
    wire(part, given(run, sample_on_page), run=[start.click, link.change], watch=watch, cancel=cancel)
    endpoint("sample", given(run, sample_endpoint), inputs, [gallery])
    return settings | {LINK: link}  # last: the other fields are filled when it starts the drawing


def _build_sheets(settings: list[Component]) -> None:
    """Sheets that were drawn before; a click sets what they were drawn with, and draws them."""
    gallery = gr.Dataset(
        components=[gr.Image(visible=False, label=None, type="filepath")],
        samples=[[str(path_of(sheet.file))] for sheet in SHEETS],
        label="Try one of these",
        type="index",
        elem_id="sample-examples",
    )
    light([gallery.click], _settings_of, [gallery], settings)


def _settings_of(index: int) -> list[Any]:
    sheet = SHEETS[index]
    return [sheet.generator, sheet.count, sheet.seed, sheet.truncation]


def _download(label: str, elem_id: str) -> gr.DownloadButton:
    return gr.DownloadButton(label, size="sm", visible=False, min_width=140, elem_id=elem_id)


def _gallery() -> gr.Gallery:
    return gr.Gallery(
        label="Pictures",
        show_label=False,
        format="png",
        columns=4,
        height="auto",
        object_fit="contain",
        interactive=False,
        allow_preview=False,  # a click picks
        buttons=["fullscreen"],
        elem_id="sample-result",
    )


def _slider(name: str) -> gr.Slider:
    slider = control(SampleConfig, name, buttons=[])  # its reset is no input of the visitor's, and would draw nothing
    assert isinstance(slider, gr.Slider)
    return slider


def _first(path: str) -> SampleRequest:
    sheet = SHEETS[0]
    return SampleRequest(config=_config(sheet.generator, sheet.count, sheet.seed, sheet.truncation))


TAB = Tab(slug="sample", title="Sample", build=build, first=_first)
