"""The Style tab in a browser, its endpoint, its handlers with a stand-in for the work, and its loss curves."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.demo import Step
from cvdemo.demos import run
from cvdemo.limits import STYLE_S
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.presets import PRESETS
from cvdemo.style.run import StyleRequest, Stylized
from cvdemo.ui import style as tab
from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.loss_plot import loss_plot
from tests.ui.tab_handlers import button_of, endpoint_of


@pytest.fixture(autouse=True)
def without_the_instant_style(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers here are those of a page without its weight; `test_style_instant` has the others."""
    monkeypatch.setattr(tab, "instant_offered", lambda: False)


SMALL = "tab=style&seconds=0&size=128&scales=1&steps=12"


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
    open_small(page, server, "tab=style&seconds=0&size=128&scales=1&steps=400")
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


def apart(first: Image.Image, second: Image.Image) -> float:
    """How far two pictures are from each other, in grey levels on average."""
    return float(np.abs(np.array(first, np.float32) - np.array(second, np.float32)).mean())


def test_the_endpoint_streams_png_and_a_seed_repeats(client: Client, tmp_path: Path) -> None:
    (first, count), (repeated, _), (other, _) = (call(client, tmp_path, seed=seed) for seed in (3, 3, 4))
    assert first.format == "PNG" and first.size == (128, 85)
    assert count >= 2
    # alike, not equal: what runs beside it changes the number of threads, and so the last digits of sums
    assert apart(first, repeated) < 0.5 < apart(first, other)


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
    monkeypatch.setattr(tab, "STYLE_S", limit_s)
    monkeypatch.setattr(gr, "Warning", said.append)
    paths = example_picture("chelsea"), example_picture("styles/night_swirls")
    *_, picture = tab.stylize_endpoint(run, *paths, size=128, scales=1, steps=3)
    assert picture.shape == (85, 128, 3)
    assert len(said) == warnings and all("It stopped at the limit of 0 s, after 1 of 3 steps." in text for text in said)


class StandIn:
    """Does what a style transfer of 2 scales of 4 steps does, in no time; keeps the requests."""

    def __init__(self, done: int = 8) -> None:
        self.requests: list[StyleRequest] = []
        self.done = done

    def __call__(self, request: StyleRequest) -> Iterator[Step[Stylized]]:
        self.requests.append(request)
        for number in range(1, self.done + 1):
            losses = {"content_loss": 0.1 * number, "style_loss": 1 / number, "tv_loss": 0.01}
            measures = losses | {"scale": 1 if number <= 4 else 2, "scales": 2}
            preview = np.full((85, 128, 3), number, np.uint8) if number in (2, 6) else None
            yield Step(done=number, total=8, preview=preview, measures=measures)
        result = Stylized(np.full((85, 128, 3), 77, np.uint8), self.done, 8)
        yield Step(done=number, total=self.done, measures=measures, result=result, complete=self.done == 8)


PAIR = example_picture("chelsea"), example_picture("styles/mosaic")


def page_values(second: tuple[str | None, str | None, float] = (None, None, 1.0), **settings: Any) -> list[Any]:
    """The inputs of the page's handler."""
    return [*PAIR, *second, *(settings.get(name, getattr(StyleConfig(), name)) for name in tab.CONTROLS)]


def test_the_page_shows_how_far_the_painting_is_and_its_curves() -> None:
    stand_in = StandIn()
    outputs = list(button_of(tab.TAB, stand_in)(*page_values(seed=5, size=128)))
    pictures, lines, drawings = zip(*outputs, strict=True)
    assert [int(picture[0, 0, 0]) for picture in pictures] == [2, 6, 77]
    assert re.fullmatch(r"Step 2 of 8, round 1 of 2: \d+ s so far", lines[0])
    assert re.fullmatch(r"Step 6 of 8, round 2 of 2: \d+ s so far", lines[1])
    assert re.fullmatch(r"128 × 85 pixels, 8 steps in [\d.]+ m?s", lines[2])
    points = [re.findall(r'points="([^"]*)"', drawing)[1].split() for drawing in drawings]
    assert [len(curve) for curve in points] == [2, 6, 8]  # every step, shown or not, and none twice
    assert [drawing.count("stroke-dasharray") for drawing in drawings] == [0, 1, 1]  # where the second scale began
    assert "picture 0.8, style 0.125, roughness 0.01" in drawings[2]
    (request,) = stand_in.requests
    assert request.config == StyleConfig(seed=5, size=128)
    assert request.content.shape == (300, 451, 3) and request.style.shape == (768, 768, 3)
    assert (request.time_limit_s, request.preview_every_s) == (STYLE_S, tab.PREVIEW_EVERY_S)


