"""Hostile files sent to every picture endpoint of a running page: a result or one sentence, the process alive.

A part of them each time. All of them go to every endpoint, with one line of a table each, by
`CVDEMO_EVERY_HOSTILE_FILE=1 pytest tests/ui/serving/test_hostile_uploads.py -k every_file`.
"""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from cvdemo.ui.wiring.controls import example_picture
from tests.picture_files.hostile_files import hostile_files
from tests.picture_files.test_hostile_files import MOST_MB, is_sentence, write_all
from tests.ui.page_server import serve

QUICK_STYLE = {"size": 128, "scales": 1, "steps": 1}
PHOTOGRAPHS_WH = ((4032, 3024), (3024, 4032), (3000, 3000))  # a phone's
ENLARGEABLE_WH = (3264, 2448)  # an older phone's: those are too large to be enlarged
BOMBS = ("bomb/rgba.png", "bomb/alpha.webp")  # those that need the most memory
ALWAYS = (*BOMBS, "lying/huge.heic")
EVERY_FILE = "CVDEMO_EVERY_HOSTILE_FILE"
TABLE = "| {:9} | {:>5} | {:>7} | {:>9} | {:>7} | {:>16} | {:>18} |"
COLUMNS = ("endpoint", "files", "results", "sentences", "seconds", "it stood at (MB)", "peak above it (MB)")
CHEAPEST = {"explain": {"model": "cifar10"}, "fool": {"model": "cifar10"}}  # for the many files
CLIENTS = 3
WORKING_AT_128_PX = ("dream", "content", "style")  # so set here: all shapes are alike to their networks
ENDPOINTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "classify": ("/classify", "image", {}),
    "detect": ("/detect", "image", {}),
    "dream": ("/dream", "image", {"octaves": 1, "steps": 1, "size_px": 128}),
    "content": ("/stylize", "content", QUICK_STYLE),
    "style": ("/stylize", "style", QUICK_STYLE),
    "upscale": ("/upscale", "image", {"scale": 2}),
    "explain": ("/explain", "image", {}),
    "fool": ("/fool", "image", {}),
}


@dataclass
class HostilePage:
    """A page of its own, the files in a folder, and the peak of its memory after one ordinary run of each endpoint.

    Ordinary are a phone's photographs, upright, lying and square: a small picture, or one shape alone, would leave out
    the networks' own memory, which grows with the picture up to their working size and with each new shape.
    """

    client: Client
    folder: Path
    log: Path
    pid: int
    ordinary: str
    stood_mb: float = 0

    def send(self, endpoint: str, path: Path | str, more: Mapping[str, Any] = MappingProxyType({})) -> str | None:
        """What the page said instead of a result, if it did; `more` are settings beside those of `ENDPOINTS`."""
        name, field, settings = ENDPOINTS[endpoint]
        inputs = {**settings, **more, field: handle_file(path)}
        if name == "/stylize":
            inputs |= {other: handle_file(self.ordinary) for other in ("content", "style") if other != field}
        try:
            self.client.predict(**inputs, api_name=name)
        except AppError as error:
            return str(error)
        return None

    def peak_mb(self) -> float:
        """The most memory that the process has had since `forget_peak`; it fails where the process has ended."""
        return memory_mb(self.pid, "VmHWM")

    def forget_peak(self) -> None:
        """The peak is counted anew, from the memory that the process has now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="utf-8")


def memory_mb(pid: int, field: str) -> float:
    """`VmRSS`, what a process holds in memory now, or `VmHWM`, the most that it has held."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.findall(rf"{field}:\s+(\d+) kB", status)[0]) / 1024


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostilePage]:
    folder = tmp_path_factory.mktemp("hostile")
    write_all(folder)
    page = tmp_path_factory.mktemp("page")
    with serve(page) as server:
        client = Client(server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))
        hostile = HostilePage(client, folder, page / "log.txt", server.pid, example_picture("chelsea"))
        Image.open(hostile.ordinary).resize(ENLARGEABLE_WH).save(folder / "enlargeable.jpg")
        for number, size_wh in enumerate(PHOTOGRAPHS_WH):
            photograph = folder / f"photograph_{number}.jpg"
            Image.open(hostile.ordinary).resize(size_wh).save(photograph)
            for endpoint in ENDPOINTS if number == 0 else set(ENDPOINTS) - {*WORKING_AT_128_PX, "upscale"}:
                # the photographs are too large to be enlarged
                assert hostile.send(endpoint, hostile.ordinary if endpoint == "upscale" else photograph) is None
        hostile.stood_mb = hostile.peak_mb()
        yield hostile


