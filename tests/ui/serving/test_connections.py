"""Connections: what sends nothing is closed, what moves or waits for the page lives, and there is a number of them."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from cvdemo.limits import BODY_SILENCE_S, CONNECTIONS, HEADER_S, SPARE_FILES
from cvdemo.ui.serving.connections import connection_limit, use_limited_connections
from cvdemo.ui.serving.headers import SECURITY_HEADERS
from cvdemo.ui.serving.middleware import LimitStreams
from tests.ui.api_caller import Caller
from tests.ui.page_server import serve_small

UPLOAD = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=bb\r\n"
    b"Content-Length: 100000\r\n\r\n--bb\r\n"
)
HALF_HEADER = b"GET / HTTP/1.1\r\nHost: x\r\nX-a: "
SECOND = b"GET /robots.txt HTTP/1.1\r\nHost: x\r\n\r\n"


# Limits of the stand-in page, a few times shorter than the page's own, so that the tests need not wait for those.
SHORT_HEADER_S, SILENCE_S, LOOK_S = 1.5, 2.5, 0.2
LIMITS = {"serving.connections.HEADER_S": SHORT_HEADER_S, "serving.connections.BODY_SILENCE_S": SILENCE_S}
PART_EVERY_S = 0.25
KEEP_ALIVE_S = 5.0  # uvicorn's own, between two requests
LATE_S = 4.0  # what a busy machine may add


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    limits = {**LIMITS, "serving.connections.CHECK_EVERY_S": LOOK_S}
    variables = {"GRADIO_HEARTBEAT_INTERVAL": str(SILENCE_S + SHORT_HEADER_S)}
    with serve_small(tmp_path_factory.mktemp("connections"), limits, **variables) as caller:
        yield caller


def connect(caller: Caller, sent: bytes = b"") -> socket.socket:
    port = int(caller.url.rpartition(":")[2])
    opened = socket.create_connection(("127.0.0.1", port), timeout=60)
    opened.sendall(sent)
    return opened


def closed_after(opened: socket.socket) -> float:
    """Seconds until the page closes a connection."""
    started = time.monotonic()
    try:
        while opened.recv(65536):
            pass
    except ConnectionError:
        pass
    opened.close()
    return time.monotonic() - started


SILENT: dict[str, tuple[bytes, float]] = {
    "nothing": (b"", SHORT_HEADER_S),
    "half a header": (HALF_HEADER, SHORT_HEADER_S),
    "half a second header": (SECOND + HALF_HEADER, KEEP_ALIVE_S),
    "half a body": (UPLOAD, SILENCE_S),
}


def test_what_sends_nothing_is_closed(caller: Caller) -> None:
    """All at the same time: each test would wait for seconds."""
    with ThreadPoolExecutor(len(SILENT)) as pool:
        waited = pool.map(lambda case: closed_after(connect(caller, case[0])), SILENT.values())
        took = dict(zip(SILENT, waited, strict=True))
    for name, (_, limit_s) in SILENT.items():
        assert limit_s - 2 * LOOK_S < took[name] < limit_s + LATE_S, took


def test_the_page_itself_has_these_limits(server: str) -> None:
    """With its own numbers: long enough for a phone, and short enough for those whose place is taken."""
    assert 3 <= HEADER_S <= 10 <= BODY_SILENCE_S <= 30
    with Caller(server) as caller:
        assert HEADER_S - 2 < closed_after(connect(caller, HALF_HEADER)) < HEADER_S + LATE_S


def test_a_header_that_drips_is_closed_all_the_same(caller: Caller) -> None:
    opened = connect(caller, HALF_HEADER)

    def drip() -> None:
        try:
            for _ in range(300):
                opened.sendall(b"x")
                time.sleep(0.1)
        except OSError:
            return

    thread = threading.Thread(target=drip)
    thread.start()
    assert closed_after(opened) < SHORT_HEADER_S + LATE_S
    thread.join()


def test_a_slow_upload_that_moves_lives(caller: Caller) -> None:
    """Longer than the header's limit and than the silence that is allowed, in small parts."""
    content = (
        b'Content-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n' + b"x" * 30_000 + b"\r\n--bb--\r\n"
    )
    opened = connect(caller, UPLOAD.replace(b"100000", str(len(content) + 6).encode()))
    part = int(len(content) * PART_EVERY_S / (SILENCE_S + SHORT_HEADER_S))
    for start in range(0, len(content), part):
        opened.sendall(content[start : start + part])
        time.sleep(PART_EVERY_S)
    assert opened.recv(100).startswith(b"HTTP/1.1 200")
    opened.close()


