"""A clock that tests turn by hand, in place of the machine's."""

from types import SimpleNamespace

import pytest

from cvdemo import pace, runtime


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def set_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Deadlines and paces go by the returned clock until the test ends."""
    clock = Clock()
    for module in (pace, runtime):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock
