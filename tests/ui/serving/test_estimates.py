"""The seconds that the page tells: of running jobs, of waiting ones, and in the status of every tab."""

import json
import re
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cvdemo import backends
from cvdemo.backends.durations import Durations
from cvdemo.backends.loading import loads_of
from cvdemo.backends.work import work_of
from cvdemo.demo import Lane, Request, Step
from cvdemo.errors import WeightsError
from cvdemo.example_pictures import example_picture
from cvdemo.finished import MADE, SHEETS, path_of, settings
from cvdemo.ui.detect.examples import EXAMPLES
from cvdemo.ui.page import TABS, build_page, prepare
from cvdemo.ui.serving.estimates import JOBS, REMEMBERED, Estimates, in_words
from cvdemo.ui.serving.waiting import telling_time
from cvdemo.ui.wiring.controls import Tab
from cvdemo.ui.wiring.first_look import LOOKS
from cvdemo.ui.wiring.jobs import WHEN_CANCELLED
from cvdemo.ui.wiring.parts import Part
from cvdemo.upscale.run import UpscaleRequest
from tests.ui.api_caller import Caller, Visitor, upload
from tests.ui.browser_steps import SMALL, choose_picture
from tests.ui.page_server import serve_small
from tests.ui.small_page import TIMED_S
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import asked_by_default, drawn, with_a_loop


def differences(one: Request, other: Request) -> list[str]:
    """The fields in which two requests differ."""
    pairs = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(one)}
    return [name for name, (first, second) in pairs.items() if not np.array_equal(first, second)]


