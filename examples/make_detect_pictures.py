"""Makes the pictures with several objects of the Detect tab: `python examples/make_detect_pictures.py [FOLDER]`.

Three pictures are put together from single photographs, which shows sizes, tilts and lights beside one another, and
one is drawn: a stained blood smear. Everything comes from seeded generators: the same machine gives the same bytes.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from cvdemo.example_pictures import example_picture

Array = npt.NDArray[np.float32]

FOLDER = Path(__file__).parent
QUALITY = 90
GROUND = (222, 219, 212)
TILE_WH, GAP_PX = (468, 330), 8
FACE_BOX = (120, 0, 350, 250)  # head and shoulders in `astronaut.jpg`
FACES = (  # side in px, left, top, angle in degrees, mirrored, grey, brightness
    (300, 20, 60, 0, False, False, 1.0),
    (220, 340, 20, 12, True, False, 1.0),
    (160, 580, 40, -18, False, True, 1.0),
    (120, 770, 30, 0, True, False, 0.55),
    (200, 360, 280, -8, False, True, 0.9),
    (140, 590, 250, 20, True, False, 1.2),
    (96, 760, 190, 0, False, False, 1.0),
    (72, 860, 320, 8, True, True, 1.0),
    (56, 770, 330, 0, False, False, 0.8),
    (150, 590, 420, 0, True, True, 1.1),
    (110, 780, 430, -14, False, False, 1.0),
)
PHOTOGRAPHS = (  # name, side in px, left, top, mirrored
    ("camera", 300, 30, 20, False),
    ("astronaut", 360, 380, 20, False),
    ("chelsea", 260, 60, 370, False),
    ("astronaut", 150, 760, 60, False),
    ("camera", 170, 750, 380, True),
    ("chelsea", 160, 480, 430, False),
)
SHEET_WH = (940, 590)
SMEAR_WH = (640, 480)
RED_CELLS, PLATELETS = 34, 6
WHITE_CELLS = ((0.30, 0.40, 56), (0.74, 0.62, 50))  # x and y as shares of the sides, radius in px


def animals() -> Image.Image:
    """Two cheetahs, a lion and a cat: four photographs side by side."""
    sheet = Image.new("RGB", (2 * TILE_WH[0] + 3 * GAP_PX, 2 * TILE_WH[1] + 3 * GAP_PX), (255, 255, 255))
    for i, name in enumerate(("cheetah", "chelsea", "lion", "cheetah1")):
        with Image.open(example_picture(name)) as picture:
            tile = ImageOps.fit(picture.convert("RGB"), TILE_WH, Image.Resampling.LANCZOS)
        column, row = i % 2, i // 2
        sheet.paste(tile, (GAP_PX + column * (TILE_WH[0] + GAP_PX), GAP_PX + row * (TILE_WH[1] + GAP_PX)))
    return sheet


def faces() -> Image.Image:
    """One portrait eleven times: large and small, tilted, mirrored, grey, dark and light."""
    sheet = Image.new("RGB", SHEET_WH, GROUND)
    with Image.open(example_picture("astronaut")) as picture:
        head = picture.convert("RGB").crop(FACE_BOX)
    for side, left, top, angle, mirrored, grey, light in FACES:
        size_wh = (side, round(side * head.height / head.width))
        shown = ImageEnhance.Brightness(head.resize(size_wh, Image.Resampling.LANCZOS)).enhance(light)
        shown = ImageOps.mirror(shown) if mirrored else shown
        shown = ImageOps.grayscale(shown).convert("RGB") if grey else shown
        mask = Image.new("L", shown.size, 255).rotate(angle, Image.Resampling.BICUBIC, expand=True)
        sheet.paste(shown.rotate(angle, Image.Resampling.BICUBIC, expand=True), (left, top), mask)
    return sheet


def people_and_cats() -> Image.Image:
    """Two people and a cat, twice each, large and small."""
    sheet = Image.new("RGB", SHEET_WH, GROUND)
    for name, side, left, top, mirrored in PHOTOGRAPHS:
        with Image.open(example_picture(name)) as picture:
            size_wh = (side, round(side * picture.height / picture.width))
            shown = picture.convert("RGB").resize(size_wh, Image.Resampling.LANCZOS)
        sheet.paste(ImageOps.mirror(shown) if mirrored else shown, (left, top))
    return sheet


def smear() -> Image.Image:
    """Red cells, two white cells and platelets as a microscope shows them in a stained smear; drawn."""
    rng, (width, height) = np.random.default_rng(7), (2 * SMEAR_WH[0], 2 * SMEAR_WH[1])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pixels = np.broadcast_to(np.array([232, 222, 226], np.float32), (height, width, 3)).copy()
    for _ in range(RED_CELLS):
        _add_red_cell(pixels, x, y, rng)
    for share_x, share_y, radius in WHITE_CELLS:
        _add_white_cell(pixels, x, y, (share_x * width, share_y * height), 2 * radius, rng)
    for _ in range(PLATELETS):
        place, size = (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(14, 24)
        _blend(pixels, _disc(x, y, place, size, rng, 0.25), (150, 105, 175), 0.85)
    grain = rng.normal(0, 2.5, pixels.shape).astype(np.float32)
    drawn = Image.fromarray((pixels + cv2.GaussianBlur(grain, (0, 0), 1)).clip(0, 255).astype(np.uint8))
    return drawn.filter(ImageFilter.GaussianBlur(2)).resize(SMEAR_WH, Image.Resampling.LANCZOS)


def _add_red_cell(pixels: Array, x: Array, y: Array, rng: np.random.Generator) -> None:
    """A disc with a dark rim and a pale middle."""
    height, width = x.shape
    centre, radius = (rng.uniform(0, width), rng.uniform(0, height)), rng.uniform(68, 82)
    _blend(pixels, _disc(x, y, centre, radius, rng, 0.04), (206, 148, 160), 0.8)
    middle = np.exp(-(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (0.45 * radius) ** 2))
    _blend(pixels, middle.astype(np.float32), (232, 205, 210), 0.75)


def _add_white_cell(
    pixels: Array, x: Array, y: Array, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """A pale body with a dark nucleus of three lobes."""
    _blend(pixels, _disc(x, y, centre, radius, rng, 0.06), (208, 186, 214), 0.95)
    for angle in np.array([0.3, 2.4, 4.5]) + rng.uniform(0, 1):
        lobe = (centre[0] + 0.36 * radius * np.cos(angle), centre[1] + 0.36 * radius * np.sin(angle))
        _blend(pixels, _disc(x, y, lobe, 0.46 * radius, rng, 0.1), (104, 62, 140), 0.95)


def _disc(
    x: Array, y: Array, centre: tuple[float, float], radius: float, rng: np.random.Generator, wobble: float
) -> Array:
    """1 within a wobbly disc, 0 outside, soft over three pixels."""
    angle = np.arctan2(y - centre[1], x - centre[0])
    edge = radius * (
        1 + wobble * sum(rng.uniform(-1, 1) * np.cos(k * angle + rng.uniform(0, 6)) / k for k in (2, 3, 4))
    )
    inside: Array = (((edge - np.hypot(x - centre[0], y - centre[1])) / 3 + 0.5).clip(0, 1)).astype(np.float32)
    return inside


def _blend(pixels: Array, mask: Array, colour: tuple[int, int, int], strength: float) -> None:
    share = (mask * strength)[..., None]
    pixels += share * (np.array(colour, np.float32) - pixels)


PICTURES: dict[str, Callable[[], Image.Image]] = {
    "animals": animals,
    "faces": faces,
    "people_and_cats": people_and_cats,
    "smear": smear,
}


def main(folder: Path = FOLDER) -> None:
    """Writes each picture into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PICTURES.items():
        make().save(folder / f"{name}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
