"""The presets of Style."""

from cvdemo.style.optimise import StyleConfig
from cvdemo.style.presets import PRESETS


def test_the_first_preset_is_the_default() -> None:
    assert next(iter(PRESETS.values())) == StyleConfig()
    assert len(set(PRESETS.values())) == len(PRESETS) >= 4
