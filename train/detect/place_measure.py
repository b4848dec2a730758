"""How good a PlaceNet is: its boxes on pictures, and average precision in the usual kinds.

A picture is measured once, whole, its longer side brought to one size; the network runs as on the page (ONNX Runtime on
a CPU), and boxes are suppressed class by class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from cvdemo.detect.detector import DETECTORS
from cvdemo.images import Preprocessing, from_uint8, normalise
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.place_net import PlaceNet
from cvdemo.ops.boxes import class_wise_nms
from cvdemo.ops.place_boxes import boxes_of, clip_boxes
from train.data.read_pictures import Pictures, each_read, read_rgb
from train.detect.annotations import Annotated
from train.detect.average_precision import Found, average_precision, coco_average_precision, mean_average_precision
from train.detect.calibration import score_bands
from train.detect.curve_drawing import curves_of, draw_precision_recall
from train.detect.place_augment import letterboxed
from train.detect.recall_by_size import AREA_BANDS, recall_by_size

FLOOR, MOST_BOXES = 0.01, 1000  # scores below and boxes beyond are not measured: they change an AP by less than 0.001
NMS_IOU = 0.5
PROTOCOL = (
    "mAP@0.5, area under the interpolated precision-recall curve (PASCAL VOC from 2010), difficult boxes left out; one "
    "scale, longer side {px} px, suppression class by class at IoU 0.5, scores from 0.01; float32"
)

Finder = Callable[[Pictures], Found]


class SizedFinder(Protocol):
    """A finder that brings the longer side of pictures to a size, and can do so with another."""

    @property
    def input_px(self) -> int: ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    def __call__(self, picture: Pictures) -> Found: ...

    def at(self, input_px: int) -> SizedFinder: ...


@dataclass(frozen=True)
class PlaceFinder:
    """A network that finds the boxes of whole pictures.

    Attributes:
        engine: what runs it. strides: its own. preprocessing: mean and deviation.
        input_px: the longer side is brought to this.
    """

    engine: Engine
    strides: tuple[int, ...]
    preprocessing: Preprocessing
    input_px: int

    def __call__(self, picture: Pictures) -> Found:
        """The boxes of uint8 (H, W, 3), in its px, best first."""
        canvas, scale = letterboxed(picture, self.input_px, max(self.strides))
        pixels = normalise(from_uint8(torch.from_numpy(canvas).permute(2, 0, 1)[None]), self.preprocessing)
        output = self.engine(pixels.contiguous())[0].cpu().numpy()
        size_hw = (canvas.shape[0], canvas.shape[1])
        xyxy, scores, classes = boxes_of(output, size_hw, self.strides, floor=FLOOR, most=MOST_BOXES)
        xyxy = clip_boxes(xyxy / np.float32(scale), (picture.shape[0], picture.shape[1]))
        kept = class_wise_nms(xyxy, scores, classes, NMS_IOU)
        return Found(xyxy[kept], scores[kept], classes[kept])

    def at(self, input_px: int) -> PlaceFinder:
        """The same at another size."""
        return replace(self, input_px=input_px)


def finder_of(
    network: PlaceNet, preprocessing: Preprocessing, input_px: int, device: torch.device | str = "cpu"
) -> PlaceFinder:
    """The network as a finder, with the threads that torch has."""
    engine = forward_engine(network.eval(), device=device, threads=torch.get_num_threads())
    return PlaceFinder(engine, network.strides, preprocessing, input_px)


def find_all(finder: Finder, items: Sequence[Annotated]) -> list[Found]:
    """The boxes of each picture.

    Raises:
        ValueError: pictures that cannot be read; all of them are listed.
    """
    return [finder(picture) for picture in each_read([item.path for item in items], read_rgb)]


def map50(finder: Finder, items: Sequence[Annotated], classes: int) -> float:
    """mAP at IoU 0.5 (area), in [0, 1]."""
    return mean_average_precision(find_all(finder, items), [item.truth for item in items], 0.5, classes)


def page_threshold(weight: str) -> float:
    """The score from which on the page shows the boxes of a weight's detector.

    Raises:
        ValueError: it is no detector's.
    """
    for kind in DETECTORS.values():
        if kind.weight == weight:
            return kind.score_threshold
    raise ValueError(f"no detector of the page has the weight {weight!r}: give it a line in DETECTORS")


def measured(
    finder: Finder, items: Sequence[Annotated], labels: Sequence[str], threshold: float, curve: Path | None = None
) -> dict[str, Any]:
    """What `measures_of` gives for the boxes on each picture; `recall_by_size` at a threshold and at the floor; and
    `calibration`, see `score_bands`.
    """
    found, truths = find_all(finder, items), [item.truth for item in items]
    return {
        **measures_of(found, items, labels, curve),
        "recall_by_size": recall_by_size(found, truths, AREA_BANDS, threshold),
        "calibration": score_bands(found, truths, len(labels)),
    }


def measures_of(
    found: Sequence[Found], items: Sequence[Annotated], labels: Sequence[str], curve: Path | None = None
) -> dict[str, Any]:
    """JSON-ready average precisions in [0, 1], rounded: mAP@0.5 of two kinds, COCO's, and each class's.

    A class without true boxes is left out.

    Args:
        found: one for each picture.
        curve: PNG of precision over recall; None: none is drawn.
    """
    truths, count = [item.truth for item in items], len(labels)
    if curve is not None:
        draw_precision_recall(curves_of(found, truths, labels), curve, f"IoU 0.5, {len(items):,} pictures")
    each = {label: average_precision(found, truths, 0.5, index) for index, label in enumerate(labels)}
    return {
        "map50": round(mean_average_precision(found, truths, 0.5, count), 4),
        "map50_11_point": round(mean_average_precision(found, truths, 0.5, count, "11-point"), 4),
        "map_coco": round(coco_average_precision(found, truths, count), 4),
        "ap50": {label: round(value, 3) for label, value in each.items() if not np.isnan(value)},
        "n": len(items),
        "boxes": int(sum((~truth.difficult).sum() for truth in truths)),
    }
