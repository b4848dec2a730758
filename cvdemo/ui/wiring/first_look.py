"""What a tab shows before anything is asked of it: a finished example, how long such a thing takes, and one click.

Drawn into the column of the tab's result, from outside of the tab; the empty fields for results are out of sight until
the first run begins (`static/going.js`). The pictures are made by `python -m scripts.finished_results`.
"""

import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cvdemo.example_pictures import example_picture
from cvdemo.finished import CLASSIFIED, DETECTED, DREAMED, ENLARGED, PAINTED, SHEETS, path_of
from cvdemo.ui.serving.front import PLACE
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.wiring.controls import light
from cvdemo.ui.wiring.from_outside import beside, needed


@dataclass(frozen=True)
class Look:
    """The finished example of a tab.

    Attributes:
        result: element id of the field for its result, or of the row that holds it.
        pictures: files of the finished results, with a caption each.
        picture: name of the example picture with which it was made.
        in_gallery: whether a click on the first of the tab's own examples brings it, with its settings.
        words: on the button.
    """

    result: str
    pictures: tuple[tuple[str, str], ...]
    picture: str
    in_gallery: bool = False
    words: str = "Try it with this picture"

    @property
    def path(self) -> str:
        """Of the example picture; empty where there is none."""
        return example_picture(self.picture) if self.picture else ""


def _pair(tab: str, before: str, after: str) -> tuple[tuple[str, str], ...]:
    return ((f"{tab}_before.webp", before), (f"{tab}_after.webp", after))


LOOKS = {
    "classify": Look(
        "classify-answers", _pair("classify", "Your picture", "“Cheetah”, and where it looked"), CLASSIFIED
    ),
    "detect": Look(
        "detect-result",
        _pair("detect", "Your picture", "A box round each thing, and a count"),
        DETECTED,
        in_gallery=True,
    ),
    "dream": Look("dream-result", _pair("dream", "Your picture", "What the network sees in it"), DREAMED),
    "style": Look("style-result", _pair("style", "Your picture", "Painted in the style you choose"), PAINTED),
    "sample": Look(
        "sample-result",
        ((SHEETS[0].file, "Faces that nobody has drawn"),),
        "",
        in_gallery=True,
        words="Draw these, then your own",
    ),
    "upscale": Look("upscale-result", _pair("upscale", "Plain enlargement", "By the network"), ENLARGED),
}


_PRESS = """() => {
    const press = () => {
        const first = document.querySelector("#SLUG-examples .gallery-item");
        if (first) first.click();
        else setTimeout(press, 100); // the gallery is still on its way
    };
    press();
}"""


def promise(seconds: float | None) -> str:
    """How long it takes, in words; without them where nobody knows yet."""
    if seconds is None:
        return "What you get"
    time = "less than 0.1 s" if seconds < 0.1 else f"about {seconds:.1f} s" if seconds < 2 else f"about {seconds:.0f} s"
    return f"What you get, in {time}"


def show_finished(page: gr.Blocks) -> dict[str, gr.Markdown]:
    """Draws the finished example of each tab and wires its button; returns what `tell_promises` fills in.

    Raises:
        ValueError: a tab has no field for its result.
    """
    shown = {}
    for slug, look in LOOKS.items():
        with beside(needed(page, look.result), below=False):
            shown[slug] = gr.Markdown(
                _figures(look), sanitize_html=False, elem_id=f"{slug}-finished", elem_classes="finished"
            )
            button = gr.Button(look.words, elem_id=f"{slug}-try", elem_classes="finished")
        _wire(page, slug, look, button)
    return shown


def tell_promises(page: gr.Blocks, shown: Mapping[str, gr.Markdown], expected_s: Callable[[str], float | None]) -> None:
    """From now on whoever opens the page reads how long each tab's finished example takes.

    Args:
        expected_s: of a tab, by its slug.
    """
    values = {field._id: _figures(LOOKS[slug], expected_s(slug)) for slug, field in shown.items()}
    for field in shown.values():
        field.value = values[field._id]  # of which gradio makes the configuration anew when it launches
    for described in page.config["components"]:
        if described["id"] in values:
            described["props"]["value"] = values[described["id"]]


def _figures(look: Look, seconds: float | None = None) -> str:
    figures = "".join(
        f'<figure><img src="./{PLACE}/{file}" {_size(file)} loading="lazy" alt="{html.escape(words)}">'
        f"<figcaption>{html.escape(words)}</figcaption></figure>"
        for file, words in look.pictures
    )
    return f'<p>{promise(seconds)}</p><div class="pair">{figures}</div>'


def _size(file: str) -> str:
    """Keeps the place of a picture while it is on its way."""
    with Image.open(path_of(file)) as picture:
        return f'width="{picture.width}" height="{picture.height}"'


def _wire(page: gr.Blocks, slug: str, look: Look, button: gr.Button) -> None:
    """The click chooses the picture, by which the run begins by itself."""
    silent: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    if look.in_gallery:
        button.click(None, js=_PRESS.replace("SLUG", slug), **silent)
        return
    light([button.click], partial(_copy_of, look.picture), [], [needed(page, f"{slug}-image")])
    button.click(None, js=f"() => window.cvdemo.picked({json.dumps([slug, look.picture])[1:-1]})", **silent)


def _copy_of(example: str) -> str:
    """The example picture, where the page serves files from."""
    path = Path(example_picture(example))
    return str(save_download(path.name, path.read_bytes()))
