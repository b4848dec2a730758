"""Makes the pictures with several objects of the Detect tab: `python examples/make_detect_pictures.py [FOLDER]`.

Three pictures are put together from single photographs, which shows sizes, tilts and lights beside one another, and
one is drawn: a stained blood smear. Everything comes from seeded generators: the same machine gives the same bytes.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from cvdemo.example_pictures import example_picture

Array = npt.NDArray[np.float32]
Circle = tuple[float, float, float]  # x, y and radius, px

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
SMEAR_SEED, APART_PX = 6, 6  # with other seeds one to three platelets stay under the certainty that is asked for
RED_CELLS, PLATELETS = 16, 5
WHITE_CELLS = ((0.30, 0.42, 62), (0.74, 0.60, 58))  # x and y as shares of the sides, radius in px
PLASMA, RED, PALE, RIM = (206, 213, 208), (192, 146, 148), (214, 190, 190), (168, 118, 134)
BODY, NUCLEUS, PLATELET = (202, 182, 210), (112, 74, 196), (142, 108, 188)
TRIES = 4000  # of places for a cell, so that none covers another


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
    rng, (width, height) = np.random.default_rng(SMEAR_SEED), (2 * SMEAR_WH[0], 2 * SMEAR_WH[1])
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pixels = np.broadcast_to(np.array(PLASMA, np.float32), (height, width, 3)).copy()
    pixels += 8 * _grain(rng, (height, width), 220)[..., None]  # the lamp is not even
    placed = [(share_x * width, share_y * height, 2.0 * radius) for share_x, share_y, radius in WHITE_CELLS]
    white = len(placed)
    placed += _apart(placed, RED_CELLS, (84, 98), (width, height), 30, rng)
    red = len(placed)
    placed += _apart(placed, PLATELETS, (19, 25), (width, height), 40, rng)
    for left, top, radius in placed[white:red]:
        _add_red_cell(pixels, x, y, (left, top), radius, rng)
    for left, top, radius in placed[:white]:
        _add_white_cell(pixels, x, y, (left, top), radius, rng)
    for left, top, radius in placed[red:]:
        _add_platelet(pixels, x, y, (left, top), radius, rng)
    noise = rng.normal(0, 5, pixels.shape).astype(np.float32)
    drawn = Image.fromarray((pixels + cv2.GaussianBlur(noise, (0, 0), 1.5)).clip(0, 255).astype(np.uint8))
    return drawn.filter(ImageFilter.GaussianBlur(2.5)).resize(SMEAR_WH, Image.Resampling.LANCZOS)


def _apart(
    placed: Sequence[Circle],
    count: int,
    radii: tuple[float, float],
    size_wh: tuple[int, int],
    edge_px: float,
    rng: np.random.Generator,
) -> list[Circle]:
    """Circles that touch no other, the first that chance gives.

    Args:
        placed: the others. radii: least and most.
        edge_px: how far from the edge of the picture a centre lies at least; less than 0: it may lie outside.
    """
    found: list[Circle] = []
    for _ in range(TRIES):
        if len(found) == count:
            break
        radius = rng.uniform(*radii)
        left, top = (rng.uniform(edge_px, side - edge_px) for side in size_wh)
        others = [*placed, *found]
        if all(np.hypot(left - other[0], top - other[1]) > radius + other[2] + APART_PX for other in others):
            found.append((left, top, radius))
    return found


def _grain(rng: np.random.Generator, size_hw: tuple[int, int], sigma_px: float) -> Array:
    """Smooth noise of deviation 1; computed small where it is smooth."""
    step = max(1, int(sigma_px / 4))
    small = rng.normal(0, 1, [-(-side // step) + 8 for side in size_hw])
    smooth = cv2.GaussianBlur(small, (0, 0), sigma_px / step)
    large = np.asarray(cv2.resize(smooth, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    grain: Array = large / large.std()
    return grain


def _add_red_cell(
    pixels: Array, x: Array, y: Array, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """A disc that is thin in the middle: pale there, dark at the rim, with a bright line round it."""
    aspect, turn = rng.uniform(0.88, 1.0), rng.uniform(0, np.pi)
    dx, dy = x - centre[0], y - centre[1]
    u, v = dx * np.cos(turn) + dy * np.sin(turn), (dy * np.cos(turn) - dx * np.sin(turn)) / aspect
    distance = np.hypot(u, v) / radius
    inside = ((1 - distance) * radius / 5 + 0.5).clip(0, 1)
    _blend(pixels, np.exp(-(((distance - 1.05) / 0.05) ** 2)), (232, 236, 230), 0.5)
    _blend(pixels, inside, RED, rng.uniform(0.85, 0.95))
    _blend(pixels, inside * np.exp(-(((distance - 0.93) / 0.08) ** 2)), RIM, 0.55)
    _blend(pixels, inside * np.exp(-((distance / rng.uniform(0.3, 0.42)) ** 2)), PALE, rng.uniform(0.6, 0.9))


def _add_white_cell(
    pixels: Array, x: Array, y: Array, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """A pale grained body with a mottled nucleus of three or four lobes in an arc."""
    body = _disc(x, y, centre, radius, rng, 0.06)
    grain = 0.75 + 0.12 * _grain(rng, x.shape, 4)
    _blend(pixels, cv2.GaussianBlur(body * grain, (0, 0), 4).clip(0, 1), BODY, 0.95)
    nucleus = np.zeros_like(x)
    start = rng.uniform(0, 2 * np.pi)
    for angle in start + np.arange(4) * rng.uniform(1.05, 1.25):
        lobe = (centre[0] + 0.42 * radius * np.cos(angle), centre[1] + 0.42 * radius * np.sin(angle))
        nucleus = np.maximum(nucleus, _disc(x, y, lobe, rng.uniform(0.32, 0.38) * radius, rng, 0.12))
    mottle = (0.85 + 0.1 * _grain(rng, x.shape, 7)).clip(0.5, 1)
    _blend(pixels, cv2.GaussianBlur(nucleus, (0, 0), 3) * mottle, NUCLEUS, 1.0)


def _add_platelet(
    pixels: Array, x: Array, y: Array, centre: tuple[float, float], radius: float, rng: np.random.Generator
) -> None:
    """A small frayed grain, darker in the middle."""
    disc = cv2.GaussianBlur(_disc(x, y, centre, radius, rng, 0.3), (0, 0), 3)
    grain = (0.8 + 0.2 * _grain(rng, x.shape, 3)).clip(0.3, 1)
    _blend(pixels, disc * grain, PLATELET, 0.85)
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    _blend(pixels, disc * np.exp(-((distance / 0.5) ** 2)), (104, 72, 168), 0.7)


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
