"""How good a face detector is: on FDDB, and on CMU+MIT in the framing of that set; as the page finds faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import DETECTORS, FACE_FLOOR, FACE_GATE
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.detect.selection import DetectConfig, all_kept
from cvdemo.images import Preprocessing
from cvdemo.nets.place_net import PlaceNet
from train.data.read_pictures import Pictures, each_read, read_rgb
from train.detect.annotations import Annotated, Truth
from train.detect.average_precision import Found, precision_recall
from train.detect.face_data import LABELS, square_framing
from train.detect.place_measure import Finder, PlaceFinder, find_all, finder_of
from train.detect.recall_by_size import FACE_BANDS, recall_by_size

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
        config = DetectConfig(detector="face")
        *_, last = self.detector.scan(picture, config)
        return candidates_kept(last.scan, config)

    def at(self, input_px: int) -> FaceFinder:
        """The same with another first level."""
        sized = replace(self.preprocessing, input_px=input_px, resize_px=input_px)
        return FaceFinder(replace(self.detector, preprocessing=sized))


def candidates_kept(scan: Scan, config: DetectConfig) -> Found:
    """All boxes of a scan after suppression, whatever their score: the page shows those above its threshold.

    Class by class: average precision is that of each class by itself.
    """
    return Found(*all_kept(scan, replace(config, agnostic_nms_iou=1.0)))


def face_finder(
    network: PlaceNet, preprocessing: Preprocessing, input_px: int, device: torch.device | str = "cpu"
) -> FaceFinder:
    """The network, in eval mode from here on, as a finder of faces."""
    return with_levels(finder_of(network, preprocessing, input_px, device), torch.device(device))


def with_levels(places: PlaceFinder, device: torch.device) -> FaceFinder:
    """A finder at one size as one that searches as the page does, beginning with that size."""
    upscale = DETECTORS["face"].max_upscale
    detector = PlaceDetector(
        places.engine,
        places.strides,
        places.preprocessing,
        list(LABELS),
        device,
        max_upscale=upscale,
        floor=FACE_FLOOR,
        gate_score=FACE_GATE,
    )
    return FaceFinder(detector).at(places.input_px)


def face_values(found: Sequence[Found], truths: Sequence[Truth]) -> dict[str, float]:
    """AP (area) at each of `IOUS`, in [0, 1], and the recall (IoU 0.5) at each of `ALLOWED_FALSE` false boxes."""
    curves = {iou: precision_recall(found, truths, iou, 0) for iou in IOUS}
    values = {f"ap{100 * iou:.0f}": curve.average("area") for iou, curve in curves.items()}
    return values | {f"recall_at_{count}": curves[0.5].recall_at(count) for count in ALLOWED_FALSE}


def in_squares(found: Sequence[Found]) -> list[Found]:
    """Boxes of whole faces in the framing of CMU+MIT."""
    return [Found(square_framing(one.xyxy), one.scores, one.classes) for one in found]


def both_sets(finder: Finder, fddb: Sequence[Annotated], squares: Sequence[Annotated]) -> dict[str, float]:
    """`face_values` of both sets, and `ap50`, the mean of the two at IoU 0.5, which chooses.

    Args:
        squares: pictures whose boxes have the framing of CMU+MIT.
    """
    return values_of_both(find_all(finder, fddb), fddb, in_squares(find_all(finder, squares)), squares)


def values_of_both(
    found: Sequence[Found], fddb: Sequence[Annotated], in_square: Sequence[Found], squares: Sequence[Annotated]
) -> dict[str, float]:
    """As `both_sets`, of boxes that were found; `in_square` are those on CMU+MIT, in its framing."""
    of_fddb = face_values(found, [item.truth for item in fddb])
    of_cmu = face_values(in_square, [item.truth for item in squares])
    values = {f"{name}_{key}": v for name, part in (("fddb", of_fddb), ("cmu", of_cmu)) for key, v in part.items()}
    return values | {"ap50": (of_fddb["ap50"] + of_cmu["ap50"]) / 2}


def sizes_found(found: Sequence[Found], items: Sequence[Annotated]) -> dict[str, Any]:
    """`recall_by_size` at the page's threshold and at the floor, at each of `IOUS`."""
    truths, threshold = [item.truth for item in items], DETECTORS["face"].score_threshold
    return {f"iou{100 * iou:.0f}": recall_by_size(found, truths, FACE_BANDS, threshold, iou) for iou in IOUS}


def shown_values(found: Sequence[Found], truths: Sequence[Truth]) -> dict[str, float]:
    """Of the boxes that the page shows, IoU 0.5: the share of the faces that they find, and how many are false."""
    curve = precision_recall(found, truths, 0.5, 0)
    shown = curve.hits[curve.scores >= DETECTORS["face"].score_threshold]
    return {"recall_shown": float(shown.sum()) / max(curve.truths, 1), "false_shown": int((~shown).sum())}


def false_faces(finder: Finder, scenes: Sequence[Path]) -> dict[str, int]:
    """Boxes at the page's threshold in pictures without a face, and how many pictures that are."""
    threshold = DETECTORS["face"].score_threshold
    counts = [int((finder(picture).scores >= threshold).sum()) for picture in each_read(scenes, read_rgb)]
    return {"false_faces": sum(counts), "scenes": len(counts)}
