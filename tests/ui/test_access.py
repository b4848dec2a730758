"""The page for everyone: axe-core finds nothing critical or serious, keys reach everything, changes are told.

axe-core's rules are in a package that carries the script; nothing is fetched. Each walk goes through all tabs in one
page, and looks at what a visitor meets there: fields and folded parts open, results, and an error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from cvdemo.example_pictures import example_picture
from cvdemo.ui.page import TABS
from tests.ui.browser_steps import choose_picture, open_page

WORST = {"critical", "serious"}
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
DRAWN_MS = 400  # after what axe-core looks at has faded in
SEVERAL = [example_picture("lion"), example_picture("coffee")]
SMALL_DREAM = "tab=dream&size_px=128&octaves=1&steps=2"
SMALL_STYLE = "tab=style&size=128&scales=1&steps=20"


def findings(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page: rule, place and why."""
    page.wait_for_timeout(DRAWN_MS)
    violations = Axe().run(page, options=ONLY_VIOLATIONS).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:160]} {_why(node)}"
        for rule in violations
        for node in rule["nodes"]
        if node["impact"] in WORST
    ]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])


def go_to(page: Page, title: str) -> None:
    page.locator(f"#tabs > .tab-wrapper [role=tab]:has-text('{title}')").first.click()


def unfold(page: Page, slug: str) -> None:
    """Opens all folded parts of a tab."""
    expect(page.locator(f"#{slug}-run")).to_be_visible()
    folded = page.locator(f"#tab-{slug} button.label-wrap:not(.open):visible")
    while folded.count():
        folded.first.click()


def done(page: Page, slug: str) -> None:
    expect(page.locator(f"#{slug}-status")).to_contain_text("Done in")


def classify(page: Page, server: str) -> Iterator[str]:
    yield "at first"
    page.locator("#tab-classify .gallery-item").first.click()
    done(page, "classify")
    unfold(page, "classify")
    yield "with a result"
    page.locator("#classify-second input").click()
    page.locator("#classify-second [role=option]").nth(1).click()
    expect(page.locator("#classify-second-result .confidence").first).to_be_visible()
    yield "with two networks"
    page.locator("#classify-ways [role=tab]:has-text('Several')").click()
    page.set_input_files("#classify-several-files input[type=file]", SEVERAL)
    expect(page.locator("#classify-several-table img").first).to_be_visible()
    yield "several"
    page.locator("#classify-ways [role=tab]:has-text('Teach')").click()
    page.click("#teach-example")
    expect(page.locator("#teach-pictures-3 img").first).to_be_visible()
    expect(page.locator("#teach-tried img").first).to_be_visible()
    yield "classes to teach"


def detect(page: Page, server: str) -> Iterator[str]:
    go_to(page, "Detect")
    choose_picture(page, "detect", example_picture("coffee"))
    expect(page.locator("#detect-status")).to_contain_text("Searched")
    unfold(page, "detect")
    yield "with a result"
    for way in ("Several", "Camera", "Video"):
        page.locator(f"#detect-ways [role=tab]:has-text('{way}')").click()
        if way == "Several":
            page.set_input_files("#detect-files input[type=file]", SEVERAL)
            expect(page.locator("#detect-gallery img").first).to_be_visible()
        yield way.lower()


def dream(page: Page, server: str) -> Iterator[str]:
    page.goto(f"{server}/?{SMALL_DREAM}")
    unfold(page, "dream")
    expect(page.locator("#DreamConfig-size_px input[type=number]")).to_have_value("128")
    choose_picture(page, "dream", example_picture("coffee"))
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    yield "with a result"


def style(page: Page, server: str) -> Iterator[str]:
    page.goto(f"{server}/?{SMALL_STYLE}")
    unfold(page, "style")
    expect(page.locator("#StyleConfig-size input[type=number]")).to_have_value("128")
    choose_picture(page, "style", example_picture("coffee"))
    expect(page.locator("#style-status")).to_contain_text("20 steps")
    yield "with a result"


def sample(page: Page, server: str) -> Iterator[str]:
    go_to(page, "Sample")
    page.click("#sample-run")
    page.locator("#sample-result button.thumbnail-item").first.click()
    expect(page.locator("#sample-pick img")).to_be_visible()
    unfold(page, "sample")
    yield "with a pick"


def upscale(page: Page, server: str) -> Iterator[str]:
    go_to(page, "Upscale")
    choose_picture(page, "upscale", example_picture("lion"))
    expect(page.locator("#upscale-download")).to_be_visible()
    unfold(page, "upscale")
    yield "with a result"
    page.locator("#upscale-ways [role=tab]:has-text('Several')").click()
    page.set_input_files("#upscale-several-files input[type=file]", SEVERAL)
    page.click("#upscale-several-run")
    expect(page.locator("#upscale-several-gallery img").first).to_be_visible()
    yield "several"


