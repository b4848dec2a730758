"""The Sample tab in a browser, and its endpoint."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from playwright.sync_api import Page, expect

from cvdemo.dcgan import SampleConfig, load_generator, sample
from cvdemo.images import ImageArray, read_image

THUMBNAILS = "#sample-result .thumbnail-lg img"


@pytest.fixture
def tab(page: Page, server: str) -> Page:
    page.goto(f"{server}/?tab=sample")
    expect(page.locator("#sample-run")).to_be_visible()
    return page


def generated(page: Page, seed: int, count: int = 16) -> list[str | None]:
    """Addresses of the pictures once those of `seed` are there; gradio names files by their content."""
    expect(page.locator("#sample-status")).to_contain_text(f"{count} pictures of seed {seed} in")
    expect(page.locator(THUMBNAILS)).to_have_count(count)
    return [image.get_attribute("src") for image in page.locator(THUMBNAILS).all()]


def enter_seed(page: Page, seed: int) -> None:
    page.locator("#sample-seed input").fill(str(seed))
    page.locator("#sample-seed input").press("Tab")


def test_nothing_is_drawn_before_it_is_asked_for(tab: Page) -> None:
    tab.wait_for_timeout(1500)
    expect(tab.locator(THUMBNAILS)).to_have_count(0)
    expect(tab.locator("#sample-zip")).to_be_hidden()


def test_two_seeds_differ_and_one_repeats(tab: Page) -> None:
    tab.click("#sample-run")
    first = generated(tab, seed=0)
    assert len(set(first)) == 16
    enter_seed(tab, 5)
    second = generated(tab, seed=5)
    assert not set(first) & set(second)
    enter_seed(tab, 0)
    assert generated(tab, seed=0) == first


def test_the_dice_draws_anew(tab: Page) -> None:
    tab.click("#sample-run")
    first = generated(tab, seed=0)
    tab.click("#sample-seed-dice")
    expect(tab.locator("#sample-status")).not_to_contain_text("of seed 0 ")
    seed = int(tab.locator("#sample-seed input").input_value())
    assert not set(first) & set(generated(tab, seed=seed))


def test_a_click_names_the_picture(tab: Page) -> None:
    enter_seed(tab, 12)
    generated(tab, seed=12)
    tab.locator(THUMBNAILS).nth(6).click()
    expect(tab.locator("#sample-status")).to_have_text("Picture 7 of seed 12, truncation 1")


def test_an_example_runs_at_one_click(tab: Page) -> None:
    tab.locator("#tab-sample table tbody tr").nth(3).click()
    generated(tab, seed=12345, count=9)


def test_the_downloads_hold_what_is_shown(tab: Page, tmp_path: Path) -> None:
    enter_seed(tab, 3)
    generated(tab, seed=3)
    expected = sample(load_generator(), SampleConfig(seed=3))
    with tab.expect_download() as zipped:
        tab.click("#sample-zip")
    assert zipped.value.suggested_filename == "dcgan_anime_seed3.zip"
    with zipfile.ZipFile(io.BytesIO(Path(zipped.value.path()).read_bytes())) as archive:
        assert archive.namelist() == [f"dcgan_anime_seed3_{n:02d}.png" for n in range(1, 17)]
        assert differs_at_most(read_image(archive.read("dcgan_anime_seed3_06.png")), expected[5])
    with tab.expect_download() as sheet:
        tab.click("#sample-grid")
    sheet.value.save_as(tmp_path / "grid.png")
    grid = read_image(tmp_path / "grid.png")
    assert grid.shape == (4 * 66 - 2, 4 * 66 - 2, 3)
    assert differs_at_most(grid[66:130, 66:130], expected[5])


def test_a_link_restores_the_settings_and_draws(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=sample&seed=77&count=4&truncation=0.5")
    generated(page, seed=77, count=4)
    page.locator(THUMBNAILS).first.click()
    expect(page.locator("#sample-status")).to_have_text("Picture 1 of seed 77, truncation 0.5")


def test_an_empty_seed_says_what_to_do(tab: Page) -> None:
    tab.locator("#sample-seed input").fill("")
    tab.click("#sample-run")
    expect(tab.locator(".toast-body.error").first).to_contain_text("The seed is empty; please enter a whole number.")


def test_a_phone_shows_it_all(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=sample")
    phone.click("#sample-run")
    generated(phone, seed=0)
    phone.locator(THUMBNAILS).nth(3).click()
    expect(phone.locator("#sample-status")).to_contain_text("Picture 4 of seed 0")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def differs_at_most(a: ImageArray, b: ImageArray, levels: int = 1) -> bool:
    return bool(np.abs(a.astype(int) - b).max() <= levels)


def pictures_of(client: Client, **inputs: Any) -> list[ImageArray]:
    result = client.predict(**inputs, api_name="/sample")
    assert all(item["image"].endswith(".png") for item in result)
    return [read_image(item["image"]) for item in result]


def test_the_endpoint_gives_what_the_library_gives(client: Client) -> None:
    pictures = pictures_of(client, generator="dcgan_anime", count=5, seed=9, truncation=0.6)
    expected = sample(load_generator(), SampleConfig(count=5, seed=9, truncation=0.6))
    assert len(pictures) == 5 and pictures[0].shape == (64, 64, 3)
    assert all(differs_at_most(a, b) for a, b in zip(pictures, expected, strict=True))


def test_the_endpoint_has_defaults_and_a_picture_does_not_depend_on_the_count(client: Client) -> None:
    many, few = pictures_of(client), pictures_of(client, count=2)
    assert len(many) == 16 and len(few) == 2
    assert all(differs_at_most(a, b) for a, b in zip(few, many[:2], strict=True))


@pytest.mark.parametrize(("inputs", "words"), [({"count": 65}, "65"), ({"generator": "nobody"}, "nobody")])
def test_the_endpoint_refuses_what_is_out_of_range(client: Client, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(**inputs, api_name="/sample")
