"""Places in the queue: few for each client, none for one who does not listen; quick and light jobs never wait."""

import io
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from cvdemo.limits import LIVE_S, PLACES_PER_ADDRESS, PLACES_PER_CLIENT
from cvdemo.ui.serving.clients import PEER, address_of
from cvdemo.ui.serving.fair_queue import FairQueue, Place
from cvdemo.ui.serving.field_values import FRAME_PREFIX
from tests.ui.api_caller import Caller, results
from tests.ui.page_server import serve_small
from tests.ui.tab_handlers import with_a_loop

UNHEARD_S = 1.5
LIVE_SILENT_S = 1.0


@pytest.fixture
def small_page(tmp_path: Path) -> Iterator[Caller]:
    """`tests.ui.small_page` in a process of its own, so that no test finds places taken."""
    limits = {"serving.fair_queue.UNHEARD_S": UNHEARD_S, "serving.fair_queue.LIVE_SILENT_S": LIVE_SILENT_S}
    with serve_small(tmp_path, limits) as caller:
        waited_for(lambda: caller.call("light", ["ready"]))
        yield caller


def work(caller: Caller) -> dict[str, int]:
    """Steps of the heavy handlers, and how many have ended."""
    told: dict[str, int] = results(caller.call("work", []))[0]
    return told


def running(caller: Caller) -> bool:
    return work(caller)["steps"] > 2


def ended(caller: Caller) -> bool:
    return work(caller)["ended"] > 0


def number_of(caller: Caller, name: str) -> int:
    return next(entry["id"] for entry in caller.config()["dependencies"] if entry["api_name"] == name)


def queue_size(caller: Caller) -> int:
    return int(caller.http.get("/queue/status").json()["queue_size"])


