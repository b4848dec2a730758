"""Several runs side by side."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.train.tiny_tasks import CONFIG, TinyTask
from train import __main__ as command_line
from train.engine.compare_runs import compare_runs, config_differences, markdown_table, plot_comparison, read_run
from train.engine.loop import Trainer
from train.engine.monitor import Monitor


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that differ in their decay, batch and length."""
    out = tmp_path_factory.mktemp("runs")
    other = replace(CONFIG, ema_decay=0.5, batch_size=8, steps=4)
    for name, config in (("first", CONFIG), ("second", other)):
        Trainer(TinyTask(config), config, out / name).run()
    return [out / "first", out / "second"]


def test_the_table_shows_results_and_what_differs(runs: list[Path]) -> None:
    text = compare_runs(runs).splitlines()
    assert text[0].split() == ["first", "second"]
    left = text[0].index("first")
    lines = {line[:left].strip(): line[left:].split() for line in text}
    best = [read_run(folder).best or {} for folder in runs]
    assert lines["best error"] == [f"{record['error']:.4g}" for record in best]
    assert lines["at step"] == [str(record["step"]) for record in best]
    assert lines["steps taken"] == ["8", "of", "8", "4", "of", "4"]
    assert lines["batch_size"] == ["4", "8"] and lines["ema_decay"] == ["0.9", "0.5"]
    assert "log_every" not in lines  # the same in both
    assert {"time", "pictures/s", "hardware"} <= lines.keys()


def test_runs_with_the_same_settings_say_so(runs: list[Path]) -> None:
    assert "all settings are the same" in compare_runs([runs[0], runs[0]])
    assert compare_runs([runs[0], runs[0]]).splitlines()[0].split() == [str(runs[0])] * 2
    assert "settings" not in compare_runs(runs[:1])


def test_the_markdown_table_compares_at_the_last_step_that_all_have(runs: list[Path]) -> None:
    lines = markdown_table(runs).splitlines()
    assert lines[0] == "| run | differs from the first in | error |"
    at_four = [next(r["error"] for r in read_run(folder).evaluations if r["step"] == 4) for folder in runs]
    assert lines[2] == f"| first | - | {at_four[0]:.4g} (100%) |"
    assert lines[3].startswith("| second | ") and lines[3].endswith(
        f" | {at_four[1]:.4g} ({at_four[1] / at_four[0]:.0%}) |"
    )
    assert "batch_size 8" in lines[3] and "ema_decay 0.5" in lines[3]
    assert lines[-1] == "After 4 steps, 16 to 32 pictures."


def test_the_command_prints_the_table_that_is_asked_for(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    command_line.main(["compare", *map(str, runs), "--markdown"])
    assert capsys.readouterr().out == markdown_table(runs) + "\n"
    command_line.main(["compare", *map(str, runs)])
    assert capsys.readouterr().out == compare_runs(runs) + "\n"


def test_runs_that_were_never_measured_together_have_no_table(runs: list[Path], tmp_path: Path) -> None:
    monitor = Monitor(tmp_path, steps=3, metric="error")
    monitor.describe({"config": {"steps": 3, "batch_size": 1}, "hardware": "a"})
    monitor.evaluation(3, 1.0, {"error": 1.0})
    with pytest.raises(ValueError, match="no step at which all these runs were measured"):
        markdown_table([runs[0], tmp_path])
    Monitor(tmp_path, steps=3, metric="psnr").describe({"config": {}, "hardware": "a"})
    with pytest.raises(ValueError, match="judged by different metrics: error, psnr"):
        markdown_table([runs[0], tmp_path])


def test_the_best_follows_the_direction_of_the_metric(tmp_path: Path) -> None:
    for name, higher in (("up", True), ("down", False)):
        (tmp_path / name).mkdir()
        monitor = Monitor(tmp_path / name, steps=3, metric="value", higher_is_better=higher)
        monitor.describe({"config": {"steps": 3, "batch_size": 1}, "hardware": "a"})
        for step, value in ((1, 5.0), (2, 7.0), (3, float("nan"))):
            monitor.evaluation(step, step, {"value": value})
    assert [(read_run(tmp_path / name).best or {}).get("step") for name in ("up", "down")] == [2, 1]


def test_a_run_without_evaluations_has_dashes(tmp_path: Path) -> None:
    Monitor(tmp_path, steps=3, metric="rank1").describe({"config": {"steps": 3, "batch_size": 1}, "hardware": "a"})
    lines = [line.split() for line in compare_runs([tmp_path]).splitlines()]
    assert (
        ["best", "rank1", "-"] in lines and ["pictures/s", "-"] in lines and ["steps", "taken", "0", "of", "3"] in lines
    )


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no run: there is no run.json"):
        compare_runs([tmp_path])


def test_differences_include_settings_that_one_lacks() -> None:
    differences = config_differences([{"a": 1, "b": [1, 2], "c": 3}, {"a": 1, "b": [1, 3]}])
    assert differences == {"b": [[1, 2], [1, 3]], "c": [3, None]}


@pytest.mark.parametrize("metric", ["", "error", "train_loss"])
def test_a_metric_is_drawn_over_steps_and_minutes(runs: list[Path], metric: str, tmp_path: Path) -> None:
    plot_comparison(runs, metric, tmp_path / "compare.png")
    with Image.open(tmp_path / "compare.png") as picture:
        assert picture.format == "PNG" and picture.width > 2 * picture.height


def test_an_unknown_metric_is_refused_with_those_there_are(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run has recorded 'psnr'; there are error, .*train_loss"):
        plot_comparison(runs, "psnr", tmp_path / "compare.png")
    with pytest.raises(ValueError, match="at most 8 runs"):
        plot_comparison(runs * 5, "error", tmp_path / "compare.png")
