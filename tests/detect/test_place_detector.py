"""A network of places over a picture: boxes in its pixels, levels, tiles, sizes, deadlines, memory.

`finds_squares` stands in for a trained network: it keeps the contract of `PlaceNet` and sees red and green things.
"""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from cvdemo.detect.candidates import SCORE_FLOOR, Scan, ScanConfig, ScanStep
from cvdemo.detect.detector import DETECTORS, load_detector
from cvdemo.detect.level_tiles import OVERLAP_PX, TILE_PX
from cvdemo.detect.place_detector import SHOWN_PLACES, PlaceDetector
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.errors import InputError
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, Preprocessing, read_image
from cvdemo.limits import DETECT_CANDIDATES
from cvdemo.nets.forward import forward_engine
from cvdemo.nets.place_net import PlaceNet
from cvdemo.ops.boxes import iou_matrix
from cvdemo.ops.place_boxes import place_centres, place_strides
from cvdemo.runtime import Deadline

STRIDES = (8, 16, 32)
SIDE_PX = 256  # of the first level
PREPROCESSING = Preprocessing(input_px=SIDE_PX, resize_px=SIDE_PX, mean=(0.5,) * 3, std=(0.5,) * 3)
FINEST = ScanConfig(megapixels=40.0)
SCORE_TOLERANCE, LEAST_SAME_IOU = 0.02, 0.95  # of a GPU, whose convolutions take TF32, beside the CPU


def finds_squares(pixels: Tensor) -> Tensor:
    """Things of pure red (class 0) or green (1), each by the places within it of the stride that suits its size."""
    size_hw = (pixels.shape[2], pixels.shape[3])
    centres, strides = place_centres(size_hw, STRIDES), place_strides(size_hw, STRIDES)
    output = np.zeros((6, len(centres)), np.float32)
    output[:2], output[2:] = -20, 1
    colours = pixels[0].numpy() > 0
    for label in range(2):
        mask = (colours[label] & ~colours[1 - label] & ~colours[2]).astype(np.uint8)
        _, parts, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
        at = parts[centres[:, 1].astype(int), centres[:, 0].astype(int)]
        longer = stats[at][:, 2:4].max(axis=1)
        smallest = np.where(strides == STRIDES[0], 12, 6 * strides)
        seen = (at > 0) & (longer >= smallest) & ((longer < 12 * strides) | (strides == STRIDES[-1]))
        x, y, wide, high = stats[at[seen]][:, :4].T
        output[label, seen] = 2
        output[2:, seen] = np.stack([centres[seen, 0] - x, centres[seen, 1] - y, x + wide - centres[seen, 0],
                                     y + high - centres[seen, 1]])  # fmt: skip
    return torch.from_numpy(output)[None]


@pytest.fixture
def detector() -> PlaceDetector:
    return PlaceDetector(finds_squares, STRIDES, PREPROCESSING, ["red", "green"], torch.device("cpu"))


def picture(size_hw: tuple[int, int], *things: tuple[int, int, int, int], channel: int = 0) -> ImageArray:
    """Things (x1, y1, x2, y2) of one colour on black."""
    image = np.zeros((*size_hw, 3), np.uint8)
    for x1, y1, x2, y2 in things:
        image[y1:y2, x1:x2, channel] = 255
    return image


def last(detector: PlaceDetector, image: ImageArray, config: ScanConfig | None = None) -> ScanStep:
    *_, step = detector.scan(image, config or ScanConfig())
    return step


def found(detector: PlaceDetector, image: ImageArray, config: ScanConfig | None = None) -> Detections:
    return select(last(detector, image, config).scan, DetectConfig(detector="objects"))


def worst_overlap(detections: Detections, things: list[tuple[int, int, int, int]]) -> float:
    """Least IoU of a thing with its own box, where there are as many boxes as things."""
    assert len(detections.xyxy) == len(things)
    return float(iou_matrix(detections.xyxy, np.array(things, np.float32)).max(axis=0).min())


