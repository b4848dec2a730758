"""Links: what the query string may set, and what it may not."""

import gradio as gr
import pytest
from gradio.components import Component

from cvdemo.limits import TEXT_LENGTH
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
        (gr.Textbox(), "block8 + 0.3*block12", "block8 + 0.3*block12"),
        (gr.Textbox(), "x" * (TEXT_LENGTH + 1), None),
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


def test_a_link_of_a_layer_alone_empties_the_objective_that_would_go_before_it() -> None:
    settings = {"objective": gr.Textbox("block8"), "layer": CHOICE, "seed": SEED}
    assert updates({"tab": "dream", "layer": "3"}, "dream", settings) == ["", 3, gr.skip()]
    assert updates({"tab": "dream", "layer": "3", "objective": "block5"}, "dream", settings) == ["block5", 3, gr.skip()]
    assert updates({"tab": "dream", "layer": "9", "seed": "1"}, "dream", settings) == [gr.skip(), gr.skip(), 1]
