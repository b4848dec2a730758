"""Galleries of example pictures: they show small ones, and a click brings the picture itself."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from cvdemo.example_pictures import example_picture, small_picture
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.wiring.controls import light


def picture_examples(
    names: Sequence[str],
    field: gr.Image,
    label: str = "Try one of these",
    elem_id: str | None = None,
    visible: bool = True,
) -> gr.Dataset:
    """Draws a gallery of the pictures of these names (see `example_picture`), whose click fills the field."""
    gallery = gr.Dataset(
        components=[gr.Image(visible=False, label=None, type="filepath", render=False)],
        samples=[[str(small_picture(name))] for name in names],
        label=label,
        type="index",
        samples_per_page=len(names),
        elem_id=elem_id,
        visible=visible,
    )

    def fill_from_example(index: int) -> str:
        return copy_of_example(names, index)

    light([gallery.click], fill_from_example, [gallery], [field])
    return gallery


def copy_of_example(names: Sequence[str], index: int) -> str:
    """The path of a copy of the picture, where the page serves files from."""
    path = Path(example_picture(names[index]))
    return str(save_download(path.name, path.read_bytes()))
