"""Calls that are shorter than an endpoint's list of inputs: what is missing at the end is the fields' own default."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest
from gradio.block_function import BlockFunction

from cvdemo.demo import Lane
from cvdemo.ui.serving.blocks import Page
from cvdemo.ui.serving.call_values import complete, with_defaults
from cvdemo.ui.serving.lines import lane_of_call, line_options
from cvdemo.ui.wiring.controls import endpoint, light, picture_input
from tests.ui.tab_handlers import drawn


def detect(image: str | None, detector: str = "face", score: float | None = None, ticked: bool = False) -> str:
    return ""


def detect_fields() -> list[Any]:
    """A picture, which has no default; two fields that are not empty at first; a number that may be left out."""
    return [picture_input(), gr.Dropdown(["objects", "face"]), gr.Number(None), gr.Checkbox(True)]


def of_page(draw: Callable[[], Any]) -> BlockFunction:
    """The handler of a page that has only one."""
    (function,) = drawn(draw).fns.values()
    return function


@pytest.fixture(scope="module")
def function() -> BlockFunction:
    return of_page(lambda: endpoint("detect", detect, detect_fields(), [gr.Textbox()]))


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (["p"], ["p", "objects", None, True]),
        (["p", "face"], ["p", "face", None, True]),
        (["p", None, 0.5], ["p", None, 0.5, True]),
        (["p", "face", 0.5, False], ["p", "face", 0.5, False]),
    ],
)
def test_what_is_missing_at_the_end_is_the_fields_own_default(
    function: BlockFunction, sent: list[Any], taken: list[Any]
) -> None:
    assert complete(function, sent) == taken


@pytest.mark.parametrize("sent", [[], ["p", "face", 0.5, False, 1], ["p"] * 100], ids=len)
def test_too_few_and_too_many_are_one_sentence(function: BlockFunction, sent: list[Any]) -> None:
    with pytest.raises(gr.Error, match=rf"^'The call needs 1 to 4 values, got {len(sent)}\.'$") as caught:
        complete(function, sent)
    assert not caught.value.print_exception


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (lambda: [picture_input()], "The call needs 1 value, got 0."),
        (lambda: [gr.Number(1), picture_input()], "The call needs 2 values, got 0."),
        (lambda: [picture_input(), gr.JSON(), gr.Number(1)], "The call needs 2 to 3 values, got 0."),
    ],
)
def test_a_field_without_a_default_is_needed_and_all_before_it(fields: Callable[[], list[Any]], sentence: str) -> None:
    function = of_page(lambda: endpoint("needs", lambda *values: "", fields(), [gr.Textbox()]))
    with pytest.raises(gr.Error, match=sentence):
        complete(function, [])


def test_what_the_pages_own_scripts_add_is_dropped() -> None:
    function = of_page(lambda: light([gr.Button().click], detect, detect_fields(), [gr.Textbox()]))
    assert complete(function, ["p", "face", None, False, "what a script gives"]) == ["p", "face", None, False]


def test_a_state_is_never_missing() -> None:
    function = of_page(lambda: endpoint("held", lambda number, held: "", [gr.Number(), gr.State(7)], [gr.Textbox()]))
    with pytest.raises(gr.Error, match="The call needs 1 to 2 values, got 0"):
        complete(function, [])
    assert complete(function, [3]) == [3, None]


def test_the_defaults_are_those_that_gradio_tells_programs() -> None:
    page = drawn(lambda: endpoint("detect", detect, detect_fields(), [gr.Textbox()]))
    (function,) = page.fns.values()
    told = page.get_api_info()["named_endpoints"]["/detect"]["parameters"]
    assert [each["parameter_has_default"] for each in told] == [False, True, True, True]
    assert with_defaults(function, ["p"])[1:] == [each["parameter_default"] for each in told[1:]]


def in_a_loop(work: Callable[[], Any]) -> Any:
    """The result of a coroutine, in a thread of its own: in this one the browser's event loop may run."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


def test_the_page_fills_in_before_it_checks() -> None:
    async def run() -> list[Any]:
        with Page(analytics_enabled=False) as page:
            fields = [gr.Textbox(), gr.Slider(0, 5, value=2), gr.Checkbox(True)]
            endpoint("told", lambda name, steps, ticked: name, fields, [gr.Textbox()])
        return await page.preprocess_data(page.fns[0], ["a"], None)

    assert in_a_loop(run) == ["a", 2, True]


def test_a_short_call_waits_in_the_line_of_its_whole() -> None:
    def lane(values: Any) -> Lane:
        return Lane.SLOW if list(values) == ["p", 3] else Lane.QUICK

    def upscale(image: str | None, scale: int = 2) -> str:
        return ""

    def draw() -> None:
        options = line_options(lane, upscale)
        gr.Button().click(upscale, [picture_input(), gr.Radio([2, 3], value=3)], gr.Textbox(), **options)

    function = of_page(draw)
    assert in_a_loop(lambda: lane_of_call(function, ["p"])) is Lane.SLOW
    assert in_a_loop(lambda: lane_of_call(function, None)) is Lane.QUICK
