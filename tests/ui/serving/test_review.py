"""Limits that count the right thing: places, addresses, shares of uploads, and bytes of results; no page is started."""

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from fastapi import HTTPException
from filelock import FileLock
from gradio.blocks import Blocks

from cvdemo.demo import Lane, Step
from cvdemo.detect.selection import Detections
from cvdemo.errors import RoomError
from cvdemo.images import ImageArray
from cvdemo.limits import CONNECTIONS_PER_ADDRESS, KEEP_FILES_S
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import Pick, SampleConfig
from cvdemo.sample.latent_walk import WalkConfig
from cvdemo.sample.run import ANGLE
from cvdemo.ui import sample, sample_api, sample_explore, sample_picks, upscale
from cvdemo.ui.detect import results as detect_results
from cvdemo.ui.serving import middleware as server
from cvdemo.ui.serving import page_folder as files
from cvdemo.ui.serving import results
from cvdemo.ui.serving.clients import PEER, address_of
from cvdemo.ui.serving.connections import LimitedProtocol
from cvdemo.ui.serving.fair_queue import FairQueue, HeardQueue, Place
from cvdemo.ui.serving.middleware import SHARE_TAKEN, RoomForUploads
from cvdemo.ui.wiring import jobs
from cvdemo.upscale.run import UpscaleResult
from tests.ui.stand_in import StandIn


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "CVDEMO_BEHIND_PROXY"):
        monkeypatch.delenv(name, raising=False)


def queue_with(*names: str) -> FairQueue:
    """A queue in which jobs of these names have their places; it does not run. To be called on an event loop."""
    blocks = cast(Blocks, SimpleNamespace(fns={}))
    queue = FairQueue(30, live_updates=False, concurrency_count=1, update_intervals=1.0, blocks=blocks)
    queue.pending_messages_per_session["s"] = HeardQueue()
    for name in names:
        queue.places[name] = place(name)
    return queue


def on_a_loop(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs it in a thread of its own: in this one the browser's event loop may run."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(work())).result()


def place(name: str) -> Place:
    event = SimpleNamespace(_id=name, session_hash="s", fn=SimpleNamespace(outputs=[1, 2]), alive=True, streaming=False)
    return Place(cast(Any, event), "s", "192.0.2.1", lane=Lane.QUICK, own_session=False)


class Changes(threading.Event):
    """Set while another thread takes a place, as when a visitor comes just as the page closes."""

    def __init__(self, places: dict[str, Place]) -> None:
        super().__init__()
        self.places = places

    def set(self) -> None:
        super().set()
        self.places["new"] = place("new")


def test_all_jobs_are_stopped_while_places_change() -> None:
    async def work() -> None:
        queue = queue_with("a", "b")
        queue.places["a"].stop = Changes(queue.places)
        queue.stop_all()
        assert queue.places["a"].stop.is_set() and queue.places["b"].stop.is_set()

    on_a_loop(work)


def test_a_client_leaves_while_places_change() -> None:
    async def work() -> None:
        queue = queue_with("a", "b")
        queue.places["a"].stop = Changes(queue.places)
        await queue.clean_events(session_hash="s")
        assert queue.places["b"].stop.is_set()

    on_a_loop(work)


def test_a_job_taken_out_of_the_queue_frees_its_place_at_once() -> None:
    """So that quick changes behind another visitor's job are never refused."""
    names = ["a", "b", "c", "d"]

    async def work() -> None:
        queue = queue_with(*names)
        with pytest.raises(HTTPException) as refused:
            queue._refusal("s", "192.0.2.1", Lane.QUICK)
        assert refused.value.status_code == 429
        for name in names:
            jobs._complete(queue, queue.places[name].event, [])
        assert queue._refusal("s", "192.0.2.1", Lane.QUICK) is None

    on_a_loop(work)


@pytest.mark.parametrize(
    ("address", "behind_proxy", "refused"),
    [("8.8.8.8", "0", True), ("8.8.8.8", "1", False), ("10.0.0.1", "0", False)],
)
def test_a_proxy_may_hold_all_connections(
    monkeypatch: pytest.MonkeyPatch, address: str, behind_proxy: str, refused: bool
) -> None:
    monkeypatch.setenv("CVDEMO_BEHIND_PROXY", behind_proxy)
    connections = [SimpleNamespace(client=(address, port)) for port in range(CONNECTIONS_PER_ADDRESS + 1)]
    protocol = cast(LimitedProtocol, SimpleNamespace(connections=connections))
    assert LimitedProtocol._too_many(protocol, address) is refused


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("1.1.1.1, 8.8.4.4", "8.8.4.4"),
        ("8.8.4.4, 192.168.1.7", "192.168.1.7"),  # a client in the same house, whose own entry is not believed
        ("8.8.4.4, ::ffff:10.1.2.3", "10.1.2.3"),
        ("8.8.4.4, unknown", "10.0.0.9"),
        ("8.8.4.4,", "10.0.0.9"),
        ("", "10.0.0.9"),
    ],
)
def test_only_the_entry_of_the_nearest_proxy_counts(
    monkeypatch: pytest.MonkeyPatch, forwarded: str, address: str
) -> None:
    monkeypatch.setenv("CVDEMO_BEHIND_PROXY", "1")
    scope = {"headers": [(b"x-forwarded-for", forwarded.encode())], "state": {PEER: "10.0.0.9"}}
    assert address_of(scope) == address


@pytest.mark.parametrize("last", [4, 5])
def test_an_address_of_ipv4_stays_one_on_a_socket_of_ipv6(last: int) -> None:
    assert address_of({"headers": [], "state": {PEER: f"::ffff:1.2.3.{last}"}}) == f"1.2.3.{last}"


