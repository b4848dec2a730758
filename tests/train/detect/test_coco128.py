"""COCO's photographs for the detector of VOC's classes: names, reading, and the measure on the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cvdemo.detect.candidates import Scan, ScanConfig, ScanStep
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline
from tests.helpers.png_files import save_png
from train import __main__ as command_line
from train.detect import thresholds
from train.detect.coco128 import COCO_LABELS, classes_of, read_coco128
from train.recipes.objects_detector import VOC_LABELS

WIDTH, HEIGHT = 200, 100
CAR, PERSON, TRUCK, TV = (COCO_LABELS.index(name) for name in ("car", "person", "truck", "tv"))


def test_the_twenty_classes_are_among_the_eighty() -> None:
    assert len(COCO_LABELS) == len(set(COCO_LABELS)) == 80
    assert [COCO_LABELS.index(name) for name in ("person", "cat", "bottle", "toothbrush")] == [0, 15, 39, 79]
    same = {VOC_LABELS[mine]: COCO_LABELS[theirs] for theirs, mine in classes_of(VOC_LABELS).items()}
    assert len(same) == 20
    assert {name: other for name, other in same.items() if name != other} == {
        "aeroplane": "airplane", "motorbike": "motorcycle", "sofa": "couch", "tv monitor": "tv",
    }  # fmt: skip
    with pytest.raises(ValueError, match="not in tuple"):
        classes_of(["unicorn"])


def write_folder(folder: Path) -> None:
    """Two pictures: one with a car of 100 x 80 px, a truck and a small person, one with a television."""
    texts = folder / "object_detection" / "labels" / "train2017"
    texts.mkdir(parents=True)
    for name, lines in {
        "1": [f"{CAR} 0.25 0.5 0.5 0.8", f"{TRUCK} 0.75 0.5 0.4 0.8", f"{PERSON} 0.9 0.5 0.1 0.2"],
        "2": [f"{TV} 0.5 0.5 0.4 0.8"],
    }.items():
        (folder / "images" / "train2017").mkdir(parents=True, exist_ok=True)
        save_png(np.full((HEIGHT, WIDTH, 3), int(name), np.uint8), folder / "images" / "train2017" / f"{name}.png")
        (texts / f"{name}.txt").write_text("\n".join(lines))


def test_boxes_of_classes_that_voc_lacks_are_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path)
    one, two = read_coco128(tmp_path, VOC_LABELS)
    assert [VOC_LABELS[index] for index in one.truth.classes] == ["car", "person"]
    assert [VOC_LABELS[index] for index in two.truth.classes] == ["tv monitor"]
    np.testing.assert_allclose(one.truth.xyxy, [[0, 10, 100, 90], [170, 40, 190, 60]], atol=1e-3)


class Finds:
    """Finds the car, once more as a bus that is less sure, and weakly the person; in the second picture nothing."""

    labels = VOC_LABELS

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        count = 3 if image[0, 0, 0] == 1 else 0
        boxes = np.array([[0, 10, 100, 90], [0, 11, 100, 90], [170, 40, 190, 60]], np.float32)[:count]
        scores = np.array([0.9, 0.6, 0.2], np.float32)[:count]
        classes = np.array([VOC_LABELS.index(name) for name in ("car", "bus", "person")])[:count]
        scan = Scan((WIDTH, HEIGHT), list(VOC_LABELS), (), boxes, boxes, scores, classes, 3, 1.0, True)
        yield ScanStep(1, 1, scan, 3, 1.0)


def test_the_command_measures_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(thresholds, "load_detector", lambda name: Finds())
    write_folder(tmp_path)
    curve = tmp_path / "curve.png"
    words = ["evaluate", "objects", "--data", str(tmp_path), "--split", "coco128", "--json", "--curve", str(curve)]
    command_line.main(words)
    result = json.loads(capsys.readouterr().out)
    assert result["name"] == "objects_detector" and result["split"] == "2 pictures of coco128, 3 boxes"
    assert result["ap50"] == {"car": 1, "person": 1, "tv monitor": 0}
    assert result["map50"] == result["map_coco"] == pytest.approx(2 / 3, abs=1e-4)
    assert result["map_coco_by_size"] == {"small": 1, "medium": 0.5, "large": None}  # car and television are medium
    rows = {row["size"]: (row["n"], row["recall"], row["recall_at_floor"]) for row in result["recall_by_size"]["rows"]}
    assert rows == {"small": (1, 0, 1), "medium": (2, 0.5, 0.5), "large": (0, None, None)}
    # the page shows the car, not the bus in its place nor the person, who is too weak
    assert (result["threshold"], result["precision"], result["recall"]) == (0.55, 1, pytest.approx(1 / 3, abs=1e-4))
    assert sum(row["n"] for row in result["calibration"]["rows"]) >= 2
    assert result["counting_error"] == pytest.approx(2 / 3, abs=1e-4)
    assert curve.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("name", "known"),
    [("objects", "test, coco128"), ("face_detector", "test"), ("srcnn_x2", "test")],
)
def test_a_set_that_a_weight_is_not_measured_on_is_one_sentence(name: str, known: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=rf"is measured on {known}, not on 'moon'"):
        command_line.main(["evaluate", name, "--data", str(tmp_path), "--split", "moon"])


def test_a_detector_of_the_page_names_its_weight(tmp_path: Path) -> None:
    """`imagenet` is a weight that no recipe measures."""
    with pytest.raises(SystemExit, match="no recipe measures 'efficientnet_lite0'"):
        command_line.main(["evaluate", "imagenet", "--data", str(tmp_path)])
