"""A camera or clipboard that cannot be had is told in one sentence; one that can be had gives a picture."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.browser_steps import open_page

NO_CAMERA = "navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{}'); }};"
NO_CLIPBOARD = "navigator.clipboard.read = async () => {{ throw new DOMException('', '{}'); }};"
NOT_SECURE = """for (const name of ["mediaDevices", "clipboard"])
    Object.defineProperty(Navigator.prototype, name, {value: undefined, configurable: true});"""
DRAWN_CAMERA = """navigator.mediaDevices.getUserMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 320, height: 240});
    setInterval(() => {
        const pen = canvas.getContext("2d");
        pen.fillStyle = pen.fillStyle === "#0000ff" ? "#ff0000" : "#0000ff";
        pen.fillRect(0, 0, 320, 240);
    }, 50);
    return canvas.captureStream();
};"""


def open_with(browser: Browser, server: str, script: str) -> Iterator[Page]:
    """The page in a browser that has run `script` first; fails on errors in the console, as `open_page` does."""
    yield from open_page(browser, server, 1280, 900, script)


def ask_for(page: Page, source: str) -> None:
    page.locator(f"#classify-image button[aria-label='{source}']").click()
    if source == "Capture from camera":
        page.locator("#classify-image [title='grant webcam access'] button").click()


CASES = [
    ("Capture from camera", NO_CAMERA.format("NotAllowedError"), "The browser does not let this page use the camera."),
    ("Capture from camera", NO_CAMERA.format("NotFoundError"), "No camera was found."),
    ("Capture from camera", NO_CAMERA.format("NotReadableError"), "Another program uses the camera."),
    ("Capture from camera", NO_CAMERA.format("AbortError"), "The camera cannot be used."),
    ("Capture from camera", NOT_SECURE, "Browsers allow the camera only on pages with https."),
    (
        "Paste from clipboard",
        NO_CLIPBOARD.format("NotAllowedError"),
        "The browser does not let this page read the clipboard.",
    ),
    ("Paste from clipboard", NOT_SECURE, "Browsers allow the clipboard only on pages with https."),
]


@pytest.mark.parametrize(("source", "script", "sentence"), CASES)
def test_what_cannot_be_had_is_one_sentence(
    browser: Browser, server: str, source: str, script: str, sentence: str
) -> None:
    for page in open_with(browser, server, script):
        ask_for(page, source)
        expect(page.get_by_role("alert").filter(has_text=sentence)).to_have_count(1)
        expect(page.get_by_role("alert")).to_have_count(1)


def test_the_sentence_goes_at_a_click(browser: Browser, server: str) -> None:
    for page in open_with(browser, server, NO_CAMERA.format("NotFoundError")):
        ask_for(page, "Capture from camera")
        page.locator("#refused").click()
        expect(page.locator("#refused")).to_have_count(0)


def test_a_captured_picture_is_classified(browser: Browser, server: str) -> None:
    for page in open_with(browser, server, DRAWN_CAMERA):
        ask_for(page, "Capture from camera")
        page.wait_for_function("document.querySelector('#classify-image video')?.currentTime > 0")  # it shows something
        page.locator("#classify-image [title='capture photo']").click()
        expect(page.locator("#classify-status")).to_contain_text("Done in")
        expect(page.locator("#classify-result h2")).to_be_visible()
