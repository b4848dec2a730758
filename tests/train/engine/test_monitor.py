"""What a run leaves behind: records, table, curves, TensorBoard, and the warning of a widening gap."""

import csv
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from train.classify.features import FeatureTask
from train.engine.curves import description_of
from train.engine.monitor import (
    CURVES_FILE,
    METRICS_FILE,
    RUN_FILE,
    TABLE_FILE,
    Monitor,
    as_csv,
    curves,
    curves_of,
    gap_widens,
    read_records,
    table,
)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / TABLE_FILE).open() as file:
        return list(csv.DictReader(file))


def fill(monitor: Monitor, training: list[float], validation: list[float], start: int = 1) -> None:
    for step, (seen, unseen) in enumerate(zip(training, validation, strict=True), start):
        monitor.training(step, step / 2, {"loss": seen}, lr=0.1)
        monitor.evaluation(step, step / 2, {"loss": unseen})


def test_every_evaluation_is_a_line_and_a_row_with_the_mean_of_training(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=4, metric="rank1", batches=2)
    monitor.training(1, 0.5, {"loss": 4.0})
    monitor.training(2, 1.0, {"loss": 2.0})
    monitor.evaluation(2, 1.5, {"rank1": 70.0})
    monitor.training(3, 2.0, {"loss": 1.0})
    monitor.evaluation(3, 2.5, {"rank1": 80.0, "rank5": 95.0})
    lines = [json.loads(line) for line in (tmp_path / METRICS_FILE).read_text().splitlines()]
    assert lines[0] == {"step": 1, "epoch": 0.5, "seconds": 0.5, "train_loss": 4.0}
    assert lines[2] == {"step": 2, "epoch": 1.0, "seconds": 1.5, "rank1": 70.0}
    assert rows_of(tmp_path) == [
        {"step": "2", "epoch": "1.0", "seconds": "1.5", "rank1": "70.0", "train_loss": "3.0", "rank5": ""},
        {"step": "3", "epoch": "1.5", "seconds": "2.5", "rank1": "80.0", "train_loss": "1.0", "rank5": "95.0"},
    ]


def test_a_resumed_run_continues_its_records_and_forgets_later_ones(tmp_path: Path) -> None:
    fill(Monitor(tmp_path, steps=6), [3.0, 2.0, 1.0], [3.0, 2.5, 2.4])
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 4, "train_l')  # killed while it wrote
    monitor = Monitor(tmp_path, steps=6, start=2)
    assert [record["step"] for record in read_records(tmp_path / METRICS_FILE)] == [1, 1, 2, 2]
    fill(monitor, [0.9], [2.3], start=3)
    assert [row["train_loss"] for row in rows_of(tmp_path)] == ["3.0", "2.0", "0.9"]


def test_damage_inside_the_records_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / METRICS_FILE).write_text('{"st\n{"step": 1}\n')
    with pytest.raises(json.JSONDecodeError):
        read_records(tmp_path / METRICS_FILE)


def test_the_run_is_described(tmp_path: Path) -> None:
    Monitor(tmp_path, steps=1, metric="rank1").describe({"config": {"lr": 0.1}})
    about = json.loads((tmp_path / RUN_FILE).read_text())
    expected = {"config": {"lr": 0.1}, "metric": "rank1", "higher_is_better": True, "gap": ["train_loss", "loss"]}
    assert about == expected


def test_curves_are_a_picture_rewritten_at_each_evaluation(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=4)
    fill(monitor, [3.0], [3.0])
    first = (tmp_path / CURVES_FILE).read_bytes()
    fill(monitor, [2.0, 1.0], [2.5, 2.4], start=2)
    assert (tmp_path / CURVES_FILE).read_bytes() != first
    with Image.open(tmp_path / CURVES_FILE) as picture:
        picture.load()
        assert picture.format == "PNG" and picture.width > 600
        assert len(set(picture.resize((60, 40)).tobytes())) > 10
    assert not list(tmp_path.glob("*.partial"))


def test_a_run_without_evaluations_has_curves_at_its_end(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=2)
    monitor.training(1, 0.5, {"loss": 4.0})
    assert not (tmp_path / CURVES_FILE).exists()
    monitor.close()
    assert (tmp_path / CURVES_FILE).exists()
    assert not (tmp_path / TABLE_FILE).exists()


