"""The programs of the wheel are functions that are there; scripts that write pictures tell how they are used."""

import importlib
import re
import runpy
import sys
import warnings
from pathlib import Path

import pytest
import torch

from train import __main__ as command_line

ROOT = Path(__file__).resolve().parents[2]


def programs() -> dict[str, str]:
    """`module:function` of each program of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return dict(re.findall(r'^(cvdemo[a-z-]*) = "([\w.]+:\w+)"$', text, re.MULTILINE))


@pytest.mark.parametrize("name", ["cvdemo", "cvdemo-train"])
def test_a_program_is_a_function(name: str) -> None:
    module, _, function = programs()[name].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    assert module.endswith(".__main__")


def test_training_draws_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[float] = []
    monkeypatch.setattr(command_line, "main", lambda: draws.append(torch.rand(1).item()))
    command_line.run()
    command_line.run()
    assert draws[0] == draws[1]


@pytest.mark.parametrize(
    "name", ["detected_examples", "dream_colours", "dream_thumbnails", "example_thumbnails", "painted_examples"]
)
def test_a_script_that_is_asked_for_help_writes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        warnings.simplefilter("ignore", RuntimeWarning)  # that another test has imported it
        runpy.run_module(f"scripts.{name}", run_name="__main__")
    assert ended.value.code == 0 and "where they are written" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
