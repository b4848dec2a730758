"""While a run is on: nothing jumps, "Cancel" can be pressed then alone, and a phone has it in reach."""

import re
from pathlib import Path

import gradio as gr
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cvdemo.ui import upscale
from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.parts import Part, wire
from tests.ui.browser_steps import choose_picture, out_of_reach, run_of
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import drawn

SHOWN_WHOLE = """() => { const told = document.querySelector("#going p");
    return told.scrollWidth <= told.clientWidth && told.scrollHeight <= told.clientHeight + 1; }"""
LOWEST = """() => {
    window.heights = [];
    const look = () => { window.heights.push(document.documentElement.scrollHeight); requestAnimationFrame(look); };
    look();
}"""


# for each tab whose runs may be long: settings of one, and what its status says meanwhile
LONG = {
    "detect": ("detector=imagenet&crop_by_crop=true", re.compile(r"size \d of")),
    "dream": ("size_px=384&octaves=2&steps=50&octave_scale=1.1", re.compile("Dreaming: round")),
    "style": ("seconds=0&size=192&scales=1&steps=400", re.compile(r"Step \d+ of 400")),
    "upscale": ("network=9-5-5", re.compile("Piece")),
}


def large(folder: Path) -> Path:
    """A picture that takes the slower network many seconds."""
    path = folder / "large.png"
    Image.new("RGB", (3000, 1500), "navy").save(path)
    return path


def test_cancel_waits_for_something_to_cancel() -> None:
    page = drawn(lambda: upscale.TAB.build(StandIn()))
    (cancel,) = (block for block in page.blocks.values() if getattr(block, "elem_id", None) == "upscale-cancel")
    assert isinstance(cancel, gr.Button) and not cancel.interactive


def test_cancel_has_the_name_by_which_the_browser_finds_it() -> None:
    def draw() -> None:
        told = gr.Markdown()
        wire(Part(name="thing", inputs=[], outputs=[told]), lambda: "", cancel=gr.Button(elem_id="stop"))

    with pytest.raises(ValueError, match="need a button named thing-cancel, got 'stop'"):
        drawn(draw)


def test_cancel_can_be_pressed_while_a_run_is_on(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/?tab=upscale&network=9-5-5")
    cancel = page.locator("#upscale-cancel")
    expect(cancel).to_be_disabled()
    choose_picture(page, "upscale", large(tmp_path))
    expect(page.locator("#upscale-status")).to_contain_text("Piece")
    expect(cancel).to_be_enabled()
    cancel.click()
    expect(page.locator("#upscale-status")).to_have_text("Cancelled.")
    expect(cancel).to_be_disabled()
    expect(page.locator("#going")).to_be_hidden()  # there is room for the buttons themselves


@pytest.mark.parametrize("tab", LONG)
def test_a_phone_keeps_cancel_in_reach(phone: Page, server: str, tmp_path: Path, tab: str) -> None:
    settings, told = LONG[tab]
    phone.goto(f"{server}/?tab={tab}&{settings}")
    expect(phone.locator("html[data-ready]")).to_have_count(1)
    choose_picture(phone, tab, large(tmp_path))
    bar = phone.locator("#going")
    expect(bar).to_contain_text(told)
    assert out_of_reach(phone, "#going button:last-child") == []
    bar.get_by_role("button", name="Cancel").click()
    expect(phone.locator(f"#{tab}-status")).to_contain_text("Cancelled")
    expect(phone.locator(f"#{tab}-cancel")).to_be_disabled()


def test_a_result_that_is_drawn_late_is_offered(phone: Page, server: str) -> None:
    phone.goto(f"{server}/?tab=upscale")
    expect(phone.locator("html[data-ready]")).to_have_count(1)
    phone.clock.install()
    phone.evaluate("""() => {
        const late = document.body.appendChild(document.createElement("div"));
        late.id = "late";
        window.cvdemo.begun("upscale", "late", "upscale-status");
        window.cvdemo.ended("upscale");
        setTimeout(() => { late.style.height = "300px"; }, 800);
    }""")
    phone.clock.run_for(5000)
    expect(phone.locator("#going").get_by_role("button", name="Show the result")).to_be_enabled()


def test_a_result_does_not_move_a_phone_and_is_one_tap_away(phone: Page, server: str) -> None:
    phone.clock.install()  # from here on the page's timers can be made to run at once
    phone.goto(f"{server}/?tab=upscale")
    choose_picture(phone, "upscale", example_picture("chelsea"))
    expect(phone.locator("#upscale-status")).to_contain_text("pixels in")
    assert phone.evaluate("window.scrollY") == 0
    bar = phone.locator("#going")
    look, close = (bar.get_by_role("button", name=name) for name in ("Show the result", "Close"))
    left, right = look.bounding_box(), close.bounding_box()
    assert left and right and left["x"] < right["x"]
    phone.clock.run_for(12_000)  # it does not go by itself: a finger on its way would meet what lies behind
    assert phone.evaluate(SHOWN_WHOLE)
    look.click()
    expect(phone.locator("#upscale-result img").first).to_be_in_viewport()
    expect(phone.locator("#going")).to_be_hidden()


def test_a_new_result_takes_the_place_of_the_old_one(page: Page, server: str) -> None:
    """The page never gets shorter meanwhile, by which what one looks at would move."""
    page.goto(f"{server}/?tab=upscale")
    choose_picture(page, "upscale", example_picture("chelsea"))
    expect(page.locator("#upscale-closeup img").first).to_be_visible()
    page.wait_for_timeout(2000)
    page.evaluate(LOWEST)
    before = page.evaluate("document.documentElement.scrollHeight")
    with run_of(page, "chelsea"):
        page.click("#upscale-run")
    expect(page.locator("#upscale-status")).to_contain_text("pixels in")
    page.wait_for_timeout(2000)
    assert min(page.evaluate("window.heights")) >= before - 2
