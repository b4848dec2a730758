"""Picture after picture: what is told on the way and at the end, with work that takes as long as it is told to."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cvdemo.backends.durations import Durations, UnitTimes
from cvdemo.demo import Step
from cvdemo.errors import BusyError, DemoError, InputError, LeftError, RoomError, WeightsError
from cvdemo.runtime import Deadline, stopping_when
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest
from cvdemo.ui.serving.estimates import Estimates
from cvdemo.ui.several import job as several_job
from cvdemo.ui.several.foretold import Foretold, blank
from cvdemo.ui.several.job import Batch, Job, Refused, last_moment, made_if_room, megapixels_of, moments, rest_s
from cvdemo.ui.wiring import parts
from cvdemo.ui.wiring.parts import Part
from tests.helpers.png_files import save_png
from tests.ui.tab_handlers import drawn


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("cvdemo.ui.several.job.time", self)
        monkeypatch.setattr("cvdemo.runtime.time", self)

    def monotonic(self) -> float:
        return self.now


class Told:
    """The estimates of a page with one running job; keeps what that tells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float | None] = []
        self.ends = 0
        monkeypatch.setattr(several_job, "running_event", lambda: SimpleNamespace(_id="a"))
        monkeypatch.setattr(several_job, "of_page", lambda: self)

    def tell_whole(self, event_id: str, seconds: float | None) -> None:
        self.seconds.append(None if seconds is None else round(seconds, 3))

    def finish_whole(self, event_id: str) -> None:
        self.ends += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


class Takes:
    """Work of two steps on each picture, in so many seconds by name; "bad" cannot be used."""

    def __init__(self, clock: Clock, seconds: dict[str, float]) -> None:
        self.clock, self.seconds, self.left = clock, seconds, list[float]()

    def __call__(self, path: str, name: str, seconds: float) -> Generator[Step[Any], None, str]:
        self.left.append(seconds)
        for done in (1, 2):
            self.clock.now += self.seconds[name] / 2
            if name.startswith("bad"):
                raise InputError("It cannot be used.")
            yield Step(done=done, total=2, result=name if done == 2 else None)
        return name.upper()


def job(one: Any, *names: str, limit_s: float = 60.0, times: UnitTimes | None = None, kind: str = "work") -> Job[str]:
    """Pictures of one unit each, but for those with "large" in their names, of three."""
    units = [3.0 if "large" in name else 1.0 for name in names]
    return Job(paths=names, units=units, kind=kind, one=one, limit_s=limit_s, times=times or UnitTimes())


def test_each_picture_is_told_before_it_is_worked_on(clock: Clock) -> None:
    found = list(moments(job(Takes(clock, {"a": 0.1, "b": 0.1}), "x/a", "x/b")))
    assert [(moment.line, moment.news, moment.batch.pictures) for moment in found] == [
        ("Picture 1 of 2: a", False, ()),
        ("Picture 2 of 2: b", True, ("A",)),
        ("", True, ("A", "B")),
    ]


def test_a_slow_picture_is_told_again_while_it_is_worked_on(clock: Clock, told: Told) -> None:
    times = UnitTimes()
    times.note("work", 1.0, 4.0)
    found = list(moments(job(Takes(clock, {"a": 4.0, "b": 4.0}), "a", "b", times=times)))
    assert [moment.line for moment in found] == ["Picture 1 of 2: a"] * 2 + ["Picture 2 of 2: b"] * 2 + [""]
    assert told.seconds == [8.0, 6.0, 4.0, 2.0, 0.0]