def test_a_run_without_evaluations_is_summarised_after_each_epoch(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=6, batches=2)
    monitor.training(1, 0.5, {"loss": 4.0})
    assert not (tmp_path / CURVES_FILE).exists()
    for step, loss in ((2, 2.0), (3, 1.5), (4, 0.5)):
        monitor.training(step, step / 2, {"loss": loss})
    assert (tmp_path / CURVES_FILE).exists()
    assert (tmp_path / TABLE_FILE).read_text() == "step,epoch,seconds,train_loss\n2,1.0,1.0,3.0\n4,2.0,2.0,1.0\n"


def test_quantities_that_share_a_word_share_a_panel() -> None:
    training = {"train_loss_d": 1.0, "train_loss_g": 1.0, "train_rank1": 10.0, "train_batch_psnr": 30.0, "lr": 0.1}
    measured = {"rank1": 9.0, "rank5": 20.0, "psnr": 31.0, "bicubic_psnr": 29.0, "ssim": 0.9, "bicubic_ssim": 0.8}
    records = [{"step": 1, "seconds": 1.0, **training}, {"step": 1, "seconds": 1.0, **measured}]
    groups = {panel.title: [curve.name for curve in panel.curves] for panel in curves(records, "rank1", True)}
    assert groups == {
        "loss": ["train_loss_d", "train_loss_g"],
        "rank": ["train_rank1", "rank1", "rank5"],
        "psnr": ["train_batch_psnr", "psnr", "bicubic_psnr"],
        "ssim": ["ssim", "bicubic_ssim"],
        "lr": ["lr"],
    }


def test_only_what_should_fall_may_be_logarithmic() -> None:
    records = [{"step": s, "train_loss": v, "rank1": v, "fd_lite0": v} for s, v in ((1, 1.0), (2, 100.0))]
    assert {panel.title: panel.log_y for panel in curves(records, "fd_lite0", False)} == {
        "loss": None,
        "rank": False,
        "fd": None,
    }


FALLING = [3.0, 2.0, 1.5, 1.2, 1.0, 0.9]


@pytest.mark.parametrize(
    ("training", "validation", "higher", "expected"),
    [
        (FALLING, [3.0, 2.5, 2.0, 2.1, 2.2, 2.3], False, True),
        (FALLING, [3.0, 2.5, 2.0, 2.1, 2.2, 1.9], False, False),  # a new best
        (FALLING, [3.0, 2.5, 2.2, 2.0, 2.2, 2.3], False, False),  # two evaluations are too few
        (FALLING, [3.0, 2.5, 2.0, 2.01, 2.005, 2.01], False, False),  # less than 1 % worse: a plateau
        ([3.0, 2.0, 1.5, 1.6, 1.7, 1.8], [3.0, 2.5, 2.0, 2.1, 2.2, 2.3], False, False),  # training is worse too
        ([50, 60, 70, 80, 90, 95], [50.0, 60.0, 65.0, 63.0, 62.0, 60.0], True, True),
        ([50, 60, 70, 80, 90, 95], [50.0, 60.0, 65.0, 66.0, 67.0, 68.0], True, False),
        ([], [], False, False),
    ],
)
def test_the_gap_widens(training: list[float], validation: list[float], higher: bool, expected: bool) -> None:
    assert gap_widens(training, validation, higher_is_better=higher) is expected


def test_a_widening_gap_is_said_once_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(Monitor(tmp_path, steps=9), [*FALLING, 0.8], [3.0, 2.5, 2.0, 2.1, 2.2, 2.3, 2.4])
    assert capsys.readouterr().err.count("warning: loss has been worse than its best for 3 evaluations") == 1
    rows = rows_of(tmp_path)
    assert [row["gap_widens"] for row in rows] == ["False"] * 5 + ["True"] * 2
    assert float(rows[-1]["gap"]) == pytest.approx(2.4 - 0.8)
    fill(Monitor(tmp_path, steps=9, start=7), [0.7], [2.5], start=8)  # resumed: it has been said
    assert "warning" not in capsys.readouterr().err


def test_the_gap_of_an_accuracy_follows_the_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = Monitor(tmp_path, steps=9, metric="rank1", gap=("train_rank1", "rank1"))
    for step, (seen, unseen) in enumerate(zip([50, 70, 80, 90, 95], [50.0, 65.0, 63.0, 62.0, 60.0], strict=True), 1):
        monitor.training(step, step, {"rank1": float(seen)})
        monitor.evaluation(step, step, {"rank1": unseen})
    assert "warning: rank1 has been worse" in capsys.readouterr().err


