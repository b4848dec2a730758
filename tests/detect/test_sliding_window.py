"""The sliding window: dense scores against crops, scans by tiny networks, and real objects in real pictures."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from cvdemo.detect.candidates import SCORE_FLOOR, Scan
from cvdemo.detect.detector import Detector, load_detector
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.detect.sliding_window import SlidingWindowDetector, scan_steps
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, Preprocessing, read_image
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.window_net import WindowNet, crop_batches, lite_windows
from cvdemo.ops.boxes import iou_matrix
from cvdemo.runtime import Deadline

CHEETAH_XYXY = (83, 117, 378, 237)  # drawn by hand around the animal in `cheetah`, tail included


def unpadded_net() -> WindowNet:
    """Valid convolutions with a total stride of 4 px; a window of 30 px gives 6 x 6 cells."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6)
    nn.init.normal_(norm.running_mean)
    trunk = nn.Sequential(nn.Conv2d(3, 6, 4, 2), norm, nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Conv2d(8, 9, 2, 2))
    return WindowNet(trunk.eval().requires_grad_(False), nn.Linear(9, 5).requires_grad_(False), 30, 4, 6)


def tiny_detector(net: WindowNet, classes: int) -> SlidingWindowDetector:
    preprocessing = Preprocessing(input_px=net.window_px, resize_px=net.window_px, mean=(0.5,) * 3, std=(0.5,) * 3)
    return SlidingWindowDetector(net, preprocessing, [f"class {i}" for i in range(classes)], torch.device("cpu"))


@pytest.fixture(scope="module")
def tiny() -> SlidingWindowDetector:
    """A Lite0 of random weights that looks through windows of 64 px and knows seven classes."""
    torch.manual_seed(0)
    network = EfficientNetLite(num_classes=7).eval().requires_grad_(False)
    return tiny_detector(lite_windows(network, 64), 7)


def last(image: ImageArray, detector: Detector, config: DetectConfig | None = None) -> Scan:
    *_, step = detector.scan(image, config or DetectConfig(detector="imagenet"))
    return step.scan


def detect(image: ImageArray, detector: Detector, config: DetectConfig | None = None) -> Detections:
    """What the settings keep of the whole scan."""
    return select(last(image, detector, config), config or DetectConfig(detector="imagenet"))


@pytest.mark.parametrize("size_hw", [(30, 30), (30, 46), (62, 74)])
def test_without_padding_dense_scores_are_those_of_the_crops(size_hw: tuple[int, int]) -> None:
    net = unpadded_net()
    pixels = torch.rand(1, 3, *size_hw)
    dense = net.window_logits(net.trunk(pixels))
    crops = torch.cat(list(crop_batches(net, pixels, batch=7))).T.reshape(dense.shape)
    assert dense.shape == crops.shape == (5, (size_hw[0] - 30) // 4 + 1, (size_hw[1] - 30) // 4 + 1)
    assert dense.std() > 1e-2  # the positions differ, or equality would say nothing
    assert (dense - crops).abs().max() < 1e-5


def test_with_padding_a_window_that_is_the_whole_picture_still_agrees(tiny: SlidingWindowDetector) -> None:
    pixels = torch.rand(1, 3, 64, 64)
    dense = tiny.net.window_logits(tiny.net.trunk(pixels))
    crops = torch.cat(list(crop_batches(tiny.net, pixels))).T.reshape(dense.shape)
    torch.testing.assert_close(dense, crops, atol=1e-5, rtol=1e-5)


def test_evidence_of_a_window_averages_to_its_logit() -> None:
    net = unpadded_net()
    features = net.trunk(torch.rand(1, 3, 30, 30))
    logits = net.window_logits(features)[:, 0, 0] - net.classifier.bias
    assert net.evidence(features, 3).mean() == pytest.approx(float(logits[3] - logits.mean()), abs=1e-5)


def test_lite_windows_must_be_whole_strides() -> None:
    with pytest.raises(ValueError, match="multiple of 32, got 100"):
        lite_windows(EfficientNetLite(num_classes=2), 100)


def test_an_unpadded_scan_gives_the_same_either_way() -> None:
    detector = tiny_detector(unpadded_net(), 5)
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    dense, crops = last(image, detector), last(image, detector, DetectConfig(crop_by_crop=True))
    np.testing.assert_allclose(dense.scores, crops.scores, atol=1e-5)
    np.testing.assert_allclose(dense.fitted_xyxy, crops.fitted_xyxy)
    assert dense.windows == crops.windows == sum(level.best.size for level in dense.levels)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 50), (50, 1), (64, 64), (33, 147), (300, 20)])
