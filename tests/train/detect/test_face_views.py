"""Views of the face detector: boxes go where the pixels go, nothing is aliased, canvases are full."""

import math

import numpy as np
import pytest

from train.data.read_pictures import Pictures
from train.detect.annotations import Truth, truth_of
from train.detect.face_data import CROP_FACE_XYXY, CROP_PX
from train.detect.face_light import other_light
from train.detect.face_views import (
    PASTED_PX,
    affine_about,
    joined,
    paste_faces,
    scene_view,
    tile_view,
    tiled_view,
    turned,
    warped,
)


def _ellipse(box: list[float], width: int = 200, height: int = 150) -> Pictures:
    """A white ellipse that its box encloses, on black."""
    y, x = np.mgrid[:height, :width] + 0.5
    centre, half = (box[0] + box[2]) / 2, (box[2] - box[0]) / 2
    middle, tall = (box[1] + box[3]) / 2, (box[3] - box[1]) / 2
    inside = ((x - centre) / half) ** 2 + ((y - middle) / tall) ** 2 <= 1
    return np.repeat(inside[..., None].astype(np.uint8) * 255, 3, axis=2)


def _extent(canvas: Pictures) -> list[float]:
    rows, columns = (np.nonzero((canvas[..., 0] > 127).any(axis=axis))[0] for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("degrees", [0, 15, -40])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_boxes_go_where_the_pixels_go(degrees: float, mirrored: bool, scale: float) -> None:
    box = [60.0, 30.0, 100.0, 100.0]
    affine = affine_about([80, 65], [100, 100], scale, degrees, mirrored=mirrored, aspect=1.05)
    (moved,) = turned(np.array([box], np.float32), affine)
    np.testing.assert_allclose(_extent(warped(_ellipse(box), affine, 200, 0)), moved, atol=1.0)


def test_a_known_turn() -> None:
    """An ellipse of half axes 1 and 2, turned by 90 degrees, lies down; mirrored it changes sides."""
    box = np.array([[-1, -2, 1, 2]], np.float32)
    np.testing.assert_allclose(
        turned(box, affine_about([0, 0], [0, 0], 1, 90, mirrored=False)), [[-2, -1, 2, 1]], atol=1e-6
    )
    aside = np.array([[4, 0, 6, 2]], np.float32)
    np.testing.assert_allclose(turned(aside, affine_about([0, 0], [0, 0], 1, 0, mirrored=True)), [[-6, 0, -4, 2]])


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[:, ::2] = 255
    small = warped(stripes, affine_about([100, 100], [25, 25], 0.25, 0, mirrored=False), 50, None)
    assert np.abs(small[5:-5, 5:-5].astype(int) - 127).max() < 16


def test_a_tile_holds_a_face_of_a_size_that_can_be_learnt() -> None:
    rng, box = np.random.default_rng(0), [60.0, 30.0, 100.0, 100.0]
    picture, heights = _ellipse(box), []
    for _ in range(200):
        canvas, truth = tile_view(picture, truth_of([box]), 128, rng)
        assert canvas.shape == (128, 128, 3)
        assert (truth.xyxy >= 0).all()
        assert (truth.xyxy <= 128).all()
        heights += [y2 - y1 for (_, y1, _, y2), hard in zip(truth.xyxy, truth.difficult, strict=True) if not hard]
    assert len(heights) > 180
    assert min(heights) > 15
    assert max(heights) > 100


def test_a_face_of_which_little_shows_is_difficult_and_one_outside_is_gone() -> None:
    boxes = [[0.0, 0.0, 20.0, 30.0], [170.0, 100.0, 200.0, 148.0]]
    seen = set()
    rng = np.random.default_rng(1)
    for _ in range(100):
        _, truth = tile_view(_ellipse(boxes[0]), truth_of(boxes), 96, rng)
        seen.add((len(truth.difficult), bool(truth.difficult.any())))
    assert {(1, False), (2, False)} <= seen
    assert any(difficult for _, difficult in seen)


def test_a_picture_without_faces_is_shown_too() -> None:
    canvas, truth = tile_view(_ellipse([10, 10, 190, 140]), truth_of([]), 64, np.random.default_rng(0))
    assert canvas.max() > 0
    assert truth.xyxy.shape == (0, 4)


def test_a_canvas_of_tiles_has_the_boxes_of_all() -> None:
    box = [60.0, 30.0, 100.0, 100.0]
    counts = set()
    for seed in range(40):
        asked: list[int] = []

        def source(asked: list[int] = asked) -> tuple[Pictures, Truth]:
            asked.append(1)
            return _ellipse(box), truth_of([box])

        canvas, truth = tiled_view(source, 100, np.random.default_rng(seed))
        counts.add(len(asked))
        assert canvas.shape == (100, 100, 3)
        assert 0.5 * len(asked) <= len(truth.xyxy) <= len(asked)
        assert (truth.xyxy[:, 2:] > truth.xyxy[:, :2]).all()
        assert truth.xyxy.max() <= 100
    assert counts == {1, 4, 9, 16}


def test_joining_nothing() -> None:
    assert joined([]).xyxy.shape == (0, 4)


def test_a_scene_shows_the_place_that_is_asked_for() -> None:
    scene = np.zeros((150, 200, 3), np.uint8)
    scene[100:104, 150:154] = 255
    for seed in range(20):
        assert scene_view(scene, 96, np.random.default_rng(seed), (152.0, 102.0), 1.0).max() > 200
    whole = [scene_view(scene, 96, np.random.default_rng(seed)).max() for seed in range(20)]
    assert min(whole) == 0  # any part of it does not


def test_pasted_faces_lie_where_their_boxes_say() -> None:
    """White crops on black: the bright pixels are within the square of each box, the boxes apart from one another."""
    crops = np.full((2, CROP_PX, CROP_PX), 255, np.uint8)
    found = 0
    for seed in range(20):
        canvas, truth = paste_faces(np.zeros((224, 224, 3), np.uint8), crops, np.random.default_rng(seed))
        found += len(truth.xyxy)
        assert (canvas[..., 0] == canvas[..., 1]).all()
        left = canvas[..., 0].copy()
        for x1, y1, x2, y2 in truth.xyxy:
            assert PASTED_PX[0] * 0.5 < x2 - x1 < PASTED_PX[1] * 1.3
            x, y, reach = (x1 + x2) / 2, (y1 + y2) / 2, 0.8 * (y2 - y1)
            assert left[round(y), round(x)] > 60
            left[max(0, int(y - reach)) : int(y + reach), max(0, int(x - reach)) : int(x + reach)] = 0
        assert left.max() < 8
    assert found > 20


def test_the_box_of_a_pasted_face_is_that_of_its_crop() -> None:
    affine = affine_about([CROP_PX / 2] * 2, [50, 50], 2, 0, mirrored=False)
    (box,) = turned(np.array([CROP_FACE_XYXY], np.float32), affine)
    np.testing.assert_allclose(box, np.array(CROP_FACE_XYXY) * 2 + 14, atol=1e-4)


def test_light_changes_pixels_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
    before = picture.copy()
    greys = 0
    for _ in range(60):
        lit = other_light(picture, rng)
        assert lit.shape == picture.shape
        assert lit.dtype == np.uint8
        assert lit.flags.c_contiguous
        greys += np.abs(lit.astype(int) - lit.mean(axis=2, keepdims=True)).mean() < 12
    assert 8 < greys < 50
    np.testing.assert_array_equal(picture, before)


def test_light_keeps_what_is_bright_where_it_is() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:32, 40:60] = 255
    for seed in range(40):
        lit = other_light(picture, np.random.default_rng(seed)).mean(axis=2)
        assert lit[18:30, 42:58].mean() > lit[40:, :30].mean() + 20


def test_the_same_seed_gives_the_same_view() -> None:
    box = [60.0, 30.0, 100.0, 100.0]
    views = [tiled_view(lambda: (_ellipse(box), truth_of([box])), 96, np.random.default_rng(3)) for _ in range(2)]
    np.testing.assert_array_equal(views[0][0], views[1][0])
    np.testing.assert_array_equal(views[0][1].xyxy, views[1][1].xyxy)
    assert not math.isnan(float(views[0][1].xyxy.sum()))
