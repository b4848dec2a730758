"""Tools for assistants are there only where they are asked for; what is missing or wrong is told in one sentence."""

import os
import subprocess
import sys

import httpx
import pytest
from playwright.sync_api import Page, expect

from cvdemo.errors import InputError
from cvdemo.ui.serving import assistants
from tests.ui.page_server import ROOT, free_port


def test_without_the_variable_there_are_no_tools(server: str) -> None:
    assert httpx.post(f"{server}/gradio_api/mcp/", json={}).status_code in (404, 405)
    assert httpx.get(f"{server}/gradio_api/mcp/schema").status_code == 404
    assert 'mcp_server":false' in httpx.get(server).text.replace(" ", "")


@pytest.mark.slow
def test_a_variable_that_is_neither_on_nor_off_is_told() -> None:
    environment = {**os.environ, "CVDEMO_MCP": "yes", "PORT": str(free_port())}
    done = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "CVDEMO_MCP has to be 1 or 0; it is 'yes'." in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CVDEMO_MCP", "1")
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(InputError, match=r"pip install '\.\[mcp\]'"):
        assistants.wanted()


def test_the_page_says_nothing_of_them(page: Page, server: str) -> None:
    page.get_by_role("button", name="Use via API").click()
    expect(page.locator(".api-docs").get_by_text("JavaScript").first).to_be_visible()
    expect(page.locator(".api-docs .snippets > li:visible")).to_have_text(["Python", "JavaScript", "CLI", "cURL"])
