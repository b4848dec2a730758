"""What the tests of the server share: calls to any handler of a running page, whatever they hold."""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cvdemo.ui.wiring.controls import example_picture

FILE = {"_type": "gradio.FileData"}
ASKED_AT_ONCE = 8  # an address has twelve places for heavy jobs


@dataclass
class Caller:
    """A client that can call handlers by number, private ones too."""

    url: str
    log: Path | None = None
    local_address: str = "127.0.0.1"
    http: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.HTTPTransport(local_address=self.local_address)
        self.http = httpx.Client(base_url=f"{self.url}/gradio_api", transport=transport, timeout=60)

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def config(self) -> dict[str, Any]:
        return httpx.get(f"{self.url}/config", timeout=60).json()

    def upload(self, content: bytes | None = None, name: str = "picture.jpg") -> dict[str, Any]:
        """A picture field's value; without content, of a small photograph."""
        data = Path(example_picture("lion")).read_bytes() if content is None else content
        stored = self.http.post("/upload", files={"files": (name, data)}).raise_for_status().json()[0]
        return {"path": stored, "meta": FILE}

    def post(self, name: str, data: list[Any], **fields: Any) -> httpx.Response:
        """Asks for a job at a public endpoint."""
        return self.http.post(f"/call/{name}", json={"data": data, **fields})

    def call(self, name: str, data: list[Any]) -> str:
        """All events of a job at a public endpoint, as text."""
        event = self.post(name, data).raise_for_status().json()["event_id"]
        return self.http.get(f"/call/{name}/{event}").text

    def join(self, number: int, data: list[Any], session: str | None = None, **fields: Any) -> httpx.Response:
        """Asks for a job of any handler."""
        body = {"data": data, "fn_index": number, "session_hash": session or secrets.token_hex(8), **fields}
        return self.http.post("/queue/join", json=body)

    def ask_all(self, questions: list[tuple[dict[str, Any], list[Any]]], **fields: Any) -> list[str]:
        """`ask` for many, a few at a time: each waits for the queue for longer than it computes."""
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            return list(pool.map(lambda question: self.ask(*question, **fields), questions))

    def ask(self, dependency: dict[str, Any], data: list[Any], **fields: Any) -> str:
        """The last event of any handler, or the body of its refusal, as text."""
        session = secrets.token_hex(8)
        if not dependency["queue"]:
            body = {"data": data, "fn_index": dependency["id"], "session_hash": session, **fields}
            return self.http.post("/run/predict", json=body).text
        answer = self.join(dependency["id"], data, session, **fields)
        if answer.status_code != 200:
            return answer.text
        with self.http.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
            lines = [line for line in stream.iter_lines() if "process_completed" in line]
        return lines[-1] if lines else ""


def results(events: str) -> Any:
    """The data of a completed job."""
    return json.loads(events.split("event: complete\ndata: ")[1].splitlines()[0])


def handlers(config: dict[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
    """Every handler with the kinds of its inputs."""
    kinds = {component["id"]: component["type"] for component in config["components"]}
    return [(entry, [kinds[number] for number in entry["inputs"]]) for entry in config["dependencies"]]


def distinct(config: dict[str, Any]) -> list[tuple[dict[str, Any], list[str]]]:
    """As `handlers`, but a function that takes the same fields at several events is there once.

    Gradio numbers the names of such handlers: `teach_on_page`, `teach_on_page_1`.
    """
    found: dict[Any, tuple[dict[str, Any], list[str]]] = {}
    for handler, kinds in handlers(config):
        name = re.sub(r"_\d+$", "", str(handler["api_name"]))
        found.setdefault((name, tuple(handler["inputs"])), (handler, kinds))
    return list(found.values())


def reads_nothing(handler: dict[str, Any]) -> bool:
    """Whether its inputs are for the browser alone: it has no function here, or one that is given no values."""
    return not handler["backend_fn"] or str(handler["api_name"]).startswith("end_and_empty")


def ways_in(config: dict[str, Any]) -> list[tuple[dict[str, Any], list[str], int]]:
    """The places at which to try a value: a handler, the kinds of its inputs, and which of them.

    Fields of one kind are checked by the same code, pictures each for itself.
    """
    return [
        (handler, kinds, place)
        for handler, kinds in distinct(config)
        for place, kind in enumerate(kinds)
        if place == 0 or (not reads_nothing(handler) and (kind == "image" or kinds.index(kind) == place))
    ]


def upload(server: str, path: str | Path) -> dict[str, Any]:
    """A picture on the server, as programs hand it to an endpoint."""
    files = {"files": (Path(path).name, Path(path).read_bytes())}
    stored = httpx.post(f"{server}/gradio_api/upload", files=files, timeout=60).json()[0]
    return {"path": stored, "meta": {"_type": "gradio.FileData"}}


class Visitor:
    """Another visitor, whose job is under way until `leave`: it posts a call and reads its stream."""

    def __init__(self, server: str, endpoint: str, data: list[Any]) -> None:
        url = f"{server}/gradio_api/call/{endpoint}"
        self._client = httpx.Client(timeout=None)
        event_id = self._client.post(url, json={"data": data}).json()["event_id"]
        self._context = self._client.stream("GET", f"{url}/{event_id}")
        self.lines = self._context.__enter__().iter_lines()

    def wait_for_a_preview(self) -> None:
        """Until the job runs: its first result is there."""
        next(line for line in self.lines if line.startswith("event: generating"))

    def leave(self) -> None:
        """Closes the stream, as a closed browser does."""
        self._context.__exit__(None, None, None)
        self._client.close()


class Visitors:
    """Several others at once."""

    def __init__(self, visitors: list[Visitor]) -> None:
        self._visitors = visitors

    def leave(self) -> None:
        """Closes all their streams; once is enough."""
        while self._visitors:
            self._visitors.pop().leave()
