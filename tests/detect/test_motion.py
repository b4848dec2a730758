"""The windows in motion: bounded, of one size, each window in its place with its score's colour."""

import pickle
from pathlib import Path

import av
import numpy as np
import pytest

from cvdemo import demos
from cvdemo.demo import last_step
from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.motion import (
    CAPTION_PX,
    LAST_FRAMES,
    MOTION_FPS,
    SLOWEST,
    frames_of_levels,
    windows_in_motion,
)
from cvdemo.detect.run import MotionRequest
from cvdemo.detect.score_maps import score_colour
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import MOTION_FRAMES
from cvdemo.ops.video import write_mp4


def scan_of(*levels: LevelScores, size_wh: tuple[int, int] = (320, 200)) -> Scan:
    box = np.array([[10, 10, 60, 60]], np.float32)
    return Scan(size_wh, ["cat"], levels, box, box, np.array([0.9], np.float32), np.array([0]), 9, 1.0, True)


def level(rows: int, columns: int, stride: int = 40) -> LevelScores:
    """Windows of two strides over 320 x 200 px; the score rises from window to window."""
    best = np.linspace(0, 1, rows * columns, dtype=np.float32).reshape(rows, columns)
    return LevelScores((200, 320), best, 2 * stride, stride, stride)


def frames(scan: Scan, canvas: ImageArray) -> list[ImageArray]:
    found: Detections = select(scan, DetectConfig(detector="haar"))
    return list(windows_in_motion(canvas, scan, found))


@pytest.fixture
def grey() -> ImageArray:
    return np.full((200, 320, 3), 128, np.uint8)


def test_a_window_visits_every_place_of_each_level_and_then_the_boxes_are_shown(grey: ImageArray) -> None:
    film = frames(scan_of(level(2, 3), level(9, 15, 20)), grey)
    assert len(film) == 6 * SLOWEST + 156 + LAST_FRAMES == MOTION_FRAMES
    assert np.array_equal(film[0], film[1]) and len({frame.tobytes() for frame in film[: 6 * SLOWEST]}) == 6
    assert {frame.shape for frame in film} == {(200 + CAPTION_PX, 320, 3)}
    assert np.array_equal(film[-1], film[-LAST_FRAMES]) and (grey == 128).all()


def test_the_frame_and_the_dots_have_the_colour_of_the_score(grey: ImageArray) -> None:
    film = frames(scan_of(level(4, 7)), grey)[2::SLOWEST]  # each window in the middle of its time
    colour = score_colour(10 / 27)
    at = film[10]  # row 1, column 3: its window is (120, 40) to (200, 120)
    assert (at[80, 121:124] == colour).all(axis=1).sum() >= 2 and (at[80, 160] == colour).all()
    later = film[20]  # the dot stays, the frame has gone on
    assert (later[80, 160] == colour).all() and not (later[80, 121:124] == colour).all(axis=1).any()
    assert (film[5][80, 160] == 128).all()  # not there yet


def test_many_windows_stay_within_the_frames_and_all_leave_their_dots(grey: ImageArray) -> None:
    film = frames(scan_of(level(4, 7), level(90, 150, 2), level(48, 78, 4)), grey)
    assert len(film) == MOTION_FRAMES
    last = film[-LAST_FRAMES - 1][:200]
    assert (last[::4, ::4] != 128).any(axis=2).mean() > 0.85


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 90), (900, 1201)])
def test_pictures_of_any_size_give_one_that_can_be_encoded(size_hw: tuple[int, int], tmp_path: Path) -> None:
    film = frames(scan_of(level(2, 3), size_wh=(size_hw[1], size_hw[0])), np.full((*size_hw, 3), 128, np.uint8))
    assert max(film[0].shape) <= 640 + CAPTION_PX
    path = write_mp4(film, tmp_path / "a.mp4", MOTION_FPS)
    with av.open(path) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(film)


def test_a_scan_without_levels_shows_the_boxes_alone(grey: ImageArray) -> None:
    assert len(frames(scan_of(), grey)) == LAST_FRAMES


def request(scan: Scan, canvas: ImageArray, time_limit_s: float | None = None) -> MotionRequest:
    found = select(scan, DetectConfig(detector="haar"))
    return MotionRequest(image=canvas, scan=scan, detections=found, time_limit_s=time_limit_s)


def frames_of(mp4: bytes, path: Path) -> int:
    path.write_bytes(mp4)
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


def test_the_film_is_a_request_with_a_step_a_frame(grey: ImageArray, tmp_path: Path) -> None:
    sent = pickle.loads(pickle.dumps(request(scan_of(level(2, 3)), grey)))
    *steps, last = demos.run(sent)
    total = 6 * SLOWEST + LAST_FRAMES
    assert [step.done for step in steps] == list(range(1, total + 1)) and {step.total for step in steps} == {total}
    film = pickle.loads(pickle.dumps(last)).result
    assert last.complete and film.frames == frames_of(film.mp4, tmp_path / "a.mp4") == total
    assert film.seconds == total / MOTION_FPS


def test_a_film_whose_time_runs_out_ends_there_and_is_incomplete(grey: ImageArray, tmp_path: Path) -> None:
    last = last_step(demos.run(request(scan_of(level(9, 15)), grey, time_limit_s=1e-6)))
    assert not last.complete and last.done == 1 == last.result.frames == frames_of(last.result.mp4, tmp_path / "a.mp4")


def test_windows_that_nobody_tells_of_cannot_move(grey: ImageArray) -> None:
    with pytest.raises(InputError, match="This method does not tell how sure it was"):
        next(demos.run(request(scan_of(), grey)))


@pytest.mark.parametrize(
    ("windows", "expected"),
    [([], []), ([5], [20]), ([500], [180]), ([1, 4, 1000], [4, 16, 160]), ([1000] * 3, [60] * 3), ([9] * 200, None)],
)
def test_frames_are_shared_out(windows: list[int], expected: list[int] | None) -> None:
    given = frames_of_levels(windows, 180)
    assert given == (expected if expected is not None else given) and all(n >= 1 for n in given)
    assert sum(given) <= max(180, len(windows))