def test_any_size_is_scored_and_every_box_lies_in_the_picture(
    tiny: SlidingWindowDetector, size_hw: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    before = image.copy()
    scan = last(image, tiny, DetectConfig(megapixels=0.1))
    assert scan.windows >= 1 and scan.complete and len(scan.scores) >= 1
    for xyxy in (scan.windows_xyxy, scan.fitted_xyxy):
        assert (xyxy >= 0).all() and (xyxy[:, 2:] <= np.array([size_hw[1], size_hw[0]]) + 1e-3).all()
        assert (xyxy[:, 2:] > xyxy[:, :2]).all()
    assert (scan.scores > SCORE_FLOOR).all() and (scan.scores <= 1).all()
    assert np.array_equal(image, before)


def test_a_scan_is_the_same_twice(tiny: SlidingWindowDetector, noise: ImageArray) -> None:
    first, second = detect(noise, tiny), detect(noise, tiny)
    assert first.as_dict()["detections"] == second.as_dict()["detections"]


def test_steps_grow_from_coarse_to_fine(tiny: SlidingWindowDetector) -> None:
    image = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    steps = list(scan_steps(image, tiny, DetectConfig()))
    assert [step.done for step in steps] == list(range(1, len(steps) + 1)) and len(steps) == steps[0].total >= 3
    assert [step.scan.complete for step in steps] == [False] * (len(steps) - 1) + [True]
    shares = [step.share for step in steps]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] == 1
    for before, after in pairwise(steps):
        assert after.scan.windows > before.scan.windows and after.scan.elapsed_ms >= before.scan.elapsed_ms
        assert after.scan.levels[-1].size_hw > before.scan.levels[-1].size_hw


def test_the_sizes_asked_for_choose_levels_and_boxes(tiny: SlidingWindowDetector) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 260, 3), dtype=np.uint8)
    both = last(image, tiny)
    sides = (both.fitted_xyxy[:, 2:] - both.fitted_xyxy[:, :2]).max(axis=1)
    large, small = last(image, tiny, DetectConfig(min_object_px=100)), last(image, tiny, DetectConfig(max_object_px=90))
    assert len(large.levels) < len(both.levels) > len(small.levels)
    assert 0 < len(large.scores) <= (sides >= 100).sum() and 0 < len(small.scores) <= (sides <= 90).sum()
    assert large.levels[0].size_hw == both.levels[0].size_hw and small.levels[-1].size_hw == both.levels[-1].size_hw


def test_a_deadline_leaves_the_coarsest_level(tiny: SlidingWindowDetector) -> None:
    image = np.zeros((150, 200, 3), np.uint8)
    steps = list(scan_steps(image, tiny, DetectConfig(), Deadline(0)))
    assert [step.done for step in steps] == [1] and not steps[-1].scan.complete
    assert len(steps[-1].scan.levels) == 1
    assert not select(steps[-1].scan, DetectConfig()).complete


def test_crop_by_crop_steps_after_each_batch_and_a_deadline_gives_the_level_up(tiny: SlidingWindowDetector) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    config, deadline = DetectConfig(crop_by_crop=True), Deadline(1000)
    seen = []
    for step in scan_steps(image, tiny, config, deadline):
        seen.append(step)
        if step.windows == step.scan.windows + 32:  # the first of several batches of a level
            deadline.seconds = 0
    assert seen[-1].windows == seen[-1].scan.windows + 32 and seen[-1].scan is seen[-2].scan
    assert not seen[-1].scan.complete and len(seen[-1].scan.levels) == seen[-1].done < seen[-1].total


def test_crop_by_crop_scores_every_window(tiny: SlidingWindowDetector) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    *steps, final = scan_steps(image, tiny, DetectConfig(crop_by_crop=True))
    counts = [step.windows for step in steps]
    assert counts == sorted(counts) and len({step.done for step in steps}) < len(steps)
    assert final.scan.complete and final.windows == last(image, tiny).windows
    shares = [step.share for step in [*steps, final]]
    assert shares == sorted(shares) and shares[-1] == 1