def test_the_gap_leaves_out_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Until step 4 each evaluation falls on what came before; watched from the start, it would warn at step 4."""
    monitor = Monitor(tmp_path, steps=16, metric="rank1", gap=("train_rank1", "rank1"), gap_after=4)
    monitor.describe({})
    unseen = [70.0, 50.0, 49.0, 48.0, 60.0, 59.0, 58.0, 57.0]
    for step, validation in enumerate(unseen, 1):
        monitor.training(step, step, {"rank1": 40.0 + step})
        monitor.evaluation(step, step, {"rank1": validation})
        assert ("warning" in capsys.readouterr().err) == (step == 8)
    assert ["gap" in record for record in monitor.records if "rank1" in record] == [False] * 4 + [True] * 4
    (point,) = monitor.turning_points
    assert point.step == 5 and "rank1 went from 60 to 57" in point.sentence
    monitor.write_summaries()
    assert f"widened from step {point.step} on" in description_of(curves_of(tmp_path))


def test_the_row_at_the_border_counts_what_can_be_compared_alone(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=4, metric="rank1", gap=("train_rank1", "rank1"), gap_after=1)
    for step, seen in ((1, 90.0), (2, 50.0)):
        monitor.training(step, step, {"rank1": seen})
    monitor.evaluation(2, 2.0, {"rank1": 40.0})
    assert monitor.records[-1]["gap"] == -10.0  # not 40 less the mean of 90 and 50


@pytest.mark.parametrize(("validation", "warned"), [([0.9, 0.5, 0.6, 0.7, 0.8], 1), ([0.9, 0.8, 0.7, 0.6, 0.5], 0)])
def test_the_gap_of_the_regression_on_features_follows_its_loss(
    validation: list[float], warned: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = FeatureTask
    monitor = Monitor(tmp_path, steps=9, metric=task.metric, higher_is_better=task.higher_is_better, gap=task.gap)
    for step, unseen in enumerate(validation, 1):
        monitor.training(step, step, {"loss": 1 / step, "rank1": 90.0 + step})
        monitor.evaluation(step, step, {"rank1": 90.0 + step, "rank5": 100.0, "validation_loss": unseen, "l2": 1e-3})
    assert capsys.readouterr().err.count("warning: validation_loss has been worse") == warned
    (row, *_) = rows_of(tmp_path)
    assert float(row["gap"]) == pytest.approx(0.9 - 1)
    assert "train_train_rank1" not in row and row["train_rank1"] == "91.0"


def test_without_both_values_there_is_no_gap(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=9)
    monitor.training(1, 1.0, {"loss": 1.0})
    monitor.evaluation(1, 1.0, {"psnr": 30.0})
    assert "gap" not in rows_of(tmp_path)[0]


def test_evaluations_are_told_with_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Monitor(tmp_path, steps=9).evaluation(3, 1.0, {"rank1": 91.25}, best=True)
    assert capsys.readouterr().err == "step 3: rank1 91.25  (best so far)\n"


def test_tensorboard_is_written_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class SummaryWriter:
        def __init__(self, folder: str, purge_step: int) -> None:
            seen.append((folder, purge_step))

        def add_scalar(self, tag: str, value: float, step: int) -> None:
            seen.append((tag, value, step))

        def flush(self) -> None:
            seen.append("flush")

        def close(self) -> None:
            seen.append("close")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monitor = Monitor(tmp_path, steps=5, start=2)
    monitor.training(3, 1.0, {"loss": 2.0}, lr=0.1)
    monitor.evaluation(3, 1.0, {"loss": 3.0})
    monitor.close()
    assert seen[0] == (str(tmp_path / "tensorboard"), 3)
    assert {("train/loss", 2.0, 3), ("run/lr", 0.1, 3), ("validation/loss", 3.0, 3)} <= set(seen)
    assert seen[-1] == "close" and "flush" in seen


def test_without_tensorboard_nothing_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # what an import that fails looks like
    monitor = Monitor(tmp_path, steps=1)
    monitor.evaluation(1, 1.0, {"loss": 3.0})
    monitor.close()
    assert not (tmp_path / "tensorboard").exists()


def test_a_table_of_nothing_is_empty() -> None:
    assert table([]) == []
    assert as_csv([{"a": 1}, {"b": 2}]) == "a,b\n1,\n,2\n"
