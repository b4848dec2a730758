"""The Classify tab in a browser, and its endpoint."""

from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.ui.wiring.controls import example_picture


def test_a_cheetah_is_a_cheetah(page: Page) -> None:
    page.set_input_files("#classify-image input[type=file]", example_picture("cheetah"))
    expect(page.locator("#classify-result h2")).to_have_text("cheetah")
    expect(page.locator("#classify-status")).to_contain_text("Done in")
    expect(page.locator("#classify-overlay img")).to_be_visible()
    shares = page.locator("#classify-result .confidence")
    expect(shares).to_have_count(5)
    expect(shares.last).to_have_text("under 1%")
    expect(page.locator("#classify-explain label")).to_have_count(5)


def test_an_example_runs_at_one_click(page: Page) -> None:
    page.locator("#tab-classify .gallery button").nth(1).click()
    expect(page.locator("#classify-result h2")).to_have_text("lion")


def test_another_class_can_be_explained(page: Page) -> None:
    page.set_input_files("#classify-image input[type=file]", example_picture("cheetah"))
    overlay = page.locator("#classify-overlay img")
    expect(overlay).to_be_visible()
    before = overlay.get_attribute("src")
    page.locator("#classify-explain label").nth(1).click()
    expect(overlay).not_to_have_attribute("src", str(before))


def test_running_without_a_picture_says_what_to_do(page: Page) -> None:
    page.click("#classify-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_a_link_restores_the_settings(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=classify&ten_crop=true")
    expect(page.locator("#ClassifyConfig-ten_crop input")).to_be_checked()


@pytest.mark.parametrize("ten_crop", [False, True])
def test_the_endpoint_gives_five_falling_probabilities(client: Client, ten_crop: bool) -> None:
    result = client.predict(
        image=handle_file(example_picture("cheetah")), model="imagenet", ten_crop=ten_crop, api_name="/classify"
    )
    shares = [entry["confidence"] for entry in result["confidences"]]
    assert result["label"] == "cheetah"
    assert len(shares) == 5 and shares == sorted(shares, reverse=True)
    assert shares[0] > 0.5 and sum(shares) <= 1


def test_a_transparent_picture_is_read_on_white(client: Client, tmp_path: Path) -> None:
    picture = Image.open(example_picture("lion")).convert("RGBA")
    hidden = np.array(picture)
    hidden[:, :, 3] = 0
    Image.fromarray(hidden).save(tmp_path / "hidden.png")
    result = client.predict(image=handle_file(tmp_path / "hidden.png"), api_name="/classify")
    assert result["label"] != "lion"