def test_a_silent_stream_lives(caller: Caller) -> None:
    """Between two signs of life nothing moves for longer than any of the limits."""
    opened = connect(caller, b"GET /gradio_api/heartbeat/a HTTP/1.1\r\nHost: x\r\n\r\n")
    received, started = b"", time.monotonic()
    while received.count(b"ALIVE") < 2:
        data = opened.recv(65536)
        assert data, "the stream was closed"
        received += data
    assert time.monotonic() - started > SILENCE_S + LOOK_S
    opened.close()


def test_the_page_answers_beside_hundreds_of_half_open_connections(caller: Caller) -> None:
    with contextlib.ExitStack() as closing:
        opened = [connect(caller, [b"", HALF_HEADER, UPLOAD][number % 3]) for number in range(300)]
        for connection in opened:
            closing.callback(connection.close)  # where the page fails, too
        started = time.monotonic()
        assert caller.http.get("/queue/status").status_code == 200
        assert time.monotonic() - started < 4 * LATE_S
        assert max(closed_after(connection) for connection in opened) < SILENCE_S + 2 * LATE_S


ANSWERS = [
    ("GET", "/"),
    ("GET", "/config"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/nothing-here"),
    ("OPTIONS", "/"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/deep_link"),
    ("GET", "/theme.css"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_carries_the_security_headers(server: str, method: str, path: str) -> None:
    preflight = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    answer = httpx.request(method, f"{server}{path}", headers=preflight if method == "OPTIONS" else {})
    for name, value in SECURITY_HEADERS:
        assert answer.headers.get_list(name.decode()) == [value.decode()]


def test_even_a_request_that_is_none_is_answered_with_a_status(caller: Caller) -> None:
    opened = connect(caller, b"nonsense\r\n\r\n")
    assert opened.recv(1000).startswith(b"HTTP/1.1 400")
    opened.close()


def test_more_connections_than_the_limit_are_turned_away(tmp_path: Path) -> None:
    """With few files allowed, so that the limit is small: 503, at once, and room again afterwards."""
    with serve_small(tmp_path, LIMITS, max_files=SPARE_FILES + 20) as caller:
        opened = [connect(caller, HALF_HEADER) for _ in range(30)]
        assert httpx.get(f"{caller.url}/robots.txt", timeout=10).status_code == 503
        assert max(closed_after(connection) for connection in opened) < SHORT_HEADER_S + LATE_S
        assert httpx.get(f"{caller.url}/robots.txt", timeout=10).status_code == 200


def test_the_limit_heeds_the_systems() -> None:
    use_limited_connections()
    assert 0 < connection_limit() <= CONNECTIONS


def test_one_address_holds_a_number_of_streams() -> None:
    answers: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.2)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    async def ask(limit: LimitStreams, path: str, address: str) -> None:
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": (address, 1)}
        await limit(scope, None, send)  # type: ignore[arg-type]  # nothing is received

    async def run() -> None:
        limit = LimitStreams(app, per_address=3)
        streams = [ask(limit, "/gradio_api/heartbeat/a", "192.0.2.1") for _ in range(5)]
        others = [ask(limit, "/gradio_api/queue/data", "192.0.2.2"), ask(limit, "/theme.css", "192.0.2.1")]
        await asyncio.gather(*streams, *others)
        assert not limit.open

    thread = threading.Thread(target=lambda: asyncio.run(run()))  # the browser's event loop runs in this one
    thread.start()
    thread.join()
    assert answers == [429, 429]
