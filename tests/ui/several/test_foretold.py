"""What a batch is told to take before any picture of its kind: what is told of each, what is loaded, and the rest."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cvdemo.backends.durations import Durations, UnitTimes
from cvdemo.backends.loading import loads_of
from cvdemo.backends.work import PNG_S, READ_S, SHOWN_S, reference_of
from cvdemo.classify.classifier import ClassifyConfig
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Request, Step
from cvdemo.detect.run import DetectRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import DreamRequest
from cvdemo.runtime import Deadline
from cvdemo.ui import classify_several, upscale_several
from cvdemo.ui.detect import batch as detect_several
from cvdemo.ui.serving.waiting import telling_time
from cvdemo.ui.several.files import Archive
from cvdemo.ui.several.foretold import Foretold, blank
from cvdemo.ui.several.job import Job, rest_s
from cvdemo.upscale.run import UpscaleRequest
from cvdemo.upscale.upscale import UpscaleConfig
from tests.helpers.png_files import save_png

UPSCALE = UpscaleConfig(scale=3)
SIZES_HW = ((300, 400), (500, 600))


def measured(speed: float, beside: float) -> Durations:
    """Of a machine that takes so many times as long as the reference machine: for networks, and beside them."""
    durations = Durations()
    dream = DreamRequest(image=blank(0.1), config=DreamConfig())
    reference = reference_of(dream)
    assert reference is not None
    durations.note(dream, 99.0, speed * reference.seconds)
    durations.note_beside(1.0, beside)
    return durations


def no_run(request: Request) -> Iterator[Step[Any]]:
    raise AssertionError("nothing is run")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return [str(save_png(np.zeros((*size, 3), np.uint8), tmp_path / f"{size[0]}.png")) for size in SIZES_HW]


Make = Callable[[Any, list[str]], Job[Any]]


def classify(run: Any, files: list[str]) -> Job[Any]:
    return classify_several.batch_job(run, UnitTimes(), files, ClassifyConfig())


def detect(run: Any, files: list[str]) -> Job[Any]:
    return detect_several.batch_job(run, UnitTimes(), files, DetectConfig())


def enlarge(run: Any, files: list[str]) -> Job[Any]:
    return upscale_several.batch_job(run, UnitTimes(), files, UPSCALE, Archive("all.zip"))


@pytest.mark.parametrize(
    ("make", "request_", "beside_s"),
    [
        (classify, ClassifyRequest, READ_S + SHOWN_S),
        (detect, DetectRequest, READ_S + SHOWN_S),
        (enlarge, partial(UpscaleRequest, config=UPSCALE), READ_S + 9 * (PNG_S + SHOWN_S)),
    ],
    ids=["classify", "detect", "upscale"],
)
def test_a_first_batch_tells_its_seconds_before_it_starts(
    files: list[str], make: Make, request_: Callable[..., Request], beside_s: float
) -> None:
    """From the sizes in the headers, by the speed that the start of the page has measured."""
    durations = measured(3.0, 2.0)
    job = make(telling_time(no_run, durations), files)
    single = [request_(image=np.zeros((*size, 3), np.uint8)) for size in SIZES_HW]
    references = [reference_of(each) for each in single]
    work_s = 3.0 * sum(each.seconds for each in references if each is not None)
    loading_s = 2.0 * sum(s for name, s in loads_of(single[0]).items() if name != "efficientnet_lite0")
    megapixels = sum(height * width for height, width in SIZES_HW) / 1e6
    told_s = rest_s(job, Deadline(1000.0), 0)
    assert told_s == pytest.approx(work_s + loading_s + 2.0 * beside_s * megapixels, rel=0.01)
    assert make(no_run, files).foretold.rest_s(0) is None  # nothing has been measured


def test_single_pictures_tell_of_a_batch(files: list[str]) -> None:
    durations = measured(3.0, 2.0)
    single = DetectRequest(image=blank(0.12), config=DetectConfig())
    for _ in range(3):  # in the first something was loaded
        durations.note(single, 7.0)
    told_s = rest_s(detect(telling_time(no_run, durations), files[:1]), Deadline(1000.0), 0)
    assert told_s == pytest.approx(7.0, rel=0.01)


def test_within_the_first_picture_a_part_is_over_and_what_it_loads_is_there(files: list[str]) -> None:
    foretold = enlarge(telling_time(no_run, measured(3.0, 2.0)), files).foretold
    first_s, all_s, after_s = foretold.work_s(0, 1), foretold.work_s(0), 2.0 * sum(foretold.after_s)
    assert first_s is not None and all_s is not None
    assert foretold.rest_s(0, 0.5) == pytest.approx(all_s - first_s / 2 + after_s)
    assert foretold.rest_s(0, 1.0) == pytest.approx(all_s - first_s + after_s)  # its result is not packed yet
    assert Foretold().rest_s(0) is None and Foretold().loading_s(0) == 0


def test_a_picture_that_stands_for_another_has_its_pixels_and_takes_no_memory() -> None:
    stand_in = blank(12.0)
    assert stand_in.shape == (1, 12_000_000, 3) and stand_in.base is not None and stand_in.strides == (0, 0, 0)
    assert blank(0.0).shape == (1, 1, 3)
