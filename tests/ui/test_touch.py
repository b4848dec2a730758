"""A finger on a phone: the result is one tap away on every tab, and icons are large enough to be met."""

import pytest
from playwright.sync_api import Page, expect

from cvdemo.ui.wiring.controls import example_picture
from cvdemo.ui.wiring.first_look import LOOKS
from tests.ui.browser_steps import choose_picture

SMALL = {"dream": "&size_px=128&octaves=1&steps=2", "style": "&seconds=0&size=128&scales=1&steps=2"}
ICONS = "button.icon-button:visible, .source-selection button:visible"
SIZES = """buttons => buttons.map((button) => {
    const [outer, inner] = [button, button.querySelector("svg")].map((element) => element.getBoundingClientRect());
    return [Math.min(outer.width, outer.height), Math.max(inner.width, inner.height)];
})"""


@pytest.mark.parametrize("slug", LOOKS)
def test_every_tab_leads_to_its_result_without_a_jump(phone: Page, server: str, slug: str) -> None:
    phone.goto(f"{server}/?tab={slug}{SMALL.get(slug, '')}")
    expect(phone.locator("html[data-ready]")).to_have_count(1)
    if slug == "sample":
        phone.click("#sample-run")
    else:
        choose_picture(phone, slug, example_picture("chelsea"))
    before = phone.evaluate("window.scrollY")
    expect(phone.locator(f"#{slug}-status")).to_contain_text(" in ")
    phone.wait_for_timeout(1000)  # the bar waits a moment
    assert phone.evaluate("window.scrollY") == before
    look = phone.locator("#going").get_by_role("button", name="Show the result")
    if look.is_visible():
        look.click()
    expect(phone.locator(f"#{LOOKS[slug].result}")).to_be_in_viewport()


def test_icons_are_large_enough_to_see_and_to_meet(phone: Page, page: Page, server: str) -> None:
    for opened, touched_px in ((phone, 44), (page, 24)):
        opened.goto(f"{server}/?tab=detect")
        choose_picture(opened, "detect", example_picture("chelsea"))
        expect(opened.locator("#detect-result button[aria-label=Download]")).to_be_visible()
        sizes = opened.locator(ICONS).evaluate_all(SIZES)
        assert len(sizes) >= 5
        assert all(touched >= touched_px and seen >= 24 for touched, seen in sizes)