class Uploads:
    """`RoomForUploads` with a folder that has room for `room` bytes more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room, self.sent, self.now = room, list[dict[str, Any]](), 0.0
        self.limit = RoomForUploads(self._stored)
        monkeypatch.setattr(server, "ROOM", self)
        monkeypatch.setattr(server, "FILES_BYTES", 400)  # a share of 100
        monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=lambda: self.now))

    def check(self, size: int) -> None:
        if size > self.room:
            raise RoomError(files.FULL)

    async def _stored(self, scope: Any, receive: Any, send: Any) -> None:
        self.sent.append({"body": b"stored"})

    def upload(self, size: int, address: str = "192.0.2.1") -> str:
        async def receive() -> Any:
            return {"type": "http.request", "more_body": False}

        async def send(message: Any) -> None:
            self.sent.append(message)

        headers = [(b"content-length", str(size).encode())]
        scope = {"type": "http", "path": "/gradio_api/upload", "headers": headers, "client": (address, 1)}
        on_a_loop(lambda: self.limit(scope, receive, send))
        return str(self.sent[-1]["body"].decode())


def test_an_address_over_its_share_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(monkeypatch, room=1000)
    assert [uploads.upload(60), uploads.upload(60)] == ["stored", SHARE_TAKEN]
    assert uploads.upload(60, "192.0.2.2") == "stored"
    assert SHARE_TAKEN == "Your address has uploaded as much as is allowed in an hour. Please try again later."


def test_an_upload_that_the_folder_refuses_takes_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(monkeypatch, room=0)
    assert [uploads.upload(60) for _ in range(3)] == [files.FULL] * 3
    assert not uploads.limit.uploaded
    uploads.room = 1000
    assert uploads.upload(60) == "stored"


def test_addresses_are_forgotten_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(monkeypatch, room=1000)
    for last in range(5):
        uploads.upload(60, f"192.0.2.{last}")
    assert len(uploads.limit.uploaded) == 5
    uploads.now = KEEP_FILES_S + 1.0
    assert uploads.upload(60) == "stored"
    assert uploads.limit.uploaded == defaultdict(deque, {"192.0.2.1": deque([(uploads.now, 60)])})


def test_another_pages_sweep_leaves_a_folder_that_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at the worst moment: just before the new page has its lock."""

    class Swept(FileLock):
        def acquire(self, *args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(files, "FileLock", FileLock)
            for folder in tmp_path.glob(f"{files.PREFIX}*"):
                if folder.is_dir():
                    files._sweep_former(folder)
            return super().acquire(*args, **kwargs)

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(files, "FileLock", Swept)
    folder = files.open_folder()
    assert folder.real.is_dir() and folder.real.stat().st_mode & 0o777 == 0o700
    folder.close()


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with room for 100 bytes."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(files, "FILES_BYTES", 100)
    monkeypatch.setattr(results, "ROOM", files.Room())
    return tmp_path


NOISE: ImageArray = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
A, B = (Pick(generator="dcgan_anime", seed=0, index=0), Pick(generator="dcgan_anime", seed=0, index=1))
PICKS = (A, B, None)
BOXES = Detections(
    xyxy=np.zeros((9, 4), np.float32), scores=np.zeros(9, np.float32),
    labels=["lion"] * 9, classes=np.zeros(9, np.int64),
    size_wh=(64, 64), windows=9, elapsed_ms=1.0, complete=True,
)  # fmt: skip
STRIP = StandIn(Step(done=3, total=3, result=[NOISE] * 3, measures={ANGLE: 90.0}))
ENLARGED = Step(
    done=1,
    total=1,
    result=UpscaleResult(
        image=NOISE, bicubic=NOISE, original=None, quality=None, network_title="Network", network_kind="Quick"
    ),
)
WALKED = StandIn(Step(done=48, total=48, result=bytes(200)))
FILM = WalkConfig(seconds=2.0)
DOWNLOADS: dict[str, Any] = {
    "upscale": lambda: upscale.save_result(ENLARGED, None, 2, Deadline()),
    "sample": lambda: sample._downloads([NOISE], SampleConfig(count=1)),
    "zip": lambda: results.save_download("a.zip", sample.zip_bytes([NOISE], "a")),
    "latent": lambda: sample_picks.latent_file(A, [0.5] * 20),
    "strip": lambda: sample_explore.interpolate_on_page(STRIP, PICKS, 3),
    "boxes": lambda: detect_results.save_png_quickly(NOISE, "boxes"),
    "boxes as JSON": lambda: detect_results.box_files(BOXES.as_dict(), ["lion"], "boxes"),
    "walk": lambda: sample_api.walk_endpoint(WALKED, seconds=FILM.seconds, fps=FILM.fps),
    "walk on the page": lambda: list(
        sample_explore.walk_on_page(WALKED, PICKS, "dcgan_anime", 0, 1.0, *_walk_values()),
    ),
}


def _walk_values() -> list[Any]:
    return [getattr(FILM, name) for name in sample_explore.WALK_SETTINGS]


@pytest.mark.parametrize("make", DOWNLOADS.values(), ids=DOWNLOADS.keys())
def test_every_result_to_download_is_counted(full: Path, make: Any) -> None:
    with pytest.raises(RoomError, match="holds as many pictures as it can"):
        make()
    assert not [path for path in full.rglob("*") if path.is_file()]


def test_a_download_is_counted_before_the_next_measurement(full: Path) -> None:
    path = results.save_download("a.bin", b"x" * 60)
    assert path.read_bytes() == b"x" * 60 and path.name == "a.bin"
    with pytest.raises(RoomError):
        results.save_download("b.bin", b"x" * 60)
