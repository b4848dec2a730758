"""The pictures that the face detector learns from and is measured on, and how boxes of two data sets go together.

FDDB's boxes hold a whole face from hairline to chin (extents of its ellipses); those of CMU+MIT are about square, from
the brow to the chin and a little wider than the face, and so are the 36-px crops. The network learns FDDB's framing.
`square_framing` turns it into the other by a fixed map, which was measured on training data alone: where a third
detector (OpenCV's Haar alt2) finds 510 faces of FDDB's folds 1 and 2 and 1,445 of the crops, in medians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cvdemo.ops.boxes import FloatArray
from train.data.picture_files import picture_files
from train.data.read_pictures import Pictures, each_read, read_rgb
from train.detect.annotations import Annotated, read_box_csv

LABELS = ("face",)
TRAIN_FOLDS, CHOICE_FOLDS, TEST_FOLDS = range(1, 8), (8,), (9,)
SCENE_FOLDS = 5  # the pictures without faces are parted by their order into so many
CROP_PX = 36

# Edges of the face in the square framing, from those of FDDB's box as 0 and 1: left, top, right, bottom.
SQUARE_EDGES = (-0.204, 0.146, 1.186, 1.041)
# FDDB's box of the face that a crop shows, px of the crop: the inverse of the above for a square of CROP_PX.
CROP_FACE_XYXY = (5.3, -5.8, 31.2, 34.3)

WHERE = (
    "DIR holds JPEGImages with FDDB's pictures, fddb_boxes.csv (file, fold, x1, y1, x2, y2), crops (36-px grey faces), "
    "scenes_without_faces, and for the choice val and val_boxes.csv (CMU+MIT, image, x1, y1, x2, y2)."
)


@dataclass(frozen=True)
class FaceData:
    """What training needs.

    Attributes:
        faces: pictures with boxes. crops: (N, 36, 36) uint8 grey faces. scenes: pictures without faces, uint8.
    """

    faces: Sequence[Annotated]
    crops: Pictures
    scenes: Sequence[Pictures]


def fddb(folder: Path, folds: Sequence[int]) -> list[Annotated]:
    """FDDB's pictures of these folds; of the others not even the files are opened."""
    return read_box_csv(folder / "fddb_boxes.csv", folder / "JPEGImages", folds=folds)


def cmu_mit(folder: Path) -> list[Annotated]:
    """The pictures of CMU+MIT in `val`, also those without a face; boxes in the square framing."""
    return read_box_csv(folder / "val_boxes.csv", folder / "val")


def scene_files(folder: Path, fold: int, *, held_out: bool) -> list[Path]:
    """Files without faces: those of a fold, 0 to `SCENE_FOLDS` - 1, or all the others; all are others of fold -1.

    Raises:
        ValueError: no such fold, or no pictures.
    """
    if not -1 <= fold < SCENE_FOLDS:
        raise ValueError(f"the fold must be in -1 to {SCENE_FOLDS - 1}, got {fold}")
    files = picture_files(folder / "scenes_without_faces")
    chosen = [path for index, path in enumerate(files) if (index % SCENE_FOLDS == fold) == held_out]
    if not chosen:
        raise ValueError(f"no pictures of fold {fold} in {folder / 'scenes_without_faces'}")
    return chosen


def read_face_data(folder: Path, held_out_fold: int) -> FaceData:
    """What `WHERE` describes, without the scenes of one fold.

    Raises:
        ValueError: a crop of another size, or a file that cannot be read.
    """
    crops = list(each_read(picture_files(folder / "crops"), _read_crop))
    scenes = list(each_read(scene_files(folder, held_out_fold, held_out=False), read_rgb))
    return FaceData(fddb(folder, TRAIN_FOLDS), np.stack(crops), scenes)


def _read_crop(path: Path) -> Pictures:
    crop = read_rgb(path)[..., 1]
    if crop.shape != (CROP_PX, CROP_PX):
        raise ValueError(f"{path}: need {CROP_PX} x {CROP_PX} px, got {crop.shape[1]} x {crop.shape[0]}")
    return crop


def square_framing(xyxy: FloatArray) -> FloatArray:
    """Boxes in FDDB's framing, (N, 4), as squares like those of CMU+MIT: brow to chin, a little wider than the face."""
    corner, sides = xyxy[:, [0, 1, 0, 1]], xyxy[:, 2:] - xyxy[:, :2]
    squares: FloatArray = (corner + np.tile(sides, 2) * np.array(SQUARE_EDGES, np.float32)).astype(np.float32)
    return squares
