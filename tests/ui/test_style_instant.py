"""The instant style on the page: at once, before the optimisation, on a camera and on a video."""

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cvdemo.demo import Lane, Step
from cvdemo.demos import run as run_here
from cvdemo.errors import InputError
from cvdemo.limits import LIVE_SIDE_PX, STYLE_S, STYLE_VIDEO_S
from cvdemo.style.feed_forward import InstantConfig
from cvdemo.style.presets import PRESETS
from cvdemo.style.run import InstantFrameRequest, InstantRequest, StyleRequest, Stylized
from cvdemo.style.steady import Before
from cvdemo.style.video import PaintedVideo, StyleVideoConfig, StyleVideoRequest
from cvdemo.ui import style as tab
from cvdemo.ui.style_camera import Live, frame_on_page
from cvdemo.ui.style_instant import AT_ONCE, lane_by_size
from cvdemo.ui.style_video import video_on_page
from cvdemo.ui.wiring.controls import example_picture
from tests.helpers import instant_weights
from tests.ui.browser_steps import open_page
from tests.ui.detect.test_camera import MEASURED_S, photograph_as_camera
from tests.ui.detect.test_video import film_of_a_face
from tests.ui.page_server import serve
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import drawn, endpoint_of, job_of
from tests.ui.test_style import PAIR, page_values

PAINTED = np.full((85, 128, 3), 77, np.uint8)
FILM = PaintedVideo(b"film", 30, 15.0, (128, 96), ("The sound is left out.",))
BUTTON = "#style-camera button[aria-label='capture photo']"
NOTE_WHAT_IS_SAID = """() => {
    window.said = [];
    new MutationObserver(() => window.said.push(document.querySelector("#style-status").textContent)).observe(
        document.body, {childList: true, subtree: true, characterData: true});
}"""
LEAST_RATE = 0.5  # frames a second in the test, beside any other work


@pytest.fixture(params=[True], ids=["offered"])
def offered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tab, "instant_offered", lambda: request.param)


def one_step() -> StandIn:
    return StandIn(Step(done=1, total=1, result=Stylized(PAINTED, 1, 1)))


def fields_of(page: gr.Blocks) -> dict[str, Any]:
    """The parts of a page by element id."""
    return {block.elem_id: block for block in page.blocks.values() if getattr(block, "elem_id", None)}


@pytest.mark.usefixtures("offered")
def test_at_once_asks_for_one_pass_with_what_was_chosen() -> None:
    stand_in = one_step()
    second = (example_picture("styles/halftone"), None, 2.5)
    values = page_values(second, seconds=AT_ONCE, size=512, strength=0.5, keep_colours="luminance", style_scale=1.5)
    ((picture, line, curves),) = job_of(tab.TAB, stand_in, "style-result")(*values)
    (request,) = stand_in.requests
    assert isinstance(request, InstantRequest) and request.time_limit_s == STYLE_S
    assert request.config == InstantConfig(size=512, strength=0.5, keep_colours="luminance", style_scale=1.5)
    assert request.styles[0][1] == 2.5 and request.content.shape == (300, 451, 3)
    assert picture is PAINTED and line.startswith("128 × 85 pixels in ") and curves == ""


@pytest.mark.usefixtures("offered")
def test_the_instant_picture_is_shown_before_the_optimisation() -> None:
    losses = {"content_loss": 0.1, "style_loss": 0.2, "tv_loss": 0.01, "scale": 1, "scales": 1}
    stand_in = StandIn(
        Step(done=0, total=2, preview=PAINTED),
        Step(done=1, total=2, measures=losses),
        Step(done=2, total=2, measures=losses, preview=PAINTED),
        Step(done=2, total=2, measures=losses, result=Stylized(PAINTED, 2, 2)),
    )
    expected, first, *_, last = job_of(tab.TAB, stand_in, "style-result")(*page_values(seconds=15, start="instant"))
    assert "It takes about 15 s." in expected
    (request,) = stand_in.requests
    assert isinstance(request, StyleRequest) and request.config.start == "instant"
    assert first[0] is PAINTED and first[1].startswith("This is the instant style. It is being refined: ")
    assert first[2] == "" and last[2].count("<polyline") == 3


