"""The presets of Dream suit the network, keep their former names, and have a thumbnail each."""

import pytest

from cvdemo.config import SettingError
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.objectives import Channel, LayerStrength, Sum
from cvdemo.dream.presets import DEFAULT_PRESET, FORMER_NAMES, PRESETS, preset_named, thumbnail, with_settings
from cvdemo.errors import InputError
from cvdemo.images import read_image
from cvdemo.nets.efficientnet_lite import layer_channels

FORMER = (
    *("Dogs and fur", "Eyes", "Fruit market", "Engraving", "Neon maze"),
    *("Balloons", "Spider webs", "Tartan", "Woollen braids", "Carved pillars"),
)


def test_presets_differ_and_suit_their_layers() -> None:
    assert len(PRESETS) >= 10 and DEFAULT_PRESET in PRESETS
    assert len({(str(config.goal), config.colour) for config in PRESETS.values()}) == len(PRESETS)
    for name, config in PRESETS.items():
        terms = config.goal.terms if isinstance(config.goal, Sum) else ((1.0, config.goal),)
        channels = [term for _, term in terms if isinstance(term, Channel)]
        assert all(term.channel < layer_channels()[term.layer] for term in channels), name


def test_most_presets_are_more_than_one_channel() -> None:
    goals = [config.goal for config in PRESETS.values()]
    assert sum(isinstance(goal, Channel) for goal in goals) <= 2
    assert any("class:" in str(goal) for goal in goals) and any(isinstance(goal, Sum) for goal in goals)


@pytest.mark.parametrize("name", FORMER)
def test_former_names_still_dream(name: str) -> None:
    assert preset_named(name) in PRESETS.values()


def test_a_former_name_leads_to_a_preset_and_hides_none() -> None:
    assert set(FORMER_NAMES.values()) <= set(PRESETS)
    assert not set(FORMER_NAMES) & set(PRESETS)
    with pytest.raises(InputError, match="no preset 'Cats'; choose from Eyes and scales"):
        preset_named("Cats")


def test_a_chosen_layer_takes_the_place_of_the_presets_objective() -> None:
    preset = DreamConfig(objective="block10 + 0.6*block13", layer="block10", step_size=2.0)
    assert with_settings(preset, {"layer": "block4"}).goal == LayerStrength("block4")
    assert with_settings(preset, {"channel": 3}).goal == Channel("block10", 3)
    assert with_settings(preset, {"steps": 5}) == DreamConfig(
        objective=preset.objective, layer="block10", step_size=2.0, steps=5
    )
    both = with_settings(preset, {"layer": "block4", "objective": "class:tench"})
    assert str(both.goal) == "class:tench"
    with pytest.raises(SettingError, match="steps must be"):
        with_settings(preset, {"steps": 0})


def test_every_preset_has_a_small_thumbnail() -> None:
    for name in PRESETS:
        assert read_image(thumbnail(name)).shape == (96, 96, 3), name
    folder = thumbnail(DEFAULT_PRESET).parent
    assert {file.name for file in folder.iterdir()} == {thumbnail(name).name for name in PRESETS}
    assert sum(file.stat().st_size for file in folder.iterdir()) < 100_000