def test_the_status_says_the_seconds_before_the_first_picture(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    event = SimpleNamespace(_id="a", alive=True, session_hash="s")
    estimates, times = Estimates(), UnitTimes()
    for module in (several_job, parts):
        monkeypatch.setattr(module, "running_event", lambda: event)
        monkeypatch.setattr(module, "of_page", lambda: estimates)
    monkeypatch.setattr("cvdemo.ui.serving.estimates.time", clock)
    times.note("work", 1.0, 4.0)

    def handler() -> Iterator[Any]:
        for moment in moments(job(Takes(clock, {"a": 4.0, "b": 4.0}), "a", "b", times=times)):
            yield [None, moment.line or "Done"]

    def draw() -> None:
        table, status = gr.HTML(), gr.Markdown()
        made.append(Part(name="x", inputs=[], outputs=[table, status], status=status, several=True))

    made: list[Part] = []
    drawn(draw)
    lines = [line for _, line in parts.interruptible(handler, made[0])()]
    assert lines[0] == "Picture 1 of 2: a. About 8 s left."
    assert lines[1:] == [
        "Picture 1 of 2: a. About 6 s left.",
        "Picture 2 of 2: b. About 4 s left.",
        "Picture 2 of 2: b. About 2 s left.",
        "Done",
    ]


def test_the_time_of_the_whole_goes_by_what_such_pictures_took(clock: Clock, told: Told) -> None:
    times, work = UnitTimes(), Takes(clock, {"a": 0.2, "b.large": 0.6})
    last_moment(job(work, "a", "b.large", times=times))
    assert told.seconds == [None, 0.6, 0.0]  # nothing is known before the first one
    told.seconds.clear()
    last_moment(job(work, "a", "b.large", times=times))
    assert told.seconds == [0.8, 0.6, 0.0]  # before the first picture, too
    told.seconds.clear()
    last_moment(job(work, "a", times=times, kind="other"))
    assert told.seconds == [None, 0.0]


class Packs:
    """Work of two tiles, nine parts and one part of the 4 s for a unit; then 2 s for each unit of what is packed."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, path: str, name: str, seconds: float) -> Generator[Step[Any], None, str]:
        size = 3.0 if "large" in name else 1.0
        self.clock.now += 3.6 * size
        yield Step(done=1, total=2, share=0.9)
        self.clock.now += 0.4 * size
        yield Step(done=2, total=2, result=name)
        self.clock.now += 2.0 * (6.0 if "large" in name else 1.0)
        return name


def test_tiles_and_packing_are_counted_by_what_they_cost(clock: Clock, told: Told) -> None:
    """The last tile is a small one, and the large picture is packed at another pace than it is worked on."""
    times, names = UnitTimes(), ("a", "b.large")
    packed = replace(job(Packs(clock), *names, times=times), after_units=[1.0, 6.0])
    last_moment(packed)
    assert told.seconds == [None, None, 24.0, 13.2, 12.0, 0.0]
    told.seconds.clear()
    last_moment(packed)
    assert told.seconds == [30.0, 26.4, 24.0, 13.2, 12.0, 0.0]


def test_what_a_first_picture_has_loaded_is_not_told_of_the_others(clock: Clock, told: Told) -> None:
    durations, times = Durations(), UnitTimes()
    durations.note_beside(1.0, 1.0)
    request = StyleRequest(content=blank(0.01), style=blank(0.01), config=StyleConfig(steps=1, scales=1))
    loading_s = durations.loading_s([request])
    assert loading_s > 1
    foretold = Foretold(durations=durations, requests=[request, request])
    work = Takes(clock, {"a": 0.4 + loading_s, "b": 0.4})
    last_moment(replace(job(work, "a", "b", times=times), foretold=foretold))
    assert told.seconds[-2:] == [0.4, 0.0]


def test_no_more_is_told_than_the_limit_leaves(clock: Clock) -> None:
    times = UnitTimes()
    times.note("work", 1.0, 50.0)
    assert rest_s(job(None, "a", "b", limit_s=60, times=times), Deadline(60.0), 0) == 60
    assert rest_s(job(None, "a", "b", limit_s=60, times=times), Deadline(60.0), 1) == 50


def test_a_picture_that_cannot_be_used_is_named_and_teaches_no_time(clock: Clock, told: Told) -> None:
    batch = last_moment(job(Takes(clock, {"a": 0.2, "bad": 40.0, "c": 0.2}), "a", "x/bad", "c"))
    assert batch == Batch(3, ("A", "C"), (Refused("bad", "It cannot be used."),))
    assert batch.lines() == [r"- bad\: It cannot be used\."]
    assert told.seconds == [None, 0.4, 0.2, 0.0]
    assert batch.report(["x"]) == {
        "pictures": ["x"],
        "refused": [{"file": "bad", "reason": "It cannot be used."}],
        "not_reached": 0,
        "stopped": None,
    }


def test_a_fault_of_the_page_ends_it(clock: Clock) -> None:
    def fails(path: str, name: str, seconds: float) -> Iterator[Any]:
        raise WeightsError("the file is missing")
        yield

    with pytest.raises(WeightsError, match="the file is missing"):
        last_moment(job(fails, "a", "b"))


class FailsAt(Takes):
    """Work that raises an error once its steps on a picture, "b", are done."""

    def __init__(self, clock: Clock, error: DemoError) -> None:
        super().__init__(clock, {"a": 1.0, "b": 1.0, "c": 1.0})
        self.error = error

    def __call__(self, path: str, name: str, seconds: float) -> Generator[Step[Any], None, str]:
        done = yield from super().__call__(path, name, seconds)
        if name == "b":
            raise self.error
        return done


@pytest.mark.parametrize("error", [RoomError("It is full."), BusyError("It is busy."), WeightsError("It is missing.")])
def test_where_the_page_cannot_go_on_the_pictures_so_far_are_kept(clock: Clock, error: DemoError) -> None:
    batch = last_moment(job(FailsAt(clock, error), "a", "b", "c"))
    assert batch == Batch(3, ("A",), (), str(error))
    assert batch.sentences("named") == ["2 pictures not named.", str(error)]
    assert batch.report([])["stopped"] == str(error)


def test_only_a_batch_that_was_not_cut_off_tells_how_long_it_took(clock: Clock, told: Told) -> None:
    last_moment(job(Takes(clock, {"a": 1.0, "b": 1.0}), "a", "b"))
    assert told.ends == 1
    last_moment(job(Takes(clock, {"a": 9.0, "b": 9.0}), "a", "b", limit_s=5))  # others will stop at the limit, too
    assert told.ends == 2
    last_moment(job(FailsAt(clock, RoomError("It is full.")), "a", "b", "c"))
    with stopping_when(lambda: len(work.left) == 2):
        batch = last_moment(job(work := Takes(clock, {"a": 1.0, "b": 1.0, "c": 1.0}), "a", "b", "c"))
    assert batch.missing == 1 and told.ends == 2


def test_who_has_left_gets_nothing(clock: Clock) -> None:
    with pytest.raises(LeftError):
        last_moment(job(FailsAt(clock, LeftError("Nobody waits.")), "a", "b", "c"))


def test_files_without_room_leave_the_batch_and_the_reason() -> None:
    def full() -> str:
        raise RoomError("It is full.")

    batch = Batch(1, ("A",))
    assert made_if_room(batch, full) == (None, Batch(1, ("A",), (), "It is full."))
    assert made_if_room(batch, lambda: "a.zip") == ("a.zip", batch)
    assert Batch(1, ("A",), (), "It is full.").sentences("named") == ["It is full."]


def test_where_time_runs_out_the_rest_is_not_reached(clock: Clock) -> None:
    work, times = Takes(clock, {"a": 6.0, "b": 6.0, "c": 6.0}), UnitTimes()
    batch = last_moment(job(work, "a", "b", "c", limit_s=10, times=times))
    assert batch.pictures == ("A", "B") and batch.missing == 1
    assert work.left == [10.0, 4.0]
    assert times.expected_s("work", 1.0) == 6.0


def test_files_of_one_name_get_names_that_differ(clock: Clock) -> None:
    batch = last_moment(job(Takes(clock, {"a.png": 0.1, "a_2.png": 0.1}), "x/a.png", "y/a.png"))
    assert batch.pictures == ("A.PNG", "A_2.PNG")


def test_the_size_of_a_file_is_that_of_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = save_png(np.zeros((500, 1000, 3), np.uint8), tmp_path / "a.png")
    assert megapixels_of(str(path)) == 0.5
    (tmp_path / "b.heic").write_bytes(b"unknown")
    assert megapixels_of(str(tmp_path / "b.heic")) == several_job.UNKNOWN_MEGAPIXELS
