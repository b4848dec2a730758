"""Sessions without a copy of the page's configuration, which answer as gradio's own do."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest
from gradio import route_utils, state_holder

from cvdemo.ui.serving.blocks import Page
from cvdemo.ui.serving.gradio_parts import adapt_gradio
from cvdemo.ui.serving.session_state import PageSession
from cvdemo.ui.wiring.controls import picture_input


async def answers_and_session(kind: Any) -> tuple[list[Any], Any, set[int]]:
    """What two calls of a session are answered, the session, and which fields have changed in it."""
    with Page(analytics_enabled=False) as page:
        name, letters, counted = gr.Textbox(), gr.Dropdown(["a"]), gr.State(0)
        inputs, outputs = [name, letters, counted], [letters, counted, name]
        gr.Button().click(_answer, inputs, outputs)
    session = kind(page)
    answers = [await page.process_api(page.fns[0], ["x", letter, None], state=session) for letter in ("a", "b")]
    return [answer["data"] for answer in answers], session, {letters._id, counted._id}


def _answer(name: str, letter: str, counted: int) -> tuple[Any, int, str]:
    return gr.update(choices=["a", "b"]), counted + 1, f"{name}{letter}{counted}"


def both(kind: Any) -> tuple[list[Any], Any, set[int]]:
    with ThreadPoolExecutor(1) as thread:  # of its own: gradio would leave a loop open
        return thread.submit(lambda: asyncio.run(answers_and_session(kind))).result()


async def copied_field() -> tuple[Any, Any]:
    """A picture field, and the session's copy of it once an update has made one and a handler has read it."""
    with Page(analytics_enabled=False) as page:
        picture, told = picture_input(), gr.Textbox()
        gr.Button().click(lambda: gr.update(label="Another"), None, picture)
        gr.Button().click(lambda path: "", picture, told)
    session = PageSession(page)
    await page.process_api(page.fns[0], [], state=session)
    await page.process_api(page.fns[1], [None], state=session)
    return picture, session[picture._id]


def test_a_sessions_copy_of_a_field_reads_values_in_the_pages_own_way() -> None:
    with ThreadPoolExecutor(1) as thread:
        field, copy = thread.submit(lambda: asyncio.run(copied_field())).result()
    assert copy is not field and copy.preprocess is vars(field)["preprocess"]


GRADIOS_OWN = PageSession.__base__  # under its usual name another test may have put ours


def test_a_session_copies_nothing_of_the_page_and_answers_the_same() -> None:
    answers, session, changed = both(PageSession)
    assert answers == both(GRADIOS_OWN)[0]
    assert [answer[2] for answer in answers] == ["xa0", "xb1"]
    assert set(session.config_values) == changed


def test_the_page_keeps_such_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (state_holder, route_utils):
        monkeypatch.setattr(module, "SessionState", GRADIOS_OWN)
    adapt_gradio()
    assert {vars(module)["SessionState"] for module in (state_holder, route_utils)} == {PageSession}
