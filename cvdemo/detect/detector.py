"""What a detector is, and the table of those that there are.

A new one is a class with `labels` and `scan`, and a line in `DETECTORS`; page, API and command line then offer it.

The thresholds of networks of places were chosen on validation pictures, by `python -m train thresholds`:

- `objects` by F1: .751 at 0.55, on 500 pictures of VOC.
- `face` by F1: .921 at 0.64, on the 271 pictures of FDDB's fold 8.
- `bccd` by its counting error on 87 pictures. At 0.63 it counts .29 boxes too many or too few for each true one. As the
  mean over the three kinds it is .26. The sum of the two is least there.

`bccd` searches the first level alone, unless a picture is more than 1,997 px wide or high. A second level, at 640 px,
had mAP@0.5 .877 in place of .885 on those 87 pictures.

Suppression across classes at IoU 0.85 made an earlier `objects` more precise (.787 to .812), and count better (.400 to
.381 for each true box). By eye, on 24 of the 36 pictures that 0.8 changes, nearly every pair is one thing with two
names. It costs 0.014 of mAP: at times the worse name is the right one.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cvdemo.classify.classifier import load_classifier
from cvdemo.detect.candidates import SCORE_FLOOR, ScanConfig, ScanStep
from cvdemo.detect.opencv_baselines import HaarFaces, HogPeople
from cvdemo.detect.place_detector import PlaceDetector
from cvdemo.detect.sliding_window import MAX_UPSCALE, SlidingWindowDetector
from cvdemo.errors import brief
from cvdemo.images import ImageArray, Preprocessing
from cvdemo.limits import DETECT_MEGAPIXELS
from cvdemo.nets.backbone import load_trunk
from cvdemo.nets.build import NOT_ARGUMENTS
from cvdemo.nets.forward import forward_engine
from cvdemo.nets.place_net import PlaceNet, lent_by
from cvdemo.nets.window_net import lite_windows
from cvdemo.runtime import Deadline, load_once, resolve_device
from cvdemo.weights import entry_of, load_labels, load_state_dict

FACE_FLOOR = 0.001  # its scores are chances: at 0.05 one box in twenty is a face, so some faces score even lower
# See `PlaceDetector.gate_score`. Others are in docs/experiments/detect.md, "faces: a first stage for the finest level".
FACE_GATE = 0.01
DEFAULT_DETECTOR = "objects"  # of the page, the endpoint and the command line


class Detector(Protocol):
    """Searches pictures for objects of its classes."""

    @property
    def labels(self) -> list[str]:
        """Names of the classes, by index."""

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """Everything found that reaches the detector's own floor, coarse to fine; each step holds all so far.

        The floor is `cvdemo.detect.candidates.SCORE_FLOOR`, lower for faces (`FACE_FLOOR`); OpenCV's detectors have
        none.

        Args:
            image: uint8 (H, W, 3) RGB.
            deadline: ends the scan early, but not before there is a step.
        """


@dataclass(frozen=True, kw_only=True)
class DetectorKind:
    """One line of the table: a detector, and what suits it when boxes are chosen among its candidates.

    Attributes:
        title: for people. load: from a device to the detector.
        max_upscale: of the picture on its finest level, unless another enlargement is given.
        max_megapixels: of its finest level, whatever is asked for.
        score_threshold: boxes of lower score are hidden, unless another threshold is given.
        nms_iou: overlap allowed between boxes of a class, unless another is given.
        agnostic_nms_iou: overlap allowed between boxes of different classes, unless another is given; 1: any.
        counts: whether each object is one box, so that their number means something.
        nested_share: a box of which more than this share lies in a better one of its class is a part of it; 1: never.
        names_places: whether it says what a place is, so that of several names for a place the best is kept.
        classifies_windows: whether its candidates begin as bare windows, which can be shown as they are.
        weight: in the manifest; None where it needs none of its own.
    """

    title: str
    load: Callable[[str], Detector]
    max_upscale: float
    score_threshold: float
    nms_iou: float
    agnostic_nms_iou: float = 1.0
    max_megapixels: float = math.inf
    counts: bool = True
    nested_share: float = 1.0
    names_places: bool = False
    classifies_windows: bool = False
    weight: str | None = None


def _imagenet(device: str) -> Detector:
    classifier = load_classifier("imagenet", device)
    net = lite_windows(classifier.network, classifier.preprocessing.input_px, load_trunk(device))
    return SlidingWindowDetector(net, classifier.preprocessing, classifier.labels, classifier.device)


def load_place_detector(
    weight: str, device: str, max_upscale: float = 1.0, floor: float = SCORE_FLOOR, gate_score: float = 0.0
) -> PlaceDetector:
    """The detector of a weight whose network is a `cvdemo.nets.place_net.PlaceNet`.

    Args:
        max_upscale: its own, see `DetectorKind`.
        floor: candidates of lower score are forgotten. gate_score: see `PlaceDetector`.

    Raises:
        WeightsError: there is no such weight, or its file is missing or altered.
    """
    entry, target = entry_of(weight), resolve_device(device)
    arguments = {name: value for name, value in entry.network.items() if name not in NOT_ARGUMENTS}
    network = PlaceNet(**arguments)
    lent = lent_by(load_state_dict(entry.network["base"]), network) if "base" in entry.network else {}
    network.load_state_dict(lent | load_state_dict(weight))  # half precision on file becomes float32
    network.eval().requires_grad_(False).to(target)
    return PlaceDetector(
        forward=forward_engine(network, device=target),
        strides=network.strides,
        preprocessing=Preprocessing.from_manifest(entry.preprocessing),
        labels=load_labels(weight),
        device=target,
        max_upscale=max_upscale,
        floor=floor,
        gate_score=gate_score,
    )


def _places(
    weight: str,
    title: str,
    *,
    max_upscale: float,
    score_threshold: float,
    nms_iou: float,
    agnostic_nms_iou: float = 1.0,
    floor: float = SCORE_FLOOR,
    gate_score: float = 0.0,
) -> DetectorKind:
    """The line of a network of places."""
    return DetectorKind(
        title=title,
        load=partial(load_place_detector, weight, max_upscale=max_upscale, floor=floor, gate_score=gate_score),
        max_upscale=max_upscale,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        agnostic_nms_iou=agnostic_nms_iou,
        weight=weight,
    )


DETECTORS: Mapping[str, DetectorKind] = {
    "objects": _places(
        "objects_detector",
        "20 everyday things: people, animals, vehicles, furniture",
        max_upscale=1.5,
        score_threshold=0.55,
        nms_iou=0.45,
        agnostic_nms_iou=0.85,
    ),
    "face": _places(
        "face_detector",
        "Faces",
        max_upscale=0.8,
        score_threshold=0.64,
        nms_iou=0.4,
        floor=FACE_FLOOR,
        gate_score=FACE_GATE,
    ),
    "bccd": _places(
        "bccd_detector",
        "Blood cells, counted",
        max_upscale=0.25,
        score_threshold=0.63,
        nms_iou=0.5,
        agnostic_nms_iou=0.85,
    ),
    "imagenet": DetectorKind(
        title="Any of 1,000 things: which and where, not how many",
        load=_imagenet,
        max_upscale=MAX_UPSCALE,
        max_megapixels=DETECT_MEGAPIXELS,
        score_threshold=0.35,
        nms_iou=0.3,
        counts=False,
        nested_share=0.6,
        names_places=True,
        classifies_windows=True,
        weight="efficientnet_lite0",
    ),
    "haar": DetectorKind(
        title="Faces, by a method of 2001",
        load=lambda device: HaarFaces(),
        max_upscale=1.0,
        max_megapixels=DETECT_MEGAPIXELS,
        score_threshold=0.3,
        nms_iou=0.3,
    ),
    "people_hog": DetectorKind(
        title="People, by a method of 2005",
        load=lambda device: HogPeople(),
        max_upscale=1.0,
        max_megapixels=DETECT_MEGAPIXELS,
        score_threshold=0.3,
        nms_iou=0.3,
    ),
}


@load_once
def load_detector(detector: str = DEFAULT_DETECTOR, device: str = "auto") -> Detector:
    """The detector behind a choice of `DETECTORS`, loaded on first use and shared.

    Raises:
        ValueError: no such choice.
        WeightsError: its file is missing or altered.
    """
    if detector not in DETECTORS:
        raise ValueError(f"detector must be one of {list(DETECTORS)}, got {brief(detector)}")
    return DETECTORS[detector].load(device)
