"""How good a face detector is: on FDDB, and on CMU+MIT in the framing of that set; as the page finds faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from cvdemo.detect.candidates import SCORE_FLOOR
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.detect.selection import DetectConfig, select
from cvdemo.images import Preprocessing
from cvdemo.nets.place_net import PlaceNet
from train.data.read_pictures import Pictures
from train.detect.annotations import Truth
from train.detect.average_precision import Found, precision_recall
from train.detect.face_data import LABELS, square_framing
from train.detect.place_measure import PlaceFinder, finder_of

IOUS = (0.3, 0.5)
ALLOWED_FALSE = (10, 31, 65, 167)  # false positives in all at which papers on CMU+MIT tell the recall


@dataclass(frozen=True)
class FaceFinder:
    """The page's detector as a finder: all its levels, its suppression, scores from the lowest that are kept."""

    detector: PlaceDetector

    @property
    def input_px(self) -> int:
        """Longer side of the first level."""
        return self.preprocessing.input_px

    @property
    def preprocessing(self) -> Preprocessing:
        """Mean, deviation and size."""
        return self.detector.preprocessing

    def __call__(self, picture: Pictures) -> Found:
        """The faces of uint8 (H, W, 3), in its px, best first."""
        config = DetectConfig(detector="face", score_threshold=SCORE_FLOOR)
        *_, last = self.detector.scan(picture, config)
        faces = select(last.scan, config)
        return Found(faces.xyxy, faces.scores, faces.classes)

    def at(self, input_px: int) -> FaceFinder:
        """The same with another first level."""
        sized = replace(self.preprocessing, input_px=input_px, resize_px=input_px)
        return FaceFinder(replace(self.detector, preprocessing=sized))


def face_finder(
    network: PlaceNet, preprocessing: Preprocessing, input_px: int, device: torch.device | str = "cpu"
) -> FaceFinder:
    """The network, in eval mode from here on, as a finder of faces."""
    return with_levels(finder_of(network, preprocessing, input_px, device), torch.device(device))


def with_levels(places: PlaceFinder, device: torch.device) -> FaceFinder:
    """A finder at one size as one that searches as the page does, beginning with that size."""
    detector = PlaceDetector(places.engine, places.strides, places.preprocessing, list(LABELS), device)
    return FaceFinder(detector).at(places.input_px)


def face_values(found: Sequence[Found], truths: Sequence[Truth]) -> dict[str, float]:
    """AP (area) at each of `IOUS`, in [0, 1], and the recall (IoU 0.5) at each of `ALLOWED_FALSE` false boxes."""
    curves = {iou: precision_recall(found, truths, iou, 0) for iou in IOUS}
    values = {f"ap{100 * iou:.0f}": curve.average("area") for iou, curve in curves.items()}
    return values | {f"recall_at_{count}": curves[0.5].recall_at(count) for count in ALLOWED_FALSE}


def in_squares(found: Sequence[Found]) -> list[Found]:
    """Boxes of whole faces in the framing of CMU+MIT."""
    return [Found(square_framing(one.xyxy), one.scores, one.classes) for one in found]
