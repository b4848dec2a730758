"""Draws what the detectors find on the examples of the Detect tab: `python -m scripts.detected_examples [FOLDER]`.

To be run again when the weights of a detector have changed.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from cvdemo.demo import result_of
from cvdemo.demos import run
from cvdemo.detect.drawing import draw_detections, to_canvas
from cvdemo.detect.run import DetectRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.ui.detect.examples import EXAMPLES, Example, file_name
from scripts.folder_option import asked_folder

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "detected"
SIDE_PX = 360  # longer side; the page shows them half as large
QUALITY = 85


def drawn(example: Example) -> ImageArray:
    """The example with the boxes that its detector finds, small."""
    image = read_image(example_picture(example.picture))
    found = result_of(run(DetectRequest(image=image, config=DetectConfig(detector=example.detector))))
    return resize_to_fit(draw_detections(to_canvas(image), found.detections), SIDE_PX)


def main(folder: Path = FOLDER) -> None:
    """Writes all of them into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for example in EXAMPLES:
        Image.fromarray(drawn(example)).save(folder / file_name(example), quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(asked_folder(__doc__, FOLDER))
