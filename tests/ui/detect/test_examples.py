"""The examples of the Detect tab: pictures, their drawn results, and the script that makes them."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.selection import DetectConfig
from cvdemo.example_pictures import example_picture
from cvdemo.ui.detect import examples as detect_examples
from cvdemo.ui.detect.controls import WHAT_YOU_SEE, own_values
from cvdemo.ui.detect.examples import EXAMPLES, Example, detected_picture
from scripts import detected_examples

PICTURES = import_module("examples.make_detect_pictures").PICTURES  # mypy takes the script for a module of its own
LARGEST_BYTES = 40_000  # of a drawn result: they load with the page


def test_every_detector_says_what_the_visitor_will_see() -> None:
    assert set(WHAT_YOU_SEE) == set(DETECTORS)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_has_its_picture_and_a_small_drawn_result(example: Example) -> None:
    with Image.open(example_picture(example.picture)) as picture, Image.open(detected_picture(example)) as drawn:
        assert example.detector in DETECTORS and max(drawn.size) == detected_examples.SIDE_PX
        assert drawn.width / drawn.height == pytest.approx(picture.width / picture.height, rel=0.02)
    assert Path(detected_picture(example)).stat().st_size < LARGEST_BYTES


def test_a_click_brings_detector_sliders_and_a_copy_of_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for index, example in enumerate(EXAMPLES):
        detector, *own, path = detect_examples._chosen(index)
        assert (detector, own) == (example.detector, [*own_values(example.detector).values()])
        assert Path(path).is_relative_to(tmp_path)
        assert Path(path).read_bytes() == Path(example_picture(example.picture)).read_bytes()


def test_own_values_are_those_of_the_settings() -> None:
    own = own_values("haar")
    config = DetectConfig(detector="haar", score_threshold=own["score_threshold"], nms_iou=own["nms_iou"])
    assert (config.least_score, config.most_overlap) == (own["score_threshold"], own["nms_iou"])


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_that_the_script_makes(name: str) -> None:
    with Image.open(example_picture(name)) as shown:
        difference = np.abs(np.asarray(shown, np.int16) - np.asarray(PICTURES[name]().convert("RGB"), np.int16))
    assert difference.mean() < 4  # JPEG


def test_the_results_are_drawn_by_the_detector_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example("astronaut", "haar")
    monkeypatch.setattr(detected_examples, "EXAMPLES", (example,))
    detected_examples.main(tmp_path)
    with Image.open(tmp_path / "astronaut_haar.jpg") as drawn, Image.open(example_picture("astronaut")) as picture:
        plain = picture.resize(drawn.size, Image.Resampling.LANCZOS)
        difference = np.abs(np.asarray(drawn, np.int16) - np.asarray(plain, np.int16)).max(axis=2)
    assert (difference > 60).mean() > 0.005  # lines and label of the faces
    assert np.median(difference) < 10