class Clock:
    """A clock that moves when it is told to, in the place of the modules' `time`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        for module in ("ui.serving.estimates", "backends.durations"):
            monkeypatch.setattr(f"cvdemo.{module}.time", self)

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def event(name: str, *values: Any, handler: int = 1, part: str | None = None) -> Any:
    function = SimpleNamespace() if part is None else SimpleNamespace(**{WHEN_CANCELLED: (part, [])})
    return SimpleNamespace(
        _id=name, fn=SimpleNamespace(_id=handler, fn=function), data=SimpleNamespace(data=list(values))
    )


def done(estimates: Estimates, job: Any, took_s: float) -> None:
    estimates.begin(job._id, None)
    estimates.finish(job._id)
    estimates.ended(job, took_s)


def test_a_job_takes_as_long_as_those_with_its_settings() -> None:
    estimates = Estimates()
    assert estimates.expected_s(event("a", 50)) is None
    for took_s in (3.0, 3.2, 9.0):
        done(estimates, event("a", {"path": "x"}, 50), took_s)
    done(estimates, event("b", {"path": "x"}, 400), 60.0)
    assert estimates.expected_s(event("c", {"path": "y"}, 50)) == 3.2
    assert estimates.expected_s(event("c", {"path": "y"}, 400)) == 60.0
    assert estimates.expected_s(event("c", {"path": "y"}, 7)) == pytest.approx(6.1)  # as the handler's others
    assert estimates.expected_s(event("c", 50, handler=2)) is None
    for _ in range(REMEMBERED):
        done(estimates, event("a", {"path": "x"}, 50), 1.0)
    assert estimates.expected_s(event("c", {"path": "y"}, 50)) == 1.0


def test_what_was_cancelled_or_failed_teaches_nothing() -> None:
    estimates = Estimates()
    estimates.begin("a", 4.0)
    estimates.ended(event("a", 50), 0.1)
    assert estimates.expected_s(event("b", 50)) is None


def test_a_running_job_has_what_its_step_said_less_the_time_since(clock: Clock) -> None:
    estimates = Estimates()
    estimates.begin("a", 5.0)
    estimates.tell("a", 2.0)
    estimates.tell("a", None)
    clock.now += 0.5
    assert estimates.left_s(event("a")) == 1.5


def test_of_a_job_of_many_requests_the_whole_counts(clock: Clock) -> None:
    estimates = Estimates()
    done(estimates, event("a", 50), 8.0)
    assert estimates.begin("b", 1.0) and not estimates.begin("b", 1.0)
    estimates.tell("b", 0.5)
    clock.now += 3
    assert estimates.left_s(event("b", 50)) == 5


def test_what_a_job_tells_of_the_whole_is_not_changed_by_its_requests(clock: Clock) -> None:
    estimates = Estimates()
    done(estimates, event("a", 50), 8.0)
    estimates.tell_whole("b", None)
    assert estimates.left_s(event("b", 50)) is None  # better than what other pictures took
    estimates.tell_whole("b", 20.0)
    assert not estimates.begin("b", 1.0)  # the seconds of one request are not told
    estimates.tell("b", 0.5)
    estimates.finish("b")
    clock.now += 3
    assert estimates.left_s(event("b", 50)) == 17
    estimates.finish_whole("b")
    estimates.ended(event("b", 50), 5.0)
    assert estimates.left_s(event("b", 50)) == 6.5  # forgotten: as such jobs took


def test_a_batch_that_is_cancelled_after_some_pictures_teaches_nothing_of_the_whole() -> None:
    estimates = Estimates()
    estimates.tell_whole("a", None)
    for _ in range(2):
        estimates.begin("a", None)
        estimates.finish("a")
    estimates.ended(event("a", 50), 2.0)
    assert estimates.expected_s(event("b", 50)) is None


def test_a_job_that_is_cancelled_in_its_second_request_teaches_nothing() -> None:
    estimates = Estimates()
    estimates.begin("a", None)
    estimates.finish("a")
    estimates.begin("a", None)
    estimates.ended(event("a", 50), 2.0)
    assert estimates.expected_s(event("b", 50)) is None


def test_what_jobs_tell_after_their_end_is_not_kept_for_ever() -> None:
    estimates = Estimates()
    for number in range(3 * JOBS):
        estimates.ended(event(f"{number}", 50), 1.0)
        for tell in (estimates.tell, estimates.tell_whole, estimates.begin):
            tell(f"{number}", 1.0)
        estimates.finish(f"{number}")
    assert len(estimates._jobs) == JOBS


def test_of_pictures_their_number_is_a_setting() -> None:
    estimates = Estimates()
    few, many = [{"path": "x"}] * 3, [{"path": "x"}] * 30
    done(estimates, event("a", few), 2.0)
    done(estimates, event("b", many), 20.0)
    assert estimates.expected_s(event("c", [{"path": "y"}] * 30)) == 20.0
    assert estimates.expected_s(event("c", [{"path": "y"}] * 3)) == 2.0


def test_what_a_button_starts_takes_as_long_as_what_a_new_picture_starts() -> None:
    estimates = Estimates()
    done(estimates, event("a", 50, handler=1, part="dream"), 7.0)
    assert estimates.expected_s(event("b", 50, handler=2, part="dream")) == 7.0
    assert estimates.expected_s(event("c", 50, handler=2, part="style")) is None


@pytest.mark.parametrize(("seconds", "words"), [(None, ""), (0.6, ""), (3.4, "About 3 s."), (130, "About 2 min.")])
def test_few_seconds_need_no_words(seconds: float | None, words: str) -> None:
    assert in_words(seconds, "About {}.") == words


def test_the_status_alone_tells_the_time() -> None:
    made: list[Part] = []

    def draw() -> None:
        picture, status = gr.Image(), gr.Markdown()
        made.append(Part(name="x", inputs=[], outputs=[picture, status], status=status))

    drawn(draw)
    (part,) = made
    assert part.with_time_left(["p", "Step 1 of 9"], "About 3 s left.") == ["p", "Step 1 of 9. About 3 s left."]
    assert part.with_time_left(["p", gr.skip()], "About 3 s left.") == ["p", gr.skip()]
    assert part.with_time_left(["p", "Done"], "") == ["p", "Done"]
    assert part.saying("It takes about 3 s.") == [gr.skip(), "It takes about 3 s."]


def test_what_a_run_took_is_expected_of_the_next_one(clock: Clock) -> None:
    def work(request: Request) -> Iterator[Step[str]]:
        clock.now += 7
        yield Step(done=0, total=1, position=1)  # it has waited, which is no part of it
        clock.now += 2
        yield Step(done=1, total=1, result="done")

    durations = Durations()
    assert [step.result for step in telling_time(work, durations)(Request())] == ["done"]
    assert durations.expected_s(Request()) == 2


def test_what_the_first_run_loaded_is_not_expected_of_the_next_one(clock: Clock) -> None:
    def work(request: Request) -> Iterator[Step[str]]:
        clock.now += 30
        for done in range(5):
            clock.now += 1
            yield Step(done=done, total=4, result="done" if done == 4 else None)

    durations = Durations()
    assert len(list(telling_time(work, durations)(Request()))) == 5
    assert durations.expected_s(Request()) == 4  # 3 s after the first of 4 steps


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_what_is_promised_is_of_what_the_first_click_asks_for(tab: Tab) -> None:
    """In all that it says: the finished example, which is made of it, is what the visitor gets."""
    path, sheet = LOOKS[tab.slug].path, SHEETS[0]
    given: dict[str, Any] = {f"{tab.slug}-image": path, "DetectConfig-detector": EXAMPLES[0].detector}
    given |= {"sample-generator": sheet.generator, "sample-seed": sheet.seed}  # these two tabs' press sets them
    given |= {"SampleConfig-count": sheet.count, "SampleConfig-truncation": sheet.truncation}
    (asked,) = asked_by_default(tab, given)
    assert differences(tab.first(path), asked) == []


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_the_finished_example_was_made_with_what_the_first_click_asks_for(tab: Tab) -> None:
    made = json.loads(path_of(MADE).read_text(encoding="utf-8"))
    look = LOOKS[tab.slug]
    assert made[tab.slug] == {"picture": look.picture} | settings(tab.first(look.path))


def test_the_page_promises_the_time_of_the_last_runs() -> None:
    durations = Durations()
    page = with_a_loop(lambda: build_page(StandIn(), durations))
    shown = next(block for block in page.config["components"] if block["props"].get("elem_id") == "dream-finished")
    assert "<p>What you get</p>" in shown["props"]["value"]
    run = StandIn(Step(done=1, total=6), Step(done=6, total=6, result="a dream"))
    prepare(telling_time(run, durations))
    assert re.search(r"<p>What you get, in (less than 0\.1|about [\d.]+) s</p>", shown["props"]["value"])
    (dream,) = (tab.first(LOOKS["dream"].path) for tab in TABS if tab.slug == "dream")
    for _ in range(REMEMBERED):
        durations.note(dream, 42.0)
    assert "in about 42 s" in shown["props"]["value"]
    assert [work_of(request)[0] for request in run.requests[:2]] == 2 * [work_of(dream)[0]]  # one kind: a true promise


def test_at_the_start_everything_is_loaded_that_first_presses_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """A style is left after its first step, by when it has loaded all; so its seconds are not remembered."""
    durations = Durations()
    ended: list[str] = []
    monkeypatch.setattr("cvdemo.ui.serving.warm_up.give_back_memory", lambda: ended.append("memory given back"))

    def run(request: Request) -> Iterator[Step[str]]:
        yield Step(done=0, total=6)
        yield Step(done=1, total=6)
        ended.append(type(request).__name__)
        yield Step(done=6, total=6, result="done")

    prepare(telling_time(run, durations))
    firsts = [tab.first(LOOKS[tab.slug].path) for tab in TABS]
    assert all(loads_of(request) for request in firsts) and durations.loading_s(firsts) == 0
    assert durations.beside_s(1.0) is not None
    quick = ["ClassifyRequest", "DetectRequest", "SampleRequest", "UpscaleRequest"]
    assert ended == ["DreamRequest", "DreamRequest", *quick, "memory given back"]


def test_a_page_whose_weights_are_missing_starts_without_its_speed(caplog: pytest.LogCaptureFixture) -> None:
    durations = Durations()

    def run(request: Request) -> Iterator[Step[str]]:
        if not isinstance(request, UpscaleRequest):
            raise WeightsError("There is no backbone here.")
        yield Step(done=1, total=1, result="done")

    prepare(telling_time(run, durations))
    assert "What DreamRequest loads is not loaded yet: There is no backbone here." in caplog.text
    assert len(caplog.records) == 5  # and the sixth tab is ready
    known = {tab.slug for tab in TABS if durations.work_s(tab.first(LOOKS[tab.slug].path)) is not None}
    assert known == {"upscale", "style"}  # a style says itself how long it takes


@pytest.fixture
def caller(tmp_path: Path) -> Iterator[Caller]:
    with serve_small(tmp_path, {}) as client:
        yield client


def messages(caller: Caller, text: str) -> list[tuple[float, dict[str, Any]]]:
    """When each message of a `timed` job came, and it; until it is done."""
    number = next(entry["id"] for entry in caller.config()["dependencies"] if entry["api_name"] == "timed")
    session, found = secrets.token_hex(8), []
    caller.join(number, [text], session).raise_for_status()
    with caller.http.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                found.append((time.monotonic(), json.loads(line.removeprefix("data: "))))
            if "process_completed" in line:
                break
    return found


def right(told_s: float, true_s: float) -> bool:
    """Within a third, or half a second; the mean of both jobs, which gradio would tell, is a second off."""
    return abs(told_s - true_s) <= max(true_s / 3, 0.5)


def test_before_it_starts_and_while_it_waits_a_job_tells_true_seconds(caller: Caller) -> None:
    for text in TIMED_S:  # nothing is known before
        messages(caller, text)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(messages, caller, "long")
        time.sleep(TIMED_S["long"] / 4)
        waited = messages(caller, "short")
    for found in (waited, first.result()):
        end = found[-1][0]
        starts = [(at, told["eta"]) for at, told in found if told["msg"] == "process_starts"]
        assert starts and all(right(eta, end - at) for at, eta in starts), found
    places = [(at, told) for at, told in waited if told["msg"] == "estimation"]
    assert places and places[0][1]["rank"] == 0
    assert all(right(told["rank_eta"], waited[-1][0] - at) for at, told in places), waited


SECOND_IN_LINE = re.compile(r"queue: 2/2 \| [\d.]+/([\d.]+)s")  # of two, and the seconds until the result
LINE_THAT_SAYS_SECOND = """() => document.querySelector("#dream-result .progress-text")?.innerText
    .match(/queue: 2\\/2 .*s/)?.[0]"""
OTHERS_STEPS, OTHERS_PX = 300, 192  # some six seconds: the visitor has to come before they are done


def test_who_waits_reads_a_place_and_seconds_that_come_true(page: Page, server: str) -> None:
    """Others hold all places of slow jobs, and one stands in line before the visitor. None of the jobs is new.

    How fast the jobs before run depends on what else the machine does, so half and twice the time pass here. The test
    above, with jobs of fixed length, asks for a third.
    """
    content, style = upload(server, example_picture("chelsea")), upload(server, example_picture("styles/mosaic"))
    dream = [content, "Eyes", 1, 1.2, 2, *[None] * 7, 128]
    with Caller(server) as caller:
        assert "event: complete" in caller.call("dream", dream)
    page.goto(f"{server}/?tab=dream{SMALL['dream']}")
    expect(page.locator("html[data-ready]")).to_have_count(1)
    choose_picture(page, "dream", example_picture("chelsea"))
    status = page.locator("#dream-status")
    expect(status).to_contain_text("Done in")
    painting = [content, style, 2.0, 10.0, 40.0, OTHERS_PX, 0, 1.0, False, "content", 1, OTHERS_STEPS]
    others = [Visitor(server, "stylize", painting) for _ in range(backends.backend().at_once(Lane.SLOW))]
    try:
        for other in others:
            other.wait_for_a_preview()
        others.append(Visitor(server, "dream", dream))
        began = time.monotonic()
        page.click("#dream-run")
        told = SECOND_IN_LINE.search(page.wait_for_function(LINE_THAT_SAYS_SECOND).json_value())
        expect(status).to_contain_text("Done in")
        took_s = time.monotonic() - began
    finally:
        for other in others:
            other.leave()
    assert told is not None
    assert took_s / 2 - 2.0 <= float(told[1]) <= took_s * 2 + 2.0, (told[0], took_s)
