"""The windows in motion: the handler with a stand-in for what makes the film."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from cvdemo.demo import Step
from cvdemo.detect.motion import MotionFilm
from cvdemo.detect.run import MotionRequest
from cvdemo.errors import InputError
from cvdemo.limits import MOTION_S
from cvdemo.ui.detect.controls import LIVE, live_config
from cvdemo.ui.detect.motion import motion_on_page
from cvdemo.ui.detect.picture import Session
from cvdemo.ui.detect.results import Look
from tests.ui.detect.test_batch import scan_of
from tests.ui.stand_in import StandIn

CONTROLS = [0.6, 0.3, 1.0, "hard", True, True]  # of LIVE; a cat of 90 % and a dog of 50 % are there
FILM = MotionFilm(b"film", 40)


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return Session(
        np.full((48, 64, 3), 90, np.uint8), scan_of((64, 48)), Look("Boxes", (), ()), "haar", "detected-faces-photo"
    )


def test_the_film_is_asked_for_with_the_boxes_as_they_stand(session: Session) -> None:
    run = StandIn(*(Step(done=frame, total=40) for frame in (1, 2, 21)), Step(done=40, total=40, result=FILM))
    first, second, (path, line) = motion_on_page(run, session, None, *CONTROLS)
    (request,) = run.requests
    assert isinstance(request, MotionRequest) and request.time_limit_s == MOTION_S
    assert request.image is session.canvas and request.scan is session.scan and request.detections.labels == ["cat"]
    assert live_config("haar", tuple(CONTROLS)).least_score == 0.6 and len(CONTROLS) == len(LIVE)
    assert [first, second] == [(gr.skip(), "Frame 1 of 40"), (gr.skip(), "Frame 21 of 40")]
    assert Path(path).name == "detected-faces-photo-search.mp4" and Path(path).read_bytes() == b"film"
    assert line.startswith("2 seconds of film in")


def test_a_film_that_was_cut_short_says_so(session: Session) -> None:
    run = StandIn(Step(done=40, total=90, result=FILM, complete=False))
    ((path, line),) = motion_on_page(run, session, [1], *CONTROLS)
    assert Path(path).name == "detected-faces-photo-search_incomplete.mp4" and line.endswith("; stopped before the end")


def test_without_a_scan_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="detect something first"):
        next(motion_on_page(StandIn(), None, None, *CONTROLS))
