"""Makes the sheet of colours of `docs/experiments/dream.md`: `python -m scripts.dream_colours [FOLDER]`.

A row for each picture and objective, a column for each way of colouring the gradient. All else is the same. `matrix` is
`cvdemo.dream.colour.colour_matrix`; `plain` mixes the picture's own colours with the plain gradient, without it.
The script also prints how colourful the dreams are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.dream.colour import colour_matrix
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.run import DreamRequest
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.whole_files import write_whole
from scripts.dream_channels import webp_bytes
from scripts.folder_option import asked_folder

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "experiments" / "dream"
PICTURES = ("lion", "castle", "rocket", "astronaut")
OBJECTIVES = {"one block": "block8", "two blocks": "block8 + 0.3*block12"}
DREAM_PX, SIDE_PX, LABEL_PX = 256, 150, 14
SHEET_BYTES = 175_000

Matrix = Callable[[float], Tensor]


def plain_matrix(colour: float) -> Tensor:
    """(3, 3): from the mean of red, green and blue at 0 to the gradient as it is at 1, by a straight line."""
    return torch.lerp(torch.full((3, 3), 1 / 3), torch.eye(3), colour)


WAYS: Mapping[str, tuple[Matrix, float]] = {
    **{f"matrix {colour:g}": (colour_matrix, colour) for colour in (0.0, 0.3, 0.5, 0.55, 1.0)},  # 1 is plain 1 too
    **{f"plain {colour:g}": (plain_matrix, colour) for colour in (0.3, 0.55)},
}


def colourfulness(image: ImageArray) -> float:
    """D. Hasler and S. Suesstrunk, 2003, in grey levels: spread and mean of red - green and of yellow - blue."""
    red, green, blue = (image[..., channel].astype(float) for channel in range(3))
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))


def dreamed(picture: str, objective: str, way: str) -> ImageArray:
    """A dream with its gradient coloured in one of the ways."""
    matrix, colour = WAYS[way]
    config = DreamConfig(objective=objective, colour=colour, size_px=DREAM_PX)
    with patch("cvdemo.dream.deepdream.colour_matrix", matrix):
        image: ImageArray = result_of(
            run(DreamRequest(image=read_image(example_picture(picture)), config=config, device="cpu"))
        ).image
    return image


def square(image: ImageArray) -> Image.Image:
    """The middle of a picture, small."""
    height, width = image.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    middle = Image.fromarray(image[top : top + side, left : left + side])
    return middle.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def main(folder: Path = FOLDER) -> None:
    """Writes the sheet into the folder, and prints the table of colourfulness."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(picture, name) for picture in PICTURES for name in OBJECTIVES]
    sheet = Image.new("RGB", (len(WAYS) * SIDE_PX, LABEL_PX + len(rows) * SIDE_PX), "white")
    print("| Gradient | " + " | ".join(OBJECTIVES) + " |\n|---|" + "---:|" * len(OBJECTIVES))
    for column, way in enumerate(WAYS):
        ImageDraw.Draw(sheet).text((column * SIDE_PX + 4, 1), way, "black")
        found: dict[str, list[float]] = {name: [] for name in OBJECTIVES}
        for row, (picture, name) in enumerate(rows):
            image = dreamed(picture, OBJECTIVES[name], way)
            found[name].append(colourfulness(image))
            sheet.paste(square(image), (column * SIDE_PX, LABEL_PX + row * SIDE_PX))
        print(f"| {way} | " + " | ".join(f"{mean(values):.0f}" for values in found.values()) + " |", flush=True)
    write_whole(folder / "colours.webp", webp_bytes(sheet, SHEET_BYTES))


if __name__ == "__main__":
    main(asked_folder(__doc__, FOLDER))