def test_crop_by_crop_computes_no_dense_scores_beside_its_own(
    tiny: SlidingWindowDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WindowNet, "window_logits", lambda net, features: pytest.fail("dense scores in vain"))
    assert last(np.zeros((100, 100, 3), np.uint8), tiny, DetectConfig(crop_by_crop=True)).complete


@pytest.fixture(scope="module")
def imagenet() -> Detector:
    return load_detector("imagenet", device="cpu")


@pytest.fixture(scope="module")
def cheetah_scan(imagenet: Detector, cheetah: ImageArray) -> Scan:
    return last(cheetah, imagenet)


@pytest.fixture(scope="module")
def chelsea_scan(imagenet: Detector, chelsea: ImageArray) -> Scan:
    """Of a cat whose parts look like several breeds."""
    return last(chelsea, imagenet)


def overlap(found: Detections, xyxy: tuple[float, float, float, float]) -> float:
    """IoU of the best detection with a box."""
    return float(iou_matrix(found.xyxy[:1], np.array([xyxy], np.float32))[0, 0])


def test_the_cheetah_is_boxed_once_around_the_animal(cheetah_scan: Scan) -> None:
    found = select(cheetah_scan, DetectConfig(detector="imagenet"))
    assert found.labels == ["cheetah"] and found.scores[0] > 0.9 and found.size_wh == (502, 343)
    assert overlap(found, CHEETAH_XYXY) > 0.55
    bare = select(cheetah_scan, DetectConfig(detector="imagenet", fit_boxes=False))
    assert overlap(bare, CHEETAH_XYXY) < overlap(found, CHEETAH_XYXY)


def test_one_cat_has_one_name(chelsea_scan: Scan) -> None:
    assert len(select(chelsea_scan, DetectConfig(detector="imagenet")).labels) == 1
    separate = select(chelsea_scan, DetectConfig(detector="imagenet", one_name=False, score_threshold=0.1))
    assert {"Egyptian Mau", "tabby cat"} <= set(separate.labels)


@pytest.mark.parametrize("one_name", [True, False])
@pytest.mark.parametrize("threshold", [0.2, 0.35, 0.9])
def test_on_a_real_scan_the_threshold_may_come_last(chelsea_scan: Scan, threshold: float, one_name: bool) -> None:
    low = select(chelsea_scan, DetectConfig(detector="imagenet", score_threshold=SCORE_FLOOR, one_name=one_name))
    high = select(chelsea_scan, DetectConfig(detector="imagenet", score_threshold=threshold, one_name=one_name))
    assert high.xyxy.tolist() == low.xyxy[low.scores >= threshold].tolist()
    assert len(high.scores) < len(low.scores)


def test_crop_by_crop_finds_the_same_object(imagenet: Detector, cheetah: ImageArray, cheetah_scan: Scan) -> None:
    config = DetectConfig(detector="imagenet", crop_by_crop=True, max_upscale=0.9)
    crops, dense = detect(cheetah, imagenet, config), select(cheetah_scan, DetectConfig(detector="imagenet"))
    assert crops.labels == dense.labels
    assert overlap(crops, tuple(dense.xyxy[0])) > 0.6


def test_boxes_are_in_pixels_of_the_picture_sent(imagenet: Detector, cheetah: ImageArray, cheetah_scan: Scan) -> None:
    large = np.repeat(np.repeat(cheetah, 3, axis=0), 3, axis=1)
    found, small = detect(large, imagenet), select(cheetah_scan, DetectConfig(detector="imagenet"))
    assert found.labels == ["cheetah"] and found.size_wh == (1506, 1029)
    assert overlap(found, tuple(small.xyxy[0] * 3)) > 0.6


def test_two_objects_are_found_each_in_its_place(imagenet: Detector) -> None:
    lion, coffee = read_image(example_picture("lion")), read_image(example_picture("coffee"))[:256, 100:500]
    found = detect(np.concatenate([lion, coffee], axis=1), imagenet)
    boxes = dict(zip(found.labels, found.xyxy.tolist(), strict=True))
    assert boxes["lion"][2] < 300 and boxes["espresso"][0] > 220
    assert len(found.labels) <= 3


def test_a_flat_grey_picture_holds_nothing(imagenet: Detector) -> None:
    assert detect(np.full((300, 400, 3), 128, np.uint8), imagenet).labels == []
