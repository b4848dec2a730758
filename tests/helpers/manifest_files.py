"""How often a manifest is parsed, and manifests that look old."""

import json
import os
import time
from pathlib import Path

import pytest


class CountedParses:
    """How often JSON was parsed, by `cvdemo.weights` among others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.parse = json.loads
        monkeypatch.setattr(json, "loads", self)

    def __call__(self, text: str) -> object:
        self.count += 1
        return self.parse(text)


def aged(path: Path, seconds: float = 60) -> None:
    """Makes a file look as if it was last changed so long ago."""
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(path, ns=(then, then))
