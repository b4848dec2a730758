"""The correlation of an ensemble's members as a heat map and as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from cvdemo.ops.heatmap import colour_map
from train.classify.measures import upright_text

CELL_PX, MARGIN_PX = 52, 16
_INK, _FAINT = "#1f2328", "#6a737d"
_DARK = 110  # cells with a luminance below this get white numbers
_CAPTION = "Pearson's correlation of the probability of the right class"

Matrix = npt.NDArray[np.float64]


def draw_correlation(matrix: Matrix, names: Sequence[str]) -> Image.Image:
    """A square cell for each pair of members, with its number; -1 is blue, 0 green, 1 red, not a number white.

    Raises:
        ValueError: not one name for each member.
    """
    if matrix.shape != (len(names), len(names)):
        raise ValueError(f"need one name for each member: {matrix.shape}, {len(names)} names")
    colours = colour_map(np.nan_to_num((matrix + 1) / 2).clip(0, 1).astype(np.float32))
    colours[np.isnan(matrix)] = 255
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    left = MARGIN_PX + 10 + int(max(font.getlength(name) for name in names))
    side = CELL_PX * len(names)
    right = max(left + side, MARGIN_PX + int(small.getlength(_CAPTION))) + MARGIN_PX
    picture = Image.new("RGB", (right, left + side + 3 * MARGIN_PX), "white")
    picture.paste(Image.fromarray(colours.repeat(CELL_PX, axis=0).repeat(CELL_PX, axis=1)), (left, left))
    pen = ImageDraw.Draw(picture)
    for row, name in enumerate(names):
        middle = left + CELL_PX * row + CELL_PX // 2
        pen.text((left - 8, middle), name, _INK, font, anchor="rm")
        upright_text(picture, name, (middle, left - 8), font)
        for column, value in enumerate(matrix[row]):
            ink = "white" if colours[row, column] @ (0.299, 0.587, 0.114) < _DARK else _INK
            pen.text((left + CELL_PX * column + CELL_PX // 2, middle), as_number(value), ink, font, anchor="mm")
    pen.text((MARGIN_PX, left + side + 3 * MARGIN_PX // 2), _CAPTION, _FAINT, small, anchor="lm")
    return picture


def correlation_lines(matrix: Matrix, names: Sequence[str]) -> list[str]:
    """The matrix with a number for each member, which stands before its name and over its column."""
    width = max(len(name) for name in names)
    head = " " * (width + 4) + "".join(f"{column:6d}" for column in range(1, len(names) + 1))
    rows = [
        f"{row:3d} {name:{width}s}" + "".join(f"{as_number(value):>6s}" for value in matrix[row - 1])
        for row, name in enumerate(names, start=1)
    ]
    return [head, *rows]


def as_number(value: float) -> str:
    """Two digits, "-" where it is not a number."""
    return "-" if np.isnan(value) else f"{value:.2f}"


def short_names(names: Sequence[str]) -> list[str]:
    """The last part of each path, where these differ; else the names."""
    last = [name.rstrip("/").rpartition("/")[2] for name in names]
    return last if len(set(last)) == len(last) else list(names)
