"""When a made-up run turned for the worse: records whose answer is known, the curves' marks, and the last words."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.train.tiny_tasks import CONFIG, TinyTask
from train.engine.loop import Trainer
from train.engine.monitor import (
    CURVES_FILE,
    METRICS_FILE,
    RUN_FILE,
    TABLE_FILE,
    Monitor,
    curves,
    curves_of,
    read_records,
)
from train.engine.turning_points import DIVERGED, WIDENS, divergence, how_it_went, turning_points, widening

FALLING = [2.3 * 0.9**i + 0.3 for i in range(20)]
LOSSES = ("train_loss", "loss")


def training(values: list[float], name: str = "train_loss") -> list[dict[str, Any]]:
    return [{"step": 10 * i, name: value} for i, value in enumerate(values, 1)]


def evaluations(values: list[float], widens: list[bool], name: str = "loss") -> list[dict[str, Any]]:
    pairs = zip(values, widens, strict=True)
    return [{"step": 100 * i, name: value, WIDENS: flag} for i, (value, flag) in enumerate(pairs, 1)]


def test_a_loss_that_explodes_and_stays_has_diverged() -> None:
    point = divergence(training([*FALLING, *[9.0] * 10]))
    assert point is not None and point.quantity == "train_loss" and point.mark == "diverged"
    assert abs(point.step - 210) <= 20  # where the first bad record is
    assert point.sentence.startswith(f"training diverged at step {point.step}: train_loss rose from 0.")
    assert "to 9 and stayed there; the learning rate may be too high" in point.sentence


def test_a_loss_that_falls_back_to_chance_has_diverged() -> None:
    """A classifier that has forgotten everything: the loss is that of the beginning again."""
    assert divergence(training([*FALLING, *[2.4] * 10])) is not None


@pytest.mark.parametrize(
    "values",
    [
        FALLING,
        [*FALLING, *[9.0] * 10, *FALLING],  # it came back
        [*FALLING, 9.0, 9.0],  # too short to be sure
        [*FALLING, *[1.0] * 10],  # worse, but far from forgotten
        [0.01 * (1 + i % 3) for i in range(30)],  # noise near zero
        [2.3] * 30,  # it never learnt anything
        [-1.0 * i for i in range(30)],
        [],
    ],
    ids=["falls", "came back", "short", "worse", "noise", "flat", "negative", "none"],
)
def test_what_has_not_diverged(values: list[float]) -> None:
    assert divergence(training(values)) is None


def test_losses_that_work_against_each_other_may_rise() -> None:
    both = [{**a, "train_loss_g": 1.0} for a in training([*FALLING, *[9.0] * 10], "train_loss_d")]
    assert divergence(both) is None
    ended = divergence([*both, {"step": 999, DIVERGED: True}])
    assert ended is not None and ended.step == 999 and ended.quantity == "train_loss_d"


def test_a_loss_that_is_no_number_has_diverged_at_that_step() -> None:
    point = divergence([*training(FALLING), {"step": 201, DIVERGED: True}])
    assert point is not None and point.step == 201
    assert point.sentence == "training diverged at step 201: the loss was no number; the learning rate may be too high"


def test_the_gap_widens_from_the_best_measure_on() -> None:
    point = widening(evaluations([3, 2, 1.5, 1.6, 1.7, 1.8], [False] * 5 + [True]), LOSSES)
    assert point is not None and (point.step, point.quantity, point.mark) == (300, "loss", "gap widens")
    assert "widened from step 300 on: loss went from 1.5 to 1.8 while train_loss improved" in point.sentence


def test_of_an_accuracy_the_best_is_the_highest() -> None:
    held = evaluations([50, 70, 65, 64, 63], [False] * 4 + [True], "rank1")
    point = widening(held, ("train_rank1", "rank1"), higher_is_better=True)
    assert point is not None and point.step == 200


@pytest.mark.parametrize("widens", [[False] * 4, [False, True, True, False]], ids=["never", "closed again"])
def test_a_gap_that_does_not_widen_at_the_end_is_none(widens: list[bool]) -> None:
    assert widening(evaluations([3, 2, 2.5, 1.9], widens), LOSSES) is None
    assert turning_points(evaluations([3, 2, 2.5, 1.9], widens), LOSSES) == []


def test_curves_are_marked_where_the_quantity_is() -> None:
    records = [*training([*FALLING, *[9.0] * 10]), *evaluations([2, 1.5, 1.6, 1.7, 1.8], [False] * 4 + [True])]
    records += [{"step": 100, "rank1": 50.0}]
    points = turning_points(records, LOSSES)
    assert [point.mark for point in points] == ["diverged", "gap widens"]
    panels = {panel.title: panel.marks for panel in curves(records, "rank1", True, points)}
    assert panels["loss"] == {float(points[0].step): "diverged", 200.0: "gap widens"}
    assert panels["rank"] == {100.0: "best 50"}


def test_two_marks_of_one_step_are_one() -> None:
    records = evaluations([2, 1.5, 1.6, 1.7, 1.8], [False] * 4 + [True])
    (panel,) = curves(records, "loss", False, turning_points(records, LOSSES))
    assert panel.marks == {200.0: "best 1.5, gap widens"}


def test_the_end_of_a_run_says_when_the_gap_widened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = Monitor(tmp_path, steps=7)
    seen, unseen = [3.0, 2.0, 1.5, 1.2, 1.0, 0.9, 0.8], [3.0, 2.5, 2.0, 2.1, 2.2, 2.3, 2.4]
    for step, (a, b) in enumerate(zip(seen, unseen, strict=True), 1):
        monitor.training(step, step, {"loss": a})
        monitor.evaluation(step, step, {"loss": b})
    capsys.readouterr()
    monitor.close()
    assert "the gap between training and validation widened from step 3 on: loss went from 2 to 2.4" in (
        capsys.readouterr().err
    )


def test_a_run_that_diverged_leaves_its_curves_with_a_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FloatingPointError, match="before step 7"):
        Trainer(TinyTask(diverge_at=6), CONFIG, tmp_path).run()
    assert "training diverged at step 7: the loss was no number" in capsys.readouterr().err
    records = read_records(tmp_path / METRICS_FILE)
    assert records[-1]["step"] == 7 and records[-1][DIVERGED] is True
    with Image.open(tmp_path / CURVES_FILE) as picture:
        assert picture.format == "PNG"
    assert "diverged" not in (tmp_path / TABLE_FILE).read_text()
    Trainer(TinyTask(), CONFIG, tmp_path, resume=True).run()  # from a checkpoint before it: it is forgotten
    assert not any(DIVERGED in record for record in read_records(tmp_path / METRICS_FILE))
    assert "diverged" not in capsys.readouterr().err


def test_the_curves_of_a_run_know_its_gap(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=5, metric="rank1", gap=("train_rank1", "rank1"))
    monitor.describe({})
    assert json.loads((tmp_path / RUN_FILE).read_text())["gap"] == ["train_rank1", "rank1"]
    for step, (a, b) in enumerate(zip([50, 70, 80, 90, 95], [50.0, 65.0, 63.0, 62.0, 60.0], strict=True), 1):
        monitor.training(step, step, {"rank1": float(a)})
        monitor.evaluation(step, step, {"rank1": b})
    marked = curves_of(tmp_path, "rank1", True)
    (tmp_path / RUN_FILE).unlink()
    assert curves_of(tmp_path, "rank1", True) != marked


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (training(FALLING), "Training did not diverge. The gap between training and validation was not watched: "),
        (
            [*training(FALLING), {"step": 90, "loss": 1.0, "gap": 0.1, "gap_widens": False}],
            "Training did not diverge. At its end, the gap between training and validation was not widening.",
        ),
        (
            [{"step": 50, "loss": 2.0}, {"step": 90, "loss": 1.0, "gap": 0.1, "gap_widens": False}],
            "Training did not diverge. At its end, the gap between training and validation was not widening; it was "
            "watched from step 90 on.",
        ),
        (
            [*training([*FALLING, *[9.0] * 10]), *evaluations([2, 1.5, 1.6, 1.7, 1.8], [False] * 4 + [True])],
            "Training diverged at step ",
        ),
    ],
    ids=["not watched", "well", "watched late", "diverged"],
)
def test_how_it_went_is_said_in_two_sentences(records: list[dict[str, Any]], expected: str) -> None:
    words = how_it_went(records, LOSSES)
    assert words.startswith(expected) and words.endswith(".")
    assert ("widened from step 200 on" in words) == expected.startswith("Training diverged")