def an_error(page: Page, folder: Path) -> None:
    (folder / "words.png").write_bytes(b"these are words, not pixels")
    page.locator("#upscale-ways [role=tab]:has-text('One picture')").click()
    choose_picture(page, "upscale", folder / "words.png")
    expect(page.locator("[data-testid=toast-body]")).to_contain_text("not a picture that can be read")


WALKS: tuple[Callable[[Page, str], Iterator[str]], ...] = (classify, detect, sample, upscale, dream, style)


@dataclass(frozen=True)
class Look:
    name: str
    width: int
    height: int
    scheme: Literal["light", "dark"]

    def put_on(self, page: Page) -> None:
        """Changes the open page to this look, and waits until the page has followed."""
        page.set_viewport_size({"width": self.width, "height": self.height})
        page.emulate_media(color_scheme=self.scheme)
        page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=self.scheme == "dark")


WIDE, PHONE = Look("wide-light", 1280, 900, "light"), Look("phone-dark", 390, 844, "dark")


def test_the_walks_are_of_all_tabs() -> None:
    assert {walk.__name__ for walk in WALKS} == {tab.slug for tab in TABS}


def states(page: Page, server: str, folder: Path) -> Iterator[str]:
    """Brings the page into one state after another, and names each."""
    for walk in WALKS:
        for state in walk(page, server):
            yield f"{walk.__name__}, {state}"
        if walk is upscale:
            an_error(page, folder)
            yield "an error"


def test_axe_core_finds_nothing_that_keeps_anybody_out(browser: Browser, server: str, tmp_path: Path) -> None:
    """Every state in both looks; the next one is reached in the look that this one was seen in last."""
    found: list[str] = []
    now, other = WIDE, PHONE
    for page in open_page(browser, server, now.width, now.height, color_scheme=now.scheme):
        for state in states(page, server, tmp_path):
            found += [f"{state}, {now.name}: {finding}" for finding in findings(page)]
            other.put_on(page)
            found += [f"{state}, {other.name}: {finding}" for finding in findings(page)]
            now, other = other, now
    assert not found, "\n".join(found)


def selected(page: Page) -> Locator:
    return page.locator("#tabs > .tab-wrapper [role=tab][aria-selected=true]")


def test_arrow_keys_go_from_tab_to_tab(page: Page) -> None:
    tabs = page.locator("#tabs > .tab-wrapper [role=tab]")
    tabs.first.focus()
    for key, title in (
        ("ArrowRight", "Detect"),
        ("End", "Upscale"),
        ("ArrowRight", "Classify"),
        ("ArrowLeft", "Upscale"),
    ):
        page.keyboard.press(key)
        expect(selected(page)).to_have_text(title)
        expect(selected(page)).to_be_focused()
    assert tabs.evaluate_all("tabs => tabs.filter((tab) => tab.tabIndex === 0).length") == 1


def test_what_happens_is_told_and_pictures_have_words(page: Page, tmp_path: Path) -> None:
    page.get_by_role("button", name="Try one of these: cheetah").first.click()
    expect(page.locator(".told[aria-live=polite]")).to_contain_text("Done in")
    expect(page.locator("#classify-image img")).to_have_attribute("alt", "Your picture")
    expect(page.locator("#classify-overlay img")).to_have_attribute("alt", "Explained")
    (tmp_path / "words.png").write_bytes(b"these are words, not pixels")
    choose_picture(page, "classify", tmp_path / "words.png")
    expect(page.locator(".told[aria-live=assertive]")).to_contain_text("not a picture that can be read")


def test_keys_move_the_divider_between_two_pictures(page: Page) -> None:
    go_to(page, "Upscale")
    choose_picture(page, "upscale", example_picture("lion"))
    divider = page.get_by_role("slider", name="Divider: Plain on the left, the network on the right")
    divider.focus()
    before = divider.bounding_box()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    moved = divider.bounding_box()
    assert before and moved and moved["x"] > before["x"] + 5
    page.keyboard.press("Home")
    expect(divider).to_have_attribute("aria-valuenow", "0")


PAUSES = """() => {
    let paused = 0;
    HTMLMediaElement.prototype.pause = () => { paused += 1; };
    const film = document.createElement("video");
    document.body.append(film);
    film.dispatchEvent(new Event("play"));
    return paused;
}"""
LONGEST_TRANSITION_S = """() => Math.max(...[...document.querySelectorAll("button")].map(
    (button) => parseFloat(getComputedStyle(button).transitionDuration)))"""


def test_who_wants_less_motion_gets_less(browser: Browser, server: str) -> None:
    for page in open_page(browser, server, 1280, 400, reduced_motion="reduce"):
        assert float(page.evaluate(LONGEST_TRANSITION_S)) < 0.001
        page.evaluate("document.querySelector('footer').scrollIntoView({behavior: 'smooth'})")
        assert float(page.evaluate("window.scrollY")) > 0  # at once
        page.wait_for_timeout(1100)  # nothing is pressed, so that nobody has asked for the film
        assert page.evaluate(PAUSES) == 1
