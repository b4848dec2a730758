"""Enlarging several pictures with a stand-in for the network: gallery, ZIP, limits, and what is told."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from cvdemo.backends.durations import UnitTimes
from cvdemo.demo import Step
from cvdemo.errors import InputError, LeftError, RoomError
from cvdemo.images import read_image
from cvdemo.limits import UPSCALE_S
from cvdemo.runtime import stopping_when
from cvdemo.ui import upscale_several as tab
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.upscale_several import several_endpoint, several_on_page
from cvdemo.upscale.run import UpscaleRequest, UpscaleResult
from tests.helpers.png_files import save_png

GALLERY, STATUS, ZIP, RESULTS = range(4)


class Enlarges:
    """A stand-in that repeats pixels, in two tiles; of pictures as wide as `cut`, only the first tile."""

    def __init__(self, cut: int = 0) -> None:
        self.requests: list[UpscaleRequest] = []
        self.cut = cut

    def __call__(self, request: UpscaleRequest) -> Iterator[Step[Any]]:
        self.requests.append(request)
        scale = request.config.scale
        image = request.image.repeat(scale, axis=0).repeat(scale, axis=1)
        result = UpscaleResult(
            image=image, bicubic=None, original=None, quality=None, network_title="Network", network_kind="Quick"
        )
        whole = request.image.shape[1] != self.cut
        yield Step(done=1, total=2)
        yield Step(done=2 if whole else 1, total=2, result=result, complete=whole)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A wide picture, a tall one with alpha, and a broken one."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    save_png(np.full((100, 300, 3), 90, np.uint8), folder / "wide.png")
    save_png(np.full((200, 50, 4), 90, np.uint8), folder / "tall.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return [str(folder / name) for name in ("wide.png", "tall.png", "broken.jpg")]


def page(files: list[str] | None, enlarges: Enlarges | None = None, scale: int = 2) -> list[tuple[Any, ...]]:
    return list(several_on_page(enlarges or Enlarges(), UnitTimes(), files, scale, "auto"))


def opened(update: dict[str, Any]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(Path(update["value"]).read_bytes()))


def test_the_gallery_grows_with_every_picture(files: list[str]) -> None:
    enlarges = Enlarges()
    outputs = page(files, enlarges)
    assert [output[STATUS] for output in outputs[:-1]] == [
        r"Picture 1 of 3: broken\.jpg", r"Picture 2 of 3: tall\.png", r"Picture 3 of 3: wide\.png",
    ]  # fmt: skip
    assert [len(output[GALLERY]) for output in outputs[1:]] == [0, 1, 2]
    assert [caption for _, caption in outputs[-1][GALLERY]] == [
        "upscaled-x2-tall.png: 50 × 200 → 100 × 400",
        "upscaled-x2-wide.png: 300 × 100 → 600 × 200",
    ]
    assert not any(request.with_bicubic for request in enlarges.requests)
    assert all(0 < (request.time_limit_s or 0) <= UPSCALE_S for request in enlarges.requests)


def test_each_picture_is_asked_for_with_the_quality_of_its_file(files: list[str]) -> None:
    """By it "auto" chooses the network, for each picture its own."""
    enlarges, photo = Enlarges(), Path(files[0]).with_name("a_photo.jpg")
    Image.new("RGB", (40, 30), "grey").save(photo, quality=50)
    page([*files, str(photo)], enlarges)
    assert [request.jpeg_quality for request in enlarges.requests] == [50, None, None]


def test_the_zip_has_each_result_in_full_and_with_its_alpha(files: list[str]) -> None:
    archive = opened(page(files, scale=3)[-1][ZIP])
    assert sorted(archive.namelist()) == ["upscaled-x3-tall.png", "upscaled-x3-wide.png"]
    assert read_image(archive.read("upscaled-x3-tall.png"), keep_alpha=True).shape == (600, 150, 4)
    assert read_image(archive.read("upscaled-x3-wide.png")).shape == (300, 900, 3)


def test_the_gallery_is_small_enough_for_a_screen(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "SIDE_PX", 128)
    shown = [read_image(path).shape for path, _ in page(files)[-1][GALLERY]]
    assert shown == [(128, 32, 3), (43, 128, 3)]


def test_all_results_together_have_a_limit(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "UPSCALE_BATCH_MEGAPIXELS", 0.13)  # the tall one has 0.04, the wide one 0.12
    enlarges = Enlarges()
    first, _, refused = page(files, enlarges)[-1][STATUS].splitlines()
    assert first.startswith("**1 picture enlarged in ") and len(enlarges.requests) == 1
    sentence = refused.replace("\\", "")
    assert sentence == (
        "- wide.png: The result would have 0.1 megapixels; of the 0.13 for all results together 0.1 are left: choose "
        "fewer pictures or a smaller enlargement."
    )


def test_a_picture_that_alone_is_too_large_takes_nothing_from_the_others(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cvdemo.upscale.upscale.UPSCALED_MEGAPIXELS", 0.1)
    output = page(files)[-1]
    assert "the limit is 0" in output[STATUS] and len(output[GALLERY]) == 1


def test_what_bicubic_had_to_fill_is_told(files: list[str]) -> None:
    output = page(files, Enlarges(cut=300))[-1]
    assert "1 picture enlarged only in part: the rest is plain." in output[STATUS]
    assert "upscaled-x2-wide_incomplete.png" in opened(output[ZIP]).namelist()


def test_time_that_runs_out_leaves_the_pictures_so_far(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "UPSCALE_BATCH_S", 1e-6)
    output = page(files[:2])[-1]
    assert output[STATUS].endswith("1 picture not reached: time ran out.") and len(opened(output[ZIP]).namelist()) == 1


def test_a_full_page_leaves_the_zip_of_the_pictures_so_far(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, data: bytes) -> Path:
        if "wide" in name:
            raise RoomError("The page is full.")
        return save_download(name, data)

    monkeypatch.setattr(tab, "save_download", full)
    output = page(files)[-1]
    assert opened(output[ZIP]).namelist() == ["upscaled-x2-tall.png"] and len(output[GALLERY]) == 1
    assert "1 picture not reached. The page is full." in output[STATUS]
    archive, told = several_endpoint(Enlarges(), UnitTimes(), files)
    assert archive is not None and told["stopped"] == "The page is full." and told["not_reached"] == 1


def test_a_run_that_was_cancelled_offers_its_zip(files: list[str]) -> None:
    third = page(files)[2]
    assert len(opened(tab._offer_if_cancelled("Cancelled; ...", third[RESULTS])).namelist()) >= 1
    for before, results in (("**1 picture**", third[RESULTS]), ("Cancelled.", None)):
        assert tab._offer_if_cancelled(before, results) == gr.skip()


def test_a_picture_that_was_cancelled_is_not_in_the_zip(files: list[str]) -> None:
    cancelled = False
    outputs = several_on_page(Enlarges(), UnitTimes(), files[:2], 2, "auto")
    with stopping_when(lambda: cancelled):
        next(outputs)
        second = next(outputs)
        cancelled = True
        with pytest.raises(LeftError):
            next(outputs)
    assert opened(tab._offer_if_cancelled("Cancelled.", second[RESULTS])).namelist() == ["upscaled-x2-tall.png"]


def test_where_nothing_can_be_enlarged_there_is_no_zip(files: list[str]) -> None:
    output = page(files[2:])[-1]
    assert output[GALLERY] == [] and output[ZIP] == gr.skip()
    assert several_endpoint(Enlarges(), UnitTimes(), files[2:])[0] is None


def test_wrong_settings_are_one_sentence_before_anything_is_done(files: list[str]) -> None:
    with pytest.raises(InputError, match="network must be one of"):
        several_endpoint(Enlarges(), UnitTimes(), files, 4, "1-1-1")
    with pytest.raises(InputError, match="the limit is 30"):
        page([f"{number}.png" for number in range(31)])
    with pytest.raises(InputError, match="Please choose some pictures first"):
        page(None)


def test_the_endpoint_tells_what_became_of_each(files: list[str]) -> None:
    archive, told = several_endpoint(Enlarges(), UnitTimes(), files)
    assert told["pictures"] == [
        {"file": "upscaled-x2-tall.png", "size_wh": [100, 400], "complete": True},
        {"file": "upscaled-x2-wide.png", "size_wh": [600, 200], "complete": True},
    ]
    assert [one["file"] for one in told["refused"]] == ["broken.jpg"]
    assert archive is not None and len(zipfile.ZipFile(archive).namelist()) == 2
