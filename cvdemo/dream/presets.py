"""Ready-made settings for dreams, named for what they were seen to draw on faces, animals and skies alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cvdemo.data_folders import data_folder
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.errors import InputError, brief

THUMBNAILS = "dreams"  # folder in `examples/`

# `layer` is the block that an objective draws most with; it is what is dreamed of when the objective is taken away.
PRESETS = {
    "Eyes and scales": DreamConfig(objective="block8 + 0.3*block12", layer="block8", colour=0.5),
    "Furry faces": DreamConfig(objective="block10 + 0.5*block8", layer="block10", step_size=3.0),
    "Cats and dogs": DreamConfig(objective="block10 + 0.6*block13", layer="block10", step_size=2.5),
    "Plush toys": DreamConfig(objective="block5 + 0.5*block10", layer="block5"),
    "Carved wood": DreamConfig(objective="block2 + 0.5*block4", layer="block2"),
    "Woven masks": DreamConfig(layer="block6"),
    "Lizard skin": DreamConfig(objective="block11 + 0.3*block5", layer="block11"),
    "Whiskers": DreamConfig(layer="block14"),
    "Peacock": DreamConfig(
        objective="class:peacock + 0.4*block8 + 0.7*block9:23", layer="block15", steps=14, colour=0.65
    ),
    "Honeycomb": DreamConfig(objective="class:honeycomb + 0.4*block8", layer="block15", steps=14),
    "Castle walls": DreamConfig(objective="class:castle + 0.2*block8 + 0.7*block9:62", layer="block15"),
    "Balloons and scales": DreamConfig(objective="block9:3 + 0.7*block9:18", layer="block9", step_size=2.5, steps=10),
    "Spider webs": DreamConfig(
        objective="block9:41 + 0.5*class:spider web", layer="block9", channel=41, step_size=2.5, steps=10
    ),
    "Tartan": DreamConfig(layer="block9", channel=53, step_size=2.5, steps=10, colour=0.6),
    "Woollen braids": DreamConfig(layer="block9", channel=56, step_size=2.5, steps=10),
    "Psychedelic": DreamConfig(layer="block10", step_size=3.0, colour=1.0),
}
DEFAULT_PRESET = "Eyes and scales"
FORMER_NAMES = {  # of presets, to what draws most like them: people call them
    "Dogs and fur": "Psychedelic",
    "Eyes": "Eyes and scales",
    "Fruit market": "Lizard skin",
    "Engraving": "Carved wood",
    "Neon maze": "Carved wood",
    "Balloons": "Balloons and scales",
    "Carved pillars": "Balloons and scales",
}


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
    return replace(preset, **with_objective(chosen))


def with_objective(chosen: dict[str, Any]) -> dict[str, Any]:
    """The chosen values; where a layer or a channel is among them, and no objective, an empty objective too."""
    if chosen.keys() & {"layer", "channel"} and "objective" not in chosen:
        return {**chosen, "objective": ""}
    return chosen


def thumbnail_name(preset: str) -> str:
    """The file name of a preset's thumbnail."""
    return f"{preset.lower().replace(' ', '_')}.jpg"


def thumbnail(preset: str) -> Path:
    """The file of a preset's thumbnail, 96 x 96 px; made by `python -m scripts.dream_thumbnails`."""
    return data_folder("examples") / THUMBNAILS / thumbnail_name(preset)
