"""Draws what each preset of the Dream tab makes of one example, small: `python -m scripts.dream_thumbnails [FOLDER]`.

To be run again when a preset or the dream itself has changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image

from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.presets import PRESETS, THUMBNAILS, thumbnail_name
from cvdemo.dream.run import DreamRequest
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image
from scripts.folder_option import asked_folder

FOLDER = Path(__file__).resolve().parents[1] / "examples" / THUMBNAILS
PICTURE = "chelsea"
DREAM_PX = 160  # side of the dream: larger ones are no clearer when they are small again
SIDE_PX = 96
QUALITY = 80


def drawn(config: DreamConfig, picture: ImageArray) -> Image.Image:
    """The preset's dream of the picture's middle, a square of `SIDE_PX`."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    dreamed = result_of(run(DreamRequest(image=square, config=replace(config, size_px=DREAM_PX))))
    return Image.fromarray(dreamed.image).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def main(folder: Path = FOLDER) -> None:
    """Writes all of them into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = read_image(example_picture(PICTURE))
    for name, config in PRESETS.items():
        drawn(config, picture).save(folder / thumbnail_name(name), quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(asked_folder(__doc__, FOLDER))
