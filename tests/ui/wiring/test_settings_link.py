"""Links: what the query string may set, what that brings along, and what it may not set."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
import pytest
from gradio.components import Component

from cvdemo.ui import dream
from cvdemo.ui.wiring.settings_link import LINK, restored_value, updates

SLIDER = gr.Slider(0, 10, value=5, step=0.5)
SEED = gr.Number(0, precision=0, minimum=0, maximum=99)
CHOICE = gr.Dropdown([2, 3, 4], value=2)


@pytest.mark.parametrize(
    ("component", "text", "value"),
    [
        (SLIDER, "7.5", 7.5),
        (SLIDER, "7", 7),
        (SLIDER, "7.3", None),
        (SLIDER, "11", None),
        (SLIDER, "nan", None),
        (SLIDER, "<script>", None),
        (SEED, "42", 42),
        (SEED, "4.5", None),
        (SEED, "-1", None),
        (SEED, "inf", None),
        (CHOICE, "3", 3),
        (CHOICE, "5", None),
        (gr.Checkbox(), "true", True),
        (gr.Checkbox(), "maybe", None),
        (gr.Textbox(), "anything", None),
    ],
)
def test_only_what_a_visitor_could_set_is_restored(component: Component, text: str, value: object) -> None:
    assert restored_value(component, text) == value


def test_a_link_sets_only_the_controls_of_its_tab() -> None:
    settings = {"size": SLIDER, "seed": SEED}
    assert updates({"tab": "dream", "size": "3", "seed": "999"}, "dream", settings) == [3, gr.skip()]
    assert updates({"tab": "style", "size": "3"}, "dream", settings) == [gr.skip(), gr.skip()]
    assert updates({}, "dream", settings) == [gr.skip(), gr.skip()]


def test_a_tab_is_told_what_a_link_restores_and_nothing_else() -> None:
    settings = {"size": SLIDER, "seed": SEED, LINK: gr.Textbox()}
    assert updates({"tab": "dream", "seed": "0"}, "dream", settings) == [gr.skip(), 0, "seed=0"]
    for nothing in ({}, {"seed": "999"}, {LINK: "seed=5"}):
        assert updates({"tab": "dream"} | nothing, "dream", settings) == [gr.skip()] * 3


def size_by_choice(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """The size has a default for each choice."""
    return {"size": {2: 5, 3: 9, 4: 10}[restored["choice"]]} if "choice" in restored else {}


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({"choice": "3"}, 9),  # the default that goes with it
        ({"choice": "3", "size": "5"}, 5),  # the first default, said
        ({"choice": "3", "size": "9"}, 9),
        ({"choice": "3", "size": "99"}, 9),  # said wrongly
        ({"choice": "7"}, gr.skip()),
        ({"size": "5"}, 5),
        ({"seed": "1"}, gr.skip()),
    ],
)
def test_what_a_link_says_counts_before_the_defaults_that_it_brings_along(query: dict[str, str], size: Any) -> None:
    settings = {"choice": CHOICE, "size": SLIDER, "seed": SEED}
    assert updates({"tab": "dream"} | query, "dream", settings, size_by_choice)[1] == size


def test_a_tab_is_not_told_of_what_a_link_brings_along() -> None:
    settings = {"choice": CHOICE, "size": SLIDER, LINK: gr.Textbox()}
    assert updates({"tab": "dream", "choice": "3"}, "dream", settings, size_by_choice) == [3, 9, "choice=3"]


def test_a_link_with_a_preset_alone_brings_its_settings_along() -> None:
    along = dream.follows({"preset": "Engraving", "steps": 20})
    assert set(along) == set(dream.SETTINGS)
    assert {along[name] for name in ("layer", "octaves", "laplacian_bands")} == {"block4", 3, 2}
    assert dream.follows({"preset": dream.CUSTOM})["layer"] == dream.follows({"preset": "Dogs and fur"})["layer"]
    assert dream.follows({"steps": 20}) == {}
