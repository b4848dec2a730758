"""The whole page with a stand-in that does no work: endpoints of Classify and Sample answer with what it gives."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cvdemo.classify.adversarial import Fooled
from cvdemo.classify.classifier import Prediction
from cvdemo.classify.explain import Explanation
from cvdemo.classify.run import ClassifyRequest, ExplainRequest, FoolRequest
from cvdemo.demo import Request, Step
from cvdemo.sample.run import ArithmeticRequest, InterpolateRequest, SampleRequest
from cvdemo.ui.page import build_page
from cvdemo.ui.serving.gradio_parts import adapt_gradio
from cvdemo.ui.serving.middleware import error_handlers, middleware
from tests.ui.api_caller import Caller, results
from tests.ui.forked_pages import PageProcess
from tests.ui.page_server import free_port, wait_until_it_answers

FLAT = np.full((16, 16, 3), 90, np.uint8)
UNICORN = Prediction(["unicorn", "horse"], [0.75, 0.25], [1, 2])
ANSWERS: dict[type[Request], Any] = {
    ClassifyRequest: UNICORN,
    ExplainRequest: Explanation(FLAT, np.zeros((16, 16), np.float32), "grad_cam", 1),
    FoolRequest: Fooled(FLAT, FLAT + np.uint8(1), UNICORN, Prediction(["horse"], [0.5], [2])),
    SampleRequest: [FLAT] * 3,
    InterpolateRequest: [FLAT] * 4,
    ArithmeticRequest: FLAT,
}


def stand_in(request: Request) -> Iterator[Step[Any]]:
    yield Step(done=1, total=1, result=ANSWERS[type(request)])


def main(port: int) -> None:
    adapt_gradio()
    page = build_page(stand_in)
    options = {"middleware": middleware(), "exception_handlers": error_handlers()}
    page.launch(server_name="127.0.0.1", server_port=port, quiet=True, ssr_mode=False, app_kwargs=options)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder, port = tmp_path_factory.mktemp("page"), free_port()
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(folder / "files")}
    process = PageProcess(folder / "log.txt", environment, main, port)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}", process)
        with Caller(f"http://127.0.0.1:{port}", folder / "log.txt") as client:
            yield client
    finally:
        process.kill()
        process.wait()


def test_classify_answers_with_what_the_stand_in_gives(caller: Caller) -> None:
    picture = caller.upload()
    (label,) = results(caller.call("classify", [picture, "imagenet", False]))
    assert label["label"] == "unicorn" and [entry["confidence"] for entry in label["confidences"]] == [0.75, 0.25]
    (overlay,) = results(caller.call("explain", [picture, "imagenet", "grad_cam", ""]))
    changed, difference, sizes = results(caller.call("fool", [picture, "imagenet", ""]))
    assert overlay["path"] and changed["path"] and difference["path"]
    assert sizes["before"]["label"] == "unicorn" and sizes["after"]["label"] == "horse" and sizes["largest"] == 1


def test_sample_answers_with_what_the_stand_in_gives(caller: Caller) -> None:
    assert len(results(caller.call("sample", ["dcgan_anime", 16, 0, 1.0]))[0]) == 3
    assert len(results(caller.call("interpolate", ["dcgan_anime", 0, 0, 0, 1, 8, 1.0]))[0]) == 4
    assert results(caller.call("arithmetic", ["dcgan_anime", 0, 0, 0, 1, 0, 2, 1.0]))[0]["path"]
