"""What answers tell: no path of the machine, no policy that the browser objects to, and sessions that stay small."""

import asyncio
import gc
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import numpy as np
import pytest
import torch
from gradio.state_holder import SessionState, StateHolder
from playwright.sync_api import Browser, Page, expect

from cvdemo.limits import SESSIONS, STATE_BYTES
from cvdemo.ui.page import TABS, launch_options
from cvdemo.ui.serving.blocks import Page as Guarded
from cvdemo.ui.serving.session_state import StateBudget, size_of
from cvdemo.ui.wiring.controls import example_picture
from tests.ui.api_caller import Caller, handlers, results
from tests.ui.page_server import ROOT, serve


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A page in the home of someone called Alice, who keeps her temporary files there."""
    folder = tmp_path_factory.mktemp("answers")
    home = folder / "alice"
    home.mkdir()
    with serve(folder, HOME=str(home), GRADIO_TEMP_DIR=str(home / "tmp")) as server, Caller(server.url) as caller:
        yield caller


def tells(text: str) -> list[str]:
    """Where a text speaks of this project's folder, of Alice, or of the Python that runs the page."""
    found = [word for word in (str(ROOT), "alice", "site-packages", str(Path.home() / "")) if word in text]
    return [text[max(0, text.find(word) - 60) : text.find(word) + 120] for word in found if word != "/"]


def test_no_answer_tells_a_path_of_the_machine(caller: Caller) -> None:
    """Only the page's own folder, by a name that says nothing: `/tmp/cvdemo-` and random digits."""
    picture = caller.upload()
    answers = {
        "config": json.dumps(caller.config()),
        "info": caller.http.get("/info").text,
        "page": caller.http.get(f"{caller.url}/").text,
        "upload": json.dumps(picture),
        "refused file": caller.http.get("/file=/etc/passwd").text,
        "unknown function": caller.post("nothing", []).text,
        "refused": caller.call("classify", [{"path": str(ROOT / "app.py")}, "imagenet", False]),
        "classify": caller.call("classify", [picture, "imagenet", False]),
        "detect": caller.call("detect", [picture, "imagenet", 0.35, 0.3, True, True]),
        "sample": caller.call("sample", ["dcgan_anime", 4, 1, 1.0]),
        "walk": caller.call("walk", ["dcgan_anime", 1, 1.0, None, 2, 12, 2, "1"]),
        "upscale": caller.call("upscale", [picture, 2, "auto"]),
        "dream": caller.call("dream", [picture, "Eyes", 1, None, 2, *[None] * 8]),
    }
    told = {name: tells(answer) for name, answer in answers.items() if tells(answer)}
    assert not told
    assert "event: complete" in answers["upscale"] and "event: complete" in answers["dream"]
    assert picture["path"].startswith("/tmp/cvdemo-")


def test_examples_tell_no_path_when_they_are_chosen(caller: Caller) -> None:
    answering = [(handler, kinds) for handler, kinds in handlers(caller.config()) if handler["backend_fn"]]
    datasets = [handler for handler, kinds in answering if kinds == ["dataset"]]
    assert len(datasets) >= 6
    for handler in datasets:
        answer = caller.ask(handler, [0])
        assert not tells(answer) and '"data":' in answer


def test_a_result_is_served_under_the_name_it_is_told_by(caller: Caller) -> None:
    pictures = results(caller.call("sample", ["dcgan_anime", 4, 1, 1.0]))[0]
    for picture in pictures:
        assert caller.http.get(f"/file={picture['image']['path']}").content.startswith(b"\x89PNG")


