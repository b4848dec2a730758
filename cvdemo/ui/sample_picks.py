"""Picks of the Sample tab: the picture that was clicked, its latent, and the slots A, B and C that keep some of them.

A pick is a generator, a seed, a number and a truncation, from which its picture is drawn again wherever it is needed:
so picks outlive the drawing that they were made from. One picture takes less time than its PNG.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from cvdemo.demo import Run, result_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, png_bytes
from cvdemo.sample.generate import Pick, SampleConfig
from cvdemo.sample.run import PickedPicture, PicksRequest
from cvdemo.ui.sample_names import pick_stem
from cvdemo.ui.serving.result_names import call_results
from cvdemo.ui.wiring.controls import given, light, picture_output, save_download
from cvdemo.ui.wiring.latent_plot import latent_plot

SLOTS = ("A", "B", "C")
Picks = tuple[Pick | None, ...]  # one for each slot
NO_PICKS: Picks = (None,) * len(SLOTS)
HINT = (
    "Generate, then click a picture. The random numbers that it was drawn from appear here. Choose pictures as A, B "
    "and C to mix them further down."
)


@dataclass(frozen=True)
class PickPanel:
    """What other parts of the tab read: the pick that was clicked last, and the slots."""

    current: gr.State
    slots: gr.State


def draw(run: Run, picks: Sequence[Pick]) -> list[PickedPicture]:
    """The pictures of the picks, drawn again, with their latents."""
    pictures: list[PickedPicture] = result_of(run(PicksRequest(picks=tuple(picks))))
    return pictures


def name_of(pick: Pick) -> str:
    """Its number, counted from 1, its seed and its variety, the truncation, in words."""
    return f"Picture {pick.number} of seed {pick.seed}, variety {pick.truncation:g}"


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


def latent_file(pick: Pick, numbers: Sequence[float]) -> Path:
    """A JSON file with the pick and its numbers, where the page serves files from.

    It counts pictures both ways: `index` from 0, as the API does, `number` from 1, as the page and the command line do.
    """
    text = json.dumps({**asdict(pick), "number": pick.number, "latent": list(numbers)}, indent=1) + "\n"
    return save_download(f"{pick_stem(pick)}.json", text.encode())


def figures(run: Run, slots: Picks) -> list[str]:
    """The slots with their letters, as HTML, from one drawing."""
    picks = list(dict.fromkeys(filled(slots)))  # one that stands in two slots is drawn once
    pictures = dict(zip(picks, draw(run, picks) if picks else [], strict=True))
    shown = zip(SLOTS, slots, strict=True)
    return [figure(letter, pick, None if pick is None else pictures[pick].image) for letter, pick in shown]


def figure(letter: str, pick: Pick | None, picture: ImageArray | None) -> str:
    """A small `<figure>` of a pick with its letter, number and seed; a dashed square where there is none."""
    if pick is None or picture is None:
        return f'<figure><span class="empty"></span><figcaption><b>{letter}</b> empty</figcaption></figure>'
    source = "data:image/png;base64," + base64.b64encode(png_bytes(picture)).decode()
    caption = f"<b>{letter}</b> no. {pick.number}<br>seed {pick.seed}"
    return f'<figure><img src="{source}" alt="{letter}: {name_of(pick)}"><figcaption>{caption}</figcaption></figure>'


def slots_html(run: Run, slots: Picks) -> str:
    """The slots side by side."""
    return f'<div class="picks">{"".join(figures(run, slots))}</div>'


def pick_on_page(run: Run, drawn: SampleConfig | None, event: gr.SelectData) -> tuple[Any, ...]:
    """The pick, its picture, name and numbers, and the file with them, after a click in the gallery."""
    if drawn is None:
        raise InputError("Press “Generate” first; then click a picture.")
    pick = Pick(generator=drawn.generator, seed=drawn.seed, index=event.index, truncation=drawn.truncation)
    call_results(pick_stem(pick))
    (picked,) = draw(run, [pick])
    numbers = picked.latent.tolist()
    download = gr.DownloadButton(value=str(latent_file(pick, numbers)), visible=True)
    return pick, picked.image, name_of(pick), latent_plot(numbers), download


def use_as(run: Run, slot: int, current: Pick | None, slots: Picks) -> tuple[Picks, str]:
    """The slots with the current pick in one of them, and what they show."""
    if current is None:
        raise InputError(f"Click a picture first; then it can be used as {SLOTS[slot]}.")
    changed = tuple(current if i == slot else pick for i, pick in enumerate(slots))
    return changed, slots_html(run, changed)


def clear_slots(run: Run) -> tuple[Picks, str]:
    """Empty slots, and what they show."""
    return NO_PICKS, slots_html(run, NO_PICKS)


def build_picks(run: Run, gallery: gr.Gallery, drawn: gr.State) -> PickPanel:
    """Draws the panel beside the gallery and wires it: a click in `gallery`, which shows what `drawn` says, picks."""
    current, slots = gr.State(None), gr.State(NO_PICKS)
    picture = picture_output("Picked", elem_id="sample-pick", height=240)
    name = gr.Markdown(HINT, elem_id="sample-pick-name", elem_classes="status")
    numbers = gr.HTML(elem_id="sample-latent")
    with gr.Row(elem_classes="tight"):
        uses = [gr.Button(f"Use as {slot}", size="sm", min_width=70, elem_id=f"sample-use-{slot}") for slot in SLOTS]
    shown = gr.HTML(slots_html(run, NO_PICKS), elem_id="sample-slots")
    with gr.Row(elem_classes="tight"):
        clear = gr.Button("Clear A, B, C", size="sm", min_width=110, elem_id="sample-clear")
        download = gr.DownloadButton(
            "Its numbers (JSON)", size="sm", min_width=110, visible=False, elem_id="sample-latent-file"
        )
    light([gallery.select], given(run, pick_on_page), [drawn], [current, picture, name, numbers, download])
    for index, use in enumerate(uses):
        light([use.click], partial(use_as, run, index), [current, slots], [slots, shown])
    light([clear.click], given(run, clear_slots), [], [slots, shown])
    return PickPanel(current, slots)
