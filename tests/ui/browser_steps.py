"""What a visitor does in a browser: opens the page, types, chooses a picture, waits for a run."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Response, expect

# what a link says behind `?tab=...`, so that the tabs whose runs are long are done within a second or two
SMALL = {"dream": "&size_px=128&octaves=1&steps=2", "style": "&seconds=0&size=128&scales=1&steps=2"}


def open_page(
    browser: Browser, server: str, width: int, height: int, script: str = "", **options: Any
) -> Iterator[Page]:
    """The page at a size, in a browser of its own that runs `script` before anything of the page.

    `options` are Playwright's of a context, such as `color_scheme`.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True, **options)
    context.add_init_script(script)
    yield from open_page_in(context, server)
    context.close()


def open_page_in(context: BrowserContext, server: str) -> Iterator[Page]:
    """The page in a browser that may have had it open before: what it loads then comes from the browser's cache."""
    for page in blank_page(context):
        page.goto(server)
        expect(page.locator("#classify-run")).to_be_visible()
        yield page


def blank_page(context: BrowserContext) -> Iterator[Page]:
    """A page that is nowhere yet; it fails the test on JavaScript errors."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert not errors, errors


def type_number(field: Locator, value: float) -> None:
    """Types into a number field, again where the page puts the value back that it had before.

    A part that is just being opened may do so once, faster than a person can type.
    """
    for _ in range(5):
        field.fill(str(value))
        field.press("Enter")
        field.page.wait_for_timeout(500)
        if field.input_value() == str(value):
            return
    raise AssertionError(f"{value} was typed five times, and the field still holds {field.input_value()}")


def choose_picture(page: Page, tab: str, path: str | Path) -> None:
    """Uploads a picture into the tab's field, in place of the one that is there."""
    page.set_input_files(f"#{tab}-image input[type=file]", path)


def run_of(page: Page, name: str) -> AbstractContextManager[Any]:
    """Within the block a run begins for the picture of that file name; what was shown before is gone at its end."""

    def asks_for_it(response: Response) -> bool:
        if "/queue/join" not in response.url or name not in (response.request.post_data or ""):
            return False
        return (
            len((response.request.post_data_json or {})["data"]) > 1
        )  # what only reads the picture takes nothing else

    return page.expect_response(asks_for_it)


def remove_picture(page: Page, tab: str) -> None:
    """Takes the picture away by the button in its corner."""
    page.locator(f"#{tab}-image button[aria-label='Remove Image']").click()


MISSED = """async (selector) => {
    const missed = [];
    const lowest = document.documentElement.scrollHeight - window.innerHeight;
    for (let y = 0, last = false; !last; y += 300) {
        last = y >= lowest;
        window.scrollTo({ top: y, behavior: "instant" });
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
        const button = document.querySelector(selector);
        const box = button.getBoundingClientRect();
        const met = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        if (!button.contains(met)) missed.push(Math.round(window.scrollY));
    }
    return missed;
}"""


def out_of_reach(page: Page, selector: str) -> list[int]:
    """Where, in px from the top, a finger on the button would not meet it, while one scrolls through the whole page."""
    missed: list[int] = page.evaluate(MISSED, selector)
    return missed
