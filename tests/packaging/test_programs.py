"""The two programs of the wheel are functions that are there, and do what `python -m` does."""

import importlib
import re
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
