"""Window grids, overlap, suppression (held against torchvision's), and the extent of a hot region."""

import numpy as np
import pytest
import torch
import torchvision

from cvdemo.ops.boxes import (
    FloatArray,
    areas,
    axis_starts,
    class_wise_nms,
    component_box,
    containment_matrix,
    iou_matrix,
    nms,
    scale_boxes,
    window_grid,
)


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def random_boxes(seed: int, n: int = 200) -> tuple[FloatArray, FloatArray]:
    """(n, 4) boxes that overlap a lot, and (n,) scores without ties."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 100, (n, 2))
    xyxy = np.concatenate([corners, corners + rng.uniform(5, 60, (n, 2))], axis=1)
    return xyxy.astype(np.float32), rng.permutation(np.linspace(0, 1, n)).astype(np.float32)


@pytest.mark.parametrize(
    ("length", "window", "stride", "expected"),
    [
        (10, 4, 3, [0, 3, 6]),
        (11, 4, 3, [0, 3, 6, 7]),
        (4, 4, 1, [0]),
        (5, 4, 4, [0, 1]),
        (448, 224, 32, [*range(0, 225, 32)]),
    ],
)
def test_axis_starts(length: int, window: int, stride: int, expected: list[int]) -> None:
    assert axis_starts(length, window, stride) == expected


@pytest.mark.parametrize(("length", "window", "stride"), [(3, 4, 1), (9, 4, 5), (9, 4, 0)])
def test_axis_starts_refuses_gaps_and_windows_that_do_not_fit(length: int, window: int, stride: int) -> None:
    with pytest.raises(ValueError, match="need 0 < stride <= window <= length"):
        axis_starts(length, window, stride)


@pytest.mark.parametrize("size_hw", [(20, 20), (23, 41), (57, 20)])
def test_the_window_grid_covers_every_pixel(size_hw: tuple[int, int]) -> None:
    grid = window_grid(size_hw, 20, 8)
    covered = np.zeros(size_hw, bool)
    for x1, y1, x2, y2 in grid.astype(int):
        covered[y1:y2, x1:x2] = True
    assert covered.all()
    assert grid[:, 2].max() == size_hw[1] and grid[:, 3].max() == size_hw[0]


def test_the_window_grid_runs_row_by_row() -> None:
    assert window_grid((4, 6), 4, 2).tolist() == [[0, 0, 4, 4], [2, 0, 6, 4]]


def test_boxes_scale_with_the_picture_and_back() -> None:
    scaled = scale_boxes(boxes((2, 4, 6, 8)), (10, 20), (30, 10))
    assert scaled.tolist() == [[1, 12, 3, 24]]
    assert scale_boxes(scaled, (30, 10), (10, 20)).tolist() == [[2, 4, 6, 8]]


def test_areas_and_what_is_no_box() -> None:
    assert areas(boxes((0, 0, 2, 3), (1, 1, 1, 5))).tolist() == [6, 0]
    with pytest.raises(ValueError, match=r"shape \(N, 4\), got \(3,\)"):
        areas(np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="x1 <= x2"):
        areas(boxes((5, 0, 2, 3)))


def test_iou_and_containment_of_known_boxes() -> None:
    a = boxes((0, 0, 4, 4), (0, 0, 0, 0))
    b = boxes((0, 0, 4, 4), (2, 0, 6, 4), (1, 1, 2, 2), (9, 9, 10, 10))
    np.testing.assert_allclose(iou_matrix(a, b), [[1, 1 / 3, 1 / 16, 0], [0, 0, 0, 0]], rtol=1e-6)
    np.testing.assert_allclose(containment_matrix(a, b), [[1, 0.5, 1, 0], [0, 0, 0, 0]], rtol=1e-6)


def test_iou_equals_torchvision() -> None:
    a, b = random_boxes(0)[0], random_boxes(1, 50)[0]
    theirs = torchvision.ops.box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(iou_matrix(a, b), theirs, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("iou_threshold", [0.0, 0.3, 0.5, 0.9])
def test_nms_equals_torchvision(seed: int, iou_threshold: float) -> None:
    xyxy, scores = random_boxes(seed)
    theirs = torchvision.ops.nms(torch.from_numpy(xyxy), torch.from_numpy(scores), iou_threshold)
    assert nms(xyxy, scores, iou_threshold).tolist() == theirs.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_class_wise_nms_equals_torchvision(seed: int) -> None:
    xyxy, scores = random_boxes(seed)
    classes = np.random.default_rng(seed).integers(0, 4, len(scores))
    theirs = torchvision.ops.batched_nms(
        torch.from_numpy(xyxy), torch.from_numpy(scores), torch.from_numpy(classes), 0.4
    )
    ours = class_wise_nms(xyxy, scores, classes, 0.4)
    assert ours.tolist() == theirs.tolist()
    assert len(ours) > len(nms(xyxy, scores, 0.4))


@pytest.mark.parametrize("max_containment", [1.0, 0.6])
def test_nms_commutes_with_a_score_threshold(max_containment: float) -> None:
    xyxy, scores = random_boxes(7)
    kept = nms(xyxy, scores, 0.3, max_containment)
    for threshold in (0.2, 0.5, 0.8):
        (passing,) = np.nonzero(scores >= threshold)
        first = passing[nms(xyxy[passing], scores[passing], 0.3, max_containment)]
        assert first.tolist() == kept[scores[kept] >= threshold].tolist()


def test_a_part_inside_its_whole_goes_only_when_asked() -> None:
    xyxy, scores = boxes((0, 0, 10, 10), (1, 1, 4, 4), (30, 30, 40, 40)), np.array([0.9, 0.8, 0.7], np.float32)
    assert nms(xyxy, scores, 0.3).tolist() == [0, 1, 2]
    assert nms(xyxy, scores, 0.3, max_containment=0.6).tolist() == [0, 2]


def test_equal_scores_keep_the_earlier_box() -> None:
    assert nms(boxes((0, 0, 4, 4), (0, 0, 4, 4)), np.ones(2, np.float32), 0.5).tolist() == [0]


def test_no_boxes_give_none() -> None:
    nothing, none = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    assert nms(nothing, none, 0.5).tolist() == []
    assert class_wise_nms(nothing, none, np.empty(0, np.int64), 0.5).tolist() == []
    assert iou_matrix(nothing, boxes((0, 0, 1, 1))).shape == (0, 1)


def test_nms_refuses_what_does_not_fit() -> None:
    xyxy, scores = random_boxes(0, 3)
    with pytest.raises(ValueError, match=r"got \(3, 4\) and \(2,\)"):
        nms(xyxy, scores[:2], 0.5)
    with pytest.raises(ValueError, match=r"thresholds must lie in \[0, 1\], got iou_threshold=1.5"):
        nms(xyxy, scores, 1.5)
    with pytest.raises(ValueError, match=r"one class a box, got \(2,\) classes and \(3,\) scores"):
        class_wise_nms(xyxy, scores, np.zeros(2, np.int64), 0.5)


@pytest.fixture
def heat() -> FloatArray:
    """(12, 16): a bar of 1.0 over x 3..9, y 4..6, a separate hotter spot at x 14, and a cool 0.2 everywhere else."""
    values = np.full((12, 16), 0.2, np.float32)
    values[4:6, 3:9] = 1.0
    values[4, 14] = 5.0
    return values


def test_a_region_is_boxed_beyond_its_window_but_not_beyond_its_reach(heat: FloatArray) -> None:
    assert component_box(heat, (2, 2, 7, 8), share=0.5, reach=16) == (3, 4, 9, 6)
    assert component_box(heat, (2, 2, 7, 8), share=0.5, reach=1) == (3, 4, 8, 6)
    assert component_box(heat, (4, 2, 7, 8), share=0.5, reach=0) == (4, 4, 7, 6)


def test_a_low_share_takes_everything_and_a_cold_window_stays(heat: FloatArray) -> None:
    assert component_box(heat, (2, 2, 7, 8), share=0.1, reach=16) == (0, 0, 16, 12)
    assert component_box(heat - 9, (2, 2, 7, 8), share=0.5, reach=4) == (2, 2, 7, 8)


@pytest.mark.parametrize("window", [(0, 0, 17, 5), (-1, 0, 5, 5), (5, 5, 5, 9)])
def test_a_window_off_the_map_is_refused(heat: FloatArray, window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"does not lie in a map of \(12, 16\)"):
        component_box(heat, window, share=0.5, reach=1)
