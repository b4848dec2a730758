"""A visitor who comes for the first time: the page shows what it does, and one click tries it."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from cvdemo.ui.classify import EXAMPLES
from cvdemo.ui.page import TABS
from cvdemo.ui.wiring.first_look import LOOKS
from tests.ui.browser_steps import SMALL

FIRST_VISIT_BYTES = 450_000  # it is 430,000; docs/benchmarks.md, "The first visit"
ALL_SHOWN = "[...document.images].filter(image => image.src).every(image => image.complete && image.naturalWidth)"


def test_six_pictures_lead_to_the_tabs_by_keyboard(page: Page) -> None:
    links = page.locator("#welcome a")
    expect(links).to_have_count(len(TABS))
    names = [tab.title for tab in TABS]
    assert links.locator("strong").all_inner_texts() == names  # one name for each, in both ways to the tabs
    assert page.locator("#tabs > .tab-wrapper button[role=tab]:visible").all_inner_texts() == names
    assert links.locator("img").evaluate_all("images => images.every(image => image.naturalWidth > 0)")
    expect(page.locator("html[data-ready]")).to_have_count(1)  # before, the links are followed as any
    page.evaluate("window.sameAsBefore = true")
    links.nth(5).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#upscale-run")).to_be_visible()
    assert page.evaluate("window.sameAsBefore")  # nothing was loaded anew


def test_a_first_visit_loads_little_and_a_tab_loads_its_own_when_it_opens(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    first = context.new_page()
    received: list[int] = []
    asked: list[str] = []
    network = context.new_cdp_session(first)
    network.on("Network.loadingFinished", lambda event: received.append(int(event["encodedDataLength"])))
    network.send("Network.enable")
    first.on("request", lambda request: asked.append(request.url))
    first.goto(server)
    expect(first.locator(".gallery-item img")).to_have_count(len(EXAMPLES))
    first.wait_for_function(ALL_SHOWN)
    assert 300_000 < sum(received) < FIRST_VISIT_BYTES
    assert not [url for url in asked if "/hls-" in url or "/presets/" in url]  # a film player; Dream's pictures
    first.get_by_role("tab", name="Dream", exact=True).click()
    expect(first.locator("#dream-run")).to_be_visible()
    first.wait_for_function("performance.getEntriesByType('resource').some(one => one.name.includes('/presets/'))")
    context.close()


@pytest.mark.parametrize("slug", LOOKS)
def test_a_finished_example_stands_in_the_place_of_the_result(blank: Page, server: str, slug: str) -> None:
    blank.goto(f"{server}/?tab={slug}{SMALL.get(slug, '')}")
    expect(blank.locator("html[data-ready]")).to_have_count(1)
    shown, button = blank.locator(f"#{slug}-finished"), blank.locator(f"#{slug}-try")
    promised = shown.locator("p").inner_text()  # as fast as the machine was at its start
    assert re.fullmatch(r"What you get(, in (less than 0\.1|about [\d.]+) s)?", promised)
    expect(shown.locator("img:visible")).to_have_count(len(LOOKS[slug].pictures))
    for image in shown.locator("img").all():
        image.evaluate("image => image.decode()")
        assert image.get_attribute("width") and image.get_attribute("height")  # its place is kept while it loads
    expect(shown.locator("figcaption")).to_have_text([words for _, words in LOOKS[slug].pictures])
    expect(button).to_have_text(LOOKS[slug].words)
    expect(blank.locator(f"#{LOOKS[slug].result}")).to_be_hidden()  # no empty box
    button.click()
    expect(blank.locator(f"#{slug}-status")).to_contain_text(" in ")
    expect(blank.locator(f"#{LOOKS[slug].result}")).to_be_visible()
    expect(shown).to_be_hidden()


def test_on_a_phone_the_picture_field_is_on_the_first_screen(phone: Page) -> None:
    field = phone.locator("#classify-image").bounding_box()
    assert field is not None and field["y"] + 200 < 844
    strip = phone.locator("#welcome nav").bounding_box()
    assert strip is not None and strip["height"] < 120  # one row, which is swiped
    assert phone.evaluate("document.querySelector('#welcome nav').scrollWidth") > 390
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_doubtful_answer_is_called_one(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=classify&example=smear")
    expect(page.locator("#classify-result h2")).to_have_text("not sure")
    expect(page.locator("#classify-result .confidence")).to_have_count(5)
