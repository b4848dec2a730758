"""The pictures that the Style tab offers: photographs, paintings, drawn styles, and finished results.

A click on a result brings its photograph and its style. The results are made by `python -m scripts.painted_examples`,
with the settings of the library.
"""

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from cvdemo.example_pictures import example_picture, small_picture
from cvdemo.ui.serving.result_names import file_stem, stem_of
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.wiring.controls import light, picture_input
from cvdemo.ui.wiring.example_gallery import picture_examples

PICTURES = ("chelsea", "astronaut", "tower", "coffee", "castle", "cows", "musicians")
PAINTINGS = (
    "cafe_terrace",
    "great_wave",
    "church_at_auvers",
    "summertime",
    "night_cafe",
    "moulin_de_la_galette",
    "poppies",
)
DRAWN = ("night_swirls", "autumn_strokes", "stained_glass", "mosaic", "woodcut_waves", "halftone", "ink_wash")

FINISHED = "painted"  # folder in `examples/`


@dataclass(frozen=True)
class Painted:
    """A picture of `examples/`, and the style that it is painted in."""

    picture: str
    style: str


PAINTED = (
    Painted("castle", "cafe_terrace"),
    Painted("chelsea", "great_wave"),
    Painted("tower", "church_at_auvers"),
    Painted("cows", "summertime"),
)


def style_picture(name: str) -> str:
    """The path of a style picture."""
    return example_picture(f"styles/{name}")


def file_name(example: Painted) -> str:
    """Of the small finished result."""
    return f"{example.picture}_{example.style}.jpg"


def painted_picture(example: Painted) -> str:
    """The path of the small finished result."""
    return example_picture(f"{FINISHED}/{Path(file_name(example)).stem}")


def painted_stem(content: str | None, style: str | None) -> str:
    """The name of a result's file, without its ending: what is painted, and like what."""
    return file_stem("painted", stem_of(content), "like", stem_of(style, "style"))


def build_examples(content: gr.Image, style: gr.Image) -> None:
    """Draws the galleries, whose clicks fill the two fields."""
    results = gr.Dataset(
        components=[gr.Image(visible=False, label=None, type="filepath")],
        samples=[[str(small_picture(f"{FINISHED}/{Path(file_name(example)).stem}"))] for example in PAINTED],
        label="Finished: press one to load its picture and style",
        type="index",
        elem_id="style-painted",
    )
    light([results.click], chosen, [results], [content, style])
    picture_examples(PICTURES, content, "Pictures", "style-pictures")
    styles_gallery(style, "style-styles")


def styles_gallery(style: gr.Image, elem_id: str) -> None:
    """The page's style pictures, to choose at one click."""
    picture_examples([f"styles/{name}" for name in (*PAINTINGS, *DRAWN)], style, "Styles", elem_id)


def first_style() -> str:
    """The path of the style that stands there when the page opens."""
    return style_picture(DRAWN[0])


def style_input(elem_id: str) -> gr.Image:
    """The field for a style picture, with the first of those that were drawn here."""
    return picture_input("Style", value=first_style(), elem_id=elem_id, height=240, min_width=140)


def chosen(index: int) -> list[str]:
    """Copies of the photograph and of the style where the page serves files from."""
    example = PAINTED[index]
    paths = [Path(example_picture(example.picture)), Path(style_picture(example.style))]
    return [str(save_download(path.name, path.read_bytes())) for path in paths]
