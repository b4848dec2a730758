"""The table of detectors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cvdemo import weights
from cvdemo.demo import result_of
from cvdemo.detect import detector as detector_module
from cvdemo.detect.candidates import SCORE_FLOOR, ScanConfig
from cvdemo.detect.detector import DEFAULT_DETECTOR, DETECTORS, load_detector, load_place_detector
from cvdemo.detect.run import DetectRequest, run_detect
from cvdemo.detect.selection import DetectConfig, Detections
from cvdemo.errors import WeightsError
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.nets.place_net import PlaceNet
from cvdemo.ops.boxes import iou_matrix
from cvdemo.weights import WeightEntry, load_manifest

FACE_XYXY = np.array([[177, 40, 273, 190]], np.float32)  # by hand, hairline to chin, in the picture of 512 x 512 px
ORDER = ["objects", "face", "bccd", "imagenet", "haar", "people_hog"]
LOADABLE = [name for name in ORDER if DETECTORS[name].weight in (None, *load_manifest())]


def test_the_table_is_in_the_order_of_the_page_and_the_default_can_be_loaded() -> None:
    assert list(DETECTORS) == ORDER and DetectConfig().detector == DEFAULT_DETECTOR in LOADABLE
    assert {kind.title for kind in DETECTORS.values()} == {
        "20 everyday things: people, animals, vehicles, furniture",
        "Faces",
        "Blood cells, counted",
        "Any of 1,000 things: which and where, not how many",
        "Faces, by a method of 2001",
        "People, by a method of 2005",
    }


@pytest.mark.parametrize("name", ORDER)
def test_each_has_thresholds_in_range_and_only_the_classifier_does_not_count(name: str) -> None:
    kind = DETECTORS[name]
    assert SCORE_FLOOR <= kind.score_threshold <= 1 and 0 < kind.nms_iou < 1
    assert kind.counts is (name != "imagenet") is not kind.names_places
    assert (kind.nested_share < 1) is (name == "imagenet")


@pytest.mark.parametrize("name", LOADABLE)
def test_every_detector_with_its_weight_scans_a_picture(name: str, chelsea: ImageArray) -> None:
    detector = load_detector(name, "cpu")
    *_, last = detector.scan(chelsea, ScanConfig(megapixels=0.1))
    assert last.scan.complete and last.scan.windows > 0 and last.scan.labels == detector.labels


def found_by(name: str, picture: str) -> Detections:
    config = DetectConfig(detector=name)
    return result_of(run_detect(DetectRequest(image=read_image(example_picture(picture)), config=config))).detections


def test_the_published_detectors_find_what_they_are_for() -> None:
    cat = found_by("objects", "chelsea")
    assert cat.labels[0] == "cat" and cat.scores[0] > 0.6
    assert sorted(found_by("objects", "people_and_cats").labels) == ["cat"] * 2 + ["person"] * 4
    face = found_by("face", "astronaut")
    assert face.labels == ["face"] and iou_matrix(face.xyxy, FACE_XYXY)[0, 0] > 0.5
    assert found_by("face", "faces").labels == ["face"] * 11
    cells = found_by("bccd", "smear").labels
    assert sorted(cells) == ["platelet"] * 5 + ["red blood cell"] * 16 + ["white blood cell"] * 2


def test_no_other_can_be_loaded() -> None:
    with pytest.raises(ValueError, match=r"detector must be one of \['objects', 'face', .*\], got 'cats'"):
        load_detector("cats")


def test_a_detector_without_its_weight_says_so() -> None:
    with pytest.raises(WeightsError, match="There is no weight named 'cats_detector'"):
        load_place_detector("cats_detector", "cpu")


@pytest.mark.parametrize("name", ORDER)
def test_a_config_takes_the_thresholds_of_its_detector_unless_told(name: str) -> None:
    kind, config = DETECTORS[name], DetectConfig(detector=name)
    assert (config.least_score, config.most_overlap) == (kind.score_threshold, kind.nms_iou)
    told = replace(config, score_threshold=0.77, nms_iou=0.0)
    assert (told.least_score, told.most_overlap) == (0.77, 0.0)


@pytest.fixture
def entry() -> WeightEntry:
    """Of a tiny network over the blocks that the backbone lends."""
    network = {"name": "place_net", "base": "efficientnet_lite0", "num_classes": 2, "strides": [8, 16], "width": 8}
    numbers = {"input_px": 96, "resize_px": 96, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear"}
    lite = load_manifest()["efficientnet_lite0"]
    return replace(lite, network=network, preprocessing=numbers)


def test_a_place_detector_is_built_from_its_entry_over_the_backbones_tensors(
    entry: WeightEntry, noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = PlaceNet(num_classes=2, strides=(8, 16), width=8)
    own = {name: tensor.half() for name, tensor in network.state_dict().items() if not name.startswith("trunk.")}
    real_entry, real_state = weights.entry_of, weights.load_state_dict
    monkeypatch.setattr(detector_module, "entry_of", lambda name: entry if name == "tiny" else real_entry(name))
    monkeypatch.setattr(detector_module, "load_state_dict", lambda name: own if name == "tiny" else real_state(name))
    monkeypatch.setattr(detector_module, "load_labels", lambda name: ["cat", "dog"])
    detector = load_place_detector("tiny", "cpu")
    assert detector.strides == (8, 16) and detector.labels == ["cat", "dog"] and detector.preprocessing.input_px == 96
    *_, step = replace(detector, floor=0.001).scan(noise, ScanConfig())
    assert len(step.scan.scores) and (step.scan.scores < 0.5).all()  # a head that has learnt nothing


def test_the_weights_are_named_as_the_recipes_publish_them() -> None:
    assert [kind.weight for kind in DETECTORS.values()] == [
        "objects_detector", "face_detector", "bccd_detector", "efficientnet_lite0", None, None,
    ]  # fmt: skip
