"""The page as its visitors get it: in a process of its own, a real browser, a real API client.

server    base URL of the running page, `python app.py` (one for the whole session)
page      a fresh wide browser page that is already on `server`; fails the test on JavaScript errors
phone     the same, 390 px wide
client    a gradio_client on `server`
"""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest
from gradio_client import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from cvdemo import backends
from cvdemo.demo import Lane
from cvdemo.ui.wiring.controls import example_picture
from tests.ui import small_page
from tests.ui.processes import PageProcess, start_page
from tests.ui.server_tools import Caller

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180
RESTING_CPU_S = 0.15  # in a second, of a page at which nothing runs; its loops look for work a thousand times
expect.set_options(timeout=60_000)


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
        chromium = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def open_page(browser: Browser, server: str, width: int, height: int, script: str = "") -> Iterator[Page]:
    """The page at a size, in a browser of its own that runs `script` before anything of the page."""
    context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
    context.add_init_script(script)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(server)
    expect(page.locator("#classify-run")).to_be_visible()
    yield page
    context.close()
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
        return "/queue/join" in response.url and name in (response.request.post_data or "")

    return page.expect_response(asks_for_it)


def remove_picture(page: Page, tab: str) -> None:
    """Takes the picture away by the button in its corner."""
    page.locator(f"#{tab}-image button[aria-label='Remove Image']").click()


def upload(server: str, path: str | Path) -> dict[str, Any]:
    """A picture on the server, as programs hand it to an endpoint."""
    files = {"files": (Path(path).name, Path(path).read_bytes())}
    stored = httpx.post(f"{server}/gradio_api/upload", files=files, timeout=60).json()[0]
    return {"path": stored, "meta": {"_type": "gradio.FileData"}}


class Visitor:
    """Another visitor, whose job is under way until `leave`: it posts a call and reads its stream."""

    def __init__(self, server: str, endpoint: str, data: list[Any]) -> None:
        url = f"{server}/gradio_api/call/{endpoint}"
        self._client = httpx.Client(timeout=None)
        event_id = self._client.post(url, json={"data": data}).json()["event_id"]
        self._context = self._client.stream("GET", f"{url}/{event_id}")
        self.lines = self._context.__enter__().iter_lines()

    def wait_for_a_preview(self) -> None:
        """Until the job runs: its first result is there."""
        next(line for line in self.lines if line.startswith("event: generating"))

    def leave(self) -> None:
        """Closes the stream, as a closed browser does."""
        self._context.__exit__(None, None, None)
        self._client.close()


class Visitors:
    """Several others at once."""

    def __init__(self, visitors: list[Visitor]) -> None:
        self._visitors = visitors

    def leave(self) -> None:
        """Closes all their streams; once is enough."""
        while self._visitors:
            self._visitors.pop().leave()


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


def computed_for(pid: int, seconds: float, limit_s: float = 60.0) -> bool:
    """Waits until a process has used so much CPU time from now on."""
    before, end = cpu_seconds(pid), time.monotonic() + limit_s
    while time.monotonic() < end:
        if cpu_seconds(pid) - before >= seconds:
            return True
        time.sleep(0.1)
    return False


def rests(pid: int, limit_s: float) -> bool:
    """Waits until a process has used hardly any CPU time for a second."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(1)
        if cpu_seconds(pid) - before < RESTING_CPU_S:
            return True
    return False


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    yield from open_page(browser, server, 1280, 900)


@pytest.fixture
def phone(browser: Browser, server: str) -> Iterator[Page]:
    yield from open_page(browser, server, 390, 844)
