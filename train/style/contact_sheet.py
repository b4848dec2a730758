"""A sheet of fixed photographs in fixed styles: what a network that repaints has learned, at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cvdemo.data_folders import data_folder
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray
from train.data.read_pictures import read_resized

PHOTOGRAPH_NAMES = ("astronaut", "chelsea", "coffee", "rocket")

Paint = Callable[[ImageArray, ImageArray], ImageArray]  # content, style -> the repainted content


def example_photographs(side_px: int) -> list[ImageArray]:
    """The project's example photographs as squares."""
    return [np.array(read_resized(Path(example_picture(name)), side_px)) for name in PHOTOGRAPH_NAMES]


def example_styles(side_px: int) -> list[ImageArray]:
    """The project's example styles as squares."""
    paths = sorted((data_folder("examples") / "styles").glob("*.jpg"))
    return [np.array(read_resized(path, side_px)) for path in paths]


def contact_sheet(contents: Sequence[ImageArray], styles: Sequence[ImageArray], paint: Paint) -> Image.Image:
    """Styles from top to bottom, contents from left to right, and each in each: squares of one size.

    Raises:
        ValueError: no pictures, or not squares of one size.
    """
    shapes = {picture.shape for picture in (*contents, *styles)}
    if not contents or not styles or len(shapes) != 1:
        raise ValueError(f"need contents and styles of one size, got {len(contents)}, {len(styles)}, {sorted(shapes)}")
    rows = [np.hstack([np.full_like(contents[0], 255), *contents])]
    rows += [np.hstack([style, *(paint(content, style) for content in contents)]) for style in styles]
    return Image.fromarray(np.vstack(rows))
