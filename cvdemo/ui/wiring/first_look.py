"""What a tab shows before anything is asked of it: a finished example, how long such a thing takes, and one click.

Drawn into the column of the tab's result, from outside of the tab; the empty fields for results are out of sight until
the first run begins (`static/going.js`). The pictures are made by `python -m scripts.finished_results`.
"""

import html
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from cvdemo.example_pictures import example_picture
from cvdemo.finished import CLASSIFIED, DREAMED, ENLARGED, PAINTED, SHEETS
from cvdemo.ui.serving.front import PLACE
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.wiring.controls import light
from cvdemo.ui.wiring.from_outside import beside, needed


@dataclass(frozen=True)
class Look:
    """The finished example of a tab.

    Attributes:
        result: element id of the field for its result, or of the row that holds it.
        seconds: for which a job runs; of docs/benchmarks.md, "The page".
        pictures: files of the finished results, with a caption each.
        example: name of the picture with which it was made; empty: the first of the tab's gallery.
        words: on the button.
    """

    result: str
    seconds: float
    pictures: tuple[tuple[str, str], ...]
    example: str = ""
    words: str = "Try it with this picture"


def _pair(tab: str, before: str, after: str) -> tuple[tuple[str, str], ...]:
    return ((f"{tab}_before.webp", before), (f"{tab}_after.webp", after))


LOOKS = {
    "classify": Look(
        "classify-answers", 0.02, _pair("classify", "Your picture", "“Cheetah”, and where it looked"), CLASSIFIED
    ),
    "detect": Look("detect-result", 0.34, _pair("detect", "Your picture", "A box round each face, counted")),
    "dream": Look("dream-result", 3.7, _pair("dream", "Your picture", "What the network sees in it"), DREAMED),
    "style": Look("style-result", 15.8, _pair("style", "Your picture", "Painted in the style you choose"), PAINTED),
    "sample": Look(
        "sample-result", 0.05, ((SHEETS[0].file, "Faces that nobody has drawn"),), words="Draw these, then your own"
    ),
    "upscale": Look("upscale-result", 0.15, _pair("upscale", "Plain enlargement", "By the network"), ENLARGED),
}


_PRESS = """() => {
    const press = () => {
        const first = document.querySelector("#SLUG-examples .gallery-item");
        if (first) first.click();
        else setTimeout(press, 100); // the gallery is still on its way
    };
    press();
}"""


def promise(seconds: float) -> str:
    """How long it takes, in words."""
    time = "less than 0.1 s" if seconds < 0.1 else f"about {seconds:.1f} s" if seconds < 2 else f"about {seconds:.0f} s"
    return f"What you get, in {time}"


def show_finished(page: gr.Blocks) -> None:
    """Draws the finished example of each tab and wires its button.

    Raises:
        ValueError: a tab has no field for its result.
    """
    for slug, look in LOOKS.items():
        with beside(needed(page, look.result), below=False):
            gr.Markdown(_figures(look), sanitize_html=False, elem_id=f"{slug}-finished", elem_classes="finished")
            button = gr.Button(look.words, elem_id=f"{slug}-try", elem_classes="finished")
        _wire(page, slug, look, button)


def _figures(look: Look) -> str:
    figures = "".join(
        f'<figure><img src="./{PLACE}/{file}" loading="lazy" alt="{html.escape(words)}">'
        f"<figcaption>{html.escape(words)}</figcaption></figure>"
        for file, words in look.pictures
    )
    return f'<p>{promise(look.seconds)}</p><div class="pair">{figures}</div>'


def _wire(page: gr.Blocks, slug: str, look: Look, button: gr.Button) -> None:
    """The click chooses the picture, by which the run begins by itself."""
    silent: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    if not look.example:
        button.click(None, js=_PRESS.replace("SLUG", slug), **silent)
        return
    light([button.click], partial(_copy_of, look.example), [], [needed(page, f"{slug}-image")])
    button.click(None, js=f"() => window.cvdemo.picked({json.dumps([slug, look.example])[1:-1]})", **silent)


def _copy_of(example: str) -> str:
    """The example picture, where the page serves files from."""
    path = Path(example_picture(example))
    return str(save_download(path.name, path.read_bytes()))