def check(hostile: HostilePage, said: dict[str, str | None]) -> None:
    """As `check_answers`, and memory is where it stood, or not much higher."""
    check_answers(hostile, said)
    assert hostile.peak_mb() - hostile.stood_mb < MOST_MB


def check_answers(hostile: HostilePage, said: dict[str, str | None]) -> None:
    """Only sentences were said, the process lives, and its log tells of nothing worse."""
    assert not {name: words for name, words in said.items() if words is not None and not is_sentence(words)}
    assert "Traceback" not in hostile.log.read_text(encoding="utf-8", errors="replace")
    assert hostile.send("classify", hostile.ordinary) is None


def sample(seed: int, count: int, kinds: Sequence[str]) -> list[str]:
    """The names of `count` files of each of these kinds, or of all where a kind has fewer."""
    rng, files = np.random.default_rng(seed), hostile_files()
    return [
        f"{kind}/{name}"
        for kind in kinds
        for name in rng.choice(sorted(files[kind]), min(count, len(files[kind])), replace=False)
    ]


@pytest.mark.slow
def test_files_of_every_kind_are_answered_by_classify(hostile: HostilePage) -> None:
    """Some sixty; `tests.picture_files.test_hostile_files` reads every file by the function that all endpoints use."""
    names = sorted({*sample(13, 7, list(hostile_files())), *ALWAYS})
    said = {name: hostile.send("classify", hostile.folder / name) for name in names}
    check(hostile, said)
    assert len(said) > 55
    assert sum(words is None for words in said.values()) > 20  # those that are pictures are classified


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", [name for name in ENDPOINTS if name != "classify"])
def test_a_few_files_are_answered_by_every_other_endpoint(hostile: HostilePage, endpoint: str) -> None:
    """Six kinds each, others at the next endpoint, so that every kind comes to several."""
    number, kinds = list(ENDPOINTS).index(endpoint), list(hostile_files())
    chosen = [kinds[(5 * number + place) % len(kinds)] for place in range(6)]
    names = {*sample(number, 1, chosen), BOMBS[number % 2], "lying/huge.heic"}
    said = {name: hostile.send(endpoint, hostile.folder / name) for name in sorted(names)}
    check(hostile, said)
    assert said["lying/huge.heic"] is not None


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.skipif(EVERY_FILE not in os.environ, reason=f"takes half an hour; {EVERY_FILE}=1 switches it on")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_file_is_answered_by_every_endpoint(
    hostile: HostilePage, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here memory stands where photographs have brought it at the same endpoint, sent by as many clients at once."""
    names = [f"{kind}/{name}" for kind, files in hostile_files().items() for name in files]
    photographs = sorted(hostile.folder.glob("photograph_*.jpg" if endpoint != "upscale" else "enlargeable.jpg"))
    settings, said = CHEAPEST.get(endpoint, {}), dict[str, str | None]()
    ordinary = [path.name for path in photographs for _ in range(CLIENTS)]
    stood_mb = peak_of(hostile, lambda: send_all(hostile, endpoint, ordinary, settings))
    started = time.monotonic()
    peak_mb = peak_of(hostile, lambda: said.update(send_all(hostile, endpoint, names, settings)))
    results = sum(words is None for words in said.values())
    figures = (len(said), results, len(said) - results, time.monotonic() - started, stood_mb, peak_mb - stood_mb)
    with capsys.disabled():
        print("\n" + TABLE.format(*COLUMNS) + "\n" + TABLE.format(endpoint, *map(round, figures)), flush=True)
    check_answers(hostile, said)
    assert peak_mb - stood_mb < MOST_MB


def peak_of(hostile: HostilePage, work: Callable[[], object]) -> float:
    """The most memory that the page had during the work, in MB."""
    hostile.forget_peak()
    work()
    return hostile.peak_mb()


def send_all(
    hostile: HostilePage, endpoint: str, names: list[str], settings: Mapping[str, Any]
) -> dict[str, str | None]:
    """What was said of each file; a few clients send at once, for each waits longer than its file is worked on."""

    def send_some(first: int) -> dict[str, str | None]:
        page = replace(
            hostile, client=Client(hostile.client.src, verbose=False, download_files=hostile.client.download_files)
        )
        return {name: page.send(endpoint, hostile.folder / name, settings) for name in names[first::CLIENTS]}

    with ThreadPoolExecutor(CLIENTS) as pool:
        return {name: words for some in pool.map(send_some, range(CLIENTS)) for name, words in some.items()}
