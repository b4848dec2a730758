"""Videos in a style: what comes out, how steady it is, and where it stops."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from cvdemo import demos
from cvdemo.cli.run import main
from cvdemo.demo import Lane, last_step
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.style import video
from cvdemo.style.feed_forward import Painter, PreparedStyle
from cvdemo.style.steady import flicker, steady_frame
from cvdemo.style.video import StyleVideoConfig, StyleVideoRequest, run_style_video
from tests.detect.test_video import decoded
from tests.helpers.hand_turned_clock import set_clock
from tests.helpers.painters import random_painter, use_painter
from tests.helpers.png_files import save_png
from tests.ops.test_read_video import clip

FRAMES = 6
SMALL = StyleVideoConfig(size=128)


@pytest.fixture(scope="module")
def painter() -> Painter:
    return random_painter()


@pytest.fixture(autouse=True)
def at_hand(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> None:
    use_painter(painter, monkeypatch)


@pytest.fixture(scope="module")
def film() -> bytes:
    return clip([100] * FRAMES, sound=True)


def request(film: bytes, style: ImageArray, **others: object) -> StyleVideoRequest:
    return StyleVideoRequest(**{"video": film, "style": style, "config": SMALL, **others})


def test_each_frame_comes_back_painted(film: bytes, noise: ImageArray, painter: Painter) -> None:
    *steps, last = demos.run(pickle.loads(pickle.dumps(request(film, noise))))
    assert [step.done for step in steps] == list(range(1, FRAMES + 1)) and last.complete
    assert [step.preview is not None for step in steps] == [number % 5 == 0 for number in range(FRAMES)]
    result = pickle.loads(pickle.dumps(last)).result
    assert (result.frames, result.fps, result.size_wh, result.seconds) == (FRAMES, 10, (128, 96), 0.6)
    assert result.notes == ("The sound is left out.",)
    frames = decoded(result.mp4)
    assert len(frames) == FRAMES and frames[0].shape == (96, 128, 3)
    grey = np.full((96, 128, 3), 100, np.uint8)
    alone = PreparedStyle.of(noise, SMALL, painter).paint(grey)
    assert np.abs(frames[0].astype(int) - alone).mean() < 8  # the codec
    assert flicker([grey] * FRAMES, frames) < 1
    assert request(film, noise).lane is Lane.SLOW


def test_settings_and_further_styles_reach_the_painting(
    film: bytes, noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, float]] = []
    steady = steady_frame

    def noting(frame: ImageArray, style: PreparedStyle, before: object, steadiness: float) -> object:
        seen.append((len(style.styles), steadiness))
        return steady(frame, style, before, steadiness)

    monkeypatch.setattr(video, "steady_frame", noting)
    config = StyleVideoConfig(size=128, steadiness=0.3)
    last_step(run_style_video(request(film, noise, config=config, styles=((noise[::-1], 0.5),))))
    assert seen == [(2, 0.3)] * FRAMES


@pytest.mark.parametrize(("limit_s", "frames"), [(0, 1), (2.5, 3), (99, FRAMES)])
def test_a_time_limit_gives_the_film_so_far(
    film: bytes, noise: ImageArray, limit_s: float, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, steady = set_clock(monkeypatch), steady_frame
    monkeypatch.setattr(video, "steady_frame", lambda *given: clock.passes(1) or steady(*given))
    last = last_step(run_style_video(request(film, noise, time_limit_s=limit_s)))
    assert last.result.frames == len(decoded(last.result.mp4)) == frames
    assert last.complete is (frames == FRAMES)
    assert ("Stopped before the end." in last.result.notes) is (frames < FRAMES)


def test_what_is_no_video_is_told(noise: ImageArray) -> None:
    with pytest.raises(InputError, match="The video cannot be read"):
        last_step(run_style_video(request(b"no video", noise)))


def test_the_command_line_writes_the_film(
    film: bytes, noise: ImageArray, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_png(noise, "style.png")
    Path("clip.mp4").write_bytes(film)
    command = ["stylize", "clip.mp4", "out.mp4", "--style", "style.png", "--size", "128"]
    assert main([*command, "--instant", "--steadiness", "0.5"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "The sound is left out.\n"
    assert printed.out == f"clip.mp4 -> out.mp4: {FRAMES} frames, 10 a second\n"
    assert len(decoded(Path("out.mp4").read_bytes())) == FRAMES
    assert main([*command, "--instant", "--overwrite", "--also", "style.png", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == "out.mp4" and told["size_wh"] == [128, 96] and told["frames"] == FRAMES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "A video can be painted with --instant alone: please give it too."),
        (["--instant", "--steps", "5"], "--steps changes nothing with --instant: please leave it out."),
        (["--instant", "--mask", "style.png"], "--mask changes nothing in a video: please leave it out."),
        (["--instant", "--recursive"], "--recursive changes nothing in a video: please leave it out."),
        (["--instant"], "There is no file clip.mp4."),
    ],
)
def test_what_does_not_fit_a_video_is_one_sentence(
    options: list[str],
    words: str,
    noise: ImageArray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_png(noise, "style.png")
    assert main(["stylize", "clip.mp4", "out.mp4", "--style", "style.png", *options]) == 2
    assert capsys.readouterr().err == f"{words}\n"
