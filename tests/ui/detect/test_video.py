"""Detect on a video: the handler with a stand-in, and a short film through the page."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cvdemo.demo import Step
from cvdemo.detect.run import DetectVideoRequest
from cvdemo.detect.video import DetectedVideo
from cvdemo.errors import InputError
from cvdemo.example_pictures import example_picture
from cvdemo.images import read_image
from cvdemo.limits import DETECT_VIDEO_S
from cvdemo.ops.video import write_mp4
from cvdemo.ui.detect.video import video_on_page
from tests.ui.stand_in import StandIn

FRAME = np.full((48, 64, 3), 90, np.uint8)
FILM = DetectedVideo(b"film", 30, 15.0, (64, 48), {"cat": 2, "dog": 1}, ("The sound is left out.",))


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    (tmp_path / "video.mp4").write_bytes(b"a video")
    return str(tmp_path / "video.mp4")


def test_frames_are_told_and_the_film_takes_the_place_of_the_preview(video: str) -> None:
    run = StandIn(
        Step(done=1, total=30, seconds_left=6.4, preview=FRAME),
        Step(done=2, total=30, seconds_left=6.0),
        Step(done=30, total=30, result=FILM),
    )
    first, second, last = video_on_page(run, video, "haar", 0.4, 0.3)
    (request,) = run.requests
    assert isinstance(request, DetectVideoRequest) and request.video == b"a video"
    assert request.config.detector == "haar" and request.config.least_score == 0.4
    assert request.time_limit_s == DETECT_VIDEO_S
    assert first[0] is FRAME and first[2] == "Frame 1 of 30" and second[0] == gr.skip()
    preview, film, line = last
    assert preview["visible"] is False and film["visible"] is True
    assert (
        Path(film["value"]).name == "detected-faces-by-a-method-of-2001-video.mp4"
        and Path(film["value"]).read_bytes() == b"film"
    )
    assert line.startswith("**2 cats, 1 dog** at once at most. 30 frames, 2.0 s of film in")
    assert line.endswith("The sound is left out.")


def test_a_film_that_was_cut_short_says_so_in_its_name(video: str) -> None:
    nothing = DetectedVideo(b"film", 3, 15.0, (64, 48), {}, ("Stopped before the end.",))
    *_, (_, film, line) = video_on_page(
        StandIn(Step(done=3, total=30, result=nothing, complete=False)), video, "haar", 0.4, 0.3
    )
    assert Path(film["value"]).name == "detected-faces-by-a-method-of-2001-video_incomplete.mp4"
    assert line.startswith("**Nothing found.**") and line.endswith("Stopped before the end.")


def test_without_a_video_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="Please choose a video first"):
        next(video_on_page(StandIn(), None, "haar", 0.4, 0.3))


def film_of_a_face(path: Path, frames: int) -> Path:
    """A portrait that moves to the right."""
    portrait = read_image(example_picture("astronaut"))[:384, :384]
    return write_mp4((np.roll(portrait, 2 * number, axis=1) for number in range(frames)), path, fps=15)


def open_video(page: Page, server: str, path: Path) -> None:
    """Chooses the cascade, which needs no weights, and a video."""
    page.goto(f"{server}/?tab=detect&detector=haar")
    page.get_by_role("tab", name="Video").click()
    page.set_input_files("#detect-video input[type=file]", path)
    expect(page.locator("#detect-video video")).to_be_visible()


def test_a_video_comes_back_with_boxes(page: Page, server: str, tmp_path: Path) -> None:
    open_video(page, server, film_of_a_face(tmp_path / "face.mp4", 12))
    page.click("#detect-video-run")
    status = page.locator("#detect-video-status")
    expect(status).to_contain_text("1 face at once at most. 12 frames")
    expect(page.locator("#detect-video-film video")).to_be_visible()
    expect(page.locator("#detect-video-preview")).to_be_hidden()
    with page.expect_download() as download:
        page.locator("#detect-video-film a[download], #detect-video-film [aria-label='Download']").first.click()
    assert download.value.suggested_filename.endswith(".mp4")


def test_a_video_can_be_cancelled(page: Page, server: str, tmp_path: Path) -> None:
    open_video(page, server, film_of_a_face(tmp_path / "long.mp4", 280))
    page.click("#detect-video-run")
    status = page.locator("#detect-video-status")
    expect(status).to_contain_text("Frame ")
    page.click("#detect-video-cancel")
    expect(status).to_have_text("Cancelled; the last frame stays.", timeout=10_000)
    page.wait_for_timeout(2000)
    expect(status).to_have_text("Cancelled; the last frame stays.")


def test_without_a_video_the_page_says_what_to_do(page: Page, server: str) -> None:
    page.goto(f"{server}/?tab=detect&detector=haar")
    page.get_by_role("tab", name="Video").click()
    expect(page.locator("#detect-video")).to_contain_text("40 MB at most")
    page.click("#detect-video-run")
    expect(page.locator(".toast-body.error")).to_contain_text("Please choose a video first.")


def test_on_a_phone_the_video_fits(phone: Page, server: str, tmp_path: Path) -> None:
    open_video(phone, server, film_of_a_face(tmp_path / "face.mp4", 5))
    phone.click("#detect-video-run")
    expect(phone.locator("#detect-video-status")).to_contain_text("of film")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
