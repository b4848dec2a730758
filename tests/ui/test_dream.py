"""The Dream tab in a browser, and its endpoint."""

import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.dream.deepdream import DEFAULT_PRESET, PRESETS
from cvdemo.ui import dream as tab
from cvdemo.ui.dream import CUSTOM, config_of
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.browser_steps import type_number

SMALL = {"size_px": 128, "octaves": 1, "steps": 2}
CHELSEA = example_picture("chelsea")


def wait_for_the_link(page: Page, size_px: object = 128) -> None:
    """Opens the settings, which are not drawn before, and waits until the link has set them."""
    page.locator("#dream-more > button").click()
    expect(page.locator("#DreamConfig-size_px input[type=number]")).to_have_value(str(size_px))


def open_small(page: Page, server: str, **settings: object) -> None:
    """The tab with settings that, if none are given, take a second or two, and a picture, which starts it."""
    values = SMALL | settings
    query = "&".join(f"{name}={value}" for name, value in values.items())
    page.goto(f"{server}/?tab=dream&{query}")
    wait_for_the_link(page, values["size_px"])
    page.set_input_files("#dream-image input[type=file]", CHELSEA)
    expect(page.locator("#dream-image img")).to_be_visible()


def finished_dream(page: Page) -> bytes:
    """The file of the result, once it is done."""
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    result = page.locator("#dream-result img")
    expect(result).to_have_attribute("src", re.compile(r"\.png$"))
    return page.request.get(str(result.get_attribute("src"))).body()


def test_the_dream_raises_its_objective(page: Page, server: str) -> None:
    open_small(page, server)
    status = page.locator("#dream-status")
    expect(status).to_contain_text("Done in")
    start, end = re.findall(r"Objective: ([\d.e+-]+) → ([\d.e+-]+)", status.inner_text())[0]
    assert float(end) > 1.3 * float(start) > 0
    result = page.locator("#dream-result img")
    expect(result).to_have_attribute("src", re.compile(r"\.png$"))
    assert result.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [128, 85]


def test_one_seed_repeats_and_two_differ_on_the_page(page: Page, server: str) -> None:
    files = []
    for seed in (3, 3, 4):
        open_small(page, server, seed=seed)
        files.append(finished_dream(page))
    assert files[0] == files[1] != files[2]


def test_a_dream_can_be_watched_and_cancelled(page: Page, server: str) -> None:
    open_small(page, server, size_px=512, octaves=4, steps=50)  # 200 steps: half a minute of one core
    expect(page.locator("#dream-result img")).to_have_attribute("src", re.compile(r"preview\.jpeg$"))
    expect(page.locator("#dream-status")).to_contain_text("Dreaming: octave")
    page.click("#dream-cancel")
    expect(page.locator("#dream-status")).to_contain_text("Cancelled")
    page.wait_for_timeout(1500)
    expect(page.locator("#dream-status")).to_contain_text("Cancelled")


def test_a_preset_sets_the_controls_and_a_moved_control_makes_it_custom(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=dream")
    page.get_by_role("radio", name="Spider webs", exact=True).check()
    page.locator("#dream-more > button").click()
    expect(page.locator("#DreamConfig-layer input")).to_have_value("block9")
    channel = page.locator("#DreamConfig-channel input[type=number]")
    expect(channel).to_have_value("41")
    type_number(channel, 42)
    expect(page.get_by_role("radio", name="Custom", exact=True)).to_be_checked()
    expect(channel).to_have_value("42")


def test_a_channel_the_layer_lacks_is_explained(page: Page, server: str) -> None:
    open_small(page, server, channel=319)
    expect(page.locator(".toast-body.error")).to_contain_text("This layer has channels 0 to 111")


def test_running_without_a_picture_says_what_to_do(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=dream")
    page.click("#dream-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_an_example_dreams_at_one_click_on_a_phone(phone: Page, server: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in SMALL.items())
    phone.goto(f"{server}/?tab=dream&{query}")
    wait_for_the_link(phone)
    phone.locator("#tab-dream .gallery button").nth(1).click()
    expect(phone.locator("#dream-status")).to_contain_text("Done in")
    expect(phone.locator("#dream-result img")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def dream(client: Client, **settings: object) -> np.ndarray:
    values = SMALL | settings
    path = client.predict(image=handle_file(CHELSEA), api_name="/dream", **values)
    assert Path(path).suffix == ".png"
    return np.array(Image.open(path))


def test_one_seed_repeats_and_two_differ(client: Client) -> None:
    first, again, other = (dream(client, seed=seed) for seed in (3, 3, 4))
    assert first.shape == (85, 128, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_endpoint_streams_previews(client: Client) -> None:
    job = client.submit(image=handle_file(CHELSEA), size_px=128, octaves=2, steps=12, api_name="/dream")
    pictures = [Path(path) for path in job]
    assert pictures[0].suffix == ".jpeg" and pictures[-1].suffix == ".png"


@pytest.mark.parametrize(("limit_s", "warnings"), [(0.0, 1), (60.0, 0)])
def test_the_endpoint_says_when_the_time_limit_stopped_it(
    limit_s: float, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(tab, "TIME_LIMIT_S", limit_s)
    monkeypatch.setattr(gr, "Warning", said.append)
    *_, picture = tab.dream_endpoint(CHELSEA, **SMALL)
    assert np.shape(picture) == (85, 128, 3)
    assert len(said) == warnings and all("The limit of 0 s left time for 1 of 2 steps." in text for text in said)


def test_what_is_sent_takes_the_place_of_the_presets_values(client: Client) -> None:
    webs = dream(client, preset="Spider webs")
    same = dream(client, preset="Custom", layer="block9", channel=41)
    other = dream(client, preset="Spider webs", channel=42)
    assert PRESETS["Spider webs"].layer == "block9" and PRESETS["Spider webs"].channel == 41
    assert np.array_equal(webs, same)
    assert not np.array_equal(webs, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"octaves": 99}, "Octaves must be a number from 1 to 8"),
        ({"layer": "fc"}, "Layer must be one of"),
        ({"preset": "x"}, "must be one of"),
    ],
)
def test_settings_out_of_range_are_explained(client: Client, settings: dict[str, object], message: str) -> None:
    with pytest.raises(AppError, match=message):
        dream(client, **settings)


def test_values_from_a_page_get_the_types_of_the_config() -> None:
    config = config_of(CUSTOM, {"octaves": 2.0, "step_size": 2, "layer": None})
    assert (config.octaves, config.step_size, config.layer) == (2, 2.0, PRESETS[DEFAULT_PRESET].layer)
    assert isinstance(config.octaves, int) and isinstance(config.step_size, float)
