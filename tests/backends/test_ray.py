"""The same requests on Ray Serve, on this machine: results, steps, leaving, deadlines, lost replicas, more replicas."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.helpers.extras import needed

needed("ray", "the extra ray is not installed")

from cvdemo import demos
from cvdemo.backends.ray import REPLICAS, RayBackend
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import last_step, result_of
from cvdemo.errors import DemoError, InputError
from cvdemo.images import read_image
from cvdemo.runtime import stopping_when
from cvdemo.style.optimise import StyleConfig
from cvdemo.style.run import StyleRequest
from tests.backends.ray_work import CountRequest, run_any

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Ray's own warnings


@pytest.fixture(scope="module")
def backend() -> Iterator[RayBackend]:
    made = RayBackend(replicas=1, run=run_any)
    yield made
    made.close()


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return read_image(ROOT / "examples" / "chelsea.jpg")


def waited_for(path: Path, text: str) -> bool:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if path.exists() and text in path.read_text(encoding="utf-8"):
            return True
        time.sleep(0.05)
    return False


def test_a_classification_is_the_one_of_this_process(backend: RayBackend, picture: np.ndarray) -> None:
    request = ClassifyRequest(image=picture, config=ClassifyConfig(ten_crop=True))
    assert result_of(backend.run(request)) == result_of(demos.run(request))


def test_a_style_streams_previews_and_its_picture_is_the_same_to_the_bit(
    backend: RayBackend, picture: np.ndarray
) -> None:
    style = read_image(ROOT / "examples" / "styles" / "night_swirls.jpg")
    config = StyleConfig(size=128, scales=2, steps=3)
    request = StyleRequest(content=picture, style=style, config=config, preview_every_s=0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many as a replica has
    try:
        here, there = list(demos.run(request)), list(backend.run(request))
    finally:
        torch.set_num_threads(threads)
    assert [(step.done, step.total) for step in there] == [(step.done, step.total) for step in here]
    assert any(step.preview is not None for step in there[:-1])
    assert np.array_equal(there[-1].result.image, here[-1].result.image)


def test_a_deadline_ends_with_the_best_so_far(backend: RayBackend) -> None:
    last = last_step(backend.run(CountRequest(steps=100, seconds=0.1, time_limit_s=0.5)))
    assert not last.complete and 1 <= last.result < 100


def test_what_a_visitor_can_mend_is_one_sentence(backend: RayBackend) -> None:
    steps = backend.run(CountRequest(refuse="The picture is too small."))
    assert next(steps).done == 1
    with pytest.raises(InputError, match=r"^The picture is too small\.$"):
        next(steps)


def test_a_visitor_who_leaves_ends_the_work(backend: RayBackend, tmp_path: Path) -> None:
    left, noted = threading.Event(), tmp_path / "noted"
    with stopping_when(left.is_set):
        for step in backend.run(CountRequest(steps=1000, seconds=0.05, noted=str(noted))):
            if step.done == 3:
                left.set()
    assert waited_for(noted, "ended")


def test_a_caller_who_takes_no_more_steps_ends_the_work(backend: RayBackend, tmp_path: Path) -> None:
    steps = backend.run(CountRequest(steps=1000, seconds=0.05, noted=str(tmp_path / "noted")))
    next(steps)
    steps.close()  # type: ignore[attr-defined]  # it is a generator
    assert waited_for(tmp_path / "noted", "ended")


def test_a_request_whose_replica_is_killed_is_begun_again(backend: RayBackend, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    steps = backend.run(CountRequest(steps=20, seconds=0.1, noted=str(noted)))
    assert next(steps).done == 1
    os.kill(int(noted.read_text(encoding="utf-8").split()[0]), signal.SIGKILL)
    assert last_step(steps).result == 20
    assert len([line for line in noted.read_text(encoding="utf-8").split() if line.isdecimal()]) == 2


def test_a_request_whose_replicas_are_all_killed_is_one_sentence(backend: RayBackend, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    steps = backend.run(CountRequest(steps=200, seconds=0.1, noted=str(noted)))
    with pytest.raises(DemoError, match="was lost, twice"):
        for step in steps:
            if step.done == 1:
                os.kill(int(noted.read_text(encoding="utf-8").split()[-1]), signal.SIGKILL)


def test_quick_work_grows_with_replicas(backend: RayBackend) -> None:
    """Of work that only waits: twice as fast but for what starting costs. It goes into the cluster that is there."""
    one = seconds_for_four(backend)
    assert one > 1.4 * seconds_for_four(RayBackend(replicas=2, run=run_any))


def seconds_for_four(backend: RayBackend) -> float:
    result_of(backend.run(CountRequest(steps=1)))  # the replicas are there
    started = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: result_of(backend.run(CountRequest(steps=1, seconds=1.5))), range(4)))
    return time.monotonic() - started


@pytest.mark.parametrize("text", ["0", "two", "65", "-1"])
def test_a_number_of_replicas_that_is_none_is_one_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(REPLICAS, text)
    with pytest.raises(InputError, match="CVDEMO_RAY_REPLICAS has to be a whole number from 1 to 64"):
        RayBackend()


def test_a_deployment_that_failed_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def deploy(self: RayBackend, demo: str) -> str:
        tries.append(demo)
        if len(tries) == 1:
            raise RuntimeError("no machine took it")
        return "handle"

    monkeypatch.setattr(RayBackend, "_start", lambda self: None)
    monkeypatch.setattr(RayBackend, "_deploy", deploy)
    made = RayBackend(replicas=1)
    with pytest.raises(RuntimeError, match="no machine took it"):
        made._handle("style")
    assert made._handle("style") == made._handle("style") == "handle" and len(tries) == 2
