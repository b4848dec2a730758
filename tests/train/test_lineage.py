"""What a weight came from: recorded through `--start`, and run again by `refresh`."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch

from cvdemo.weights import WEIGHTS_DIR, WeightEntry, load_manifest
from tests.train.test_publish import put
from tests.train.test_super_resolution import save_noise
from train import __main__ as command_line
from train import lineage
from train.checkpoint import LAST, load
from train.lineage import legs_of, refresh, words_of
from train.recipe import command_of
from train.recipes import RECIPES
from train.recipes.srcnn import SrcnnConfig

FIRST = "python -m train srcnn --steps 2 {} --data DIR --out DIR"
SECOND = "python -m train srcnn --steps 3 --scale 3 {} --start srcnn_x2 --data DIR --out DIR"
TINY = (
    "--evaluate-every 1 --batch-size 2 --crop-px 24 --patch-px 84 --channels 4 3 --float32-steps 0 --no-bsds --shrink 1"
)


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightEntry:
    """The only weight of the manifest, which two runs made."""
    earlier = ({"command": FIRST.format(TINY), "hours": 0.5},)
    made = put(tmp_path / "weights", "made", recipe="srcnn", command=SECOND.format(TINY), earlier=earlier)
    monkeypatch.setattr(lineage, "entry_of", lambda name: load_manifest(tmp_path / "weights")[name])
    monkeypatch.setattr(lineage, "load_manifest", lambda: load_manifest(tmp_path / "weights"))
    return made


def test_a_start_brings_its_runs_with_it(entry: WeightEntry) -> None:
    assert legs_of("") == []
    assert legs_of("made") == [*entry.earlier, {"command": entry.command, "hours": 0.5}]
    with pytest.raises(ValueError, match="'unmade' is neither a checkpoint file nor a weight; there are made"):
        legs_of("unmade")


def test_refresh_runs_every_command_from_the_network_before(
    entry: WeightEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_noise(tmp_path / "data" / "t91", 3)
    words = ["refresh", "made", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs"), "--device", "cpu"]
    command_line.main(words)
    first, second = (load(tmp_path / "runs" / number / LAST) for number in "12")
    assert (first["step"], second["step"]) == (2, 3)
    assert second["config"]["start"] == str(tmp_path / "runs" / "1" / "best.pt")
    assert first["earlier"] == []
    assert [leg["command"] for leg in second["earlier"]] == [first["command"]]
    assert first["command"].startswith("python -m train srcnn --steps 2 ")
    assert " --start CHECKPOINT " in second["command"] and " --scale 3 " in second["command"]
    text = capsys.readouterr().out
    assert "2 of 2: " in text
    assert f"next: python -m train publish srcnn --out {tmp_path}/runs/2 --data {tmp_path}/data --name made" in text


def test_what_a_run_started_from_is_not_what_was_published_since(entry: WeightEntry, tmp_path: Path) -> None:
    """Resumed after its start got another entry, a run still tells the first."""
    save_noise(tmp_path / "data" / "t91", 3)
    words = ["--data", str(tmp_path / "data"), "--device", "cpu", *TINY.split()]
    command_line.main(["srcnn", "--steps", "1", "--out", str(tmp_path / "a"), *words])
    start = tmp_path / "a" / LAST
    again = ["srcnn", "--start", str(start), "--out", str(tmp_path / "b"), *words]
    command_line.main([*again, "--steps", "1"])
    before = load(tmp_path / "b" / LAST)["earlier"]
    command_line.main(["srcnn", "--steps", "2", "--seed", "7", "--out", str(tmp_path / "c"), *words])
    (tmp_path / "c" / LAST).replace(start)
    with pytest.warns(UserWarning, match="another configuration"):
        command_line.main([*again, "--steps", "2", "--resume"])
    after = load(tmp_path / "b" / LAST)
    assert after["step"] == 2 and after["earlier"] == before
    assert "--seed" not in before[0]["command"]


def test_a_stopped_run_ends_the_refresh(entry: WeightEntry, tmp_path: Path) -> None:
    def stopped(words: list[str]) -> None:
        out = Path(words[words.index("--out") + 1])
        out.mkdir(parents=True)
        torch.save({"step": 1, "config": {"steps": 2}}, out / LAST)

    args = argparse.Namespace(name="made", data=tmp_path, out=tmp_path / "runs", device="cpu", publish=True)
    with pytest.raises(SystemExit, match="stopped; the same command goes on"):
        refresh(args, stopped)
    assert not (tmp_path / "runs" / "2").exists()


@pytest.mark.parametrize("command", ["python -m train import-backbone", "rm --data DIR --out DIR"])
def test_what_is_no_training_is_not_run(command: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no training to be run again"):
        words_of(command, tmp_path, tmp_path, None)


def test_a_start_without_a_run_before_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        words_of(SECOND.format(""), tmp_path, tmp_path, None)


def test_a_path_is_not_recorded() -> None:
    assert "--start CHECKPOINT --data" in command_of("srcnn", SrcnnConfig(start="/somewhere/runs/1/best.pt"))


def trained() -> dict[str, Any]:
    """Weights of the manifest that a recipe made."""
    return {name: entry for name, entry in load_manifest(WEIGHTS_DIR).items() if entry.recipe in RECIPES}


@pytest.mark.parametrize("name", trained())
def test_every_recorded_command_is_one_that_the_program_takes(name: str, tmp_path: Path) -> None:
    """And no weight starts from another version of itself without that version's own runs before it."""
    entry = trained()[name]
    commands = [*(leg["command"] for leg in entry.earlier), entry.command]
    for number, command in enumerate(commands):
        words = words_of(command, tmp_path, tmp_path, tmp_path / "best.pt" if number else None)
        args = command_line._parser().parse_args(words)
        assert args.data == tmp_path and args.command in RECIPES
