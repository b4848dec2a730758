"""Results that go from tab to tab: buttons under each picture put it into the picture field of another tab."""

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from cvdemo.ui.wiring.from_outside import beside, needed

TO = {"upscale": "Upscale this", "dream": "Dream of this", "detect": "Detect things in this"}


@dataclass(frozen=True)
class Source:
    """What a tab has to send: the picture in the field of this element id.

    Attributes:
        picture: JavaScript that takes the field's value to that of the picture.
        place: element id of what the buttons stand below; empty: the field itself.
    """

    elem_id: str
    picture: str = "value"
    place: str = ""


SOURCES = {
    "classify": Source("classify-image", place="classify-overlay"),
    "detect": Source("detect-image", place="detect-result"),
    "dream": Source("dream-result"),
    "style": Source("style-result"),
    "sample": Source("sample-pick"),
    "upscale": Source("upscale-result", "value?.[1]"),  # the network's, beside that of bicubic
}


def offer_to_send(page: gr.Blocks) -> None:
    """Draws the buttons under each source and wires them, in the browser alone.

    Raises:
        ValueError: the page lacks a source or a picture field.
    """
    for slug, source in SOURCES.items():
        field = needed(page, source.elem_id)
        targets = {target: words for target, words in TO.items() if target != slug}
        with beside(needed(page, source.place or source.elem_id), below=True), gr.Row(elem_classes="send"):
            buttons = [_button(slug, target, words) for target, words in targets.items()]
        there_is = f"{{__type__: 'update', interactive: Boolean({source.picture})}}"
        known = f"(value) => Array({len(buttons)}).fill({there_is})"
        _in_browser(field.change, [field], buttons, known)
        for target, button in zip(targets, buttons, strict=True):
            send = f"(value) => window.cvdemo.send({source.picture}, {json.dumps(target)})"
            _in_browser(button.click, [field], [needed(page, f"{target}-image")], send)


def _button(slug: str, target: str, words: str) -> gr.Button:
    return gr.Button(words, size="sm", min_width=110, interactive=False, elem_id=f"{slug}-to-{target}")


def _in_browser(trigger: Any, inputs: list[Any], outputs: list[Any], js: str) -> None:
    gr.on([trigger], None, inputs, outputs, js=js, api_visibility="private", show_progress="hidden")