def waited_for(condition: Any, limit_s: float = 15.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_the_id_of_a_job_that_was_cancelled_is_forgotten_with_it() -> None:
    def look() -> set[str]:
        queue = FairQueue(9, live_updates=False, concurrency_count=1, update_intervals=1, blocks=None)
        app: Any = SimpleNamespace(iterators_to_reset={"a", "other"}, state_holder=None)
        queue.server_app = app
        event: Any = SimpleNamespace(_id="a", session_hash="s")
        queue.places["a"] = place = Place(event, "s", "127.0.0.1", None, own_session=False, ended_at=0.0)
        queue._forget("a", place)
        assert not queue.places
        return set(app.iterators_to_reset)

    assert with_a_loop(look) == {"other"}


def test_a_client_without_a_session_has_a_few_places(small_page: Caller) -> None:
    answers = [small_page.post("plain", ["a"]) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [200] * PLACES_PER_CLIENT + [429] * (10 - PLACES_PER_CLIENT)
    assert answers[-1].json()["detail"] == (
        "You have 4 jobs waiting or running already, which is the most for one visitor. Please wait for one."
    )


def test_a_session_has_a_few_places_and_an_address_some_more(small_page: Caller) -> None:
    number = number_of(small_page, "plain")
    statuses = [small_page.join(number, ["a"], "one").status_code for _ in range(PLACES_PER_CLIENT + 1)]
    assert statuses == [200] * PLACES_PER_CLIENT + [429]
    statuses = [small_page.join(number, ["a"]).status_code for _ in range(20)]  # each time another session's name
    assert statuses.count(200) == PLACES_PER_ADDRESS - PLACES_PER_CLIENT
    with Caller(small_page.url, local_address="127.0.0.2") as neighbour:
        assert neighbour.join(number, ["a"]).status_code == 200


def test_a_header_makes_no_other_client(small_page: Caller) -> None:
    number = number_of(small_page, "plain")
    small_page.http.headers["X-Forwarded-For"] = "198.51.100.7"
    statuses = []
    for last in range(30):
        small_page.http.headers["X-Forwarded-For"] = f"8.8.8.{last}"
        statuses.append(small_page.join(number, ["a"]).status_code)
    assert statuses.count(200) == PLACES_PER_ADDRESS


def test_when_all_places_are_taken_everyone_is_told(small_page: Caller) -> None:
    number, statuses = number_of(small_page, "plain"), []
    for last in range(1, 8):
        with Caller(small_page.url, local_address=f"127.0.0.{last}") as caller:
            statuses += [caller.join(number, ["a"]) for _ in range(5)]
    assert [answer.status_code for answer in statuses] == [200] * 30 + [503] * 5
    assert (
        statuses[-1].json()["detail"]
        == "The page is busy: 30 jobs are waiting or running. Please try again in a minute."
    )
    assert 'event: complete\ndata: ["at once"]' in small_page.call("light", ["at once"])


def test_light_handlers_do_not_wait_for_heavy_ones(small_page: Caller) -> None:
    for _ in range(4):
        small_page.post("plain", ["a"])
    started = time.monotonic()
    assert "event: complete" in small_page.call("light", ["now"])
    assert time.monotonic() - started < 5


def test_quick_jobs_do_not_wait_for_slow_ones(small_page: Caller) -> None:
    for _ in range(3):
        small_page.post("plain", ["a"])
    started = time.monotonic()
    assert "event: complete" in small_page.call("quick", ["now"])
    assert time.monotonic() - started < 5


def test_a_full_line_of_slow_jobs_leaves_that_of_quick_ones(small_page: Caller) -> None:
    number = number_of(small_page, "plain")
    for last in range(1, 9):
        with Caller(small_page.url, local_address=f"127.0.0.{last}") as caller:
            for _ in range(4):
                answer = caller.join(number, ["a"], f"session {last}")
    assert answer.status_code == 503
    with Caller(small_page.url, local_address="127.0.0.1") as caller:  # this client has all its slow places
        assert 'event: complete\ndata: ["at once"]' in caller.call("quick", ["at once"])


def picture_file(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def test_an_upscaling_waits_in_the_line_of_its_result(small_page: Caller) -> None:
    small, large = small_page.upload(picture_file(300, 200)), small_page.upload(picture_file(1500, 1500))
    slow, number = number_of(small_page, "plain"), number_of(small_page, "sized")
    small_page.join(slow, ["a"], "one")
    with small_page.http.stream("GET", "/queue/data", params={"session_hash": "one"}) as running:
        lines = running.iter_lines()
        with Caller(small_page.url) as other:
            assert waited_for(lambda: work(other)["steps"] > 2)
            other.join(number, [large, 2], "two")
            assert "2 times" in other.call("sized", [small, 2])
            assert "1 times" in other.call("sized", [large, 1])
            assert "17 times" in other.call("sized", [large, 17])  # no network does that, so nobody is told to wait
            assert queue_size(other) == 1
            with other.http.stream("GET", "/queue/data", params={"session_hash": "two"}) as waiting:
                messages = (json.loads(line[6:]) for line in waiting.iter_lines() if line.startswith("data: "))
                told = next(message for message in messages if message["msg"] == "estimation")
                assert (told["rank"], told["queue_size"]) == (0, 1)
                event = next(json.loads(line[6:])["event_id"] for line in lines if '"event_id"' in line)
                other.http.post("/cancel", json={"session_hash": "one", "fn_index": slow, "event_id": event})
                done = next(message for message in messages if message["msg"] == "process_completed")
                assert done["output"]["data"] == ["2 times"]


def test_a_place_in_the_backend_is_told_as_one_in_the_queue(small_page: Caller) -> None:
    small_page.join(number_of(small_page, "placed"), ["a"], "one")
    with small_page.http.stream("GET", "/queue/data", params={"session_hash": "one"}) as stream:
        messages = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    kinds = [message["msg"] for message in messages]
    told = [message for message in messages[kinds.index("process_starts") :] if message["msg"] == "estimation"]
    assert [(each["rank"], each["rank_eta"]) for each in told] == [(1, 7.5), (0, None)]
    assert next(each for each in messages if each["msg"] == "process_completed")["output"]["data"] == ["done"]


def test_a_job_that_nobody_listens_to_is_dropped(small_page: Caller) -> None:
    """Those that wait and the one that runs, a plain function in a thread."""
    for _ in range(4):
        small_page.post("plain", ["a"])
    assert waited_for(lambda: running(small_page))
    assert waited_for(lambda: ended(small_page), 10)
    assert waited_for(lambda: queue_size(small_page) == 0)
    assert small_page.post("plain", ["a"]).status_code == 200


def test_a_job_that_is_listened_to_lives(small_page: Caller) -> None:
    event = small_page.post("stream", ["a"]).json()["event_id"]
    with small_page.http.stream("GET", f"/call/stream/{event}") as stream:
        lines, end = stream.iter_lines(), time.monotonic() + 2 * UNHEARD_S
        while time.monotonic() < end:
            next(lines)  # kept: an iterator that is dropped closes the stream
        with Caller(small_page.url) as other:
            assert not ended(other)
    assert waited_for(lambda: ended(small_page), 5)


@pytest.mark.parametrize("name", ["plain", "stream"])
def test_a_visitor_who_leaves_stops_the_work_within_two_seconds(small_page: Caller, name: str) -> None:
    event = small_page.post(name, ["a"]).json()["event_id"]
    with small_page.http.stream("GET", f"/call/{name}/{event}"), Caller(small_page.url) as other:
        assert waited_for(lambda: running(other))
    assert waited_for(lambda: ended(small_page), 2)


@pytest.mark.parametrize("name", ["plain", "stream"])
def test_cancelling_stops_the_work_within_two_seconds(small_page: Caller, name: str) -> None:
    number, session = number_of(small_page, name), secrets.token_hex(6)
    event = small_page.join(number, ["a"], session).json()["event_id"]
    with (
        small_page.http.stream("GET", "/queue/data", params={"session_hash": session}),
        Caller(small_page.url) as other,
    ):
        assert waited_for(lambda: running(other))
        other.http.post("/cancel", json={"session_hash": session, "fn_index": number, "event_id": event})
        assert waited_for(lambda: ended(other), 2)


def test_a_camera_that_sends_no_frame_gives_its_place_back(small_page: Caller) -> None:
    camera = next(entry for entry in small_page.config()["dependencies"] if entry["api_name"] == "look")
    began = time.monotonic()
    assert '"data":["nothing"]' in small_page.ask(camera, [None])
    assert LIVE_SILENT_S < time.monotonic() - began < LIVE_S / 3


def test_a_camera_that_sends_frames_keeps_its_place(small_page: Caller) -> None:
    frame = {"url": f"{FRAME_PREFIX}AAAA"}
    number, session = number_of(small_page, "look"), secrets.token_hex(6)
    event = small_page.join(number, [frame], session).json()["event_id"]
    body = {"data": [frame], "fn_index": number, "session_hash": session}
    end = time.monotonic() + 3 * LIVE_SILENT_S
    with small_page.http.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
        with Caller(small_page.url) as other:
            while time.monotonic() < end:
                assert other.http.post(f"/stream/{event}", json=body).status_code == 200
                time.sleep(0.1)
        last = [line for line in stream.iter_lines() if "process_completed" in line][-1]
    assert '"success":true' in last and '"data":["a frame"]' in last


def test_an_answer_waits_for_its_client(small_page: Caller) -> None:
    event = small_page.post("light", ["later"]).json()["event_id"]
    time.sleep(2 * UNHEARD_S)
    assert 'data: ["later"]' in small_page.http.get(f"/call/light/{event}").text


@pytest.mark.parametrize("session", ["", "s" * 65, "a\nb", "s" * 2**20])
def test_a_session_has_a_short_name(small_page: Caller, session: str) -> None:
    body = {"data": ["a"], "fn_index": number_of(small_page, "light"), "session_hash": session}
    answer = small_page.http.post("/queue/join", json=body)
    assert answer.status_code == 400 and "64 printable characters" in answer.text


def test_an_unknown_function_is_one_sentence(small_page: Caller) -> None:
    assert small_page.join(999, []).json() == {"detail": "There is no such function."}
    assert small_page.post("x" * 1000, []).json() == {"detail": "There is no such function."}


FORWARDED = [
    ({}, "10.0.0.9"),
    ({"SPACE_ID": "a/b"}, "8.8.4.4"),
    ({"CVDEMO_BEHIND_PROXY": "1"}, "10.1.2.3"),
    ({"CVDEMO_BEHIND_PROXY": "0"}, "10.0.0.9"),
]


@pytest.mark.parametrize(("variables", "address"), FORWARDED)
def test_a_forwarded_address_counts_only_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], address: str
) -> None:
    """The last one, on a Space the last public one: what stands before it may come from the client."""
    for name in ("SPACE_ID", "CVDEMO_BEHIND_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    headers = [(b"x-forwarded-for", b"1.1.1.1, 8.8.4.4, 10.1.2.3")]
    scope = {"headers": headers, "client": ("1.1.1.1", 1), "state": {PEER: "10.0.0.9"}}
    assert address_of(scope) == address


def test_addresses_of_one_network_are_one_client() -> None:
    scopes = [{"headers": [], "state": {PEER: f"2001:db8:1:2::{end}"}} for end in ("1", "ffff")]
    assert address_of(scopes[0]) == address_of(scopes[1]) == "2001:db8:1:2::"