def test_a_painting_for_a_time_says_that_more_time_makes_it_larger() -> None:
    lines = [line for _, line, _ in button_of(tab.TAB, StandIn())(*page_values(seconds=15, size=256))]
    assert lines[1].startswith("Step 2 of about 8, ")
    assert lines[-1].endswith(". With more time it can be larger")
    lines = [line for _, line, _ in button_of(tab.TAB, StandIn())(*page_values(seconds=15, size=128))]
    assert "larger" not in lines[-1]


def test_the_page_asks_for_the_best_in_a_time_and_for_a_second_style() -> None:
    stand_in = StandIn()
    mask = example_picture("cheetah")
    second = (example_picture("styles/halftone"), mask, 2.5)
    list(button_of(tab.TAB, stand_in)(*page_values(second, seconds=15)))
    list(button_of(tab.TAB, stand_in)(*page_values(seconds=tab.BY_STEPS)))
    timed, counted = stand_in.requests
    assert timed.config == StyleConfig(seconds=15) and counted.config == StyleConfig()
    ((picture, weight),) = timed.styles
    assert picture.shape == (768, 768, 3) and weight == 2.5
    assert timed.mask is not None and timed.mask.ndim == 2 and timed.mask.dtype == np.uint8
    assert counted.styles == () and counted.mask is None and counted.start_image is None


def test_every_setting_of_the_library_is_on_the_page_and_in_the_endpoint() -> None:
    names = {field.name for field in dataclasses.fields(StyleConfig)}
    assert set(tab.CONTROLS) == names
    parameters = set(inspect.signature(tab.stylize_endpoint).parameters)
    assert names - parameters == {"step_size"}


def test_the_page_says_when_the_time_limit_stopped_it() -> None:
    (*_, (_, line, _)) = button_of(tab.TAB, StandIn(done=6))(*page_values())
    assert line.endswith(". It stopped at the limit of 120 s, after 6 of 8 steps. A smaller size leaves time for more.")


@pytest.mark.parametrize(("done", "warnings"), [(6, 1), (8, 0)])
def test_the_endpoint_gives_what_the_run_gives(done: int, warnings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)
    stand_in = StandIn(done)
    pictures = list(endpoint_of(tab.TAB, stand_in, "stylize")(*PAIR, style_weight=3.0, size=160.0, keep_colours=True))
    assert [int(picture[0, 0, 0]) for picture in pictures] == [2, 6, 77]
    assert stand_in.requests[0].config == StyleConfig(style_weight=3.0, size=160, keep_colours="statistics")
    assert stand_in.requests[0].time_limit_s == STYLE_S
    assert len(said) == warnings and all("after 6 of 8 steps" in text for text in said)


def test_the_endpoint_takes_what_came_later() -> None:
    stand_in = StandIn()
    content, style = PAIR
    ask = endpoint_of(tab.TAB, stand_in, "stylize")
    newer = {"seconds": 5, "strength": 0.5, "detail": 0.2, "flat_smoothing": 0.4, "style_loss": "wasserstein"}
    pictures = {"second_style": style, "second_weight": 0.5, "mask": content, "start_image": content}
    list(ask(*PAIR, keep_colours="luminance", **newer, **pictures))
    (request,) = stand_in.requests
    assert request.config == StyleConfig(keep_colours="luminance", **newer)
    assert request.styles[0][1] == 0.5 and request.mask is not None
    np.testing.assert_array_equal(request.start_image, request.content)


def test_the_endpoints_defaults_are_the_librarys() -> None:
    """The page's own are others: a time, and a larger size."""
    stand_in = StandIn()
    list(endpoint_of(tab.TAB, stand_in, "stylize")(*PAIR))
    assert stand_in.requests[0].config == StyleConfig()


@pytest.mark.slow
def test_the_endpoint_takes_booleans_and_words_for_kept_colours(client: Client, tmp_path: Path) -> None:
    found = [np.array(call(client, tmp_path, keep_colours=keep, steps=2)[0]) for keep in (True, "statistics", "no")]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_a_missing_style_picture_is_asked_for() -> None:
    stand_in = StandIn()
    with pytest.raises(gr.Error, match="Please choose a style picture first"):
        list(endpoint_of(tab.TAB, stand_in, "stylize")(PAIR[0], None))
    assert not stand_in.requests


def test_the_drawing_has_a_line_a_curve_and_its_last_value() -> None:
    drawing = loss_plot({"content": [0.1, 1.0], "style": [1.0, 0.01]}, total=4, marks=[2])
    assert drawing.count("<polyline") == 2 and drawing.count("stroke-dasharray") == 1
    assert "content 1</text>" in drawing and "style 0.01</text>" in drawing
    assert 'aria-label="How far it is, by step: content 1, style 0.01"' in drawing


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
