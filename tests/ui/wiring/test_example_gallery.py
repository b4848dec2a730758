"""Galleries of example pictures: small ones are shown, and a click brings the picture itself."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Response, expect

from cvdemo.data_folders import data_folder
from cvdemo.example_pictures import example_picture, small_picture
from cvdemo.ui.page import TABS
from cvdemo.ui.wiring.controls import Tab
from cvdemo.ui.wiring.example_gallery import copy_of_example
from scripts import example_thumbnails
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import drawn

LARGEST_BYTES = 15_000
SHEETS = "sample-examples"  # of pictures of 64 px that are looked at one by one


@pytest.mark.parametrize("name", example_thumbnails.NAMES)
def test_a_small_picture_is_small_and_that_of_its_picture(name: str) -> None:
    assert small_picture(name).stat().st_size <= LARGEST_BYTES
    with Image.open(small_picture(name)) as shown:
        small = shown.convert("RGB")
    anew = example_thumbnails.reduced(example_picture(name))
    assert small.size == anew.size
    blurred = [np.asarray(picture.resize((24, 24), Image.Resampling.BOX), np.int16) for picture in (small, anew)]
    assert np.abs(blurred[0] - blurred[1]).mean() < 4  # WebP


def test_there_are_no_others_and_the_script_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = data_folder("examples") / "small"
    made = [path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.webp")]
    assert sorted(made) == example_thumbnails.NAMES
    monkeypatch.setattr(example_thumbnails, "NAMES", ["styles/mosaic"])
    example_thumbnails.main(tmp_path)
    assert (tmp_path / "styles" / "mosaic.webp").read_bytes() == small_picture("styles/mosaic").read_bytes()


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_no_gallery_of_a_tab_shows_whole_files(tab: Tab) -> None:
    blocks = drawn(lambda: tab.build(StandIn())).blocks.values()
    galleries = [block for block in blocks if isinstance(block, gr.Dataset) and block.elem_id != SHEETS]
    assert galleries or tab.slug == "sample"
    for sample in (sample for gallery in galleries for sample in gallery.raw_samples):
        assert Path(sample[0]).stat().st_size <= LARGEST_BYTES, sample


def test_a_click_brings_a_copy_of_the_picture_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = Path(copy_of_example(["lion", "cheetah"], 1))
    assert path.is_relative_to(tmp_path) and path.name == "cheetah.jpg"
    assert path.read_bytes() == Path(example_picture("cheetah")).read_bytes()


def test_the_first_visit_loads_no_whole_example(page: Page) -> None:
    seen: list[str] = []

    def note(response: Response) -> None:
        seen.append(response.url)

    page.on("response", note)
    page.reload()
    pictures = page.locator("#tab-classify .gallery img")
    expect(pictures).to_have_count(5)
    for picture in pictures.all():
        picture.evaluate("image => image.decode()")
    assert [url for url in seen if url.endswith(".jpg")] == []
