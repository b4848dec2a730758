"""The page for everyone: axe-core finds nothing critical or serious, keys reach everything, changes are told.

axe-core's rules are in a package that carries the script; nothing is fetched. One walk goes through all tabs in one
page. It brings each into the states that a visitor meets: at rest with all folded parts open, finished, running,
cancelled, after an error, and the other ways of the tab. At rest each tab is looked at wide and narrow, light and dark.
Every other state is looked at in one of these four; which one changes from state to state and from tab to tab.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Route, expect

from cvdemo.example_pictures import example_picture
from cvdemo.ui.page import TABS
from tests.ui.browser_steps import SMALL, choose_picture, open_page
from tests.ui.wiring.test_going import LONG, large

WORST = {"critical", "serious"}
SEVERAL = [example_picture("lion"), example_picture("coffee")]
AT_REST, FINISHED, RUNNING, CANCELLED, ERROR = STATES = ("at rest", "finished", "running", "cancelled", "an error")
IS_THERE = "() => typeof axe !== 'undefined'"
LOOKED = """async (selector) => {
    for (const fading of document.getAnimations()) {
        if (fading.effect.getComputedTiming().endTime !== Infinity) fading.finish();
    }
    const part = selector ? document.querySelector(selector) : document;
    if (!part) return [];
    if (selector) part.scrollIntoView({ block: "center", behavior: "instant" });
    return (await axe.run(part, { resultTypes: ["violations"] })).violations;
}"""
MENDED_MS = 1000  # until what is drawn late has come, and `static/access.js` has seen to it in the frame after


def findings(page: Page) -> list[str]:
    """What axe-core finds that keeps somebody from using the page: rule, place and why.

    Each is looked at again a second later, in the middle of the screen: there nothing that sticks to the screen's edge
    lies over it, whose colour axe-core takes for its ground.
    """
    if not page.evaluate(IS_THERE):
        page.evaluate(Axe().axe_script)
    found = _found(page)
    if found:
        page.wait_for_timeout(MENDED_MS)
    return [
        f"{rule}: {node['target']} {node['html'][:160]} {_why(node)}"
        for place in dict.fromkeys(first["target"][0] for _, first in found)
        for rule, node in _found(page, place)
    ]


def _found(page: Page, selector: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """The rules that are broken, and where, within the first such element or the whole page."""
    return [
        (rule["id"], node)
        for rule in page.evaluate(LOOKED, selector)
        for node in rule["nodes"]
        if node["impact"] in WORST
    ]


def _why(node: dict[str, Any]) -> str:
    return "; ".join(check["message"] for kind in ("any", "all", "none") for check in node[kind])


def go_to(page: Page, title: str) -> None:
    page.locator(f"#tabs > .tab-wrapper [role=tab]:has-text('{title}')").first.click()


def open_way(page: Page, slug: str, title: str) -> None:
    page.locator(f"#{slug}-ways [role=tab]:has-text('{title}')").click()


def at_rest(page: Page, slug: str) -> None:
    """Opens all folded parts of a tab."""
    expect(page.locator(f"#{slug}-run")).to_be_visible()
    folded = page.locator(f"#tab-{slug} button.label-wrap:not(.open):visible")
    while folded.count():
        folded.first.click()


def done(page: Page, slug: str) -> None:
    expect(page.locator(f"#{slug}-status")).to_contain_text(" in ")


@contextmanager
def held_back(page: Page) -> Iterator[None]:
    """Within the block no job that the page asks for reaches the server; at its end all of them do."""
    held: list[Route] = []
    page.route("**/queue/join*", lambda route: held.append(route))
    yield
    for route in held:
        route.continue_()
    page.unroute("**/queue/join*")


def a_short_run(page: Page, slug: str) -> Iterator[str]:
    """One that would be over before it is seen: it is on its way to the server until it is cancelled."""
    with held_back(page):
        with page.expect_request("**/queue/join*"):
            page.click(f"#{slug}-run")
        yield RUNNING
        with page.expect_response("**/run/predict*"):
            page.locator(f"#{slug}-cancel").evaluate("button => button.click()")
    expect(page.locator(f"#{slug}-status")).to_have_text("Cancelled.")
    yield CANCELLED


def a_long_run(page: Page, slug: str, folder: Path) -> Iterator[str]:
    choose_picture(page, slug, large(folder))
    expect(page.locator(f"#{slug}-status")).to_contain_text(LONG[slug][1])
    yield RUNNING
    page.locator(f"#{slug}-cancel").evaluate("button => button.click()")
    expect(page.locator(f"#{slug}-status")).to_contain_text("Cancelled")
    yield CANCELLED


def an_error(page: Page, slug: str, folder: Path) -> Iterator[str]:
    told = page.locator("[data-testid=toast-body]")
    if slug == "sample":
        page.locator("#sample-seed input").fill("99999999999")
    else:
        (folder / "words.png").write_bytes(b"these are words, not pixels")
        choose_picture(page, slug, folder / "words.png")
    expect(told).to_contain_text(re.compile("not a picture that can be read|eed"))
    yield ERROR
    told.get_by_role("button").click()
    expect(told).to_have_count(0)


def classify(page: Page, server: str, folder: Path) -> Iterator[str]:
    at_rest(page, "classify")
    yield AT_REST
    page.locator("#tab-classify .gallery-item").first.click()
    done(page, "classify")
    page.locator("#classify-second input").click()
    page.locator("#classify-second [role=option]").nth(1).click()
    expect(page.locator("#classify-second-result .confidence").first).to_be_visible()
    yield FINISHED
    yield from a_short_run(page, "classify")
    yield from an_error(page, "classify", folder)
    open_way(page, "classify", "Several")
    page.set_input_files("#classify-several-files input[type=file]", SEVERAL)
    expect(page.locator("#classify-several-table img").first).to_be_visible()
    yield "several"
    open_way(page, "classify", "Teach")
    page.click("#teach-example")
    expect(page.locator("#teach-pictures-3 img").first).to_be_visible()
    expect(page.locator("#teach-tried img").first).to_be_visible()
    yield "classes to teach"


def slow(page: Page, server: str, folder: Path, slug: str) -> Iterator[str]:
    """By one link to settings of a short run, and one to settings of a long one."""
    page.goto(f"{server}/?tab={slug}{SMALL.get(slug, '')}")
    expect(page.locator("html[data-ready]")).to_have_count(1)
    at_rest(page, slug)
    yield AT_REST
    choose_picture(page, slug, example_picture("coffee"))
    done(page, slug)
    yield FINISHED
    page.goto(f"{server}/?tab={slug}&{LONG[slug][0]}")
    expect(page.locator("html[data-ready]")).to_have_count(1)
    yield from a_long_run(page, slug, folder)
    yield from an_error(page, slug, folder)


def detect(page: Page, server: str, folder: Path) -> Iterator[str]:
    yield from slow(page, server, folder, "detect")
    for way in ("Several", "Camera", "Video"):
        open_way(page, "detect", way)
        if way == "Several":
            page.set_input_files("#detect-files input[type=file]", SEVERAL)
            expect(page.locator("#detect-gallery img").first).to_be_visible()
        yield way.lower()


def dream(page: Page, server: str, folder: Path) -> Iterator[str]:
    yield from slow(page, server, folder, "dream")


def style(page: Page, server: str, folder: Path) -> Iterator[str]:
    yield from slow(page, server, folder, "style")
    for way in ("Camera", "Video"):
        open_way(page, "style", way)
        yield way.lower()


def sample(page: Page, server: str, folder: Path) -> Iterator[str]:
    go_to(page, "Sample")
    at_rest(page, "sample")
    yield AT_REST
    page.click("#sample-run")
    page.locator("#sample-result button.thumbnail-item").first.click()
    expect(page.locator("#sample-pick img")).to_be_visible()
    yield FINISHED
    yield from a_short_run(page, "sample")
    yield from an_error(page, "sample", folder)


def upscale(page: Page, server: str, folder: Path) -> Iterator[str]:
    page.goto(f"{server}/?tab=upscale&{LONG['upscale'][0]}")
    at_rest(page, "upscale")
    yield AT_REST
    choose_picture(page, "upscale", example_picture("chelsea"))
    expect(page.locator("#upscale-download")).to_be_visible()
    yield FINISHED
    yield from a_long_run(page, "upscale", folder)
    yield from an_error(page, "upscale", folder)
    open_way(page, "upscale", "Several")
    page.set_input_files("#upscale-several-files input[type=file]", SEVERAL)
    page.click("#upscale-several-run")
    expect(page.locator("#upscale-several-gallery img").first).to_be_visible()
    yield "several"


Walk = Callable[[Page, str, Path], Iterator[str]]
WALKS: tuple[Walk, ...] = (classify, detect, sample, upscale, dream, style)


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


LOOKS = (
    Look("wide-light", 1280, 900, "light"),
    Look("phone-dark", 390, 844, "dark"),
    Look("wide-dark", 1280, 900, "dark"),
    Look("phone-light", 390, 844, "light"),
)


def test_the_walks_are_of_all_tabs() -> None:
    assert {walk.__name__ for walk in WALKS} == {tab.slug for tab in TABS}


def test_axe_core_finds_nothing_that_keeps_anybody_out(browser: Browser, server: str, tmp_path: Path) -> None:
    """A state is reached in the look in which it is looked at: what a phone alone shows of a run is there, too."""
    found: list[str] = []
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for page in open_page(browser, server, LOOKS[0].width, LOOKS[0].height, color_scheme=LOOKS[0].scheme):
        for number, walk in enumerate(WALKS):
            now = number
            LOOKS[now % len(LOOKS)].put_on(page)
            for state in walk(page, server, tmp_path):
                for _ in range(len(LOOKS) if state == AT_REST else 1):
                    name = LOOKS[now % len(LOOKS)].name
                    found += [f"{walk.__name__}, {state}, {name}: {finding}" for finding in findings(page)]
                    seen[state].add(name)
                    now += 1
                    LOOKS[now % len(LOOKS)].put_on(page)
    assert not found, "\n".join(found)
    assert all(len(seen[state]) == len(LOOKS) for state in STATES)


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
