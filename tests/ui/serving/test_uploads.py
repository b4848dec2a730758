"""Which files a visitor may name: only uploads and results of this page, whatever handler is asked and however."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.ui.serving import uploads
from cvdemo.ui.serving.uploads import NOT_UPLOADED, read_upload, refuse_files, uploaded_path
from cvdemo.ui.wiring.controls import example_picture, load_picture, picture_input
from tests.ui.api_caller import FILE, Caller, reads_nothing, results, ways_in
from tests.ui.page_server import serve


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "files"
    (made / "a").mkdir(parents=True)
    Image.new("RGB", (8, 8), "red").save(made / "a" / "upload.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    os.mkfifo(made / "pipe")
    os.mkfifo(tmp_path / "pipe")
    (made / "link.png").symlink_to(tmp_path / "secret.png")
    (made / "inside.png").symlink_to(made / "a" / "upload.png")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(made))
    return made


def test_an_upload_is_taken_with_meta_or_without(folder: Path) -> None:
    path = str(folder / "a" / "upload.png")
    assert uploaded_path({"path": path}) == path
    assert uploaded_path({"path": path, "meta": FILE, "url": "http://192.0.2.1/x"}) == path
    assert uploaded_path({"path": str(folder / "a" / ".." / "a" / "upload.png")}) == path
    assert uploaded_path({"path": str(folder / "inside.png")}) == path


HOSTILE: dict[str, Any] = {
    "a text": "x.png",
    "a number": 7,
    "a list": ["x.png"],
    "an empty object": {},
    "no path": {"path": None, "url": "data:image/png;base64,AAAA"},
    "a number as path": {"path": 7},
    "an empty path": {"path": ""},
    "a missing file": {"path": "FOLDER/none.png"},
    "a folder": {"path": "FOLDER/a"},
    "the folder itself": {"path": "FOLDER"},
    "a pipe inside": {"path": "FOLDER/pipe"},
    "a pipe outside": {"path": "FOLDER/../pipe"},
    "a link that leads out": {"path": "FOLDER/link.png"},
    "a file outside": {"path": "FOLDER/../secret.png"},
    "a missing file outside": {"path": "FOLDER/../none.png"},
    "a device": {"path": "/dev/zero"},
    "a URL": {"path": "http://192.0.2.1/x.png", "meta": FILE},
    "a data URL": {"path": "data:image/png;base64,AAAA", "meta": FILE},
    "a zero byte": {"path": "FOLDER/a/upload.png\0"},
    "a lone surrogate": {"path": "FOLDER/\ud800"},
    "a very long path": {"path": "FOLDER/" + "a/" * 10_000},
    "a neighbour of the folder": {"path": "FOLDER-other/x.png"},
}


def placed(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        return {key: placed(item, folder) for key, item in value.items()}
    return value.replace("FOLDER", str(folder)) if isinstance(value, str) else value


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_everything_else_gets_the_one_sentence(folder: Path, payload: Any) -> None:
    (folder.parent / "files-other").mkdir()
    (folder.parent / "files-other" / "x.png").write_bytes(b"x")
    with pytest.raises(gr.Error, match=NOT_UPLOADED):
        uploaded_path(placed(payload, folder))


def test_a_picture_field_used_by_itself_is_as_strict(folder: Path) -> None:
    field = picture_input()
    with pytest.raises(gr.Error, match=NOT_UPLOADED):
        field.preprocess(field.data_model(path=str(folder.parent / "secret.png")))
    assert str(field.preprocess(field.data_model(path=str(folder / "a" / "upload.png")))).endswith("upload.png")
    assert field.preprocess(None) is None


def test_files_are_refused_at_any_depth(folder: Path) -> None:
    refuse_files([1, {"a": [{"path": str(folder / "a" / "upload.png")}]}])
    with pytest.raises(gr.Error, match=NOT_UPLOADED):
        refuse_files([1, {"a": [{"path": str(folder.parent / "secret.png")}]}])


def test_no_more_than_an_upload_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 2 * 2**20)
    grown = folder / "grown.bin"
    with grown.open("wb") as file:
        file.truncate(2**40)  # a sparse terabyte
    with pytest.raises(InputError, match="larger than 2 MB"):
        read_upload(str(grown))


@pytest.mark.parametrize("name", ["pipe", "a", "link.png", "none.png"])
def test_only_regular_files_are_read(folder: Path, name: str) -> None:
    with pytest.raises(InputError, match=NOT_UPLOADED):
        load_picture(str(folder / name))


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    folder = tmp_path_factory.mktemp("uploads")
    Image.fromarray(np.full((64, 64, 3), 200, np.uint8)).save(folder / "secret.png")
    os.mkfifo(folder / "pipe")
    with serve(folder) as server, Caller(server.url, folder / "log.txt") as caller:
        yield caller


def test_no_handler_reads_a_file_from_elsewhere(caller: Caller) -> None:
    """Every handler, private ones too, by number: all its pictures, and a field of each other kind."""
    assert caller.log is not None
    outside = caller.log.parent
    payloads = [
        {"path": str(outside / "secret.png")},
        {"path": str(outside / "secret.png"), "meta": FILE},
        {"path": str(outside / "none.png"), "meta": FILE},
        {"path": str(outside / "pipe"), "meta": FILE},
        {"path": "/dev/zero"},
        {"path": "/etc", "meta": FILE, "is_stream": True},
        {"url": "data:image/png;base64,AAAA", "meta": FILE},
        str(outside / "secret.png"),
        [str(outside / "secret.png")],
        7,
    ]
    turn = itertools.cycle(payloads)  # the next three for each picture field: every payload comes to many handlers
    questions = [
        (handler, kinds, position, payload)
        for handler, kinds, position in ways_in(caller.config())
        for payload in (itertools.islice(turn, 3) if kinds[position] == "image" else payloads[1:2])
    ]
    assert len(questions) > 200
    answers = caller.ask_all(
        [(handler, only(payload, position, kinds)) for handler, kinds, position, payload in questions]
    )
    for (handler, kinds, position, payload), answer in zip(questions, answers, strict=True):
        kind = kinds[position]
        told = (handler["id"], handler["api_name"], kind, payload, answer[:300])
        assert str(outside) not in answer, told
        assert '"success":true' not in answer or kind == "state", told
        if not reads_nothing(handler) and kind != "state" and (kind != "image" or kinds.index("image") == position):
            assert NOT_UPLOADED in answer, told


def only(payload: Any, position: int, kinds: list[str]) -> list[Any]:
    """The values of a call in which only one is given."""
    return [payload if place == position else None for place in range(len(kinds))]


def test_endpoints_by_name_refuse_in_the_same_words(caller: Caller) -> None:
    inputs_of = {"upscale": 3, "classify": 3, "classify_taught": 2, "explain": 4, "fool": 3, "dream": 13, "stylize": 12}
    for name, inputs in inputs_of.items():
        events = caller.call(name, [{"path": "/dev/zero"}, *[None] * (inputs - 1)])
        assert NOT_UPLOADED in events and "event: complete" not in events, name


def test_uploads_examples_and_results_are_read(caller: Caller) -> None:
    assert "event: complete" in caller.call("classify", [caller.upload(), "imagenet", False])
    config = caller.config()
    example = next(part for part in config["components"] if part["type"] == "dataset")["props"]["samples"][0][0]
    assert "event: complete" in caller.call("classify", [{"path": example["path"], "meta": FILE}, "imagenet", False])
    pair, png = results(caller.call("upscale", [caller.upload(), 2, "auto"]))
    for result in [*pair, png]:
        assert "event: complete" in caller.call("classify", [result, "imagenet", False])
        assert caller.http.get(f"/file={result['path']}").status_code == 200


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/zero", "pyproject.toml", "/nonexistent", "/etc"])
def test_the_file_route_serves_nothing_else(caller: Caller, path: str) -> None:
    for route in ("file=", "file/"):
        answer = caller.http.get(f"/{route}{path}")
        assert (answer.status_code, answer.text) == (403, "Only files of this page are served.")


@pytest.mark.parametrize("route", ["deep_link?session_hash=a", "component_server", "process_recording", "dev/reload"])
def test_what_the_page_does_not_use_is_not_there(caller: Caller, route: str) -> None:
    assert caller.http.post(f"/{route}").status_code == 404
    assert httpx.get(f"{caller.url}/monitoring").status_code == 404


def test_examples_are_files_that_may_be_read() -> None:
    assert len(read_upload(example_picture("lion"))) > 1000
