"""The table of detectors."""

import pytest

from cvdemo.detect.detector import DETECTORS, load_detector
from cvdemo.detect.selection import DetectConfig


def test_every_detector_of_the_config_can_be_loaded_and_no_other() -> None:
    assert list(DETECTORS) == ["imagenet"] and DetectConfig().detector in DETECTORS
    with pytest.raises(ValueError, match=r"detector must be one of \['imagenet'\], got 'cats'"):
        load_detector("cats")
