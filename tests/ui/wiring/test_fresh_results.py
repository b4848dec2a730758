"""What is shown belongs to what is shown beside it: swapped and cleared pictures, moved controls, cancelled jobs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cvdemo.ui.detect.controls import what_you_see
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.api_caller import Visitor, Visitors, upload
from tests.ui.browser_steps import choose_picture, open_page, remove_picture, run_of
from tests.ui.page_server import Server, computed_for, rests

CHEETAH, LION, SQUARE = example_picture("cheetah"), example_picture("lion"), example_picture("astronaut")

# For each tab: settings of a run of many seconds on a large picture and what its status says meanwhile.
SLOW = {
    "detect": ("detector=imagenet&crop_by_crop=true", r"size \d of"),
    "dream": ("size_px=384&octaves=2&steps=50&octave_scale=1.1", "Dreaming: round"),
    "style": ("seconds=0&size=192&scales=1&steps=400", r"Step \d+ of 400"),
    "upscale": ("scale=3&network=9-5-5", r"Piece \d+ of"),
}
# Settings of a short run, and what the status says at its end.
QUICK = {
    "classify": ("", "Done in"),
    "detect": ("detector=imagenet", "Searched"),
    "dream": ("size_px=128&octaves=1&steps=2", "Done in"),
    "style": ("seconds=0&size=128&scales=1&steps=3", "3 steps in"),
    "upscale": ("scale=2", "pixels in"),
}
RESULTS = {
    "classify": "#classify-result h2",
    "detect": "#detect-result img",
    "dream": "#dream-result img",
    "style": "#style-result img",
    "upscale": "#upscale-result img",
}


@pytest.fixture
def page(blank: Page) -> Page:
    """Every test opens a link of its own."""
    return blank


def open_tab(page: Page, server: str, tab: str, settings: str) -> None:
    """The tab once the link has set its settings: the answer that selects the tab brings them along."""
    page.goto(f"{server}/?tab={tab}&{settings}")
    expect(page.locator(f"#{tab}-run")).to_be_visible()
    if tab == "classify" and settings:  # the tab that is selected from the start
        expect(page.locator("#ClassifyConfig-model input")).not_to_have_value(re.compile("^1,000 kinds"))
    if tab == "detect" and settings:  # its words for the detector come by an answer of their own
        expect(page.locator("#detect-told")).to_have_text(what_you_see("imagenet"))


@pytest.mark.parametrize("tab", RESULTS)
def test_a_picture_that_is_taken_away_takes_its_result_along(page: Page, server: str, tab: str) -> None:
    settings, done = QUICK[tab]
    open_tab(page, server, tab, settings)
    choose_picture(page, tab, CHEETAH)
    expect(page.locator(f"#{tab}-status")).to_contain_text(done)
    expect(page.locator(RESULTS[tab]).first).to_be_visible()
    remove_picture(page, tab)
    expect(page.locator(RESULTS[tab])).to_have_count(0)
    expect(page.locator(f"#{tab}-status")).to_have_text("")
    expect(page.locator(".toast-body")).to_have_count(0)


@pytest.mark.parametrize("tab", SLOW)
def test_a_picture_swapped_in_the_middle_of_a_run_gets_its_own(
    page: Page, server: str, tab: str, tmp_path: Path
) -> None:
    """The first run ends, its preview goes, and what is shown from then on has the shape of the second picture."""
    settings, running = SLOW[tab]
    open_tab(page, server, tab, settings)
    status = page.locator(f"#{tab}-status")
    choose_picture(page, tab, enlarged(CHEETAH, (2400, 1600), tmp_path))
    expect(status).to_contain_text(re.compile(running))
    with run_of(page, "2000x2000"):
        choose_picture(page, tab, enlarged(SQUARE, (2000, 2000), tmp_path))
    expect(status).to_contain_text(re.compile(running))
    if tab != "upscale":  # shows nothing until it is done
        assert shape_of(page, tab) == [1, 1]
    page.click(f"#{tab}-cancel")
    expect(status).to_contain_text("Cancelled")
    page.wait_for_timeout(2000)
    expect(status).to_contain_text("Cancelled")  # no other run goes on


def enlarged(path: str, size_wh: tuple[int, int], folder: Path) -> Path:
    """A picture of so many pixels that no tab is done with it soon."""
    target = folder / f"{size_wh[0]}x{size_wh[1]}.jpg"
    Image.open(path).convert("RGB").resize(size_wh).save(target)
    return target


def shape_of(page: Page, tab: str) -> list[int]:
    """Width and height of the picture shown, divided by the smaller of them and rounded."""
    for _ in range(50):
        shown = page.locator(f"#{tab}-result img").first
        size = shown.evaluate("i => i.decode().then(() => [i.naturalWidth, i.naturalHeight], () => null)")
        if size is not None:
            break
        page.wait_for_timeout(100)  # the next preview took its place while it was decoded
    width, height = size
    return [round(side / min(width, height)) for side in (width, height)]


MOVED = {
    "classify": lambda page: page.locator("#ClassifyConfig-ten_crop input").check(),
    "dream": lambda page: page.locator("#dream-preset label", has_text="Furry faces").click(),
    "style": lambda page: page.get_by_label("Bold strokes").check(),
    "upscale": lambda page: page.locator("#upscale-scale label").nth(1).click(),
    "detect": lambda page: page.locator("#DetectConfig-crop_by_crop input").check(),
}


@pytest.mark.parametrize("tab", MOVED)
def test_a_setting_that_changes_the_result_starts_it_again(page: Page, server: str, tab: str) -> None:
    settings, done = QUICK[tab]
    open_tab(page, server, tab, settings)
    choose_picture(page, tab, CHEETAH)
    status = page.locator(f"#{tab}-status")
    expect(status).to_contain_text(done)
    if tab == "detect":
        page.locator("#detect-more button").first.click()
    with run_of(page, "cheetah"):
        MOVED[tab](page)
    if tab == "detect":
        page.click("#detect-cancel")  # some seconds of work
        expect(status).to_contain_text("Cancelled")
    elif tab == "upscale":
        expect(status).to_contain_text("→ 1506 × 1029 pixels")
    else:
        expect(status).to_contain_text(done)


def test_a_setting_that_is_put_back_starts_nothing(page: Page, server: str) -> None:
    open_tab(page, server, "dream", QUICK["dream"][0])
    choose_picture(page, "dream", CHEETAH)
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.url) if "/queue/join" in request.url else None)
    seed = page.locator("#dream-seed input")
    seed.fill("5")
    seed.fill("0")
    page.wait_for_timeout(1500)
    assert not joined


def test_cancel_holds_back_a_change_that_has_not_started_its_run(page: Page, server: str) -> None:
    open_tab(page, server, "dream", QUICK["dream"][0])
    choose_picture(page, "dream", CHEETAH)
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    joined: list[str] = []
    page.on("request", lambda request: joined.append(request.url) if "/queue/join" in request.url else None)
    # in one go: the change waits less than half a second
    page.evaluate(
        """() => {
            const seed = document.querySelector("#dream-seed input");
            seed.value = "5";
            seed.dispatchEvent(new Event("input", {bubbles: true}));
            seed.dispatchEvent(new Event("change", {bubbles: true}));
            setTimeout(() => document.getElementById("dream-cancel").click(), 150);
        }"""
    )
    expect(page.locator("#dream-result img")).to_have_count(0)  # it was of another seed
    page.wait_for_timeout(1500)
    assert not joined


def test_moving_a_control_without_a_picture_starts_nothing_and_says_nothing(page: Page, server: str) -> None:
    open_tab(page, server, "upscale", "scale=2")
    page.locator("#upscale-scale label").nth(1).click()
    page.wait_for_timeout(1500)
    expect(page.locator(".toast-body")).to_have_count(0)
    expect(page.locator("#upscale-status")).to_have_text("")


def test_fool_forgets_what_it_changed_when_the_picture_or_its_aim_changes(page: Page, server: str) -> None:
    open_tab(page, server, "classify", "model=cifar10")
    choose_picture(page, "classify", CHEETAH)
    expect(page.locator("#classify-status")).to_contain_text("Done in")
    page.locator("#fool button").first.click()
    page.click("#fool-run")
    report = page.locator("#fool-report")
    expect(report).to_contain_text("Found in")
    first = str(report.text_content())
    page.locator("#fool-into label").nth(2).click()  # starts again: there was a result
    expect(report).not_to_have_text(first)
    expect(report).to_contain_text("Found in")
    choose_picture(page, "classify", LION)
    expect(page.locator("#fool-changed img")).to_have_count(0)
    expect(report).to_have_text("")


def test_fool_shows_its_first_change_before_the_search_ends(page: Page, server: str) -> None:
    open_tab(page, server, "classify", "")
    choose_picture(page, "classify", CHEETAH)
    expect(page.locator("#classify-status")).to_contain_text("Done in")
    page.locator("#fool button").first.click()
    page.click("#fool-run")
    report = page.locator("#fool-report")
    expect(report).to_contain_text("looking for a smaller change")
    expect(page.locator("#fool-changed img")).to_be_visible()
    page.locator("#fool-cancel").evaluate("button => button.click()")  # which may have ended by itself meanwhile
    expect(report).to_contain_text(re.compile("Cancelled; the smallest change so far stays|Found in"))
    expect(page.locator("#fool-changed img")).to_be_visible()


def test_one_missing_picture_is_told_in_one_place(page: Page, server: str) -> None:
    for tab in RESULTS:
        open_tab(page, server, tab, "")
        page.click(f"#{tab}-run")
        expect(page.locator(".toast-body.error")).to_have_count(1)
        expect(page.locator(".toast-body.error")).to_contain_text("Please choose a picture first.")
        page.wait_for_timeout(300)
        pills = page.locator(f"#tab-{tab} .error, [role=tabpanel] .wrap > .error").all()
        assert not any(pill.is_visible() for pill in pills), tab


@pytest.mark.parametrize("tab", SLOW)
def test_a_job_that_is_cancelled_while_it_waits_says_so_and_the_next_run_works(
    page: Page, server: str, tab: str, busy: Visitors, tmp_path: Path
) -> None:
    """Others' jobs hold the line of slow ones meanwhile; three tries, for a race would not show at each."""
    settings, running = SLOW[tab]
    open_tab(page, server, tab, settings)
    status, large = page.locator(f"#{tab}-status"), enlarged(CHEETAH, (2400, 1600), tmp_path)
    for _ in range(3):
        with run_of(page, large.name):
            choose_picture(page, tab, large)
        page.click(f"#{tab}-cancel")
        expect(status).to_have_text("Cancelled.")
        expect(page.locator(".toast-body.error")).to_have_count(0)
        remove_picture(page, tab)
        expect(status).to_have_text("")
    busy.leave()
    choose_picture(page, tab, large)
    expect(status).to_contain_text(re.compile(running))


