"""The Style tab in a browser, its endpoint, and its loss curves."""

import re
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.style.optimise import PRESETS
from cvdemo.ui import style as tab
from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.loss_plot import loss_plot

SMALL = "tab=style&size=128&scales=1&steps=12"


def open_small(page: Page, server: str, settings: str = SMALL) -> None:
    """The tab once the link has set its settings."""
    page.goto(f"{server}/?{settings}")
    expect(page.locator("#style-run")).to_be_visible()
    expect(page.locator("#StyleConfig-size input[type=number]")).to_have_value("128")


def style_curve(page: Page) -> list[float]:
    """Heights of the style curve in the drawing; downwards is larger."""
    points = page.locator("#style-losses polyline").nth(1).get_attribute("points") or ""
    return [float(point.split(",")[1]) for point in points.split()]


def test_an_example_is_stylized_at_one_click_and_the_style_loss_falls(page: Page, server: str) -> None:
    open_small(page, server)
    page.locator("#style-pictures .gallery button").first.click()
    expect(page.locator("#style-status")).to_contain_text("128 × 85 pixels, 12 steps in")
    expect(page.locator("#style-result img")).to_be_visible()
    curve = style_curve(page)
    assert len(curve) == 12
    assert curve[-1] > curve[0] + 10
    expect(page.locator("#style-losses svg")).to_contain_text("style")


def test_a_style_can_be_picked_before_and_after_the_picture(page: Page, server: str) -> None:
    open_small(page, server)
    page.locator("#style-styles .gallery button").nth(2).click()
    expect(page.locator("#style-status")).to_contain_text("now choose your picture")
    page.set_input_files("#style-image input[type=file]", example_picture("chelsea"))
    result = page.locator("#style-result img")
    expect(page.locator("#style-status")).to_contain_text("12 steps in")
    before = result.get_attribute("src")
    page.locator("#style-styles .gallery button").nth(5).click()
    expect(result).not_to_have_attribute("src", str(before))
    expect(page.locator("#style-status")).to_contain_text("12 steps in")


def test_a_preset_sets_the_weights(page: Page, server: str) -> None:
    open_small(page, server)
    page.locator("#style-more button").first.click()
    page.get_by_label("Bold strokes").check()
    expect(page.locator("#StyleConfig-style_weight input[type=number]")).to_have_value(
        f"{PRESETS['Bold strokes'].style_weight:g}"
    )
    expect(page.locator("#StyleConfig-size input[type=number]")).to_have_value("128")


def test_cancel_stops_the_run(page: Page, server: str) -> None:
    open_small(page, server, "tab=style&size=128&scales=1&steps=400")
    page.set_input_files("#style-image input[type=file]", example_picture("chelsea"))
    status = page.locator("#style-status")
    expect(status).to_contain_text(re.compile(r"Step \d+ of 400"))
    page.click("#style-cancel")
    expect(status).to_have_text("Cancelled; the last preview stays.")
    page.wait_for_timeout(1500)
    expect(status).to_have_text("Cancelled; the last preview stays.")


def test_running_without_a_picture_says_what_to_do(page: Page, server: str) -> None:
    open_small(page, server)
    page.click("#style-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")


def test_it_fits_a_phone(phone: Page, server: str) -> None:
    open_small(phone, server)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(phone.locator("#style-run")).to_be_in_viewport()


def call(client: Client, tmp_path: Path, **settings: object) -> tuple[Image.Image, int]:
    """The endpoint's last picture, and how many came before and with it."""
    job = client.submit(
        content=handle_file(example_picture("chelsea")),
        style=handle_file(example_picture("styles/night_swirls")),
        **{"size": 128, "scales": 1, "steps": 8, **settings},
        api_name="/stylize",
    )
    last = job.result()
    return Image.open(last["path"] if isinstance(last, dict) else last), len(job.outputs())


def test_the_endpoint_streams_png_and_a_seed_repeats(client: Client, tmp_path: Path) -> None:
    (first, count), (again, _), (other, _) = (call(client, tmp_path, seed=seed) for seed in (3, 3, 4))
    assert first.format == "PNG" and first.size == (128, 85)
    assert count >= 2
    np.testing.assert_array_equal(np.array(first), np.array(again))
    assert (np.array(first) != np.array(other)).any()


def test_the_endpoint_gives_the_style_more_say_at_a_higher_weight(client: Client, tmp_path: Path) -> None:
    swirls = np.array(Image.open(example_picture("styles/night_swirls"))).mean(axis=(0, 1))
    found = [
        np.array(call(client, tmp_path, keep_colours=keep)[0].convert("RGB")).mean(axis=(0, 1))
        for keep in (False, True)
    ]
    assert np.abs(found[0] - swirls).max() < 25 < np.abs(found[1] - swirls).max()


@pytest.mark.parametrize(("limit_s", "warnings"), [(0.0, 1), (60.0, 0)])
def test_the_endpoint_says_when_the_time_limit_stopped_it(
    limit_s: float, warnings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(tab, "TIME_LIMIT_S", limit_s)
    monkeypatch.setattr(gr, "Warning", said.append)
    paths = example_picture("chelsea"), example_picture("styles/night_swirls")
    *_, picture = tab.stylize_endpoint(*paths, size=128, scales=1, steps=3)
    assert picture.shape == (85, 128, 3)
    assert len(said) == warnings and all("The limit of 0 s left time for 1 of 3 steps." in text for text in said)


def test_the_drawing_has_a_line_a_curve_and_its_last_value() -> None:
    drawing = loss_plot({"content": [0.1, 1.0], "style": [1.0, 0.01]}, total=4, marks=[2])
    assert drawing.count("<polyline") == 2 and drawing.count("stroke-dasharray") == 1
    assert "content 1</text>" in drawing and "style 0.01</text>" in drawing
    assert 'aria-label="Losses by step: content 1, style 0.01"' in drawing


def test_the_drawing_puts_larger_losses_higher_and_later_steps_further_right() -> None:
    drawing = loss_plot({"style": [1.0, 0.1, 0.01]}, total=3)
    points = re.search(r'points="([^"]*)"', drawing)
    assert points is not None
    xs, ys = zip(*(map(float, point.split(",")) for point in points[1].split()), strict=True)
    assert list(xs) == sorted(xs) and list(ys) == sorted(ys)
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1], abs=0.2)  # a logarithmic axis


def test_the_drawing_of_nothing_and_of_zeros_works() -> None:
    assert "<svg" in loss_plot({"style": []}, total=10)
    assert "<polyline" in loss_plot({"style": [0.0, 0.0]}, total=10)


def test_the_drawing_refuses_more_curves_than_colours() -> None:
    with pytest.raises(ValueError, match="3 colours, got 4 curves"):
        loss_plot({name: [1.0] for name in "abcd"}, total=1)
