"""The command line of training, in process."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cvdemo.nets.srcnn import SRCNN
from cvdemo.weights import WEIGHTS_DIR, load_manifest
from tests.train.tiny_tasks import PlainTask, altered
from train import __main__ as command_line
from train import commands
from train.engine.loop import LoopConfig
from train.publishing.recipe import Context
from train.recipes import RECIPES
from train.upscale import upscale_recipe

ROOT = Path(__file__).resolve().parents[2]
_dry_run_s: list[float] = []


def weights_files() -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in WEIGHTS_DIR.iterdir()}


def test_list_names_every_recipe_with_data_goal_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.main(["--list"])
    text = capsys.readouterr().out
    for recipe in RECIPES.values():
        assert recipe.name in text and recipe.dataset in text and recipe.goal in text
        assert all(f"last  {name}: " in text for name in recipe.weights)


def test_lr_find_takes_the_options_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    built: list[LoopConfig] = []

    def build(config: LoopConfig, context: Context) -> PlainTask:
        built.append(config)
        return PlainTask(config)

    monkeypatch.setitem(RECIPES, "cifar10", altered(RECIPES["cifar10"], build=build))
    curve = tmp_path / "curve.png"
    options = ["--data", str(tmp_path), "--out", str(curve), "--sweep-steps", "20", "--device", "cpu"]
    command_line.main(["lr-find", "cifar10", "--batch-size", "8", *options])
    assert built[0].batch_size == 8
    assert curve.is_file() and "suggested" in capsys.readouterr().out


def test_resume_begins_where_nothing_was_saved_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = altered(RECIPES["cifar10"], build=lambda config, context: PlainTask(config))
    monkeypatch.setitem(RECIPES, "cifar10", recipe)
    words = ["cifar10", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--resume", "--device", "cpu"]
    command_line.main([*words, "--epochs", "0", "--steps", "3", "--batch-size", "8"])
    text = capsys.readouterr().out
    assert "no checkpoint yet: training begins at step 0" in text and "done" in text
    command_line.main([*words, "--epochs", "0", "--steps", "3", "--batch-size", "8"])
    text = capsys.readouterr().out
    assert "no checkpoint yet" not in text and "done" in text


@pytest.mark.parametrize("name", RECIPES)
def test_dry_run_leaves_nothing_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = weights_files()
    began = time.process_time()
    command_line.main([name, "--dry-run", "--device", "cpu"])
    _dry_run_s.append(time.process_time() - began)
    assert sum(_dry_run_s) < 60  # CPU time of all recipes together
    assert f"{name}: 2 steps" in capsys.readouterr().out
    assert weights_files() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "train", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "srcnn" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "give a recipe"), (["srcnn", "--scale", "5"], "invalid choice"), (["nonsense"], "invalid choice")],
)
def test_mistakes_on_the_command_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(words)
    assert message in capsys.readouterr().err


def test_training_needs_data_and_out() -> None:
    with pytest.raises(SystemExit, match="give --data and --out"):
        command_line.main(["srcnn", "--scale", "2"])


def test_evaluate_knows_its_weights(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no recipe measures 'efficientnet_lite0'"):
        command_line.main(["evaluate", "efficientnet_lite0", "--data", str(tmp_path)])


def test_a_weight_that_was_not_published_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    (tmp_path / "manifest.json").write_text('{"weights": {}}', encoding="utf-8")
    with pytest.raises(SystemExit, match="python -m train: There is no weight named 'dcgan_cars'; the manifest has"):
        command_line.main(["evaluate", "dcgan_cars", "--data", str(tmp_path)])


def test_evaluate_prints_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(upscale_recipe, "load_state_dict", lambda name: SRCNN((9, 5, 5)).state_dict())
    monkeypatch.setattr(upscale_recipe, "check_gate", lambda *_: None)
    network = {"name": "srcnn", "kernels": [9, 5, 5], "channels": [64, 32]}
    entry = type("Entry", (), {"network": network, "preprocessing": {"scale": 2}})
    monkeypatch.setattr(upscale_recipe, "entry_of", lambda name: {"srcnn_x2": entry}[name])
    monkeypatch.setattr(upscale_recipe, "read_folder", lambda folder: {"a.png": torch.rand(1, 1, 32, 32)})
    (tmp_path / "set5").mkdir()
    command_line.main(["evaluate", "srcnn_x2", "--data", str(tmp_path), "--json", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    result = json.loads(lines[0])
    assert result["name"] == "srcnn_x2"
    assert set(result["set5"]) == {"n", "psnr", "ssim", "bicubic_psnr", "bicubic_ssim"}


def test_what_is_no_detector_has_no_curve_of_precision(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="srcnn_x2 is no detector: it has no curve of precision over recall"):
        command_line.main(["evaluate", "srcnn_x2", "--data", str(tmp_path), "--curve", str(tmp_path / "curve.png")])


def published() -> list[str]:
    """Weights in the manifest that a recipe makes."""
    return [name for recipe in RECIPES.values() for name in recipe.weights if name in load_manifest()]


@pytest.mark.parametrize("name", published())
def test_published_weights_record_what_was_measured(name: str) -> None:
    entry = load_manifest()[name]
    assert (WEIGHTS_DIR / f"{name}.md").read_text().count(entry.sha256) == 1
    assert entry.metric["n"] > 0 and entry.metric["command"].startswith(f"python -m train evaluate {name}")
    assert entry.command.startswith(f"python -m train {entry.recipe}")


def test_an_interruption_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "train", interrupted)
    with pytest.raises(SystemExit, match="python -m train: interrupted"):
        command_line.main(["cifar10"])


def test_a_dry_run_tries_the_options_that_were_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="python -m train: label smoothing and noise need --loss bce"):
        command_line.main(["dcgan", "--loss", "hinge", "--dry-run", "--device", "cpu"])
    command_line.main(["dcgan", "--loss", "hinge", "--label-smoothing", "0", "--dry-run", "--device", "cpu"])
    assert "dcgan: 2 steps on generated data" in capsys.readouterr().out


def test_data_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no folder 't91'. DIR holds the folders t91, bsds"):
        command_line.main(["srcnn", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--device", "cpu"])
