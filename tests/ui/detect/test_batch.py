"""Several pictures at once with a stand-in for the network: what is searched, kept, shown, written and refused."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest

from cvdemo.backends.durations import UnitTimes
from cvdemo.demo import Step
from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import select
from cvdemo.images import read_image
from cvdemo.ui.detect import batch as detect_batch
from cvdemo.ui.detect.batch import Searched, batch_on_page, detect_several_endpoint
from cvdemo.ui.serving.field_values import checked
from cvdemo.ui.several.job import Batch
from tests.helpers.png_files import save_png

GALLERY, STATUS, TABLE, ZIP, CSV, COCO, BATCH, ONLY = range(8)


def scan_of(size_wh: tuple[int, int]) -> Scan:
    """Two boxes apart, a cat of 90 % and a dog of 50 %."""
    boxes = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    level = LevelScores((32, 32), np.full((1, 1), 0.9, np.float32), 32, 32, 16)
    scores, classes = np.array([0.9, 0.5], np.float32), np.array([0, 1])
    return Scan(size_wh, ["cat", "dog"], (level,), boxes, boxes, scores, classes, 1, 500.0, True)


class Searches:
    """A stand-in that finds the same in every picture and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[DetectRequest] = []

    def __call__(self, request: DetectRequest) -> Iterator[Step[Any]]:
        self.requests.append(request)
        scan = scan_of((request.image.shape[1], request.image.shape[0]))
        yield Step(done=1, total=1, result=DetectResult(scan, select(scan, request.config)))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Three pictures, two of one name in two folders, and a broken one."""
    folder = tmp_path / "files"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    paths = [folder / "a" / "cat.png", folder / "b" / "cat.png", folder / "b" / "dog.png"]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(np.full((48, 64 + number, 3), 40 * number, np.uint8), path)
    broken = folder / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no picture")
    return [str(path) for path in (*paths, broken)]


def last(files: list[str], searches: Searches | None = None) -> tuple[Any, ...]:
    return list(batch_on_page(searches or Searches(), UnitTimes(), files, "haar", 0.3, 0.3))[-1]


def content(update: dict[str, Any]) -> bytes:
    return Path(update["value"]).read_bytes()


def test_every_picture_is_a_request_and_the_status_goes_on(files: list[str]) -> None:
    searches = Searches()
    outputs = list(batch_on_page(searches, UnitTimes(), files, "haar", 0.3, 0.3))
    assert [output[STATUS] for output in outputs[:-1]] == [
        r"Picture 1 of 4: broken\.jpg", r"Picture 2 of 4: cat\.png", r"Picture 3 of 4: cat\.png",
        r"Picture 4 of 4: dog\.png",
    ]  # fmt: skip
    assert all(output[GALLERY] == gr.skip() for output in outputs[:-1])
    assert [request.image.shape[1] for request in searches.requests] == [64, 65, 66]
    assert all(request.config.detector == "haar" and 0 < (request.time_limit_s or 0) <= 180
               for request in searches.requests)  # fmt: skip


def test_pictures_are_searched_as_finely_as_asked_for(files: list[str]) -> None:
    searches = Searches()
    list(batch_on_page(searches, UnitTimes(), files, "face", 0.3, 0.3, 12))
    assert {request.config.megapixels for request in searches.requests} == {12}


def test_a_bad_picture_is_named_and_stops_nothing(files: list[str]) -> None:
    output = last(files)
    first, refused = output[STATUS].splitlines()
    assert first == "**3 cats, 3 dogs on 3 pictures.** Searched in 1.5 s."
    assert refused.startswith(r"- broken\.jpg\: The file is not a picture that can be read")
    assert len(output[GALLERY]) == 3


def test_a_fault_of_the_page_is_no_bad_picture(files: list[str]) -> None:
    def fails(request: DetectRequest) -> Iterator[Step[Any]]:
        raise RuntimeError("the network is broken")
        yield

    with pytest.raises(RuntimeError, match="the network is broken"):
        list(batch_on_page(fails, UnitTimes(), files, "haar", 0.3, 0.3))


def test_zip_table_and_files_hold_the_same_boxes_under_names_that_differ(files: list[str]) -> None:
    output = last(files)
    names = ["cat.png", "cat_2.png", "dog.png"]
    assert [row[0] for row in output[TABLE]] == [name for name in names for _ in range(2)]
    archive = zipfile.ZipFile(io.BytesIO(content(output[ZIP])))
    assert sorted(archive.namelist()) == [
        "boxes/cat.jpg", "boxes/cat_2.jpg", "boxes/dog.jpg", "coco.json", "detections.csv",
    ]  # fmt: skip
    assert archive.read("detections.csv") == content(output[CSV])
    assert archive.read("coco.json") == content(output[COCO])
    lines = list(csv.DictReader(io.StringIO(content(output[CSV]).decode())))
    coco = json.loads(content(output[COCO]))
    assert [line["file"] for line in lines] == [name for name in names for _ in range(2)]
    assert [image["file_name"] for image in coco["images"]] == names and len(coco["annotations"]) == 6
    assert [image["width"] for image in coco["images"]] == [64, 65, 66]
    assert read_image(archive.read("boxes/cat.jpg")).shape == (48, 64, 3)


def test_sliders_and_filter_act_on_all_of_it_without_a_run(files: list[str]) -> None:
    batch: Batch[Searched] = last(files)[BATCH]
    gallery, status, table, archive, as_csv, as_coco = detect_batch._show(batch, None, 0.8, 0.3)
    assert status.startswith("**3 cats on 3 pictures.**") and len(table) == 3
    assert len(json.loads(content(as_coco))["annotations"]) == len(content(as_csv).splitlines()) - 1 == 3
    assert zipfile.ZipFile(io.BytesIO(content(archive))).read("coco.json") == content(as_coco)
    assert gallery[0][1] == "cat.png: 1 cat"
    only_dogs = detect_batch._show(batch, [1], 0.3, 0.3)
    assert only_dogs[1].startswith("**3 dogs on 3 pictures.**")
    assert Path(only_dogs[0][0][0]).read_bytes() != Path(gallery[0][0]).read_bytes()
    assert all(value == gr.skip() for value in detect_batch._show(None, None, 0.3, 0.3))


def test_the_classes_of_all_pictures_can_be_chosen(files: list[str]) -> None:
    assert last(files)[ONLY]["choices"] == [("cat (90%)", 0), ("dog (50%)", 1)]


def test_a_session_keeps_little(files: list[str]) -> None:
    batch: Batch[Searched] = last(files)[BATCH]
    assert all(picture.scan.levels == () and len(picture.jpeg) < 2000 for picture in batch.pictures)


def test_a_picture_that_was_searched_in_part_is_told(files: list[str]) -> None:
    def cut(request: DetectRequest) -> Iterator[Step[Any]]:
        (step,) = Searches()(request)
        scan = replace(step.result.scan, complete=False)
        yield replace(step, complete=False, result=DetectResult(scan, select(scan, request.config)))

    *_, output = batch_on_page(cut, UnitTimes(), files[:1], "haar", 0.3, 0.3)
    assert output[STATUS].endswith("1 picture searched only in part: time ran out.")


def test_time_that_runs_out_leaves_the_pictures_so_far(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect_batch, "DETECT_BATCH_S", 1e-6)
    *_, output = batch_on_page(Searches(), UnitTimes(), files[:3], "haar", 0.3, 0.3)
    assert output[STATUS] == "**1 cat, 1 dog on 1 picture.** Searched in 0.5 s. 2 pictures not searched: time ran out."


def test_without_room_for_the_files_the_table_stays(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.ui.serving.page_folder.FILES_BYTES", 0)
    output = last(files)
    assert len(output[TABLE]) == 6 and len(output[BATCH].pictures) == 3
    assert output[GALLERY] == gr.skip() and output[ZIP : COCO + 1] == (gr.skip(),) * 3
    assert "The page holds as many pictures as it can" in output[STATUS]
    archive, told = detect_several_endpoint(Searches(), UnitTimes(), files, "haar", 0.8, None)
    assert archive is None and len(told["pictures"]) == 3 and told["stopped"].startswith("The page holds as many")


def test_a_batch_that_was_cancelled_can_be_looked_at(files: list[str]) -> None:
    _, first, *_ = batch_on_page(Searches(), UnitTimes(), files[:3], "haar", 0.3, 0.3)
    assert first[ONLY]["choices"] == [("cat (90%)", 0), ("dog (50%)", 1)]
    gallery, line, table, *_ = detect_batch._show_if_cancelled("Cancelled; ...", first[BATCH], None, 0.3, 0.3)
    assert len(gallery) == 1 and line == gr.skip() and len(table) == 2
    whole = detect_batch._show_if_cancelled("**1 cat.**", first[BATCH], None, 0.3, 0.3)
    assert all(value == gr.skip() for value in whole)


def test_a_batch_of_which_nothing_can_be_read_says_so(files: list[str]) -> None:
    output = last([files[3], files[3].replace("broken", "none")])
    assert output[STATUS].startswith("**Nothing on 0 pictures.**") and len(output[STATUS].splitlines()) == 3
    assert output[GALLERY] == [] and output[TABLE] == [] and output[ONLY]["choices"] == []


def test_the_endpoint_gives_all_boxes_and_a_zip(files: list[str]) -> None:
    searches = Searches()
    archive, told = detect_several_endpoint(searches, UnitTimes(), files, "haar", 0.8, None)
    assert [picture["file"] for picture in told["pictures"]] == ["cat.png", "cat_2.png", "dog.png"]
    assert [len(picture["detections"]) for picture in told["pictures"]] == [1, 1, 1]
    (refused,) = told["refused"]
    assert refused["file"] == "broken.jpg" and refused["reason"].startswith("The file is not a picture")
    assert told["not_reached"] == 0 and searches.requests[0].config.score_threshold == 0.8
    assert len(zipfile.ZipFile(archive).namelist()) == 5


def test_of_a_list_of_files_only_uploads_and_their_names_are_taken(files: list[str]) -> None:
    field = gr.File(file_count="multiple", label="Your pictures")
    sent = [{"path": path, "orig_name": "x" * 1000, "url": "u" * 5000, "meta": {"a": "b"}} for path in files]
    (taken,) = checked([field], [sent])
    assert [item["path"] for item in taken] == files
    assert all(set(item) == {"path", "orig_name", "meta"} and len(item["orig_name"]) == 255 for item in taken)
    assert checked([field], [None]) == [None]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([{"path": "/etc/passwd"}], "has to be uploaded"),
        ([{"url": "https://example.org/a.jpg"}], "has to be uploaded"),
        (["/etc/passwd"], "has to be uploaded"),
        ({"path": "/etc/passwd"}, "has to be uploaded"),
        ([{}] * 501, "takes 500 files at most, got 501"),
        ("text", "has to be uploaded"),
    ],
)
@pytest.mark.parametrize("kind", [gr.File, gr.UploadButton])
def test_what_is_no_upload_is_refused(files: list[str], kind: Any, sent: Any, message: str) -> None:
    with pytest.raises(gr.Error, match=message):
        checked([kind(file_count="multiple")], [sent])
