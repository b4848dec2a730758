"""Naming several pictures, and one picture by two networks, with a stand-in for the networks."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cvdemo.backends.durations import UnitTimes
from cvdemo.classify.classifier import Prediction
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Step
from cvdemo.errors import InputError
from cvdemo.ui import classify_several as tab
from cvdemo.ui.classify_compare import SECOND, _shown_for, compare_endpoint, compare_on_page
from cvdemo.ui.classify_several import several_endpoint, several_on_page
from tests.helpers.png_files import save_png

TABLE, STATUS, ZIP, CSV, JSON, BATCH = range(6)
SURE = Prediction(["lion", "cat"], [0.7, 0.2], [0, 1])
DOUBTFUL = Prediction(["lion", "cat", "dog"], [0.2, 0.1, 0.004], [0, 1, 2])


class Names:
    """A stand-in that is sure of light pictures only, and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[ClassifyRequest] = []

    def __call__(self, request: ClassifyRequest) -> Iterator[Step[Any]]:
        self.requests.append(request)
        yield Step(done=1, total=1, result=SURE if request.image.mean() > 100 else DOUBTFUL)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A dark picture, a light one whose name is HTML, and a broken one."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    for name, grey in (("dark.png", 20), ("light<b>.png", 200)):
        save_png(np.full((40, 60, 3), grey, np.uint8), folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return [str(folder / name) for name in ("light<b>.png", "dark.png", "broken.jpg")]


def page(files: list[str] | None, names: Names | None = None, ten_crop: bool = False) -> list[tuple[Any, ...]]:
    return list(several_on_page(names or Names(), UnitTimes(), files, "imagenet", ten_crop))


def content(update: dict[str, Any]) -> bytes:
    return Path(update["value"]).read_bytes()


def test_the_table_grows_with_every_picture(files: list[str]) -> None:
    names = Names()
    outputs = page(files, names, ten_crop=True)
    assert [output[STATUS] for output in outputs[:-1]] == [
        r"Picture 1 of 3: broken\.jpg", r"Picture 2 of 3: dark\.png", r"Picture 3 of 3: light\<b\>\.png",
    ]  # fmt: skip
    assert outputs[0][TABLE] == gr.skip()
    assert [output[TABLE].count("<tr>") for output in outputs[1:]] == [0, 2, 3]  # with the head
    assert all(request.config.ten_crop and request.explain is None for request in names.requests)


def test_the_table_says_what_it_sees_and_where_it_is_not_sure(files: list[str]) -> None:
    dark, light = page(files)[-1][TABLE].split("<tbody>")[1].split("</tr>")[:2]
    plain = light.replace("\N{NO-BREAK SPACE}", " ")
    assert "<strong>lion <small>70 %</small></strong>" in plain and "<td>cat <small>20 %</small></td>" in plain
    assert "light&lt;b&gt;.png" in light and "<b>" not in light
    assert "<strong>not sure</strong>" in dark and "lion" in dark
    assert "dog <small>under\N{NO-BREAK SPACE}1" in dark
    assert 'src="data:image/jpeg;base64,' in dark


def test_csv_and_json_are_in_the_zip_too(files: list[str]) -> None:
    output = page(files)[-1]
    rows = list(csv.DictReader(io.StringIO(content(output[CSV]).decode())))
    assert [(row["file"], row["label_1"], row["probability_2"]) for row in rows] == [
        ("dark.png", "lion", "0.1"),
        ("light<b>.png", "lion", "0.2"),
    ]
    told = json.loads(content(output[JSON]))
    assert told["pictures"][1]["classes"][0] == {"label": "lion", "probability": 0.7}
    assert [one["file"] for one in told["refused"]] == ["broken.jpg"] and told["not_reached"] == 0
    archive = zipfile.ZipFile(io.BytesIO(content(output[ZIP])))
    assert archive.read("classes.csv") == content(output[CSV]) and archive.read("classes.json") == content(output[JSON])


def test_the_status_counts_and_names_what_was_refused(files: list[str]) -> None:
    first, refused = page(files)[-1][STATUS].splitlines()
    assert first.startswith("**2 pictures named in ") and refused.startswith(r"- broken\.jpg\: The file is not")


def test_time_that_runs_out_leaves_the_pictures_so_far(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "CLASSIFY_BATCH_S", 1e-6)
    assert page(files[:2])[-1][STATUS].endswith("1 picture not reached: time ran out.")


def test_without_room_for_the_files_the_table_stays(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.ui.serving.page_folder.FILES_BYTES", 0)
    output = page(files)[-1]
    assert output[TABLE].count("<tr>") == 3 and output[ZIP : JSON + 1] == (gr.skip(),) * 3
    assert "The page holds as many pictures as it can" in output[STATUS]
    archive, told = several_endpoint(Names(), UnitTimes(), files)
    assert archive is None and len(told["pictures"]) == 2 and told["stopped"].startswith("The page holds as many")


def test_a_run_that_was_cancelled_offers_its_files(files: list[str]) -> None:
    _, _, third, _ = page(files)
    archive, table, _ = tab._offer_if_cancelled("Cancelled; ...", third[BATCH])
    assert len(content(table).splitlines()) == 2 and content(archive)
    for before, batch in (("**2 pictures**", third[BATCH]), ("Cancelled.", None)):
        assert tab._offer_if_cancelled(before, batch) == [gr.skip()] * 3


def test_too_many_or_none_is_one_sentence() -> None:
    with pytest.raises(InputError, match="Please choose some pictures first"):
        page(None)
    with pytest.raises(InputError, match="You chose 101 pictures; the limit is 100"):
        page([f"{number}.png" for number in range(101)])


def test_the_endpoint_gives_the_zip_and_what_is_in_it(files: list[str]) -> None:
    archive, told = several_endpoint(Names(), UnitTimes(), files)
    with zipfile.ZipFile(archive) as opened:
        assert json.loads(opened.read("classes.json")) == told
    assert [picture["file"] for picture in told["pictures"]] == ["dark.png", "light<b>.png"]


def test_a_second_network_sees_the_same_picture(files: list[str]) -> None:
    names = Names()
    first, second = compare_endpoint(names, files[0], "imagenet", SECOND, True)
    assert [request.config.model for request in names.requests] == ["imagenet", SECOND] and SECOND != "imagenet"
    assert all(request.config.ten_crop for request in names.requests)
    assert first == second == {"lion": 0.7, "cat": 0.2}
    assert compare_on_page(names, files[0], SECOND, False) == {"lion": 0.7, "cat": 0.2}


def test_the_second_answer_is_in_sight_with_a_second_network() -> None:
    assert _shown_for("")["visible"] == "hidden" and _shown_for(SECOND)["visible"] is True
