"""Jobs that are told to stop: what they send, and until when."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from cvdemo.errors import InputError
from cvdemo.limits import CANCELLED_RUNS
from cvdemo.ui.wiring import jobs, parts
from cvdemo.ui.wiring.jobs import CANCELLED, REPLACED, told_to_stop
from cvdemo.ui.wiring.parts import Part, interruptible


@pytest.fixture
def event(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job's event, outside of any page."""
    made = SimpleNamespace(_id="a", alive=True, session_hash="s")
    monkeypatch.setattr(parts, "running_event", lambda: made)
    return made


def part() -> Part:
    picture, status = gr.Image(), gr.Markdown()
    return Part(name="part", inputs=[], outputs=[picture, status], status=status, cancelled_text="It stays.")


def counting() -> Iterator[Any]:
    yield from ((number, str(number)) for number in range(9))


@pytest.mark.parametrize(
    ("reason", "last"), [(REPLACED, [None, ""]), (CANCELLED, [gr.skip(), "It stays."])], ids=[REPLACED, CANCELLED]
)
def test_a_stopped_job_ends_with_the_output_that_puts_it_right(event: Any, reason: str, last: list[Any]) -> None:
    """Gradio sends differences: so until the very end it has to be known that nothing else of the job is sent."""
    outputs = interruptible(counting, part())()
    assert next(outputs) == (0, "0")
    jobs._reasons[event._id] = reason
    assert next(outputs) == last and told_to_stop(event)
    assert list(outputs) == [] and not told_to_stop(event)


def test_a_job_that_is_cancelled_before_it_showed_anything_says_only_that(event: Any) -> None:
    jobs._reasons[event._id] = CANCELLED
    assert list(interruptible(counting, part())()) == [[gr.skip(), "Cancelled."]]


def test_a_job_whose_visitor_has_left_ends_without_a_word(event: Any) -> None:
    outputs = interruptible(counting, part())()
    next(outputs)
    event.alive = False
    assert list(outputs) == []


def test_a_job_that_fails_for_being_stopped_does_not_say_so(event: Any) -> None:
    def failing() -> Iterator[Any]:
        jobs._reasons[event._id] = REPLACED
        raise InputError("Time ran out after 1 of 9 tiles.")
        yield

    assert list(interruptible(failing, part())()) == [[None, ""]]


def test_a_job_that_fails_says_why(event: Any) -> None:
    def failing() -> Any:
        raise InputError("The picture is too small.")

    with pytest.raises(InputError, match="too small"):
        list(interruptible(failing, part())())


def test_a_run_that_is_cancelled_before_it_is_queued_does_not_run(event: Any) -> None:
    """The browser asks for a run's beginning and for the run one after the other; "Cancel" may come between them."""
    jobs.begin("s", "part")
    jobs.cancel_begun("s", "part")
    assert list(interruptible(counting, part())()) == [[gr.skip(), "Cancelled."]]
    jobs.begin("s", "part")
    assert next(interruptible(counting, part())()) == (0, "0")


def test_a_run_whose_inputs_say_how_long_it_takes_tells_that(event: Any) -> None:
    """And not what the last one took, which had another time."""

    def timed(seconds: int) -> Iterator[Any]:
        yield from counting()

    outputs = interruptible(timed, replace(part(), expects=lambda seconds: float(seconds) or None))
    assert next(outputs(60)) == [gr.skip(), "It takes about 60 s."]
    assert next(outputs(0)) == (0, "0")


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_run_that_comes_into_the_line_after_cancel_says_so_at_once(cancelled: bool) -> None:
    """It would wait for its turn otherwise, and only then say that it was cancelled."""
    handler = SimpleNamespace()
    setattr(handler, jobs.WHEN_CANCELLED, ("part", [jobs.UNCHANGED, "Cancelled."]))
    event: Any = SimpleNamespace(_id="a", session_hash="s", fn=SimpleNamespace(fn=handler), concurrency_id="slow")
    sent: list[Any] = []
    queue: Any = SimpleNamespace(
        event_queue_per_concurrency_id={"slow": SimpleNamespace(queue=[event])},
        event_ids_to_events={"a": event},
        send_message=lambda event, message: sent.append(message.output["data"]),
        free=lambda event: None,
    )
    jobs.begin("s", "part")
    if cancelled:
        jobs.cancel_begun("s", "part")
    jobs.end_if_cancelled(queue, event)
    assert sent == ([[jobs.UNCHANGED, "Cancelled."]] if cancelled else [])
    assert queue.event_queue_per_concurrency_id["slow"].queue == ([] if cancelled else [event])


def test_no_more_than_some_cancelled_beginnings_are_remembered() -> None:
    for number in range(CANCELLED_RUNS + 5):
        jobs.cancel_begun(f"session {number}", "part")
    assert len(jobs._cancelled) == CANCELLED_RUNS


def test_the_reasons_of_jobs_that_were_ending_already_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CANCELLED_RUNS", 3)
    monkeypatch.setattr(jobs, "_reasons", OrderedDict())

    async def stop_many() -> None:
        function = SimpleNamespace(_id=1)
        for number in range(9):
            running = [SimpleNamespace(_id=f"{number}", session_hash="s", fn=function)]
            queue = SimpleNamespace(
                active_jobs=[running, None], event_queue_per_concurrency_id={}, delete_lock=asyncio.Lock()
            )
            monkeypatch.setattr(jobs, "LocalContext", of_page(queue))
            assert await jobs.stop("s", {1}, CANCELLED) == 0

    with_a_loop_of(stop_many)
    assert list(jobs._reasons) == ["6", "7", "8"]


def of_page(queue: Any) -> Any:
    """The context of a handler on a page with this queue."""
    return SimpleNamespace(blocks=SimpleNamespace(get=lambda default: SimpleNamespace(_queue=queue)))


def with_a_loop_of(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it in a thread: that of a test with a browser has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(work())).result()


@pytest.mark.parametrize("chosen", [None, ""])
def test_a_run_that_starts_by_itself_does_nothing_where_something_needed_is_empty(chosen: str | None) -> None:
    choice, answer = gr.Dropdown(["a", ""]), gr.Label()
    wanting = Part(name="part", inputs=[choice], needs=[choice], outputs=[answer])
    work = parts._if_there_is_something(wanting, lambda value: f"by {value}")
    assert list(work(chosen)) == [None] and list(work("a")) == ["by a"]
