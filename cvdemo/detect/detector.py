"""What a detector is, and the table of those that there are.

A new one is a class with `labels` and `scan`, and a line in `DETECTORS`; page, API and command line then offer it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from cvdemo.classify.classifier import load_classifier
from cvdemo.detect.candidates import ScanConfig, ScanStep
from cvdemo.detect.sliding_window import SlidingWindowDetector
from cvdemo.errors import brief
from cvdemo.images import ImageArray
from cvdemo.nets.backbone import load_trunk
from cvdemo.nets.window_net import lite_windows
from cvdemo.runtime import Deadline, load_once


class Detector(Protocol):
    """Searches pictures for objects of its classes."""

    @property
    def labels(self) -> list[str]:
        """Names of the classes, by index."""

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """Everything found above `cvdemo.detect.candidates.SCORE_FLOOR`, coarse to fine; each step holds all so far.

        Args:
            image: uint8 (H, W, 3) RGB.
            deadline: ends the scan early, but not before there is a step.
        """


def _imagenet(device: str) -> Detector:
    classifier = load_classifier("imagenet", device)
    net = lite_windows(classifier.network, classifier.preprocessing.input_px, load_trunk(device))
    return SlidingWindowDetector(net, classifier.preprocessing, classifier.labels, classifier.device)


DETECTORS: Mapping[str, Callable[[str], Detector]] = {"imagenet": _imagenet}  # by name: from a device to a detector


@load_once
def load_detector(detector: str = "imagenet", device: str = "auto") -> Detector:
    """The detector behind a choice of `DETECTORS`, loaded on first use and shared.

    Raises:
        ValueError: no such choice.
        WeightsError: its file is missing or altered.
    """
    if detector not in DETECTORS:
        raise ValueError(f"detector must be one of {list(DETECTORS)}, got {brief(detector)}")
    return DETECTORS[detector](device)
