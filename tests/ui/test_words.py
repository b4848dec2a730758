"""The words of the page's settings: what a visitor will see; the terms of the papers stand in brackets at the end."""

import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest

from cvdemo.config import settings_of
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.style.config import StyleConfig
from cvdemo.ui.page import TABS
from cvdemo.ui.wiring.api_words import parameter_words
from cvdemo.ui.wiring.controls import Tab, named_choices
from tests.ui.stand_in import StandIn
from tests.ui.tab_handlers import drawn

TERMS = re.compile(
    r"parameteri|learning rate|adam|wasserstein|gram\b|octave|jitter|laplacian|fourier|\biou\b|suppression|pyramid|"
    r"\btiles?\b|\bchannels?\b|\blayers?\b|logit|\bloss|\bweights?\b|variation|objective|latent|truncation|\bcrops?\b|"
    r"\bwindows?\b|agnostic|covariance|\bscales?\b|gradient|parameter|imagenet|luminance|interpolat|convolution",
    re.IGNORECASE,
)
IN_BRACKETS = re.compile(r" ?\([^()]*\)$")  # at the end of a help text


def settings_on(page: gr.Blocks) -> Iterator[Any]:
    """The controls that are made from configs, and whatever else lies under "More settings"."""
    for block in page.blocks.values():
        made = "Config-" in str(getattr(block, "elem_id", None) or "")
        folded = any(isinstance(one, gr.Accordion) and one.label == "More settings" for one in _around(block))
        if (made or folded) and getattr(block, "visible", True) and hasattr(block, "info"):
            yield block


def _around(block: Any) -> Iterator[Any]:
    while (block := block.parent) is not None:
        yield block


def words_of(setting: Any) -> list[str]:
    """All that is read of it; without the brackets."""
    choices = [str(words) for words, _ in getattr(setting, "choices", None) or []]
    return [setting.label or "", IN_BRACKETS.sub("", setting.info or ""), *choices]


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_settings_say_what_is_seen_and_terms_stand_in_brackets(tab: Tab) -> None:
    settings = list(settings_on(drawn(lambda: tab.build(StandIn()))))
    assert settings or tab.slug == "sample"
    words = [text for setting in settings for text in words_of(setting)]
    assert [text for text in words if TERMS.search(text)] == []


def test_terms_of_papers_are_found_outside_of_brackets() -> None:
    shown = gr.Slider(0, 1, label="Smoothness", info="Higher is calmer. (Total variation weight)", render=False)
    bare = gr.Slider(0, 1, label="Smoothness", info="The total variation", render=False)
    assert [bool(TERMS.search(text)) for text in (*words_of(shown), *words_of(bare))] == [False, False, False, True]


@pytest.mark.parametrize("name", ["keep_colours", "start", "style_loss"])
def test_every_choice_has_words_and_programs_are_told_their_values(name: str) -> None:
    described = settings_of(StyleConfig)[name]
    choices = named_choices(StyleConfig, name)
    assert [value for _, value in choices] == list(described.choices or ())
    assert all(words != value for words, value in choices)
    (told,) = parameter_words("stylize", {name: gr.Dropdown(choices, render=False)}).values()
    assert all(f"{value}: {words}" in told for words, value in choices)


def test_some_of_the_choices_can_be_offered() -> None:
    assert named_choices(StyleConfig, "start", ["noise"]) == [("random dots", "noise")]
    assert named_choices(DreamConfig, "layer")[9] == ("block9: fur, faces and animals", "block9")
