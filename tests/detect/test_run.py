"""Detection as a run: steps, partial results, and what a deadline or a visitor who has left makes of it."""

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from cvdemo import demos
from cvdemo.demo import Lane, last_step
from cvdemo.detect import run as run_module
from cvdemo.detect.candidates import LevelScores, Scan, ScanConfig, ScanStep
from cvdemo.detect.detector import DETECTORS, load_detector
from cvdemo.detect.opencv_baselines import shrunk_to
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.detect.run import DetectRequest, run_detect
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.detect.sliding_window import SlidingWindowDetector, level_sizes
from cvdemo.images import ImageArray
from cvdemo.limits import DETECT_MEGAPIXELS, QUICK_MEGAPIXELS
from cvdemo.runtime import Deadline, stopping_when
from tests.helpers.hand_turned_clock import Clock, set_clock

LEVELS = ((32, 32), (64, 64), (128, 128))  # heights and widths in px


class SlowDetector:
    """One box a level, and a second for each; between the levels it says how many windows it has scored."""

    labels = ("cat", "dog")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        assert deadline is not None
        pixels = [height * width for height, width in LEVELS]
        for done in range(1, len(LEVELS) + 1):
            if done > 1 and deadline.expired:
                return
            self.clock.passes(1)
            scan = self.result_of(done, deadline)
            yield ScanStep(done, len(LEVELS), scan, done, sum(pixels[:done]) / sum(pixels))
            if done < len(LEVELS):
                yield ScanStep(done, len(LEVELS), scan, done + 1, (sum(pixels[:done]) + 1) / sum(pixels))

    def result_of(self, levels: int, deadline: Deadline) -> Scan:
        boxes = np.array([[20 * i, 0, 20 * i + 10, 10] for i in range(levels)], np.float32)
        scores = tuple(
            LevelScores(size, np.full((1, 1), 0.9, np.float32), size[0], size[0], size[0] / 2)
            for size in LEVELS[:levels]
        )
        return Scan(
            size_wh=(128, 128),
            labels=list(self.labels),
            levels=scores,
            windows_xyxy=boxes,
            fitted_xyxy=boxes,
            scores=np.linspace(0.9, 0.6, levels, dtype=np.float32),
            classes=np.zeros(levels, np.int64),
            windows=levels,
            elapsed_ms=deadline.elapsed_ms,
            complete=levels == len(LEVELS),
        )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the `SlowDetector` that every request gets."""
    clock = set_clock(monkeypatch)
    monkeypatch.setattr(run_module, "load_detector", lambda detector, device: SlowDetector(clock))
    return clock


def request(time_limit_s: float | None = None) -> DetectRequest:
    return DetectRequest(image=np.zeros((128, 128, 3), np.uint8), time_limit_s=time_limit_s)


def test_a_step_a_level_with_what_was_found_so_far(clock: Clock) -> None:
    steps = list(demos.run(request()))
    assert [(step.done, step.total) for step in steps] == [(1, 3), (1, 3), (2, 3), (2, 3), (3, 3)]
    found = [None if step.partial is None else len(step.partial.detections.scores) for step in steps]
    assert found == [1, None, 2, None, 3]
    assert [step.measures["windows"] for step in steps] == [1, 2, 2, 3, 3]
    *earlier, last = steps
    assert last.complete and last.result is last.partial and not [step for step in earlier if step.result is not None]


def test_the_seconds_left_follow_the_pixels_of_the_levels(clock: Clock) -> None:
    first, _, second, _, last = run_detect(request())
    assert first.seconds_left == pytest.approx(1 * (4 + 16)) and second.seconds_left == pytest.approx(2 * 16 / 5)
    assert last.seconds_left == 0


def test_boxes_are_selected_once_a_level(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    selected: list[int] = []

    def counting(scan: Scan, config: DetectConfig) -> object:
        selected.append(len(scan.levels))
        return select(scan, config)

    monkeypatch.setattr(run_module, "select", counting)
    list(run_detect(request()))
    assert selected == [1, 2, 3]
    selected.clear()
    list(run_detect(request(time_limit_s=1.5)))
    assert selected == [1, 2]


@pytest.mark.parametrize(("limit_s", "levels"), [(0, 1), (0.5, 1), (1.5, 2), (2.5, 3), (9, 3)])
def test_a_time_limit_gives_what_was_found_marked_as_incomplete(clock: Clock, limit_s: float, levels: int) -> None:
    last = last_step(run_detect(request(limit_s)))
    assert last.result is not None
    assert len(last.result.scan.levels) == last.done == len(last.result.detections.scores) == levels
    assert last.complete is last.result.detections.complete is (levels == 3)


@pytest.mark.parametrize(
    ("config", "lane"),
    [
        (DetectConfig(), Lane.QUICK),
        (DetectConfig(megapixels=QUICK_MEGAPIXELS), Lane.QUICK),
        (DetectConfig(megapixels=QUICK_MEGAPIXELS + 0.1), Lane.SLOW),
        (DetectConfig(detector="imagenet", megapixels=QUICK_MEGAPIXELS + 0.1), Lane.QUICK),
        (DetectConfig(detector="imagenet", crop_by_crop=True), Lane.SLOW),
        (DetectConfig(detector="objects", crop_by_crop=True), Lane.QUICK),
        (DetectConfig(detector="haar", crop_by_crop=True), Lane.QUICK),
    ],
)
def test_what_takes_long_waits_in_the_slow_lane(config: DetectConfig, lane: Lane) -> None:
    large = np.broadcast_to(np.uint8(0), (3000, 4000, 3))
    assert DetectRequest(image=large, config=config).lane is lane


def test_a_small_picture_has_no_large_level() -> None:
    config = DetectConfig(megapixels=40)
    assert DetectRequest(image=np.zeros((8, 8, 3), np.uint8), config=config).lane is Lane.QUICK


@pytest.mark.parametrize("detector", DETECTORS)
def test_no_detector_searches_more_than_the_lane_counts_with(detector: str) -> None:
    """Levels of a picture of 3 megapixels, asked for as finely as can be."""
    config = DetectConfig(detector=detector, megapixels=40, max_upscale=2.0)
    found = load_detector(detector, "cpu")
    if isinstance(found, PlaceDetector):
        sizes = found.level_sizes((1500, 2000), config)
    elif isinstance(found, SlidingWindowDetector):
        sizes = level_sizes((1500, 2000), found.net, config)
    else:
        sizes = [shrunk_to(np.zeros((1500, 2000, 3), np.uint8), min(config.megapixels, DETECT_MEGAPIXELS)).shape[:2]]
    assert max(height * width for height, width in sizes) <= 1.02 * config.finest_pixels(3e6)  # sides are rounded


def test_a_visitor_who_leaves_ends_it_at_the_next_level(clock: Clock) -> None:
    left = False
    with stopping_when(lambda: left):
        steps = run_detect(request())
        next(steps)
        left = True
        last = last_step(steps)
    assert last.done == 1 and not last.complete and last.result is not None


def test_requests_and_steps_pickle(clock: Clock) -> None:
    sent = pickle.loads(pickle.dumps(request(time_limit_s=9)))
    assert (sent.image == 0).all() and sent.config == DetectConfig() and sent.time_limit_s == 9
    for step in run_detect(sent):
        copy = pickle.loads(pickle.dumps(step))
        assert (copy.done, copy.measures) == (step.done, step.measures)
        if step.partial is not None:
            assert copy.partial.detections.as_dict() == step.partial.detections.as_dict()
            np.testing.assert_array_equal(copy.partial.scan.levels[0].best, step.partial.scan.levels[0].best)


def test_the_real_network_finds_a_cheetah(cheetah: ImageArray) -> None:
    *_, last = run_detect(
        DetectRequest(image=cheetah, config=DetectConfig(detector="imagenet", max_upscale=0.9), device="cpu")
    )
    assert last.result is not None and last.result.detections.labels == ["cheetah"]
    assert last.done == last.total == len(last.result.scan.levels)
