"""Result files say what they are: after the picture sent and what was done; several of one result are numbered."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cvdemo.ui.serving.result_names import STEM_BYTES, are_pictures, name_results, result_name, start_output
from tests.ui.api_caller import Caller, results


def handler(api_name: str | None = "dream", elem_id: str | None = "dream-result") -> Any:
    visibility = "private" if api_name is None else "public"
    outputs = [SimpleNamespace(elem_id=elem_id)]
    return SimpleNamespace(api_name=api_name, api_visibility=visibility, outputs=outputs)


def names(function: Any, values: list[Any], count: int = 1) -> list[str]:
    """What results are called in a task of their own."""

    async def job() -> list[str]:
        name_results(function, values)
        result_name()  # of an output before
        start_output()
        return [result_name() for _ in range(count)]

    return asyncio.run(job())


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (handler(), [{"path": "/tmp/x/cheetah.jpg"}, 3], "cheetah_dream"),
        (handler(None), [7, {"path": "/tmp/x/my cat.heic"}], "my cat_dream"),
        (handler("sample"), [16, 1.0], "sample"),
        (handler(None, None), [None, {"url": "data:image/jpeg;base64,AA"}], "image"),
    ],
    ids=["endpoint", "page", "no picture", "nothing known"],
)
def test_a_name_says_what_was_done_to_what(function: Any, values: list[Any], expected: str) -> None:
    assert names(function, values) == [expected]


def test_several_pictures_of_an_output_are_numbered() -> None:
    assert names(handler("fool"), [{"path": "a.png"}], 3) == ["a_fool", "a_fool_2", "a_fool_3"]


def test_long_names_are_cut_and_others_than_gradios_stay() -> None:
    (name,) = names(handler(), [{"path": "é" * 120 + ".png"}])
    assert len(name.encode()) <= STEM_BYTES + len("_dream") and name.endswith("é_dream")
    assert result_name("preview") == "preview"


def test_only_arrays_are_pictures_of_a_gallery() -> None:
    assert are_pictures([np.zeros((2, 2, 3), np.uint8)])
    assert not are_pictures([]) and not are_pictures(["a.png"]) and not are_pictures(None)


def test_files_of_the_endpoints_have_their_names(server: str) -> None:
    with Caller(server) as caller:
        picture = caller.upload(name="lion.jpg")
        (overlay,) = results(caller.call("explain", [picture, "imagenet", "grad_cam", ""]))
        (pictures,) = results(caller.call("sample", ["dcgan_anime", 2, 0, 1.0]))
    assert Path(overlay["path"]).name == "lion_explain.png" and overlay["orig_name"] == "lion_explain.png"
    assert [Path(each["image"]["path"]).name for each in pictures] == ["sample.png", "sample_2.png"]