def violations_on(page: Page) -> list[str]:
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    return messages


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_no_tab_breaks_the_content_policy(browser: Browser, caller: Caller, tab: Any) -> None:
    """Opened, with an example chosen where there is one, and run to its first result."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    messages = violations_on(page)
    page.goto(f"{caller.url}/?tab={tab.slug}")
    expect(page.locator(f"#{tab.slug}-run")).to_be_visible()
    if tab.slug != "sample":
        page.set_input_files(f"#{tab.slug}-image input[type=file]", example_picture("lion"))
        expect(page.locator(f"#{tab.slug}-image img").first).to_be_visible()
    page.click(f"#{tab.slug}-run")
    expect(page.locator(f"#tab-{tab.slug} .status").first).not_to_be_empty(timeout=120_000)
    page.wait_for_timeout(1000)
    page.click(f"#{tab.slug}-share")
    page.wait_for_timeout(300)
    broken = [text for text in messages if "Content Security Policy" in text or "Refused to" in text]
    context.close()
    assert not broken


@dataclass(frozen=True)
class Kept:
    picture: np.ndarray
    scores: torch.Tensor


def test_the_size_of_a_value_is_that_of_its_arrays() -> None:
    kept = Kept(np.zeros((1000, 1000, 3), np.uint8), torch.zeros(1000))
    assert 3_004_000 <= size_of([kept, kept, {"a": kept}]) < 3_010_000
    assert size_of("x" * 1000) >= 1000 and size_of(None) < 100


T = TypeVar("T")


def in_a_loop(made: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a coroutine in a loop and thread of its own: gradio makes a loop that it never closes elsewhere."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(made())).result()


async def _holder() -> tuple[StateHolder, int]:
    with gr.Blocks(analytics_enabled=False) as blocks:
        state = gr.State()
    held = StateHolder()
    held.blocks = blocks
    return held, state._id


@pytest.fixture
def holder() -> tuple[StateHolder, int]:
    """Sessions of a page with one state, whose number comes along."""
    return in_a_loop(_holder)


def test_states_together_stay_within_their_bytes_and_the_oldest_goes(holder: tuple[StateHolder, int]) -> None:
    sessions, number = holder
    budget = StateBudget(max_bytes=2_500_000)
    for name in "abc":
        sessions[name][number] = np.zeros(1_000_000, np.uint8)
        budget.note(sessions[name])
    assert [number in sessions[name].state_data for name in "abc"] == [False, True, True]
    budget.note(sessions["b"])  # used again: now c is the oldest
    sessions["d"][number] = np.zeros(1_000_000, np.uint8)
    budget.note(sessions["d"])
    assert [number in sessions[name].state_data for name in "bcd"] == [True, False, True]
    assert budget.used < 2_500_000


def test_a_session_that_is_gone_counts_no_more(holder: tuple[StateHolder, int]) -> None:
    sessions, number = holder
    budget = StateBudget(max_bytes=10_000_000)
    sessions["a"][number] = np.zeros(1_000_000, np.uint8)
    budget.note(sessions["a"])
    del sessions.session_data["a"]
    gc.collect()
    assert budget.used == 0


def test_all_sessions_together_cannot_reach_a_gigabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "7860")
    assert launch_options()["state_session_capacity"] == SESSIONS
    assert SESSIONS * 700_000 + STATE_BYTES < 2**30


def test_more_sessions_than_the_page_keeps_push_out_the_oldest(holder: tuple[StateHolder, int]) -> None:
    sessions, _ = holder
    sessions.capacity = 3
    for name in "abcd":
        assert isinstance(sessions[name], SessionState)
    assert "a" not in sessions and "d" in sessions


def test_the_page_itself_keeps_the_states_within_their_bytes() -> None:
    """Its handlers' states are measured as they are stored: of three sessions the oldest loses its own."""

    async def run() -> list[bool]:
        with Guarded(analytics_enabled=False) as page:
            state, button = gr.State(), gr.Button()
            button.click(lambda: None, None, state)
        page.state_budget.max_bytes = 2_500_000
        sessions = [SessionState(page) for _ in range(3)]
        for session in sessions:
            await page.postprocess_data(page.fns[0], np.zeros(1_000_000, np.uint8), session)
        return [state._id in session.state_data for session in sessions]

    assert in_a_loop(run) == [False, True, True]


def test_a_link_is_restored_and_a_preset_answers_while_the_line_is_full(caller: Caller) -> None:
    """Thirty heavy jobs of three addresses wait; nobody listens to them, so they are gone ten seconds later."""
    found = {handler["api_name"]: (handler, kinds) for handler, kinds in handlers(caller.config())}
    data = [caller.upload(), caller.upload(), 1.0, 10.0, 0.0, 768, 0, 1.0, False, "content", 4, 400]
    statuses: list[int] = []
    for last in range(1, 5):
        with Caller(caller.url, local_address=f"127.0.0.{last}") as visitor:
            statuses += [visitor.join(found["stylize"][0]["id"], data).status_code for _ in range(9)]
    assert (statuses.count(200), statuses.count(503)) == (30, 6)
    started = time.monotonic()
    asked: dict[str, list[Any]] = {"restore": [], "_preset_values": ["Gentle"], "fill_from_example": [0]}
    for name, sent in asked.items():
        handler, kinds = found[name]
        assert '"success":false' not in caller.ask(handler, sent[: len(kinds)]), name
    assert time.monotonic() - started < 10
