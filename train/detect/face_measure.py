"""How good a face detector is: on FDDB, on CMU+MIT in the framing of that set, and where there are no faces.

A picture is searched on one or two levels: one where a face that fills it has a size that was learnt, and, for small
faces, the picture enlarged by half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cvdemo.images import Preprocessing
from cvdemo.ops.boxes import class_wise_nms
from train.data.read_pictures import Pictures
from train.detect.annotations import Truth
from train.detect.average_precision import Found, precision_recall
from train.detect.face_data import square_framing
from train.detect.place_measure import PlaceFinder

IOUS = (0.3, 0.5)
ALLOWED_FALSE = (10, 31, 65, 167)  # false positives in all at which papers on CMU+MIT tell the recall
MOST_ENLARGED, MOST_PX = 1.5, 1_000_000.0  # of the finer level: factor, pixels
LEAST_STEP = 1.3  # from one level to the next: less finds nothing more
NMS_IOU = 0.4


@dataclass(frozen=True)
class FaceFinder:
    """Faces of whole pictures, on all their levels; `places` is the finder at the first."""

    places: PlaceFinder

    @property
    def input_px(self) -> int:
        """Longer side of the first level."""
        return self.places.input_px

    @property
    def preprocessing(self) -> Preprocessing:
        """Mean and deviation."""
        return self.places.preprocessing

    def __call__(self, picture: Pictures) -> Found:
        """The faces of uint8 (H, W, 3), in its px, best first."""
        sides = level_sides((picture.shape[0], picture.shape[1]), self.input_px)
        levels = [self.at(picture, side) for side in sides]
        xyxy, scores, classes = (
            np.concatenate([getattr(level, name) for level in levels]) for name in ("xyxy", "scores", "classes")
        )
        kept = class_wise_nms(xyxy, scores, classes, NMS_IOU)
        return Found(xyxy[kept], scores[kept], classes[kept])

    def at(self, picture: Pictures, long_px: int) -> Found:
        """The faces of one level, whose longer side has `long_px`."""
        return replace(self.places, input_px=long_px)(picture)


def level_sides(size_hw: tuple[int, int], first_px: int) -> list[int]:
    """Longer sides, px, that a picture is brought to before it is searched for faces, coarse to fine.

    The first is `first_px`. A finer one follows for small faces: the picture enlarged by half, if that is no more than
    `MOST_PX` pixels.
    """
    height, width = size_hw
    scale = min(MOST_ENLARGED, math.sqrt(MOST_PX / (height * width)))
    finest = round(scale * max(height, width))
    return [first_px, finest] if finest > LEAST_STEP * first_px else [first_px]


def face_values(found: Sequence[Found], truths: Sequence[Truth]) -> dict[str, float]:
    """AP (area) at each of `IOUS`, in [0, 1], and the recall (IoU 0.5) at each of `ALLOWED_FALSE` false boxes."""
    curves = {iou: precision_recall(found, truths, iou, 0) for iou in IOUS}
    values = {f"ap{100 * iou:.0f}": curve.average("area") for iou, curve in curves.items()}
    return values | {f"recall_at_{count}": curves[0.5].recall_at(count) for count in ALLOWED_FALSE}


def in_squares(found: Sequence[Found]) -> list[Found]:
    """Boxes of whole faces in the framing of CMU+MIT."""
    return [Found(square_framing(one.xyxy), one.scores, one.classes) for one in found]
