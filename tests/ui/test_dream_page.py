"""The Dream tab in a browser: presets to tap, brush, recipe, dream again, zoom film."""

import re
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.dream.deepdream import DreamConfig, fit
from cvdemo.dream.picture_recipe import dreamed_png, read_recipe
from cvdemo.dream.presets import PRESETS, thumbnail, thumbnail_name
from cvdemo.images import ImageArray, read_image, to_image
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.browser_steps import type_number
from tests.ui.test_dream import finished_dream, open_small

CHELSEA = example_picture("chelsea")
SECOND = list(PRESETS)[1]


def test_a_preset_is_a_picture_to_tap_before_the_picture_that_starts_it_on_a_phone(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=dream")
    tile = phone.locator("#dream-preset label", has_text=SECOND)
    expect(tile).to_be_visible()
    picture = tile.evaluate("tile => getComputedStyle(tile, '::before').backgroundImage")
    assert picture == f'url("{server}/presets/{thumbnail_name(SECOND)}")'
    assert httpx.get(picture[5:-2]).content == thumbnail(SECOND).read_bytes()
    presets, field = (phone.locator(name).bounding_box() for name in ("#dream-preset", "#dream-image"))
    assert presets is not None and field is not None and presets["y"] + presets["height"] <= field["y"]
    assert field["y"] + field["height"] < 844  # it is on the first screen all the same
    tile.click()
    expect(phone.get_by_role("radio", name=SECOND, exact=True)).to_be_checked()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_custom_shows_at_once_what_can_be_set(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=dream")
    first = phone.locator("#DreamConfig-objective")
    expect(phone.locator("#dream-preset")).to_be_visible()
    expect(first).not_to_be_visible()
    phone.locator("#dream-preset label", has_text="Whiskers").click()
    expect(first).not_to_be_visible()  # a ready-made dream needs no settings
    phone.locator("#dream-preset label", has_text="Custom").click()
    expect(first).to_be_in_viewport()
    expect(phone.get_by_role("radio", name="Custom", exact=True)).to_be_checked()


def test_a_preset_is_reached_and_chosen_by_keyboard(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=dream")
    first, second = (page.get_by_role("radio", name=name, exact=True) for name in list(PRESETS)[:2])
    expect(first).to_be_checked()
    first.focus()
    page.keyboard.press("Tab")
    expect(second).to_be_focused()
    page.keyboard.press("Space")
    expect(second).to_be_checked()
    expect(first).not_to_be_checked()


def test_a_dream_that_is_dropped_in_restores_its_settings(
    page: Page, server: str, tmp_path: Path, noise: ImageArray
) -> None:
    config = DreamConfig(layer="block3", steps=2, octaves=1, size_px=128, seed=77, colour=0.25)
    (tmp_path / "old.png").write_bytes(dreamed_png(noise, config))
    page.goto(f"{server}/?tab=dream&size_px=128&octaves=1&steps=1")
    page.set_input_files("#dream-image input[type=file]", tmp_path / "old.png")
    expect(page.locator("#dream-recipe")).to_contain_text("The settings of this dream are restored")
    expect(page.locator("#dream-seed input")).to_have_value("77")
    expect(page.get_by_role("radio", name="Custom", exact=True)).to_be_checked()
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    with page.expect_download() as downloading:
        page.locator("#dream-result button[aria-label='Download'], #dream-result a[download]").first.click()
    recipe = read_recipe(Path(downloading.value.path()).read_bytes())
    assert recipe is not None and recipe.config == config


def test_the_result_becomes_the_picture(page: Page, server: str) -> None:
    open_small(page, server, seed=5)
    first = finished_dream(page)
    shown = str(page.locator("#dream-result img").get_attribute("src"))
    page.click("#dream-again")
    expect(page.locator("#dream-image img")).to_have_attribute("src", re.compile(r"dream-custom-\w+\.png$"))
    expect(page.locator("#dream-result img")).not_to_have_attribute("src", shown)
    assert finished_dream(page) != first


def test_only_what_is_painted_is_dreamed(page: Page, server: str, tmp_path: Path) -> None:
    open_small(page, server, seed=6)
    finished_dream(page)
    page.locator("#dream-where > button").click()
    canvas = page.locator("#dream-brush canvas")
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None and box["width"] > 100
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    expect(page.locator("#dream-mask img")).to_be_visible()
    (tmp_path / "dream.png").write_bytes(masked_dream(page))
    dreamed = read_image(tmp_path / "dream.png").astype(int)
    plain = to_image(fit(read_image(CHELSEA), 128)).astype(int)
    assert np.abs(dreamed - plain)[:, 48:].max() == 0
    assert np.abs(dreamed - plain)[:, :40].max() > 8


def masked_dream(page: Page) -> bytes:
    """The result once the run with the mask is done: the former one goes first."""
    expect(page.locator("#dream-result img")).not_to_be_visible()
    return finished_dream(page)


@pytest.mark.slow
def test_a_film_can_be_cancelled(page: Page, server: str) -> None:
    open_small(page, server, seed=8)
    finished_dream(page)
    page.locator("#dream-film > button").click()
    for name, value in (("frames", 120), ("film_px", 256), ("frame_steps", 10)):  # a minute of one core
        type_number(page.locator(f"#ZoomFilmConfig-{name} input[type=number]"), value)
    page.click("#dream-film-run")
    status = page.locator("#dream-film-status")
    expect(status).to_contain_text("Frame ")
    page.click("#dream-film-cancel")
    expect(status).to_have_text("Cancelled; the last frame stays.")
    expect(page.locator("#dream-film-frame img")).to_be_visible()
    page.wait_for_timeout(1500)
    expect(status).to_have_text("Cancelled; the last frame stays.")  # no later frame takes its place


@pytest.mark.slow
def test_a_film_is_made_of_the_dream_and_plays(page: Page, server: str) -> None:
    open_small(page, server, seed=8)
    finished_dream(page)
    page.locator("#dream-film > button").click()
    for name, value in (("frames", 3), ("film_px", 128), ("frame_steps", 1)):
        type_number(page.locator(f"#ZoomFilmConfig-{name} input[type=number]"), value)
    page.click("#dream-film-run")
    expect(page.locator("#dream-film-status")).to_contain_text(re.compile(r"3 frames in [\d.]+ m?s"))
    film = page.locator("#dream-film-video video")
    expect(film).to_be_visible()
    page.wait_for_function("document.querySelector('#dream-film-video video').readyState >= 2")
    size = film.evaluate("film => [film.videoWidth, film.videoHeight, Math.round(10 * film.duration)]")
    assert size == [128, 86, 2]  # 85 px is odd, which H.264 does not take; 3 frames of 15 a second
    with page.expect_download() as downloading:
        page.click("#dream-film-gif")
    with Image.open(downloading.value.path()) as gif:
        assert gif.format == "GIF" and gif.n_frames == 3  # type: ignore[attr-defined]  # of GIF files
