"""Picks of the Sample tab: the picture that was clicked, its latent, and the slots A, B and C that keep some of them.

A pick is a generator, a seed, a number and a truncation, from which its picture is drawn again wherever it is needed:
so picks outlive the drawing that they were made from. One picture takes less time than its PNG.
"""

import base64
import io
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.sample.generate import Pick, SampleConfig, generate, load_generator
from cvdemo.ui.wiring.controls import light, picture_output, save_download
from cvdemo.ui.wiring.latent_plot import latent_plot

SLOTS = ("A", "B", "C")
Picks = tuple[Pick | None, ...]  # one for each slot
NO_PICKS: Picks = (None,) * len(SLOTS)
HINT = "Generate, then click a picture: the numbers that it was made from appear here, and it can become A, B or C."
SHOW_PICK = """() => {
    if (window.innerWidth < 700)
        document.getElementById("sample-pick")?.scrollIntoView({behavior: "smooth", block: "nearest"});
}"""


@dataclass(frozen=True)
class PickPanel:
    """What other parts of the tab read: the pick that was clicked last, and the slots."""

    current: gr.State
    slots: gr.State


def picture_of(pick: Pick) -> ImageArray:
    """The picture, uint8 (size, size, 3), drawn again."""
    generator = load_generator(pick.generator)
    return generate(generator, pick.latent(generator.latent_dim)[None])[0]


def name_of(pick: Pick) -> str:
    """Its number, counted from 1, its seed and truncation, in words."""
    return f"Picture {pick.number} of seed {pick.seed}, truncation {pick.truncation:g}"


def chosen(slots: Picks, letters: str, purpose: str) -> list[Pick]:
    """The picks in the slots of these letters.

    Raises:
        InputError: some are empty; says which, and how to fill them.
    """
    missing = [letter for letter in letters if slots[SLOTS.index(letter)] is None]
    if missing:
        *others, last = missing
        names = f"{', '.join(others)} and {last} are" if others else f"{last} is"
        raise InputError(f"{purpose}, but {names} empty: click a picture, then press “Use as {missing[0]}”.")
    return [pick for letter in letters if (pick := slots[SLOTS.index(letter)]) is not None]


def filled(slots: Picks) -> list[Pick]:
    """The picks in all slots that are not empty, in order."""
    return [pick for pick in slots if pick is not None]


def latent_file(pick: Pick) -> Path:
    """A JSON file with the pick and its numbers, where the page serves files from.

    It counts pictures both ways: `index` from 0, as the API does, `number` from 1, as the page and the command line do.
    """
    numbers = pick.latent(load_generator(pick.generator).latent_dim).tolist()
    text = json.dumps({**asdict(pick), "number": pick.number, "latent": numbers}, indent=1) + "\n"
    return save_download(f"{pick.generator}_seed{pick.seed}_{pick.number:02d}.json", text.encode())


def figure(letter: str, pick: Pick | None) -> str:
    """A small `<figure>` of a pick with its letter, number and seed; a dashed square where there is none."""
    if pick is None:
        return f'<figure><span class="empty"></span><figcaption><b>{letter}</b> empty</figcaption></figure>'
    data = io.BytesIO()
    Image.fromarray(picture_of(pick)).save(data, format="PNG")
    source = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    caption = f"<b>{letter}</b> no. {pick.number}<br>seed {pick.seed}"
    return f'<figure><img src="{source}" alt="{letter}: {name_of(pick)}"><figcaption>{caption}</figcaption></figure>'


def slots_html(slots: Picks) -> str:
    """The slots side by side."""
    figures = [figure(letter, pick) for letter, pick in zip(SLOTS, slots, strict=True)]
    return f'<div class="picks">{"".join(figures)}</div>'


def _pick(drawn: SampleConfig | None, event: gr.SelectData) -> tuple[Any, ...]:
    """The pick, its picture, name and numbers, and the file with them, after a click in the gallery."""
    if drawn is None:
        raise InputError("Press “Generate” first; then click a picture.")
    pick = Pick(generator=drawn.generator, seed=drawn.seed, index=event.index, truncation=drawn.truncation)
    numbers = pick.latent(load_generator(pick.generator).latent_dim).tolist()
    download = gr.DownloadButton(value=str(latent_file(pick)), visible=True)
    return pick, picture_of(pick), name_of(pick), latent_plot(numbers), download


def _use_as(slot: int) -> Callable[[Pick | None, Picks], tuple[Picks, str]]:
    """The handler that puts the current pick into one slot."""

    def use(current: Pick | None, slots: Picks) -> tuple[Picks, str]:
        if current is None:
            raise InputError(f"Click a picture first; then it can be used as {SLOTS[slot]}.")
        changed = tuple(current if i == slot else pick for i, pick in enumerate(slots))
        return changed, slots_html(changed)

    return use


def _clear() -> tuple[Picks, str]:
    return NO_PICKS, slots_html(NO_PICKS)


def build_picks(gallery: gr.Gallery, drawn: gr.State) -> PickPanel:
    """Draws the panel beside the gallery and wires it: a click in `gallery`, which shows what `drawn` says, picks."""
    current, slots = gr.State(None), gr.State(NO_PICKS)
    picture = picture_output("Picked", elem_id="sample-pick", height=240)
    name = gr.Markdown(HINT, elem_id="sample-pick-name", elem_classes="status")
    numbers = gr.HTML(elem_id="sample-latent")
    with gr.Row(elem_classes="tight"):
        uses = [gr.Button(f"Use as {slot}", size="sm", min_width=70, elem_id=f"sample-use-{slot}") for slot in SLOTS]
    shown = gr.HTML(slots_html(NO_PICKS), elem_id="sample-slots")
    with gr.Row(elem_classes="tight"):
        clear = gr.Button("Clear A, B, C", size="sm", min_width=110, elem_id="sample-clear")
        download = gr.DownloadButton(
            "Its numbers (JSON)", size="sm", min_width=110, visible=False, elem_id="sample-latent-file"
        )
    picked = light([gallery.select], _pick, [drawn], [current, picture, name, numbers, download])
    picked.then(None, js=SHOW_PICK, api_visibility="private")
    for index, use in enumerate(uses):
        light([use.click], _use_as(index), [current, slots], [slots, shown])
    light([clear.click], _clear, [], [slots, shown])
    return PickPanel(current, slots)
