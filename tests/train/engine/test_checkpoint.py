"""Checkpoints that survive being killed at any moment, and damage."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.train.engine import killed
from tests.train.tiny_tasks import same_run
from train.engine.checkpoint import (
    BEST,
    LAST,
    NEXT,
    PREVIOUS,
    has_checkpoint,
    load,
    load_last,
    save_atomically,
    save_last,
)
from train.engine.monitor import CURVES_FILE, METRICS_FILE, TABLE_FILE, read_records

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_twenty_random_moments_every_restart_loads_and_ends_the_same(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.train.engine.killed", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["kills"] == killed.KILLS == 20
    assert result["in_a_save"] > 0, result  # saving takes most of such a run's time
    whole = load(tmp_path / "whole" / LAST)
    for number in range(result["runs"]):
        out = tmp_path / f"killed{number}"
        assert same_run(whole, load(out / LAST)), out
        assert same_run(load(tmp_path / "whole" / BEST), load(out / BEST)), out
        records = [read_records(folder / METRICS_FILE) for folder in (tmp_path / "whole", out)]
        assert [r | {"seconds": 0} for r in records[0]] == [r | {"seconds": 0} for r in records[1]], out
        assert (out / TABLE_FILE).exists() and (out / CURVES_FILE).exists()


def test_a_cut_checkpoint_falls_back_to_the_one_before_with_a_warning(tmp_path: Path) -> None:
    save_last({"step": 1}, tmp_path)
    save_last({"step": 2}, tmp_path)
    data = (tmp_path / LAST).read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / LAST).write_bytes(data[:length])
        with pytest.warns(UserWarning, match=PREVIOUS):
            assert load_last(tmp_path) == {"step": 1}


def test_nothing_readable_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / LAST).write_bytes(b"no checkpoint")
    with pytest.raises(FileNotFoundError, match=r"no readable checkpoint.*previous.pt: missing"):
        load_last(tmp_path)


@pytest.mark.parametrize("renamed", [0, 1])
def test_between_the_renames_the_newest_is_found(tmp_path: Path, renamed: int) -> None:
    save_last({"step": 1}, tmp_path)
    save_last({"step": 2}, tmp_path)
    save_atomically({"step": 3}, tmp_path / NEXT)
    if renamed:
        (tmp_path / LAST).replace(tmp_path / PREVIOUS)
    assert load_last(tmp_path) == {"step": 3}
    save_last({"step": 4}, tmp_path)
    assert load_last(tmp_path) == {"step": 4}
    assert not (tmp_path / NEXT).exists()


def test_a_half_written_file_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / (NEXT + ".partial")).write_bytes(b"half")
    assert not has_checkpoint(tmp_path)
    save_last({"step": 1}, tmp_path)
    assert has_checkpoint(tmp_path)
    assert load_last(tmp_path) == {"step": 1}


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_last({"step": 1}, tmp_path)

    def full(handle: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_last({"step": 2}, tmp_path)
    assert load_last(tmp_path) == {"step": 1}
