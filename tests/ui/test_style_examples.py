"""The examples of the Style tab: photographs, styles, finished results, and the script that paints them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.example_pictures import example_picture
from cvdemo.style.config import StyleConfig
from cvdemo.ui.style_examples import (
    DRAWN,
    PAINTED,
    PAINTINGS,
    PICTURES,
    Painted,
    chosen,
    file_name,
    painted_picture,
    style_picture,
)
from scripts import painted_examples

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 45_000  # of a finished result: they load with the page
LARGEST_PAINTING_BYTES, LARGEST_PAINTING_PX = 150_000, 768


def test_every_style_picture_is_offered_once() -> None:
    offered = [*PAINTINGS, *DRAWN]
    assert sorted(offered) == sorted(path.stem for path in (ROOT / "examples" / "styles").glob("*.jpg"))


@pytest.mark.parametrize("name", PAINTINGS)
def test_a_painting_is_small_and_has_its_painter_in_the_readme(name: str) -> None:
    with Image.open(style_picture(name)) as picture:
        assert max(picture.size) <= LARGEST_PAINTING_PX
    assert Path(style_picture(name)).stat().st_size < LARGEST_PAINTING_BYTES
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^\| `{name}\.jpg` \| [^|]+ \| [^|]+ \| [^|]+ \|$", readme, re.MULTILINE)


@pytest.mark.parametrize("example", PAINTED, ids=file_name)
def test_a_finished_result_is_small_and_in_the_shape_of_its_picture(example: Painted) -> None:
    assert example.picture in PICTURES and example.style in (*PAINTINGS, *DRAWN)
    with Image.open(example_picture(example.picture)) as picture, Image.open(painted_picture(example)) as painted:
        assert max(painted.size) == painted_examples.SIDE_PX
        assert painted.width / painted.height == pytest.approx(picture.width / picture.height, rel=0.02)
    assert Path(painted_picture(example)).stat().st_size < LARGEST_BYTES


def test_a_click_brings_copies_of_picture_and_style(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for index, example in enumerate(PAINTED):
        content, style = map(Path, chosen(index))
        assert content.is_relative_to(tmp_path) and style.is_relative_to(tmp_path)
        assert content.read_bytes() == Path(example_picture(example.picture)).read_bytes()
        assert style.read_bytes() == Path(style_picture(example.style)).read_bytes()


def test_the_results_are_painted_by_the_library_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painted_examples, "PAINTED", (Painted("chelsea", "great_wave"),))
    monkeypatch.setattr(painted_examples, "CONFIG", StyleConfig(size=128, scales=1, steps=10))
    painted_examples.main(tmp_path)
    with Image.open(tmp_path / "chelsea_great_wave.jpg") as painted, Image.open(example_picture("chelsea")) as picture:
        plain = np.asarray(picture.resize(painted.size), np.int16)
        difference = np.abs(np.asarray(painted, np.int16) - plain)
    assert 8 < difference.mean() < 90


def test_a_finished_result_is_painted_at_one_click(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=style&seconds=0&size=128&scales=1&steps=12")
    expect(page.locator("#StyleConfig-size input[type=number]")).to_have_value("128")
    before = page.locator("#style-style img").get_attribute("src")
    page.locator("#style-painted .gallery button").first.click()
    expect(page.locator("#style-status")).to_contain_text("12 steps in")
    expect(page.locator("#style-image img")).to_be_visible()
    expect(page.locator("#style-style img")).not_to_have_attribute("src", str(before))
    expect(page.locator("#style-styles .gallery button")).to_have_count(len(PAINTINGS) + len(DRAWN))