@pytest.mark.usefixtures("offered")
def test_where_it_is_offered_it_is_a_time_and_the_usual_start() -> None:
    page = drawn(lambda: tab.TAB.build(one_step()))
    fields = fields_of(page)
    assert fields["StyleConfig-seconds"].choices[0] == ("at once", AT_ONCE)
    assert fields["StyleConfig-start"].value == "instant" and {"style-camera", "style-video"} <= fields.keys()
    presets = [tab._preset_values(name)[tab.PRESET_FIELDS.index("start")] for name in PRESETS]
    assert presets == ["instant"] * 5 + ["noise"]


@pytest.mark.parametrize("offered", [False], indirect=True, ids=["missing"])
def test_where_its_weight_is_missing_the_choice_is_not_there(offered: None) -> None:
    page = drawn(lambda: tab.TAB.build(one_step()))
    fields = fields_of(page)
    assert [value for _, value in fields["StyleConfig-seconds"].choices] == [5, 15, 60, tab.BY_STEPS]
    assert [value for _, value in fields["StyleConfig-start"].choices] == ["content", "style", "noise"]
    assert fields["StyleConfig-start"].value == "content"
    assert not {"style-ways", "style-camera", "style-video"} & fields.keys()
    assert tab._preset_values("Balanced")[tab.PRESET_FIELDS.index("start")] == "content"


def test_what_is_quick_does_not_wait_behind_what_is_slow() -> None:
    lane = lane_by_size(1, 0)
    assert [lane([time, size]) for time, size in ((AT_ONCE, 1024), (AT_ONCE, 2048), (15, 128), (0, 128))] == [
        Lane.QUICK,
        Lane.SLOW,
        Lane.SLOW,
        Lane.SLOW,
    ]
    assert lane([AT_ONCE]) == lane([AT_ONCE, None]) == lane([AT_ONCE, True]) == Lane.QUICK  # refused at once
    assert lane_by_size(0)([4096]) == Lane.SLOW


def test_the_endpoint_gives_the_picture_and_takes_a_second_style_with_a_mask() -> None:
    stand_in = one_step()
    ask = endpoint_of(tab.TAB, stand_in, "style_instant")
    assert ask(*PAIR) is PAINTED
    assert ask(*PAIR, strength=0.3, size=640.0, second_style=PAIR[1], second_weight=0.5, mask=PAIR[0]) is PAINTED
    plain, whole = stand_in.requests
    assert isinstance(plain, InstantRequest) and plain.config == InstantConfig() and plain.styles == ()
    assert isinstance(whole, InstantRequest) and whole.config == InstantConfig(strength=0.3, size=640)
    assert whole.styles[0][1] == 0.5 and whole.mask is not None and whole.mask.ndim == 2


