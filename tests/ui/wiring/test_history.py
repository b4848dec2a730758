"""The address follows the page, and the page the address: tabs, settings, examples, back, forward and reload."""

import re
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest
from gradio.context import get_blocks_context
from playwright.sync_api import Page, expect

from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.history import remember, restoring
from tests.ui.browser_steps import SMALL, choose_picture
from tests.ui.tab_handlers import drawn


def obeyed(**query: str) -> list[Any]:
    """The updates for a tab with a slider and a picture, and for another with a picture."""
    settings = {"dream": {"steps": gr.Slider(0, 10, value=5, step=1)}, "upscale": {}}
    request = cast(gr.Request, type("Request", (), {"query_params": query}))
    return restoring(settings, {}, ["dream", "upscale"])(request)


def test_a_link_selects_the_tab_sets_it_and_chooses_the_example() -> None:
    selected, steps, dream, upscale = obeyed(tab="dream", steps="3", example="chelsea")
    assert selected.selected == "dream" and steps == 3 and upscale == gr.skip()
    assert Path(dream).read_bytes() == Path(example_picture("chelsea")).read_bytes()


@pytest.mark.parametrize("name", ["", "nobody", "../README", "styles/mosaic", "/etc/hostname", "CHELSEA"])
def test_a_link_chooses_no_other_file(name: str) -> None:
    assert obeyed(tab="dream", example=name)[2:] == [gr.skip(), gr.skip()]


def test_a_full_page_sets_the_tab_without_the_example_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("cvdemo.ui.serving.page_folder.FILES_BYTES", 0)
    monkeypatch.setattr(gr, "Warning", told.append)
    selected, steps, dream, _ = obeyed(tab="dream", steps="3", example="chelsea")
    assert selected.selected == "dream" and steps == 3 and dream == gr.skip()
    assert told == ["The page holds as many pictures as it can at the moment. Please try again in a few minutes."]


def test_whatever_fails_at_the_start_is_a_sentence_and_the_page_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw() -> None:
        with gr.Tabs() as tabs, gr.Tab("Dream", id="dream") as tab:
            pass
        page = get_blocks_context()
        assert page is not None
        remember(page.root_block, tabs, {"dream": tab}, {"dream": {}}, {}, {})

    def fails(*args: Any) -> list[Any]:
        raise OSError("the disk is gone")

    monkeypatch.setattr("cvdemo.ui.wiring.history.updates", fails)
    handlers = list(drawn(draw).fns.values())
    (restore,) = (handler.fn for handler in handlers if handler.fn is not None)
    with pytest.raises(gr.Error, match="number"):
        restore(cast(gr.Request, type("Request", (), {"query_params": {}})))
    assert len([handler for handler in handlers if "arrived" in str(handler.js)]) == 2


def test_an_example_without_its_tab_is_not_chosen() -> None:
    assert obeyed(example="chelsea") == [gr.skip()] * 4


def open_tab(page: Page, slug: str) -> None:
    page.locator(f"#tab-{slug}-button:visible").click()
    expect(page.locator(f"#{slug}-run")).to_be_visible()


def test_back_and_forward_move_between_tabs(page: Page) -> None:
    expect(page.locator("html[data-ready]")).to_have_count(1)
    open_tab(page, "upscale")
    expect(page).to_have_url(re.compile("tab=upscale"))
    open_tab(page, "dream")
    expect(page).to_have_url(re.compile("tab=dream"))
    page.go_back()
    expect(page.locator("#upscale-run")).to_be_visible()
    page.go_back()
    expect(page.locator("#classify-run")).to_be_visible()
    page.go_forward()
    expect(page.locator("#upscale-run")).to_be_visible()
    page.go_forward()
    expect(page.locator("#dream-run")).to_be_visible()
    expect(page).to_have_url(re.compile("tab=dream"))


def test_a_reload_keeps_tab_and_settings(page: Page) -> None:
    open_tab(page, "upscale")
    page.locator("#upscale-scale label").nth(2).click()
    page.locator("#UpscaleConfig-shrink_first input").check()
    expect(page).to_have_url(re.compile(r"tab=upscale&scale=4&shrink_first=true"))
    page.reload()
    expect(page.locator("#upscale-scale input").nth(2)).to_be_checked()
    expect(page.locator("#UpscaleConfig-shrink_first input")).to_be_checked()


def test_a_link_carries_an_example_until_another_picture_comes(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=classify&example=lion")
    expect(page.locator("#classify-result h2")).to_have_text("lion")
    page.locator("#tab-classify .gallery button").nth(0).click()
    expect(page).to_have_url(re.compile("example=cheetah"))
    page.click("#classify-share")
    expect(page).to_have_url(re.compile("example=cheetah"))
    choose_picture(page, "classify", example_picture("coffee"))
    expect(page).not_to_have_url(re.compile("example="))


def test_a_result_goes_to_another_tab(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=upscale&example=chelsea")
    send = page.locator("#upscale-to-detect")
    expect(send).to_be_disabled()
    expect(page.locator("#upscale-status")).to_contain_text("pixels in")
    expect(send).to_be_enabled()
    send.click()
    expect(page.locator("#detect-image img")).to_be_visible()
    expect(page.locator("#detect-status")).to_contain_text("Searched")
    expect(page).to_have_url(re.compile("tab=detect"))
    width = page.locator("#detect-image img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert width == 902  # the enlarged cat


# the tab that sends, the one that receives, and what that says: pictures of 451 × 300 px, but for the made ones
SENT = [
    ("classify", "upscale", "451 × 300 → 902 × 600 pixels in"),
    ("detect", "upscale", "451 × 300 → 902 × 600 pixels in"),
    ("dream", "upscale", "128 × 85 → 256 × 170 pixels in"),
    ("style", "detect", "Searched"),
]


@pytest.mark.parametrize(("sender", "receiver", "told"), SENT, ids=[case[0] for case in SENT])
def test_every_tab_sends_its_picture(blank: Page, server: str, sender: str, receiver: str, told: str) -> None:
    blank.goto(f"{server}/?tab={sender}{SMALL.get(sender, '')}")
    expect(blank.locator("html[data-ready]")).to_have_count(1)
    send = blank.locator(f"#{sender}-to-{receiver}")
    choose_picture(blank, sender, example_picture("chelsea"))
    expect(blank.locator(f"#{sender}-status")).to_contain_text(" in ")
    send.click()
    expect(blank.locator(f"#{receiver}-status")).to_contain_text(told)
    expect(blank).to_have_url(re.compile(f"tab={receiver}"))
    sent = blank.locator(f"#{receiver}-image img")
    width = sent.evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert width == (128 if sender in SMALL else 451)


def test_a_drawn_face_goes_to_upscale(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=sample&seed=3")
    page.locator("#sample-result .thumbnail-lg img").first.click()
    expect(page.locator("#sample-to-upscale")).to_be_enabled()
    page.click("#sample-to-upscale")
    expect(page.locator("#upscale-status")).to_contain_text("64 × 64 → 128 × 128 pixels in")


@pytest.mark.parametrize(("view", "words"), [("api", "API documentation"), ("settings", "Display Theme")])
def test_a_link_opens_a_view_of_gradios(blank: Page, server: str, view: str, words: str) -> None:
    blank.goto(f"{server}/?tab=upscale&view={view}")
    expect(blank.get_by_role("dialog")).to_contain_text(words)
    expect(blank).to_have_url(re.compile(f"view={view}"))
    expect(blank.locator("#upscale-run")).to_be_attached()
