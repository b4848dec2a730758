"""The choice of thresholds: precision, recall and counts of answers that are known."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cvdemo.detect.candidates import Scan, ScanConfig, ScanStep
from cvdemo.detect.selection import DetectConfig
from cvdemo.images import ImageArray
from cvdemo.runtime import Deadline
from tests.helpers.png_files import save_png
from train import __main__ as command_line
from train.detect import thresholds
from train.detect.annotations import Annotated, truth_of
from train.detect.face_measure import candidates_kept
from train.detect.thresholds import answers_of, class_qualities_at, quality_at, tables, thresholds_of
from train.recipes import RECIPES, objects_detector

BOXES = [[0, 0, 40, 40], [100, 0, 140, 40], [1, 0, 41, 41]]  # the third: a second name for the first
TRUTH = truth_of(BOXES[:2], [0, 1])


def scan(scores: list[float]) -> Scan:
    boxes = np.array(BOXES, np.float32)[: len(scores)]
    classes = np.array([0, 1, 1])[: len(scores)]
    return Scan((200, 50), ["dog", "sheep"], (), boxes, boxes, np.array(scores, np.float32), classes, 3, 1.0, True)


def test_precision_recall_and_counts_at_a_threshold() -> None:
    """Two pictures with a dog and a sheep each; in one the dog is a sheep too, in the other the sheep is missed."""
    config = DetectConfig(detector="objects", agnostic_nms_iou=1.0)
    answers = answers_of([scan([0.9, 0.8, 0.5]), scan([0.9])], [TRUTH, TRUTH], config)
    low, high, none = (quality_at(answers, threshold) for threshold in (0.4, 0.6, 0.95))
    assert (low.precision, low.recall, low.counting_error) == (3 / 4, 3 / 4, 2 / 4)  # a sheep too many, one too few
    assert (high.precision, high.recall, high.counting_error) == (1, 3 / 4, 1 / 4)
    assert high.f1 == pytest.approx(6 / 7) and (none.precision, none.f1, none.counting_error) == (0, 0, 1)


def test_one_name_for_a_thing_leaves_the_better_one() -> None:
    config = DetectConfig(detector="objects", agnostic_nms_iou=0.8)
    answers = answers_of([scan([0.9, 0.8, 0.5])], [TRUTH], config)
    assert quality_at(answers, 0.1).precision == quality_at(answers, 0.1).recall == 1


def test_difficult_truths_count_neither_way() -> None:
    truth = truth_of(BOXES[:2], [0, 1], [False, True])
    answers = answers_of([scan([0.9])], [truth], DetectConfig(detector="objects"))
    assert (quality_at(answers, 0.5).recall, quality_at(answers, 0.5).counting_error) == (1, 0)


def test_each_class_by_itself() -> None:
    """Of a dog that is also a sheep, and a sheep: the dog is right, one of two sheep."""
    answers = answers_of([scan([0.9, 0.8, 0.5])], [TRUTH], DetectConfig(detector="objects", agnostic_nms_iou=1.0))
    dog, sheep = class_qualities_at(answers, 0.4)
    assert dog is not None and (dog.precision, dog.recall, dog.counting_error) == (1, 1, 0)
    assert sheep is not None and (sheep.precision, sheep.recall, sheep.counting_error) == (1 / 2, 1, 1)
    no_sheep = answers_of([scan([0.9])], [truth_of(BOXES[:1], [0])], DetectConfig(detector="objects"))
    assert class_qualities_at(no_sheep, 0.4)[1] is None


def test_steps_of_a_hundredth_reach_every_default() -> None:
    assert {0.5, 0.64, 0.7, 0.72} <= set(thresholds_of(0.01)) and len(thresholds_of(0.01)) == 81
    assert thresholds_of(0.1) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


class Finds:
    """A detector that finds a dog and a sheep, and the dog once more as a sheep."""

    labels = ("dog", "sheep")

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        yield ScanStep(1, 1, scan([0.9, 0.8, 0.5]), 3, 1.0)


@pytest.fixture
def picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Annotated:
    monkeypatch.setattr(thresholds, "load_detector", lambda name: Finds())
    return Annotated(save_png(np.zeros((50, 200, 3), np.uint8), tmp_path / "a.png"), (200, 50), TRUTH)


def test_the_tables_tell_every_threshold_and_overlap(picture: Annotated) -> None:
    lines = tables("haar", [picture]).splitlines()
    assert lines[0].startswith("haar, 1 pictures; the page's threshold is ")
    assert "| 0.40 | 0.667 | 1.000 | 0.8000 | 0.5000 | 0.8333 | 0.5000 |" in lines
    assert "| 0.60 | 1.000 | 1.000 | 1.0000 | 0.0000 | 1.0000 | 0.0000 |" in lines
    assert "| dog | 1.000 | 1.000 | 1.0000 | 0.0000 |" in lines
    assert "| sheep | 0.500 | 1.000 | 0.6667 | 1.0000 |" in lines
    assert [line for line in lines if line.startswith("| 0.80 (mAP 1.0000) |")]
    assert [line for line in lines if line.startswith("| 1.00 (mAP ")]


def test_the_overlap_between_classes_can_be_given(picture: Annotated) -> None:
    lines = tables("haar", [picture], 0.02, 0.8).splitlines()
    assert lines[0].endswith("the overlap allowed between classes 0.8")
    assert [line for line in lines if line.startswith("| 0.42 | 1.000 |")]  # the second name is gone
    assert [line for line in lines if line.startswith("| 1.00 (mAP ") and "| 0.667 |" in line]


def test_the_command_reads_the_validation_pictures(
    picture: Annotated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def read(folder: Path, split: str) -> list[Annotated]:
        asked.append(split)
        return [picture]

    recipe = objects_detector.RECIPE
    monkeypatch.setitem(RECIPES, recipe.name, replace(recipe, data=replace(recipe.data, read=read)))
    command = ["thresholds", "objects", "--data", str(tmp_path)]
    command_line.main(command)
    printed = capsys.readouterr().out
    assert asked == ["validation"] and printed.startswith("objects, 1 pictures")
    assert "classes 0.85\n" in printed and "| 0.40 | 1.000 |" in printed and "| 0.64 |" not in printed
    command_line.main([*command, "--step", "0.01", "--agnostic-nms-iou", "1"])
    printed = capsys.readouterr().out
    assert "classes 1\n" in printed and "| 0.40 | 0.667 |" in printed and "| 0.64 |" in printed
    with pytest.raises(SystemExit, match="agnostic_nms_iou"):
        command_line.main([*command, "--agnostic-nms-iou", "1.5"])


def test_average_precision_is_measured_class_by_class() -> None:
    """The page keeps one name for a thing; the measure ranks each class by itself."""
    config = DetectConfig(detector="objects", agnostic_nms_iou=0.8)
    assert len(candidates_kept(scan([0.9, 0.8, 0.5]), config).scores) == 3