@pytest.mark.parametrize("size_hw", [(192, 256), (256, 192), (300, 500), (77, 201), (64, 64)])
def test_boxes_are_in_pixels_of_the_picture(detector: PlaceDetector, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    thing = (width // 5, height // 4, width // 2, height * 3 // 4)
    detections = found(detector, picture(size_hw, thing, channel=1))
    assert detections.labels == ["green"] and worst_overlap(detections, [thing]) > 0.85


def test_scores_are_the_sigmoid_and_windows_the_squares_of_eight_strides(detector: PlaceDetector) -> None:
    scan = last(detector, picture((256, 256), (100, 100, 140, 140))).scan
    assert np.allclose(scan.scores, 1 / (1 + np.exp(-2))) and len(scan.levels) == len(STRIDES)
    sides = scan.windows_xyxy[:, 2:] - scan.windows_xyxy[:, :2]
    assert len(sides) >= 16 and (sides == 64).all()  # a thing of 40 px: places of stride 8
    assert scan.windows == 32 * 32 + 16 * 16 + 8 * 8
    assert [level.window_px for level in scan.levels] == [256, 128, 64]
    *_, fine = scan.levels
    assert fine.best.shape == (32, 32) and (fine.stride_px, fine.first_px) == (8, 4)
    assert fine.best[14, 14] == pytest.approx(1 / (1 + np.exp(-2))) and fine.best[2, 2] < 1e-6


def finds_a_crowd(pixels: Tensor) -> Tensor:
    """A thing at each 3 x 3 places of stride 8, boxed by all nine; the further down, the surer."""
    rows, columns = (side // STRIDES[0] // 3 * 3 for side in pixels.shape[2:])
    centres, strides = (of((pixels.shape[2], pixels.shape[3]), STRIDES) for of in (place_centres, place_strides))
    cells = (centres // STRIDES[0]).astype(int)
    seen = (strides == STRIDES[0]) & (cells < [columns, rows]).all(axis=1)
    middle = (cells // 3 * 3 + 1.5) * STRIDES[0]
    off = np.abs(centres - middle).sum(axis=1) / STRIDES[0]  # 0 at the middle of a thing, 1 or 2 round it
    output = np.zeros((6, len(centres)), np.float32)
    output[:2], output[2:] = -20, 1
    output[0, seen] = (6 * middle[:, 1] / pixels.shape[2] - 2 - 0.2 * off)[seen]
    output[2:, seen] = np.concatenate([centres - middle + 10 + off[:, None], middle + 10 - centres], axis=1).T[:, seen]
    return torch.from_numpy(output)[None]


def test_the_weak_ones_of_a_crowd_are_not_pushed_out_by_second_boxes_of_the_others() -> None:
    """336 things have 3,024 boxes, more than `DETECT_CANDIDATES`."""
    preprocessing = replace(PREPROCESSING, input_px=512)
    detector = PlaceDetector(finds_a_crowd, STRIDES, preprocessing, ["red", "green"], torch.device("cpu"))
    scan = last(detector, picture((384, 512)), ScanConfig(megapixels=0.2)).scan
    assert DETECT_CANDIDATES < len(scan.scores) < 2 * DETECT_CANDIDATES
    assert len(select(scan, DetectConfig(detector="objects", score_threshold=SCORE_FLOOR)).xyxy) == 21 * 16


def test_small_things_in_large_pictures_are_found_on_finer_levels_whole_and_once(detector: PlaceDetector) -> None:
    rng = np.random.default_rng(0)
    things = [
        (x, y, x + side, y + side)
        for x, y, side in zip(range(40, 3900, 130), rng.integers(0, 2900, 30), rng.integers(30, 90, 30), strict=False)
    ]
    image = picture((3000, 4000), *things)
    detections = found(detector, image, FINEST)
    assert worst_overlap(detections, things) > 0.85
    assert len(found(detector, image, ScanConfig(megapixels=0.1)).xyxy) < len(things)


def test_what_tiles_cut_is_boxed_whole_and_once(detector: PlaceDetector) -> None:
    seam = 4 * (TILE_PX - OVERLAP_PX) // 4
    things = [(seam - 40, 200, seam + 40, 280), (seam + 210, 600, seam + 290, 680), (1500, seam - 60, 1620, seam + 60)]
    large = (100, 900, 1400, 2100)  # no tile holds it
    detections = found(detector, picture((2304, 2304), *things, large), FINEST)
    assert worst_overlap(detections, [*things, large]) > 0.9


def test_large_things_are_taken_from_the_first_level_alone(detector: PlaceDetector) -> None:
    """A part of them may look like a thing on a finer level."""
    image = picture((600, 600), (100, 100, 500, 500))
    sizes = detector.level_sizes((600, 600), ScanConfig())
    assert sizes == [(256, 256), (600, 600)]
    first, both = (last(detector, image, ScanConfig(max_upscale=scale)).scan for scale in (0.25, 1.0))
    assert len(first.levels) == 3 and len(both.levels) == 6
    assert len(first.scores) == len(both.scores) > 0
    small = last(detector, picture((600, 600), (100, 100, 220, 220))).scan  # 120 px on the second level
    sides = {round(float(side)) for side in small.windows_xyxy[:, 2] - small.windows_xyxy[:, 0]}
    assert sides == {150, 128}  # of stride 8 on the first level, of stride 16 on the second


class Counted:
    """`finds_squares`, with the number of pixels that it is given."""

    def __init__(self) -> None:
        self.pixels = 0

    def __call__(self, pixels: Tensor) -> Tensor:
        self.pixels += pixels.shape[2] * pixels.shape[3]
        return finds_squares(pixels)


def test_a_gate_runs_the_finest_level_only_round_small_boxes_and_finds_the_same(detector: PlaceDetector) -> None:
    things = [(300, 500, 350, 560), (1300, 200, 1360, 250), (1200, 1100, 1250, 1150)]  # 18 to 22 px before the finest
    image, engines = picture((1500, 2000), *things), (Counted(), Counted())
    whole, gated = (
        last(replace(detector, forward=engine, gate_score=gate), image, FINEST)
        for engine, gate in zip(engines, (0.0, 0.5), strict=True)
    )
    boxes = select(gated.scan, DetectConfig(detector="objects"))
    assert worst_overlap(boxes, things) > 0.9 and gated.scan.complete and gated.share == 1
    sides = gated.scan.windows_xyxy[:, 2] - gated.scan.windows_xyxy[:, 0]
    assert sides.min() <= 128  # some are of the finest level, whose least window is 64 px
    assert engines[1].pixels < engines[0].pixels / 4 and gated.windows < whole.windows / 4


@pytest.mark.parametrize(("things", "gate"), [([], 0.5), ([(300, 500, 350, 560)], 0.95), ([(200, 200, 700, 800)], 0.5)])
def test_what_a_gate_rejects_is_not_run(
    detector: PlaceDetector, things: list[tuple[int, int, int, int]], gate: float
) -> None:
    """Nothing, a box of too low a score, and a large box."""
    engine = Counted()
    step = last(replace(detector, forward=engine, gate_score=gate), picture((1500, 2000), *things), FINEST)
    assert engine.pixels == 192 * 256 + 544 * 736  # two levels of three, padded to whole strides
    assert step.scan.complete and step.share == 1 and len(step.scan.levels) == 3 * len(STRIDES)


def test_levels_go_from_coarse_to_fine_and_tiles_report_between(detector: PlaceDetector) -> None:
    steps = list(detector.scan(picture((1500, 2000), (10, 10, 60, 60)), FINEST))
    levels = detector.level_sizes((1500, 2000), FINEST)
    assert levels == [(192, 256), (537, 716), (1500, 2000)]
    assert [step.done for step in steps if step.scan.windows == step.windows] == [1, 2, 3]
    between = [step for step in steps if step.scan.windows != step.windows]
    assert [step.done for step in between] == [2] * 5  # six tiles of the last level
    assert all(a.windows < b.windows and a.share < b.share for a, b in pairwise(steps))
    assert steps[-1].share == 1 and steps[-1].scan.complete and not steps[-2].scan.complete


def test_a_deadline_keeps_the_coarse_levels(detector: PlaceDetector) -> None:
    image = picture((1500, 2000), (100, 100, 900, 900))
    steps = list(detector.scan(image, FINEST, Deadline(0)))
    assert [step.done for step in steps] == [1] and not steps[-1].scan.complete
    assert len(select(steps[-1].scan, DetectConfig(detector="objects")).scores) == 1
    deadline, seen = Deadline(1000), []
    for step in detector.scan(image, FINEST, deadline):
        seen.append(step)
        if step.windows > step.scan.windows:  # in the middle of the last level
            deadline.seconds = 0
    assert seen[-1].done == 2 and not seen[-1].scan.complete and seen[-1].scan is seen[-2].scan


def test_a_deadline_ends_a_first_level_of_many_tiles_too(detector: PlaceDetector) -> None:
    image = picture((2000, 3000), (100, 100, 150, 150), (2800, 1800, 2850, 1850))
    config = ScanConfig(megapixels=40, max_object_px=100)
    assert len(list(detector.scan(image, config))[-1].scan.scores) >= 2
    (step,) = detector.scan(image, config, Deadline(0))
    assert step.done == 0 < step.share < 1 and not step.scan.complete
    assert worst_overlap(select(step.scan, DetectConfig(detector="objects")), [(100, 100, 150, 150)]) > 0.8


def test_the_sizes_asked_for_choose_levels_and_boxes(detector: PlaceDetector) -> None:
    small, large = (100, 100, 130, 130), (300, 300, 900, 900)
    image = picture((1000, 1000), small, large)
    both, of_large = (
        found(detector, image, FINEST),
        found(detector, image, ScanConfig(megapixels=40, min_object_px=200)),
    )
    of_small = found(detector, image, ScanConfig(megapixels=40, max_object_px=100))
    assert worst_overlap(both, [small, large]) > 0.85
    assert worst_overlap(of_large, [large]) > 0.85 and worst_overlap(of_small, [small]) > 0.85
    assert of_large.windows < both.windows  # finer levels were not needed
    coarsest = detector.level_sizes((1000, 1000), ScanConfig(max_object_px=100))[0]
    assert coarsest > detector.level_sizes((1000, 1000), ScanConfig())[0]


def test_a_smallest_object_above_the_largest_is_refused() -> None:
    with pytest.raises(InputError, match="min_object_px must not be above max_object_px, got 9 and 8"):
        ScanConfig(min_object_px=9, max_object_px=8)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 50), (50, 1), (3, 700), (640, 13)])
def test_any_size_is_scored_and_every_box_lies_in_the_picture(size_hw: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = PlaceNet(num_classes=3, width=8).eval().requires_grad_(False)
    detector = PlaceDetector(
        forward_engine(network), network.strides, PREPROCESSING, list("abc"), torch.device("cpu"), floor=0.001
    )
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    before = image.copy()
    scan = last(detector, image).scan
    assert scan.windows > 0 and scan.complete and len(scan.scores)
    for xyxy in (scan.windows_xyxy, scan.fitted_xyxy):
        assert (xyxy >= 0).all() and (xyxy[:, 2:] <= [size_hw[1], size_hw[0]]).all()
        assert (xyxy[:, 2:] >= xyxy[:, :2]).all()
    assert np.array_equal(image, before)


def test_the_floor_forgets_weak_candidates(detector: PlaceDetector) -> None:
    scores = last(detector, picture((256, 256), (100, 100, 140, 140))).scan.scores
    assert len(scores) and (scores >= SCORE_FLOOR).all()


def test_large_grids_are_shown_by_the_best_of_several_places(detector: PlaceDetector) -> None:
    scan: Scan = last(detector, picture((1536, 2048), (800, 800, 840, 840)), FINEST).scan
    fine = scan.levels[-1]
    assert fine.best.size <= SHOWN_PLACES and fine.stride_px == 16 and fine.first_px == 8 and fine.window_px == 64
    rows, columns = np.nonzero(fine.best > 0.5)
    assert {*rows.tolist()} == {*columns.tolist()} == {50, 51, 52}


def boxes_on(device: str, name: str, picture: ImageArray) -> Detections:
    """What the page shows of a picture, searched on a device."""
    config = DetectConfig(detector=name)
    *_, step = load_detector(name, device).scan(picture, config)
    return select(step.scan, config)


def assert_found_in(boxes: Detections, others: Detections, least_score: float) -> None:
    """Each box that is a little surer than the threshold is among the others: its class, place and score."""
    sure = boxes.scores >= least_score + SCORE_TOLERANCE
    assert sure.any()
    for xyxy, score, label in zip(boxes.xyxy[sure], boxes.scores[sure], boxes.classes[sure], strict=True):
        overlaps = iou_matrix(xyxy[None], others.xyxy)[0]
        same = (overlaps >= LEAST_SAME_IOU) & (abs(others.scores - score) <= SCORE_TOLERANCE)
        assert (same & (others.classes == label)).any(), f"{label} at {xyxy} with {score:.3f}"


def test_boxes_are_held_against_others_by_class_place_and_score() -> None:
    picture = read_image(example_picture("astronaut"))
    boxes, least = boxes_on("cpu", "face", picture), DETECTORS["face"].score_threshold
    assert_found_in(boxes, boxes, least)
    for other in (
        replace(boxes, xyxy=boxes.xyxy + np.float32(20)),
        replace(boxes, scores=boxes.scores - np.float32(0.1)),
        replace(boxes, classes=boxes.classes + 1),
    ):
        with pytest.raises(AssertionError, match="at"):
            assert_found_in(boxes, other, least)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize(("name", "example"), [("objects", "people_and_cats"), ("face", "faces"), ("bccd", "smear")])
def test_on_a_gpu_the_boxes_are_those_of_the_cpu(name: str, example: str) -> None:
    picture = read_image(example_picture(example))
    on_cpu, on_gpu = (boxes_on(device, name, picture) for device in ("cpu", "cuda"))
    least = DETECTORS[name].score_threshold
    assert_found_in(on_cpu, on_gpu, least)
    assert_found_in(on_gpu, on_cpu, least)


MEMORY = """
import resource, numpy as np, torch
from cvdemo.detect.candidates import ScanConfig
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.images import Preprocessing
from cvdemo.limits import DETECT_CANDIDATES
from cvdemo.nets.forward import forward_engine
from cvdemo.nets.place_net import PlaceNet
network = PlaceNet(num_classes=20).eval().requires_grad_(False)
numbers = Preprocessing(input_px=416, resize_px=416, mean=(.5,) * 3, std=(.5,) * 3)
labels = [str(n) for n in range(20)]
detector = PlaceDetector(forward_engine(network), network.strides, numbers, labels, torch.device("cpu"))
image = np.random.default_rng(0).integers(0, 256, (5400, 7200, 3), dtype=np.uint8)
def scanned(megapixels):
    for step in detector.scan(image, ScanConfig(megapixels=megapixels)):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
rest = scanned(0.1)
most = scanned(40.0)
print(rest, most)
"""


@pytest.mark.slow
def test_a_picture_of_40_megapixels_takes_less_than_half_a_gigabyte_above_rest() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    rest_mb, most_mb = map(float, done.stdout.split())
    assert most_mb - rest_mb < 500, f"{rest_mb:.0f} -> {most_mb:.0f} MB"
