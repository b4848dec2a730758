"""The page as its visitors get it: in a process of its own, a real browser, a real API client.

server    base URL of the running page, `python app.py` (one for the whole session)
page      a fresh wide browser page that is already on `server`; fails the test on JavaScript errors
phone     the same, 390 px wide
blank     the wide one without a page in it, for a test that opens a link: a page that is left again takes seconds
client    a gradio_client on `server`
"""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from cvdemo import backends
from cvdemo.demo import Lane
from cvdemo.example_pictures import example_picture
from tests.ui.api_caller import Visitor, Visitors, upload
from tests.ui.browser_steps import blank_page, open_page_in
from tests.ui.forked_pages import PageProcess, start_page
from tests.ui.page_server import Server, serve, serve_small

expect.set_options(timeout=60_000)
FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")  # drawn by Chromium; allowed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what drives a browser, and every test of a file that starts pages or asks the session's page."""
    starts_a_page = (serve, serve_small, start_page, PageProcess)
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if {"page", "phone", "browser"} & fixtures:
            item.add_marker(pytest.mark.browser)
        names = vars(item.module).values() if isinstance(item, pytest.Function) else ()
        if "running" in fixtures or any(value is starter for value in names for starter in starts_a_page):
            item.add_marker(pytest.mark.server)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("page"), [sys.executable, "app.py"]) as server:
        yield server


@pytest.fixture(scope="session")
def server(running: Server) -> str:
    return running.url


@pytest.fixture(scope="session")
def client(server: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(server, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    installed = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox", *FAKE_CAMERA])
        yield chromium
        chromium.close()


@pytest.fixture
def busy(server: str) -> Iterator[Visitors]:
    """Other visitors' style transfers of two minutes, the limit, which hold all places at which slow jobs run."""
    content, style = upload(server, example_picture("chelsea")), upload(server, example_picture("styles/mosaic"))
    values = [content, style, 2.0, 10.0, 40.0, 768, 0, 1.0, False, "content", 6, 400]
    others = [Visitor(server, "stylize", values) for _ in range(backends.backend().at_once(Lane.SLOW))]
    for visitor in others:
        visitor.wait_for_a_preview()
    visitors = Visitors(others)
    yield visitors
    visitors.leave()


@pytest.fixture(scope="session")
def wide_context(browser: Browser) -> BrowserContext:
    """One for all: each would load the page's scripts anew."""
    return browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)


@pytest.fixture(scope="session")
def phone_context(browser: Browser) -> BrowserContext:
    return browser.new_context(viewport={"width": 390, "height": 844}, accept_downloads=True)


@pytest.fixture
def page(wide_context: BrowserContext, server: str) -> Iterator[Page]:
    yield from open_page_in(wide_context, server)


@pytest.fixture
def blank(wide_context: BrowserContext) -> Iterator[Page]:
    yield from blank_page(wide_context)


@pytest.fixture
def phone(phone_context: BrowserContext, server: str) -> Iterator[Page]:
    yield from open_page_in(phone_context, server)
