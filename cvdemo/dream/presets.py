"""Ready-made settings for dreams."""

from dataclasses import replace
from typing import Any

from cvdemo.dream.deepdream import DreamConfig
from cvdemo.errors import InputError, brief

PRESETS = {  # named for what they were seen to draw, on faces, animals and night skies alike
    "Dogs and fur": DreamConfig(),
    "Eyes": DreamConfig(layer="block8"),
    "Fruit market": DreamConfig(layer="block11"),
    "Engraving": DreamConfig(layer="block4", octaves=3, steps=10, step_size=2.0, laplacian_bands=2),
    "Neon maze": DreamConfig(layer="block2", octaves=5, steps=10, step_size=2.5, laplacian_bands=3),
    "Balloons": DreamConfig(layer="block9", channel=3, steps=10),
    "Spider webs": DreamConfig(layer="block9", channel=41, steps=10),
    "Tartan": DreamConfig(layer="block9", channel=53, steps=10),
    "Woollen braids": DreamConfig(layer="block9", channel=56, steps=10),
    "Carved pillars": DreamConfig(layer="block9", channel=18, steps=10),
}
DEFAULT_PRESET = "Dogs and fur"
FORMER_NAMES: dict[str, str] = {}  # of presets, to those of today: people call them


def preset_named(name: str) -> DreamConfig:
    """The config of a preset, by its name of today or a former one.

    Raises:
        InputError: there is none of that name.
    """
    now = FORMER_NAMES.get(name, name)
    if now not in PRESETS:
        raise InputError(f"There is no preset {brief(name)}; choose from {', '.join(PRESETS)}.")
    return PRESETS[now]


def with_settings(preset: DreamConfig, chosen: dict[str, Any]) -> DreamConfig:
    """The preset with every chosen value in place of its own.

    A layer or a channel that is chosen without an objective is what is dreamed of, whatever the preset's objective is.

    Raises:
        SettingError: a value is out of range.
    """
    if chosen.keys() & {"layer", "channel"} and "objective" not in chosen:
        chosen = {**chosen, "objective": ""}
    return replace(preset, **chosen)
