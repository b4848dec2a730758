"""The doubtful pictures of a lesson, each with buttons that move it to the class it looks like, or take it away."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cvdemo.classify.teach import Taught, Verdict
from cvdemo.errors import InputError
from cvdemo.limits import TEACH_CLASSES
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.thumbnails import source_of

SIDE_PX = 240  # longer side of a picture in the list
ASKED = re.compile(r"(move|remove) (\d{1,3})")  # and which of the doubtful pictures, from 0
NO_SUCH = "This picture is not there any more. Press Teach to see the doubtful ones."


@dataclass(frozen=True)
class Doubt:
    """A picture that may stand in the wrong class.

    Attributes:
        number, to: its class on the page, from 0, and the one that it looks like.
        path: of its file. small: a JPEG of it.
    """

    number: int
    to: int
    path: str
    small: bytes
    verdict: Verdict

    def still_there(self, galleries: Sequence[Sequence[str]]) -> bool:
        """Whether its class has it yet; `galleries` are the paths of all classes of the page."""
        return self.path in (galleries[self.number] or ())

    def row(self, index: int, names: Sequence[str]) -> str:
        """One entry of the list as HTML; `names` are those of all classes of the page as they are called now."""
        name, other = (html.escape(names[number]) for number in (self.number, self.to))
        words = replace(self.verdict, label=names[self.number], answer=names[self.to]).in_words
        which = f"doubtful picture {index + 1}, now in {name}"
        buttons = [("remove", "Remove")]
        if self.to != self.number:
            buttons.insert(0, ("move", f"Move to {other}"))
        drawn = "".join(
            f'<button type="button" data-mend="{verb} {index}" aria-label="{said}: {which}">{said}</button>'
            for verb, said in buttons
        )
        return (
            f'<li><img src="{source_of(self.small)}" alt="Doubtful picture {index + 1}">'
            f"<div><p>{html.escape(words)}</p>{drawn}</div></li>"
        )


def doubts_of(
    taught: Taught, numbers: Sequence[int], paths: Sequence[Sequence[str]], small: Sequence[bytes]
) -> tuple[Doubt, ...]:
    """The most doubtful first.

    Args:
        numbers, paths: of each class of the head, its number on the page and the pictures that could be read.
        small: of each doubtful picture, in the order of `taught.doubtful`.
    """
    place = {label: k for k, label in enumerate(taught.head.labels)}
    return tuple(
        Doubt(numbers[place[each.label]], numbers[place[each.answer]], paths[place[each.label]][each.index], jpeg, each)
        for each, jpeg in zip(taught.doubtful, small, strict=True)
    )


def doubts_html(doubts: Sequence[Doubt], names: Sequence[str], galleries: Sequence[Sequence[str]]) -> str:
    """The list of those that are still in their classes; nothing where there is none."""
    rows = [each.row(index, names) for index, each in enumerate(doubts) if each.still_there(galleries)]
    return f'<ul class="doubts">{"".join(rows)}</ul>' if rows else ""


def mend(asked: str, doubts: Sequence[Doubt], values: Sequence[Any]) -> list[list[str]]:
    """The paths of all classes once a picture is moved or removed; `values` are those of `Classes.inputs`.

    Raises:
        InputError: nothing of the kind can be done, or the picture is in its class no more.
    """
    galleries = [list(paths or ()) for paths in values[TEACH_CLASSES:]]
    found = ASKED.fullmatch(asked or "")
    if found is None or int(found[2]) >= len(doubts):
        raise InputError(NO_SUCH)
    doubt = doubts[int(found[2])]
    if not doubt.still_there(galleries):
        raise InputError(NO_SUCH)
    galleries[doubt.number].remove(doubt.path)
    if found[1] == "move":
        galleries[doubt.to].append(doubt.path)
    return galleries


def build_doubts() -> gr.HTML:
    """Draws the list, which is empty."""
    return gr.HTML(elem_id="teach-doubtful")


def wire_doubts(
    mend_on_page: Any, lesson: Component, inputs: Sequence[Component], outputs: Sequence[Component]
) -> Dependency:
    """Wires the buttons, and returns the event of a press.

    `static/doubts.js` knows which one was pressed, presses the hidden one here, and sees to the keys afterwards.
    """
    asked, button = gr.Textbox(visible="hidden"), gr.Button(visible="hidden", elem_id="teach-mend")
    wiring: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    done: Dependency = button.click(
        guarded(mend_on_page),
        [asked, lesson, *inputs],
        list(outputs),
        js="(_, ...others) => [window.cvdemo.mending(), ...others]",
        **wiring,
    )
    done.then(None, js="() => window.cvdemo.mended()", **wiring)
    return done