def test_a_swapped_picture_is_never_shown_with_the_answer_of_the_other(page: Page, server: str) -> None:
    """Eight pictures in quick succession: the last one's answer stays, and none comes after it."""
    open_tab(page, server, "classify", "")
    for path in [CHEETAH, LION] * 4:
        choose_picture(page, "classify", path)
    expect(page.locator("#classify-result h2")).to_have_text("lion")
    page.wait_for_timeout(1500)
    expect(page.locator("#classify-result h2")).to_have_text("lion")
    expect(page.locator("#classify-status")).to_contain_text("Done in")


@pytest.mark.parametrize("tab", SLOW)
def test_a_visitor_who_closes_the_page_stops_the_job(
    browser: Browser, server: str, running: Server, tab: str, tmp_path: Path
) -> None:
    """It would compute for a minute and more."""
    settings, told = SLOW[tab]
    for page in open_page(browser, server, 1280, 900):
        open_tab(page, server, tab, settings)
        choose_picture(page, tab, enlarged(CHEETAH, (2400, 1600), tmp_path))
        expect(page.locator(f"#{tab}-status")).to_contain_text(re.compile(told))
    assert rests(running.pid, 15)


LONG_CALLS: dict[str, Callable[[str, Path], list[Any]]] = {
    "upscale": lambda server, folder: [upload(server, enlarged(CHEETAH, (3600, 2500), folder)), 2, "auto"],
    "walk": lambda server, folder: ["dcgan_anime", 0, 1.0, None, 30, 30, 16, 8],
    "dream": lambda server, folder: [upload(server, CHEETAH), "Eyes", 4, 1.2, 50, *[None] * 7, 1024],
}


@pytest.mark.parametrize("endpoint", LONG_CALLS)
def test_a_program_that_leaves_stops_its_job(server: str, running: Server, tmp_path: Path, endpoint: str) -> None:
    """Even where the endpoint gives nothing before its result."""
    visitor = Visitor(server, endpoint, LONG_CALLS[endpoint](server, tmp_path))
    assert computed_for(running.pid, 2.0)
    assert not rests(running.pid, 0.5)
    visitor.leave()
    assert rests(running.pid, 8)


def test_a_value_that_is_refused_is_told_once_and_leaves_no_stale_result(page: Page, server: str) -> None:
    open_tab(page, server, "dream", QUICK["dream"][0])
    choose_picture(page, "dream", CHEETAH)
    expect(page.locator("#dream-status")).to_contain_text("Done in")
    page.locator("#dream-seed input").fill("99999999999")
    expect(page.locator(".toast-body.error")).to_have_count(1)
    expect(page.locator("#dream-result img")).to_have_count(0)
    assert page.locator("#dream-status").inner_text().strip() == ""
