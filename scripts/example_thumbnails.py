"""Makes the example pictures small, as galleries show them: `python -m scripts.example_thumbnails [FOLDER]`.

To be run again when a tab offers another picture, or a finished result is made anew.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cvdemo.data_folders import data_folder
from cvdemo.example_pictures import SMALL, example_picture
from cvdemo.ui import classify, dream, style_examples, upscale
from cvdemo.ui.detect import examples as detected
from cvdemo.ui.teach import answers
from scripts.folder_option import asked_folder

FOLDER = data_folder("examples") / SMALL
PICTURES = {*classify.EXAMPLES, *dream.EXAMPLES, *upscale.EXAMPLES, *style_examples.PICTURES}
STYLES = {f"styles/{name}" for name in (*style_examples.PAINTINGS, *style_examples.DRAWN)}
RESULTS = {
    *(f"{detected.DETECTED}/{Path(detected.file_name(example)).stem}" for example in detected.EXAMPLES),
    *(
        f"{style_examples.FINISHED}/{Path(style_examples.file_name(example)).stem}"
        for example in style_examples.PAINTED
    ),
}
NAMES = sorted(PICTURES | STYLES | RESULTS | set(answers.TRIED))
SIDE_PX = 144  # of the shorter side: galleries show some 80 px, and phones have two or three for each of them
QUALITY = 70


def reduced(path: str) -> Image.Image:
    """The picture, `SIDE_PX` on its shorter side."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    scale = SIDE_PX / min(picture.size)
    size_wh = (round(picture.width * scale), round(picture.height * scale))
    return picture.resize(size_wh, Image.Resampling.LANCZOS)


def main(folder: Path = FOLDER) -> None:
    """Writes all of them into the folder."""
    for name in NAMES:
        target = folder / f"{name}.webp"
        target.parent.mkdir(parents=True, exist_ok=True)
        reduced(example_picture(name)).save(target, quality=QUALITY, method=6)


if __name__ == "__main__":
    main(asked_folder(__doc__, FOLDER))
