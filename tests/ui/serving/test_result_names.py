"""Result files say what they are: what was done, how, and to which picture; several of one result are numbered."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import gradio as gr
import numpy as np
import pytest

from cvdemo.ui.serving.blocks import _named
from cvdemo.ui.serving.result_names import (
    STEM_BYTES,
    are_pictures,
    call_results,
    file_stem,
    in_file_name,
    name_results,
    result_name,
    start_output,
    stem_of,
    tell_apart,
)
from tests.ui.api_caller import Caller, results

T = TypeVar("T")
PICTURE = np.zeros((2, 2, 3), np.uint8)


def in_a_loop(job: Coroutine[Any, Any, T]) -> T:
    """What the job gives, in a thread of its own: a browser of other tests may have a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, job).result()


def handler(api_name: str | None = "dream", elem_id: str | None = "dream-result") -> Any:
    visibility = "private" if api_name is None else "public"
    outputs = [SimpleNamespace(elem_id=elem_id)]
    return SimpleNamespace(api_name=api_name, api_visibility=visibility, outputs=outputs)


def names(function: Any, values: list[Any], count: int = 1, called: tuple[str, ...] = ()) -> list[str]:
    """What results are called in a task of their own, whose handler runs in a thread."""

    async def job() -> list[str]:
        name_results(function, values)
        if called:
            await asyncio.to_thread(call_results, *called)
        result_name()  # of an output before
        start_output()
        return [result_name() for _ in range(count)]

    return in_a_loop(job())


@pytest.mark.parametrize(
    ("function", "values", "expected"),
    [
        (handler(), [{"path": "/tmp/x/cheetah.jpg"}, 3], "dream-cheetah"),
        (handler(None), [7, {"path": "/tmp/x/my cat.heic"}], "dream-my cat"),
        (handler("style_instant"), [16, 1.0], "style-instant"),
        (handler(None, None), [None, {"url": "data:image/jpeg;base64,AA"}], "image"),
    ],
    ids=["endpoint", "page", "no picture", "nothing known"],
)
def test_a_name_says_what_was_done_to_what(function: Any, values: list[Any], expected: str) -> None:
    assert names(function, values) == [expected]


def test_a_handler_says_better_what_its_results_are() -> None:
    called = ("painted", stem_of("/tmp/x/castle.jpg"), "like", stem_of(None, "style"))
    assert names(handler(), [{"path": "b.png"}], 2, called) == [f"painted-castle-like-style{n}" for n in ("", "-2")]
    call_results("nothing", "happens outside of a job")
    assert result_name() == "image"


def test_several_pictures_of_an_output_are_numbered() -> None:
    assert names(handler("fool"), [{"path": "a.png"}], 3) == ["fool-a", "fool-a-2", "fool-a-3"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Any of 1,000 things: which and where, not how many", "any-of-1000-things"),
        ("Anime faces, by the recipe of 2016, to compare", "anime-faces-by-the-recipe-of-2016"),
        ("Ada's café / bar", "adas-café-bar"),
    ],
)
def test_words_of_the_page_become_parts_of_a_name(words: str, expected: str) -> None:
    assert file_stem(in_file_name(words), "", "x") == f"{expected}-x"


def test_long_names_are_cut_and_others_than_gradios_stay() -> None:
    (name,) = names(handler(), [{"path": "é" * 120 + ".png"}])
    assert len(name.encode()) <= STEM_BYTES + len("dream-") and name.startswith("dream-é") and name.endswith("é")
    assert result_name("preview") == "preview"


def test_only_arrays_are_pictures_of_a_gallery() -> None:
    assert are_pictures([PICTURE])
    assert not are_pictures([]) and not are_pictures(["a.png"]) and not are_pictures(None)


def test_fields_are_told_apart_also_where_they_are_updated(tmp_path: Path) -> None:
    gallery, image = gr.Gallery(format="png", render=False), gr.Image(format="png", render=False)
    tell_apart(image, "before")
    for field in (gallery, image):
        field.GRADIO_CACHE = str(tmp_path)

    async def job() -> list[Any]:
        name_results(handler("fool"), [{"path": "a.png"}])
        updates = [gr.Gallery([PICTURE] * 2, columns=2, render=False), gr.update(value=PICTURE)]
        return [_named(gallery, updates[0]), _named(image, updates[1]), _named(image, PICTURE), _named(image, None)]

    pictures, updated, single, nothing = in_a_loop(job())
    assert [Path(path).name for path in pictures["value"]] == ["fool-a-no-01.png", "fool-a-no-02.png"]
    assert pictures["columns"] == 2 and pictures["__type__"] == "update" and nothing is None
    assert Path(updated["value"]).name == Path(single).name == "fool-a-before.png"


def test_files_of_the_endpoints_have_their_names(server: str) -> None:
    with Caller(server) as caller:
        picture = caller.upload(name="lion.jpg")
        (overlay,) = results(caller.call("explain", [picture, "imagenet", "grad_cam", ""]))
        (pictures,) = results(caller.call("sample", ["dcgan_anime", 2, 0, 1.0]))
        changed, difference, _ = results(caller.call("fool", [picture, "imagenet", ""]))
    assert Path(overlay["path"]).name == overlay["orig_name"] == "where-it-looked-lion.png"
    drawn = [Path(each["image"]["path"]).name for each in pictures]
    assert drawn == ["anime-faces-seed-0-no-01.png", "anime-faces-seed-0-no-02.png"]
    told = [Path(each["path"]).name for each in (changed, difference)]
    assert told == ["fooled-lion-after.png", "fooled-lion-difference.png"]
