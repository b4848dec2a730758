"""Data of the face detector: splits, the fold that nobody reads, and the two framings of a face."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.ops.boxes import iou_matrix
from tests.train.detect.face_pictures import write_face_folder
from train.detect import face_data
from train.detect.face_data import (
    CHOICE_FOLDS,
    CROP_FACE_XYXY,
    CROP_PX,
    SCENE_FOLDS,
    TEST_FOLDS,
    TRAIN_FOLDS,
    cmu_mit,
    fddb,
    read_face_data,
    scene_files,
    square_framing,
)


def test_splits_do_not_overlap_and_leave_fold_10_out() -> None:
    folds = [*TRAIN_FOLDS, *CHOICE_FOLDS, *TEST_FOLDS]
    assert sorted(folds) == list(range(1, 10))


def test_fddb_is_read_by_folds(tmp_path: Path) -> None:
    write_face_folder(tmp_path)
    assert [item.path.stem for item in fddb(tmp_path, TRAIN_FOLDS)] == ["1", "7"]
    assert [item.path.stem for item in fddb(tmp_path, TEST_FOLDS)] == ["9"]
    assert [len(item.truth.classes) for item in cmu_mit(tmp_path)] == [1, 0]


def test_scenes_are_parted_into_folds(tmp_path: Path) -> None:
    write_face_folder(tmp_path)
    every = scene_files(tmp_path, -1, held_out=False)
    held_out = [path for fold in range(SCENE_FOLDS) for path in scene_files(tmp_path, fold, held_out=True)]
    assert sorted(held_out) == every
    assert len(every) == 10
    for fold in range(SCENE_FOLDS):
        mine, others = (set(scene_files(tmp_path, fold, held_out=held)) for held in (True, False))
        assert not mine & others
        assert mine | others == set(every)
    with pytest.raises(ValueError, match="fold must be in -1 to 4, got 5"):
        scene_files(tmp_path, 5, held_out=True)
    with pytest.raises(ValueError, match="no pictures of fold -1"):
        scene_files(tmp_path, -1, held_out=True)


def test_what_training_needs(tmp_path: Path) -> None:
    write_face_folder(tmp_path)
    data = read_face_data(tmp_path, 0)
    assert data.crops.shape == (3, CROP_PX, CROP_PX)
    assert (len(data.faces), len(data.scenes)) == (2, 8)
    Image.new("L", (30, 36)).save(tmp_path / "crops" / "odd.jpg")
    with pytest.raises(ValueError, match="need 36 x 36 px, got 30 x 36"):
        read_face_data(tmp_path, 0)


def test_the_square_of_a_crops_face_is_the_crop() -> None:
    """The two constants say the same: in the square framing the face of a crop fills it."""
    square = square_framing(np.array([CROP_FACE_XYXY], np.float32))
    np.testing.assert_allclose(square, [[0, 0, CROP_PX, CROP_PX]], atol=0.1)


def test_the_square_framing_moves_and_scales_with_the_box() -> None:
    boxes = np.array([[0, 0, 20, 30], [100, 50, 140, 110]], np.float32)
    squares = square_framing(boxes)
    np.testing.assert_allclose(squares[1], squares[0] * 2 + [100, 50, 100, 50], rtol=1e-5)
    sides = squares[:, 2:] - squares[:, :2]
    assert (np.abs(sides[:, 0] / sides[:, 1] - 1) < 0.06).all()  # about square for faces half as high again as wide
    assert iou_matrix(boxes[:1], squares[:1])[0, 0] < 0.65
    assert square_framing(np.empty((0, 4), np.float32)).shape == (0, 4)


def test_the_folder_is_told() -> None:
    for name in ("JPEGImages", "fddb_boxes.csv", "crops", "scenes_without_faces", "val", "val_boxes.csv"):
        assert name in face_data.WHERE
