"""A visitor who comes for the first time: the page shows what it does, and one click tries it."""

import re

import pytest
from playwright.sync_api import Page, expect

from cvdemo.ui.page import TABS
from cvdemo.ui.wiring.first_look import LOOKS

QUICK = ("classify", "detect", "sample", "upscale")


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


@pytest.mark.parametrize("slug", QUICK)
def test_a_finished_example_stands_in_the_place_of_the_result(page: Page, server: str, slug: str) -> None:
    page.goto(f"{server}/?tab={slug}")
    shown = page.locator(f"#{slug}-finished")
    promised = shown.locator("p").inner_text()  # as fast as the machine was at its start
    assert re.fullmatch(r"What you get(, in (less than 0\.1|about [\d.]+) s)?", promised)
    for image in shown.locator("img").all():
        image.evaluate("image => image.decode()")
    expect(page.locator(f"#{LOOKS[slug].result}")).to_be_hidden()  # no empty box
    page.click(f"#{slug}-try")
    expect(page.locator(f"#{slug}-status")).to_contain_text(" in ")
    expect(page.locator(f"#{LOOKS[slug].result}")).to_be_visible()
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
