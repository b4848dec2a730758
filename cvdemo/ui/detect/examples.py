"""Examples of the Detect tab: pictures with their boxes already drawn; a click runs the detector on the bare picture.

The drawn results are made by `python -m scripts.detected_examples`, with the detectors as they are on the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.example_pictures import example_picture, small_picture
from cvdemo.ui.detect.controls import Choice, own_values
from cvdemo.ui.wiring.controls import light, save_download

DETECTED = "detected"  # folder in `examples/`


@dataclass(frozen=True)
class Example:
    """A picture of `examples/`, and the detector that it is for."""

    picture: str
    detector: str


EXAMPLES = (
    Example("street", "objects"),
    Example("mariachi", "face"),
    Example("musicians", "objects"),
    Example("cows", "objects"),
    Example("smear", "bccd"),
    Example("faces", "face"),
    Example("people_and_cats", "objects"),
    Example("animals", "imagenet"),
    Example("astronaut", "face"),
    Example("cheetah", "imagenet"),
    Example("lion", "imagenet"),
    Example("coffee", "imagenet"),
)


def file_name(example: Example) -> str:
    """Of the small picture with the boxes that the detector finds."""
    return f"{example.picture}_{example.detector}.jpg"


def detected_picture(example: Example) -> str:
    """The path of the small picture with the boxes that the detector finds."""
    return example_picture(f"{DETECTED}/{Path(file_name(example)).stem}")


@dataclass(frozen=True)
class Examples:
    """The gallery, and what a click on it fills."""

    gallery: gr.Dataset
    image: gr.Image
    choice: Choice

    def sets(self, controls: Mapping[str, Component]) -> None:
        """Wires it; the controls, those of `own_values`, get the own values of the example's detector."""
        light([self.gallery.click], _chosen, [self.gallery], [self.choice.detector, *controls.values(), self.image])


def _chosen(index: int) -> list[Any]:
    """Detector, its own values, and a copy of the picture where the page serves files from."""
    example = EXAMPLES[index]
    path = Path(example_picture(example.picture))
    return [example.detector, *own_values(example.detector).values(), str(save_download(path.name, path.read_bytes()))]


def build_examples(image: gr.Image, choice: Choice) -> Examples:
    """Draws the gallery."""
    gallery = gr.Dataset(
        components=[gr.Image(visible=False, label=None, type="filepath")],
        samples=[[str(small_picture(f"{DETECTED}/{Path(file_name(example)).stem}"))] for example in EXAMPLES],
        label="Examples, with what was found",
        type="index",
        samples_per_page=len(EXAMPLES),
        elem_id="detect-examples",
    )
    return Examples(gallery, image, choice)
