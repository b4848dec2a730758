"""Videos with boxes: what comes out, what is said of it, and where it stops."""

import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from cvdemo import demos
from cvdemo.cli.run import main
from cvdemo.demo import Lane, last_step
from cvdemo.detect import run as run_module
from cvdemo.detect.candidates import Scan, ScanConfig, ScanStep
from cvdemo.detect.drawing import class_colour
from cvdemo.detect.run import DetectVideoRequest, run_detect_video
from cvdemo.detect.selection import DetectConfig
from cvdemo.images import ImageArray
from cvdemo.limits import VIDEO_SEARCHED_MEGAPIXELS
from cvdemo.runtime import Deadline
from tests.helpers.hand_turned_clock import Clock, set_clock
from tests.ops.test_read_video import clip

FRAMES = 8


class FindsBright:
    """A face in each frame that is bright, a second for each."""

    labels = ("face",)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.configs: list[ScanConfig] = []
        self.level_s = 0.0  # of a second, finer level, which a deadline leaves out

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        self.configs.append(config)
        self.clock.passes(1)
        complete = not self.level_s or deadline is None or not deadline.expired
        self.clock.passes(self.level_s if complete else 0)
        count = int(image.mean() > 60)
        boxes = np.array([[8, 8, 40, 40]] * count, np.float32).reshape(-1, 4)
        size_wh = (image.shape[1], image.shape[0])
        scores, classes = np.full(count, 0.9, np.float32), np.zeros(count, np.int64)
        scan = Scan(size_wh, list(self.labels), (), boxes, boxes, scores, classes, 1, 1.0, complete)
        yield ScanStep(1, 1, scan, 1, 1.0)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> FindsBright:
    stand_in = FindsBright(set_clock(monkeypatch))
    monkeypatch.setattr(run_module, "load_detector", lambda detector, device: stand_in)
    return stand_in


@pytest.fixture(scope="module")
def film() -> bytes:
    return clip([0, 0] + [128] * (FRAMES - 2), sound=True)


def request(film: bytes, time_limit_s: float | None = None) -> DetectVideoRequest:
    return DetectVideoRequest(video=film, config=DetectConfig(detector="haar"), time_limit_s=time_limit_s)


def decoded(mp4: bytes) -> list[ImageArray]:
    with av.open(io.BytesIO(mp4)) as container:
        assert not container.streams.audio
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_each_frame_comes_back_with_its_boxes(detector: FindsBright, film: bytes) -> None:
    steps = list(demos.run(request(film)))
    result = steps[-1].result
    assert [step.done for step in steps] == [*range(1, FRAMES + 1), FRAMES] and steps[-1].complete
    frames = decoded(result.mp4)
    assert len(frames) == result.frames == FRAMES and result.fps == 10 and result.size_wh == (64, 48)
    on_the_frame = [np.abs(frame[20, 8:12].astype(int) - class_colour(0)).sum(axis=1).min() for frame in frames]
    assert min(on_the_frame[:3]) > 200 and max(on_the_frame[3:]) < 150  # shown once it was found twice
    assert result.most_at_once == {"face": 1} and result.in_words == "1 face" and result.seconds == 0.8
    assert result.notes == ("The sound is left out.",)


def test_the_finest_level_of_a_frame_is_bounded(detector: FindsBright, film: bytes) -> None:
    slow = DetectConfig(detector="imagenet", crop_by_crop=True)
    last_step(run_detect_video(DetectVideoRequest(video=film, config=slow)))
    asked = {(config.megapixels, config.crop_by_crop) for config in detector.configs}
    assert asked == {(VIDEO_SEARCHED_MEGAPIXELS, False)}


def test_steps_tell_the_time_left_and_show_a_frame_now_and_then(detector: FindsBright, film: bytes) -> None:
    *steps, last = run_detect_video(request(film))
    assert steps[3].seconds_left == pytest.approx(4) and steps[3].total == FRAMES
    assert [step.preview is not None for step in steps] == [number % 5 == 0 for number in range(FRAMES)]
    assert last.preview is not None and last.preview.shape == (48, 64, 3)


def test_every_frame_of_a_film_slower_than_previews_is_shown(detector: FindsBright) -> None:
    """At 2 frames a second half a second is one frame; at 1, half a frame, which rounds to none."""
    for fps in (2, 1):
        *steps, last = run_detect_video(request(clip([128] * 3, fps=fps)))
        assert len(steps) == 3 and all(step.preview is not None for step in steps)
        assert last.result is not None and last.result.fps == fps


@pytest.mark.parametrize(("limit_s", "frames"), [(0, 1), (2.5, 3), (99, FRAMES)])
def test_a_time_limit_gives_the_film_so_far(detector: FindsBright, film: bytes, limit_s: float, frames: int) -> None:
    last = last_step(run_detect_video(request(film, limit_s)))
    assert last.result is not None and len(decoded(last.result.mp4)) == last.result.frames == frames
    assert last.complete is (frames == FRAMES)
    assert ("Stopped before the end." in last.result.notes) is (frames < FRAMES)


@pytest.mark.parametrize(("limit_s", "told"), [(2.5, True), (2.9, False), (None, False)])
def test_a_frame_that_the_deadline_cut_is_told(
    detector: FindsBright, film: bytes, limit_s: float | None, told: bool
) -> None:
    """A frame takes a second and a half; after 2.5 s the second one has its first level alone."""
    detector.level_s = 0.5
    last = last_step(run_detect_video(request(film, limit_s)))
    assert last.result is not None
    words = "1 frame searched only in part: time ran out."
    assert (words in last.result.notes) is (words in last.result.as_dict()["notes"]) is told


def test_requests_and_results_pickle_and_wait_in_the_slow_lane(detector: FindsBright, film: bytes) -> None:
    sent = pickle.loads(pickle.dumps(request(film)))
    assert sent.video == film and sent.lane is Lane.SLOW
    last = pickle.loads(pickle.dumps(last_step(run_detect_video(sent))))
    assert last.result.frames == FRAMES


def test_the_command_line_writes_the_film(
    detector: FindsBright, film: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip_path, out = tmp_path / "clip.MP4", tmp_path / "out.mp4"
    clip_path.write_bytes(film)
    command = ["detect", str(clip_path), str(out), "--detector", "haar"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert printed.err == "The sound is left out.\n"
    assert printed.out == f"clip.MP4 -> {out}: 1 face, at once at most; 8 frames, 10 a second\n"
    assert len(decoded(out.read_bytes())) == FRAMES
    assert main(command) == 2 and "There is already" in capsys.readouterr().err
    assert main([*command[:2], f"{tmp_path}/new/", *command[3:], "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == f"{tmp_path}/new/clip.mp4" and told["most_at_once"] == {"face": 1} and told["frames"] == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["out.png"], "OUT has to end in .mp4, or be a folder, as IN is a video; it is out.png."),
        ([], "OUT has to end in .mp4, or be a folder, as IN is a video; it is missing."),
        (["-"], "OUT has to end in .mp4, or be a folder, as IN is a video; it is -."),
        (["out.mp4", "--coco", "a.json"], "--coco changes nothing in a video: please leave it out."),
        (["out.mp4"], "There is no file clip.mp4."),
        (["clip.mp4"], "There is no file clip.mp4."),
    ],
)
def test_what_does_not_fit_a_video_is_one_sentence(
    options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["detect", "clip.mp4", *options]) == 2
    assert capsys.readouterr().err == f"{words}\n"
