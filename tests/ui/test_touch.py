"""A finger on a phone: run and result are in reach on every tab, and icons are large enough to be met."""

import pytest
from playwright.sync_api import Page, expect

from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.first_look import LOOKS
from tests.ui.browser_steps import SMALL, choose_picture, out_of_reach

ICONS = "button.icon-button:visible, .source-selection button:visible"
LEAST_ICONS = {"sample": 2}  # which has no picture field
WORDS_FIRST = {"detect"}  # tabs whose words stand above their result
LOW = """buttons => buttons.filter(button =>
    button.getBoundingClientRect().height < 40 && !button.closest(".visually-hidden") // by which gradio measures tabs
).map(button => button.outerHTML)"""
IN_SIGHT = """words => {
    const box = words.getBoundingClientRect();
    return [1, box.height - 1].every(y => words.contains(document.elementFromPoint(box.x + 8, box.y + y)));
}"""
SIZES = """buttons => buttons.map((button) => {
    const [outer, inner] = [button, button.querySelector("svg")].map((element) => element.getBoundingClientRect());
    return [Math.min(outer.width, outer.height), Math.max(inner.width, inner.height)];
})"""


def finish(phone: Page, server: str, slug: str) -> None:
    """A tab with a result, which has not moved the page."""
    phone.goto(f"{server}/?tab={slug}{SMALL.get(slug, '')}")
    expect(phone.locator("html[data-ready]")).to_have_count(1)
    if slug == "sample":
        phone.click("#sample-run")
    else:
        choose_picture(phone, slug, example_picture("chelsea"))
    before = phone.evaluate("window.scrollY")
    expect(phone.locator(f"#{slug}-status")).to_contain_text(" in ")
    expect(phone.locator(f"#{slug}-cancel")).to_be_disabled()  # the page knows of the end
    phone.evaluate("new Promise((over) => setTimeout(over, 600))")  # the bar waits for less, by the page's own clock
    assert phone.evaluate("window.scrollY") == before


def check_icons(page: Page, slug: str, touched_px: int) -> None:
    """All icons of a tab that has a result are drawn in 24 px at least, and answer to a finger in so many."""
    sizes = page.locator(ICONS).evaluate_all(SIZES)
    assert len(sizes) >= LEAST_ICONS.get(slug, 5)
    assert all(touched >= touched_px and seen >= 24 for touched, seen in sizes), sizes


@pytest.mark.parametrize("slug", LOOKS)
def test_on_every_tab_run_and_result_and_icons_can_be_met(phone: Page, server: str, slug: str) -> None:
    phone.emulate_media(reduced_motion="reduce")  # to where a press leads the page goes at once
    finish(phone, server, slug)
    look = phone.locator("#going").get_by_role("button", name="Show the result")
    if look.is_visible():
        look.click()
    if slug in WORDS_FIRST:  # neither above the screen nor behind the button that stays at its top
        assert phone.locator(f"#{slug}-status strong").evaluate(IN_SIGHT)
    expect(phone.locator(f"#{LOOKS[slug].result}")).to_be_in_viewport()
    expect(phone.locator("#going")).to_be_hidden()
    assert out_of_reach(phone, f"#{slug}-run") == []
    if slug == "sample":
        phone.locator("#sample-result button.thumbnail-item").first.click()
        expect(phone.locator("#sample-pick img")).to_be_visible()
    assert phone.locator("button:visible").evaluate_all(LOW) == []
    check_icons(phone, slug, 44)
    phone.set_viewport_size({"width": 1280, "height": 900})
    check_icons(phone, slug, 24)