@pytest.mark.parametrize(("name", "values"), [("style_instant", {}), ("stylize", {"start": "instant", "size": 128})])
def test_endpoints_say_that_its_weight_is_missing(
    name: str, values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instant_weights.use(instant_weights.without_instant(tmp_path / "weights"), monkeypatch)
    ask = endpoint_of(tab.TAB, run_here, name)
    with pytest.raises(gr.Error, match="There is no instant style here: its network, instant_style, is not among"):
        answer = ask(*PAIR, **values)
        list(answer)


class Paints:
    """A stand-in that gives each frame back and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[InstantFrameRequest] = []

    def __call__(self, request: InstantFrameRequest) -> Iterator[Step[Any]]:
        self.requests.append(request)
        seen: Any = None
        yield Step(done=1, total=1, result=Before(seen, request.frame, request.frame))


def jpeg(path: Path, shade: int = 90) -> bytes:
    Image.fromarray(np.full((480, 640, 3), shade, np.uint8)).save(path, format="JPEG")
    return path.read_bytes()


def test_a_frame_is_shrunk_and_painted_and_the_next_goes_on_from_it(tmp_path: Path) -> None:
    run, frame = Paints(), jpeg(tmp_path / "frame.jpg")
    picture, line, live = frame_on_page(run, frame, PAIR[1], 0.5, "no", 0.8, None)
    assert picture.shape == (360, LIVE_SIDE_PX, 3) and re.fullmatch(r"\d+ ms a frame", line)
    _, line, live = frame_on_page(run, frame, PAIR[1], 0.5, "no", 0.8, live)
    assert re.fullmatch(r"\d+ ms a frame, [\d.]+ frames a second", line)
    first, second = run.requests
    assert first.before is None and second.before is not None and second.before.held is first.frame
    assert first.config == InstantConfig(strength=0.5, size=LIVE_SIDE_PX) and first.steadiness == 0.8
    assert second.style is first.style and max(first.style.shape) == 640  # read once
    frame_on_page(run, frame, PAIR[1], 1.0, "no", 0.8, live)
    frame_on_page(run, frame, example_picture("styles/ink_wash"), 0.5, "no", 0.8, live)
    pause = replace(live, rate=replace(live.rate, answered_at=(-100.0,)))
    frame_on_page(run, frame, PAIR[1], 0.5, "no", 0.8, pause)
    assert [request.before for request in run.requests[2:]] == [None] * 3  # other settings, styles, another recording


def test_a_failure_is_told_and_does_not_end_the_stream(tmp_path: Path) -> None:
    frame = jpeg(tmp_path / "frame.jpg")
    picture, line, live = frame_on_page(Paints(), frame, None, 1.0, "no", 0.8, Live())
    assert picture == gr.skip() and line == "Please choose a style picture first."
    _, line, live = frame_on_page(Paints(), b"no picture", PAIR[1], 1.0, "no", 0.8, live)
    assert "not a picture" in line and live.before is None
    assert frame_on_page(Paints(), None, PAIR[1], 1.0, "no", 0.8, live)[:2] == (gr.skip(), gr.skip())


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    (tmp_path / "video.mp4").write_bytes(b"a video")
    return str(tmp_path / "video.mp4")


def test_frames_are_told_and_the_film_takes_the_place_of_the_preview(video: str) -> None:
    run = StandIn(Step(done=1, total=30, preview=PAINTED), Step(done=2, total=30), Step(done=30, total=30, result=FILM))
    first, second, last = video_on_page(run, video, PAIR[1], 384, 0.5, 1.2, "statistics", 0.6)
    (request,) = run.requests
    assert isinstance(request, StyleVideoRequest) and request.video == b"a video"
    wanted = StyleVideoConfig(size=384, strength=0.5, style_scale=1.2, keep_colours="statistics", steadiness=0.6)
    assert request.config == wanted and request.time_limit_s == STYLE_VIDEO_S
    assert first[0] is PAINTED and first[2] == "Frame 1 of 30" and second[0] == gr.skip()
    preview, film, line = last
    assert preview["visible"] is False and film["visible"] is True
    assert (
        Path(film["value"]).name == f"painted-video-like-{Path(PAIR[1]).stem}.mp4"
        and Path(film["value"]).read_bytes() == b"film"
    )
    assert line.startswith("30 frames, 2.0 s of film in") and line.endswith("The sound is left out.")


def test_a_film_that_was_cut_short_says_so_in_its_name(video: str) -> None:
    cut = StandIn(Step(done=3, total=30, result=replace(FILM, notes=("Stopped before the end.",)), complete=False))
    ((_, film, line),) = video_on_page(cut, video, PAIR[1], 512, 1.0, 1.0, "no", 0.8)
    assert Path(film["value"]).name == f"painted-video-like-{Path(PAIR[1]).stem}_incomplete.mp4"
    assert line.endswith("Stopped before the end.")


def test_without_a_video_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match="Please choose a video first"):
        next(video_on_page(StandIn(), None, PAIR[1], 512, 1.0, 1.0, "no", 0.8))


@pytest.fixture(scope="module")
def instant_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with an untrained network of the instant style, on which a camera does not end by itself."""
    folder = tmp_path_factory.mktemp("instant")
    weights = instant_weights.add_instant(folder / "weights")
    with serve(folder, CVDEMO_WEIGHTS=str(weights), CVDEMO_LIVE_S="60") as server:
        yield server.url


@pytest.fixture
def wide(browser: Browser, instant_page: str) -> Iterator[Page]:
    yield from open_page(browser, instant_page, 1280, 900, photograph_as_camera())


def test_at_once_paints_at_one_click(wide: Page, instant_page: str) -> None:
    wide.goto(f"{instant_page}/?tab=style&seconds={AT_ONCE}&size=256")
    expect(wide.locator("#StyleConfig-size input[type=number]")).to_have_value("256")
    wide.locator("#style-pictures .gallery button").first.click()
    expect(wide.locator("#style-status")).to_contain_text(re.compile(r"256 × 17\d pixels in"))
    expect(wide.locator("#style-result img")).to_be_visible()


def test_the_optimisation_refines_the_instant_picture(wide: Page, instant_page: str) -> None:
    wide.goto(f"{instant_page}/?tab=style&seconds=0&size=128&scales=1&steps=60")
    expect(wide.locator("#StyleConfig-size input[type=number]")).to_have_value("128")
    wide.evaluate(NOTE_WHAT_IS_SAID)  # the sentence is soon followed by others
    wide.locator("#style-pictures .gallery button").first.click()
    expect(wide.locator("#style-status")).to_contain_text("128 × 85 pixels, 60 steps in")
    said = wide.evaluate("window.said")
    assert any("the instant style. It is being refined" in text for text in said), said


def test_the_camera_is_painted_as_it_moves(wide: Page, instant_page: str) -> None:
    """The rate is printed: `pytest -s`."""
    wide.goto(f"{instant_page}/?tab=style")
    wide.locator("#style-ways").get_by_role("tab", name="Camera").click()
    wide.locator("#style-camera [title='grant webcam access'] button").click()
    wide.locator(BUTTON).click()
    status = wide.locator("#style-live-status")
    expect(status).to_contain_text("ms a frame")
    rate = frames_in(wide, MEASURED_S) / MEASURED_S
    print(f"instant style, live: {rate:.1f} frames a second; load {os.getloadavg()[0]:.1f}")
    assert rate >= LEAST_RATE
    wide.locator("#style-live-styles .gallery button").nth(3).click()
    assert frames_in(wide, MEASURED_S) > 0
    wide.locator(BUTTON).click()
    wide.wait_for_timeout(1000)
    assert frames_in(wide, 1.5) == 0


def frames_in(page: Page, seconds: float) -> int:
    """How many different pictures the camera's field shows in a while."""
    script = """async (seconds) => {
        const shown = document.querySelector("#style-camera .wrap > img[src]"), seen = new Set();
        const watch = new MutationObserver(() => seen.add(shown.src));
        watch.observe(shown, {attributes: true});
        await new Promise((done) => setTimeout(done, 1000 * seconds));
        watch.disconnect();
        return seen.size;
    }"""
    return int(page.evaluate(script, seconds))


def open_video(page: Page, url: str, path: Path) -> None:
    page.goto(f"{url}/?tab=style")
    page.locator("#style-ways").get_by_role("tab", name="Video").click()
    page.set_input_files("#style-video input[type=file]", path)
    expect(page.locator("#style-video video")).to_be_visible()


def test_a_video_comes_back_painted(wide: Page, instant_page: str, tmp_path: Path) -> None:
    open_video(wide, instant_page, film_of_a_face(tmp_path / "face.mp4", 8))
    wide.click("#style-video-run")
    expect(wide.locator("#style-video-status")).to_contain_text("8 frames, 0.5 s of film in")
    expect(wide.locator("#style-video-film video")).to_be_visible()
    expect(wide.locator("#style-video-preview")).to_be_hidden()


def test_a_video_can_be_cancelled(wide: Page, instant_page: str, tmp_path: Path) -> None:
    open_video(wide, instant_page, film_of_a_face(tmp_path / "long.mp4", 280))
    wide.click("#style-video-run")
    status = wide.locator("#style-video-status")
    expect(status).to_contain_text("Frame ")
    wide.click("#style-video-cancel")
    expect(status).to_have_text("Cancelled; the last frame stays.")
    wide.wait_for_timeout(1500)
    expect(status).to_have_text("Cancelled; the last frame stays.")


def test_on_a_phone_all_three_ways_fit(browser: Browser, instant_page: str) -> None:
    for page in open_page(browser, instant_page, 390, 844):
        page.goto(f"{instant_page}/?tab=style")
        for way in ("Picture", "Camera", "Video"):
            page.locator("#style-ways").get_by_role("tab", name=way).click()
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_program_gets_it_at_once(instant_page: str, tmp_path: Path) -> None:
    client = Client(instant_page, verbose=False, download_files=str(tmp_path))
    content, style = (handle_file(path) for path in PAIR)
    found = client.predict(content, style, size=128, api_name="/style_instant")
    with Image.open(found) as picture:
        assert picture.format == "PNG" and picture.size == (128, 85)
    refined = client.submit(content, style, start="instant", size=128, scales=1, steps=2, api_name="/stylize")
    refined.result()
    assert len(refined.outputs()) >= 2
