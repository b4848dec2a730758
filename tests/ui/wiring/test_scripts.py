"""Scripts of the page alone, in a browser without the page: what they do when things come in another order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from cvdemo.ui.wiring import parts

STATIC = Path(parts.__file__).parent / "static"
WITHOUT_GOING = "Object.assign(window.cvdemo, { waits() {}, begun() {}, unused() {} })"
UPLOADS = """() => {
    window.gradio_config = { root: "" };
    window.answers = []; /* each lets the next upload come to its end */
    window.fetch = () => new Promise((answered) => {
        const path = `mask-${window.answers.length + 1}.png`;
        window.answers.push(() => answered({ ok: true, json: async () => [path] }));
    });
    window.masks = [];
    window.take = () => window.cvdemo.brush.mask().then((value) => window.masks.push(value?.path ?? null));
}"""
PICTURE = """async (colour) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 80, height: 60 });
    canvas.getContext("2d").fillStyle = colour;
    canvas.getContext("2d").fillRect(0, 0, 80, 60);
    window.cvdemo.brush.use({ url: canvas.toDataURL() });
    await document.querySelector(".brush-view img").decode();
    await new Promise(requestAnimationFrame); /* the event of the loaded picture comes before it */
}"""
STROKE = """() => {
    const canvas = document.querySelector(".brush-view canvas");
    canvas.setPointerCapture = () => {};
    const { left, top } = canvas.getBoundingClientRect();
    canvas.dispatchEvent(new PointerEvent("pointerdown", { clientX: left + 20, clientY: top + 20 }));
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: left + 40, clientY: top + 20 }));
    canvas.dispatchEvent(new PointerEvent("pointerup"));
}"""


@pytest.fixture
def sheet(browser: Browser) -> Iterator[Page]:
    """An empty page."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture
def brush(sheet: Page) -> Page:
    """The brush with a picture and a stroke on it; uploads wait for `answers`, and each mask goes into `masks`."""
    sheet.set_content('<div id="dream-brush"><div class="brush-view"></div></div>'
                      '<button id="dream-mask-take" onclick="take()"></button>')  # fmt: skip
    sheet.evaluate("window.cvdemo = {}")
    sheet.evaluate(UPLOADS)
    sheet.add_script_tag(path=STATIC / "brush.js")
    sheet.evaluate("window.cvdemo.brush.show()")
    sheet.evaluate(PICTURE, "navy")
    sheet.evaluate(STROKE)
    sheet.wait_for_function("answers.length === 1")
    return sheet


def masks(brush: Page, count: int) -> list[str | None]:
    brush.wait_for_function("(count) => masks.length === count", arg=count)
    found: list[str | None] = brush.evaluate("masks")
    return found


def test_what_is_painted_becomes_a_mask(brush: Page) -> None:
    brush.evaluate("answers[0]()")
    assert masks(brush, 1) == ["mask-1.png"]


def test_a_mask_that_comes_after_another_picture_is_none_of_it(brush: Page) -> None:
    brush.evaluate(PICTURE, "maroon")
    brush.evaluate("answers[0]()")
    assert masks(brush, 1) == [None]


def test_a_mask_that_comes_after_all_was_cleared_is_none(brush: Page) -> None:
    brush.evaluate("window.cvdemo.brush.clear()")
    brush.evaluate("answers[0]()")
    assert masks(brush, 1) == [None]


def test_of_two_strokes_the_later_mask_counts_whichever_comes_first(brush: Page) -> None:
    brush.evaluate(STROKE)
    brush.wait_for_function("answers.length === 2")
    brush.evaluate("answers[1]()")
    brush.evaluate("answers[0]()")
    assert masks(brush, 2) == ["mask-2.png"] * 2


@pytest.mark.parametrize("nothing", [None, "", []])
def test_an_input_without_anything_empties_the_results(sheet: Page, nothing: object) -> None:
    sheet.set_content('<button id="x-empty" onclick="pressed = this.id"></button>'
                      '<button id="x-restart" onclick="pressed = this.id"></button>')  # fmt: skip
    sheet.add_script_tag(path=STATIC / "parts.js")
    sheet.evaluate(WITHOUT_GOING)
    sheet.evaluate("window.cvdemo.started(['x', [], null, null], [['a.png'], 3])")
    sheet.evaluate("(nothing) => window.cvdemo.changed(['x', 0, [0], [], true], [nothing, 3])", nothing)
    sheet.wait_for_function("window.pressed === 'x-empty'")


@pytest.mark.parametrize("nothing", [None, "", [], ()])
def test_the_server_takes_the_same_for_nothing(nothing: object) -> None:
    assert parts.is_missing(nothing)


@pytest.mark.parametrize("something", [0, False, "a.png", ["a.png"], {"path": "a.png"}])
def test_what_holds_something_is_not_missing(something: object) -> None:
    assert not parts.is_missing(something)
