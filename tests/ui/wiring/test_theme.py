"""What the page's own CSS mends on a phone, in a real browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect

from cvdemo.ui.detect.results import box_table
from cvdemo.ui.wiring.theme import CSS, HEAD, theme
from tests.ui.forked_pages import PageProcess
from tests.ui.page_server import free_port, wait_until_it_answers

ROW = ["Staffordshire bullterrier", "100.0%", "1023,1023", "4032,3024"]
# Lines of a cell's text, and whether the cell cuts it off.
LINES = """cell => {
    const text = document.createRange();
    text.selectNodeContents(cell.querySelector("span"));
    return [new Set([...text.getClientRects()].map((line) => line.top)).size, cell.scrollWidth > cell.clientWidth];
}"""


def serve_tables(port: int) -> None:
    """A page with the tables of boxes, of one picture and of several."""
    with gr.Blocks(analytics_enabled=False) as page:
        tables = [box_table("one"), box_table("several", ["Picture"])]
        page.load(lambda: ([ROW], [["picture.jpg", *ROW]]), None, tables)
    page.launch(server_port=port, quiet=True, ssr_mode=False, css=CSS, head=HEAD, theme=theme())


@pytest.fixture
def tables(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    port = free_port()
    process = PageProcess(tmp_path / "log.txt", {**os.environ}, serve_tables, port)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        context = browser.new_context(viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}")
        yield page
        context.close()
    finally:
        process.kill()
        process.wait()


def test_scores_and_corners_stand_on_one_line(tables: Page) -> None:
    for table in ("#one", "#several"):
        for text in ROW[1:]:
            cell = tables.locator(f"{table} .body-cell").filter(has_text=text)
            expect(cell).to_have_count(1)
            assert cell.evaluate(LINES) == [1, False], (table, text)


def test_no_dot_stands_alone_in_the_footer(phone: Page) -> None:
    footer = phone.locator("footer")
    expect(footer.get_by_role("button", name="Settings")).to_be_visible()
    expect(footer.locator(".divider:visible")).to_have_count(0)
