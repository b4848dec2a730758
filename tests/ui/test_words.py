"""The words of the page: what a visitor will see; the terms of the papers stand in brackets, or are folded."""

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

FOR_PEOPLE_OF_THE_FIELD = re.compile(  # outside of settings too; what is folded, a link or in brackets is left aside
    TERMS.pattern
    + r"|bicubic|psnr|ssim|\bnorm\b|softmax|\bheads?\b|\bmasks?\b|cascade|\bhog\b|\bcoco json\b|\bscores?\b|"
    r"probab|regression|adversarial|arithmetic|srcnn|dcgan|grad-cam|saliency|non-maximum|haar",
    re.IGNORECASE,
)
ASIDE = re.compile(r"<details>.*?</details>|\[[^]]*\]\([^)]*\)|\([^()]*\)|<[^>]*>", re.DOTALL)
ALLOWED = {"Eyes and scales", "Balloons and scales", "Woven masks"}  # of fish; to wear
SAID = (gr.Markdown, gr.HTML, gr.Button, gr.DownloadButton, gr.UploadButton)


def words_on(page: gr.Blocks) -> Iterator[str]:
    """All that is read on the page before anything is asked of it, without what is aside."""
    for block in page.blocks.values():
        if getattr(block, "visible", True) is not True:
            continue
        choices = [str(words) for words, _ in getattr(block, "choices", None) or []]
        said = [getattr(block, "value", None)] if isinstance(block, SAID) else []
        headers = getattr(block, "headers", None) or []
        for text in [getattr(block, "label", None), getattr(block, "info", None), *choices, *said, *headers]:
            if isinstance(text, str) and text not in ALLOWED:
                yield ASIDE.sub("", ASIDE.sub("", text))  # again, for the brackets round a link


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


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.slug)
def test_no_words_of_the_field_on_the_surface(tab: Tab) -> None:
    words = list(words_on(drawn(lambda: tab.build(StandIn()))))
    assert len(words) > 20
    assert [text for text in words if FOR_PEOPLE_OF_THE_FIELD.search(text)] == []


def test_what_is_aside_is_left_aside_and_what_is_not_is_found() -> None:
    aside = "Plain. (The latent, [Adam](https://a.b/c))<details><summary>In figures</summary>PSNR</details>"
    page = drawn(lambda: [gr.Markdown(aside), gr.Button("Interpolate")])
    assert [bool(FOR_PEOPLE_OF_THE_FIELD.search(text)) for text in words_on(page)] == [False, True]


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
