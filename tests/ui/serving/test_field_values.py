"""What a field is sent comes back in 40 characters at most, in answers and in the log, whatever field it is."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from cvdemo.errors import BRIEF, brief
from cvdemo.limits import FIELD_ITEMS, TEXT_LENGTH
from cvdemo.ui.serving.field_values import checked
from tests.ui.api_caller import Caller, distinct, results, ways_in
from tests.ui.page_server import serve

MEGABYTE = "x" * 2**20


@pytest.mark.parametrize(
    "value",
    [
        MEGABYTE,
        [MEGABYTE] * 9,
        {MEGABYTE: MEGABYTE},
        10**5000,
        -(10**5000),
        MEGABYTE.encode(),
        [[[[[[[1]]]]]]],
        object(),
    ],
    ids=["text", "list", "dict", "number", "negative", "bytes", "deep", "object"],
)
def test_a_value_is_told_briefly(value: Any) -> None:
    assert 0 < len(brief(value)) <= BRIEF


@pytest.mark.parametrize(("value", "told"), [("abc", "'abc'"), (7, "7"), (None, "None"), ([1, 2], "[1, 2]")])
def test_a_short_value_is_told_whole(value: Any, told: str) -> None:
    assert brief(value) == told


FIELDS = [
    (gr.Dropdown(["a", "b"], label="Letter"), "c", "Letter must be one of a, b, got 'c'."),
    (gr.Dropdown(["a", "b"], label="Letter"), ["a"], "Letter takes one value, got"),
    (gr.Dropdown(["a", "b"], label="Letters", multiselect=True), ["a", "z"], "Letters must be one of a, b, got 'z'."),
    (gr.Radio([("one", 1)], label="Count"), {"a": 1}, "Count must be one of 1, got"),
    (gr.Slider(0, 5, label="Steps"), "3", "Steps must be a number from 0 to 5, got '3'."),
    (gr.Slider(0, 5, label="Steps"), None, "Steps must be a number from 0 to 5, got None."),
    (gr.Slider(0, 5, label="Steps"), True, "Steps must be a number from 0 to 5, got True."),
    (gr.Number(label="Seed", minimum=0, maximum=9), 10**5000, "Seed must be a number from 0 to 9, got a number of"),
    (gr.Number(label="Seed", minimum=0, maximum=9), float("nan"), "Seed must be a number from 0 to 9, got nan."),
    (gr.Checkbox(label="Tick"), "yes", "Tick must be true or false, got 'yes'."),
    (gr.Textbox(label="Name"), 7, "Name must be text, got 7."),
    (gr.Textbox(label="Name"), "x" * (TEXT_LENGTH + 1), "Name is too long, got 'xxx"),
    (gr.JSON(label="Through"), [1] * (FIELD_ITEMS + 1), "Through is too long, got"),
    (gr.Dataset(components=[gr.Number()], samples=[[1], [2]]), 2, "The examples are numbered from 0 to 1, got 2."),
    (gr.Dataset(components=[gr.Number()], samples=[[1], [2]]), MEGABYTE, "is too long, got"),
]


@pytest.mark.parametrize(("field", "value", "sentence"), FIELDS, ids=[str(i) for i in range(len(FIELDS))])
def test_a_wrong_value_is_one_sentence(field: Any, value: Any, sentence: str) -> None:
    with pytest.raises(gr.Error) as caught:
        checked([field], [value])
    assert sentence in caught.value.message
    assert len(caught.value.message) < 200
    assert not caught.value.print_exception


def test_right_values_pass_as_they_are() -> None:
    fields = [gr.Dropdown(["a"]), gr.Slider(0, 5), gr.Number(), gr.Checkbox(), gr.Textbox(), gr.State(), gr.Image()]
    values = ["a", 2.5, None, False, "text", object(), None]
    assert checked(fields, values) == values


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("values")
    with serve(folder) as server, Caller(server.url, folder / "log.txt") as caller:
        yield caller


def test_a_megabyte_sent_to_any_field_comes_back_in_a_sentence(caller: Caller) -> None:
    assert caller.log is not None
    logged = caller.log.stat().st_size
    config = caller.config()
    asked = ways_in(config)
    assert len(asked) > 150
    answers = caller.ask_all([(handler, megabyte_at(position, kinds)) for handler, kinds, position in asked])
    for (handler, kinds, position), answer in zip(asked, answers, strict=True):
        assert 0 < len(answer) < 3000, (handler["api_name"], kinds[position], len(answer))
        assert "x" * (BRIEF + 1) not in answer, (handler["api_name"], kinds[position])
    nothing = [(handler, [None] * len(kinds)) for handler, kinds in distinct(config) if handler["queue"]]
    caller.ask_all(nothing, event_data={"index": MEGABYTE, "value": None})
    log = caller.log.read_text(encoding="utf-8", errors="replace")
    assert len(log) - logged < 2**20 and "x" * 400 not in log


def megabyte_at(position: int, kinds: list[str]) -> list[Any]:
    """The values of a call of which one is a megabyte."""
    data: list[Any] = [None] * len(kinds)
    data[position] = [MEGABYTE] if kinds[position] == "json" else MEGABYTE
    return data


CALLS: list[tuple[str, Any]] = [
    ("/queue/join", {"data": MEGABYTE}),
    ("/queue/join", {"data": [], "fn_index": MEGABYTE, "session_hash": "a"}),
    ("/queue/join", {"data": [], "fn_index": 1, "session_hash": [MEGABYTE]}),
    ("/run/predict", {"data": MEGABYTE}),
    ("/call/classify", {"data": {"a": MEGABYTE}}),
    ("/call/classify", {"data": [MEGABYTE]}),
    ("/call/v2/classify", {MEGABYTE: 1}),
    ("/call/v2/nothing", {"a": MEGABYTE}),
    ("/cancel", {"session_hash": MEGABYTE}),
    ("/reset", {"event_id": [MEGABYTE]}),
]


@pytest.mark.parametrize(("route", "body"), CALLS, ids=[f"{i}{call[0]}" for i, call in enumerate(CALLS)])
def test_a_wrong_call_is_not_sent_back(caller: Caller, route: str, body: Any) -> None:
    assert caller.log is not None
    logged = caller.log.stat().st_size
    assert len(caller.http.post(route, json=body).content) < 1000
    assert caller.log.stat().st_size - logged < 30_000


def test_a_posted_call_may_leave_out_what_has_a_default(caller: Caller) -> None:
    picture = caller.upload()
    short, whole = caller.call("classify", [picture]), caller.call("classify", [picture, "imagenet", False])
    assert results(short) == results(whole)
    assert "The call needs 1 to 3 values, got 0." in caller.call("classify", [])
    assert "The call needs 1 to 3 values, got 4." in caller.call("classify", [picture, "imagenet", False, 1])


def test_a_call_of_more_than_two_megabytes_is_refused(caller: Caller) -> None:
    """Pictures stand in a call by their paths; jobs that wait keep theirs in memory."""
    answer = caller.post("classify", ["x" * (2 * 2**20), "imagenet", False])
    assert (answer.status_code, answer.text) == (413, "The request is larger than 2 MB.")
