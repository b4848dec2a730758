"""Paints the finished results of the Style tab: `python -m scripts.painted_examples [FOLDER]`.

To be run again when the network, or how a picture is painted, has changed.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.style.config import StyleConfig
from cvdemo.style.run import StyleRequest, Stylized
from cvdemo.ui.style_examples import PAINTED, Painted, file_name, style_picture
from scripts.folder_option import asked_folder

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "painted"
CONFIG = StyleConfig()
SIDE_PX = 360  # longer side; the page shows them half as large
QUALITY = 85


def painted(example: Painted) -> ImageArray:
    """The photograph in its style, small."""
    content, style = read_image(example_picture(example.picture)), read_image(style_picture(example.style))
    result: Stylized = result_of(run(StyleRequest(content=content, style=style, config=CONFIG)))
    return resize_to_fit(result.image, SIDE_PX)


def main(folder: Path = FOLDER) -> None:
    """Writes all of them into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for example in PAINTED:
        Image.fromarray(painted(example)).save(folder / file_name(example), quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(asked_folder(__doc__, FOLDER))
