"""Makes what the page shows before anything is asked: `python -m scripts.finished_results [FOLDER]`.

Each is what a visitor gets who presses it. To be run again when the networks, or what the page asks of them first,
have changed; on free cores, for the painting is as large as its seconds allow. `--only TAB ...` leaves the pictures of
other tabs as they are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.classify.run import ExplainedPrediction
from cvdemo.demo import Request, result_of
from cvdemo.demos import run
from cvdemo.detect.drawing import draw_detections, to_canvas
from cvdemo.detect.run import DetectResult
from cvdemo.dream.run import Dream
from cvdemo.finished import (
    CARD,
    CARD_WH,
    FOLDER,
    ICON,
    ICON_PX,
    MADE,
    SHEETS,
    Sheet,
    settings,
    small,
)
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.sample.generate import SampleConfig, columns_for, grid
from cvdemo.sample.run import SampleRequest
from cvdemo.style.run import Stylized
from cvdemo.ui.page import TABS
from cvdemo.ui.wiring.first_look import LOOKS
from cvdemo.upscale.run import UpscaleResult

Pair = tuple[ImageArray, ImageArray]
SMALL_WH = (216, 144)  # twice as large as the page shows them
SIDE_PX = 400  # of the results within the tabs
DETAIL = (slice(169, 302), slice(243, 443))  # of the cat enlarged twice: an eye
QUALITY = 72
GROUND, INK, ACCENT = (15, 23, 42), (248, 250, 252), (129, 140, 248)


def save(picture: ImageArray, path: Path, quality: int = QUALITY) -> None:
    """Writes a WebP or JPEG."""
    Image.fromarray(picture).save(path, quality=quality, method=6)


def filled(picture: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """The middle of the picture at this size, nothing of it squeezed."""
    wide, high = size_wh
    height, width = picture.shape[:2]
    scale = max(wide / width, high / height)
    resized = Image.fromarray(picture).resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    left, top = (resized.width - wide) // 2, (resized.height - high) // 2
    return np.asarray(resized.crop((left, top, left + wide, top + high)))


def asked(slug: str) -> Request:
    """What the page asks for where a visitor presses the tab's finished example."""
    (tab,) = (tab for tab in TABS if tab.slug == slug)
    return tab.first(LOOKS[slug].path)


def classified() -> Pair:
    """The picture and where the network looked."""
    answer: ExplainedPrediction = result_of(run(asked("classify")))
    return read_image(LOOKS["classify"].path), answer.explanation.picture()


def detected() -> Pair:
    """The picture bare and with its boxes."""
    image = read_image(LOOKS["detect"].path)
    found: DetectResult = result_of(run(asked("detect")))
    return image, draw_detections(to_canvas(image), found.detections)


def enlarged() -> Pair:
    """A detail of bicubic's picture and of the network's."""
    result: UpscaleResult = result_of(run(asked("upscale")))
    assert result.bicubic is not None  # it was asked for
    pair = (result.bicubic[DETAIL], result.image[DETAIL])
    before, after = (picture.repeat(2, axis=0).repeat(2, axis=1) for picture in pair)
    return before, after


def drawn(sheet: Sheet) -> ImageArray:
    """The sheet at its own size."""
    config = SampleConfig(generator=sheet.generator, count=sheet.count, seed=sheet.seed, truncation=sheet.truncation)
    pictures: list[ImageArray] = result_of(run(SampleRequest(config=config)))
    return grid(pictures, columns_for(len(pictures)))


def dreamed() -> Pair:
    """The picture and a dream of it."""
    dream: Dream = result_of(run(asked("dream")))
    return read_image(LOOKS["dream"].path), dream.image


def painted() -> Pair:
    """The picture and a painting of it."""
    painting: Stylized = result_of(run(asked("style")))
    return read_image(LOOKS["style"].path), painting.image


def half_and_half(pair: Pair) -> ImageArray:
    """The left half of the first picture beside the right half of the second."""
    before, after = (filled(picture, SMALL_WH) for picture in pair)
    middle = SMALL_WH[0] // 2
    joined = np.concatenate([before[:, :middle], after[:, middle:]], axis=1)
    joined[:, middle - 1 : middle + 1] = 255
    return joined


def card(folder: Path) -> Image.Image:
    """The six results under the name of the page."""
    sheet = Image.new("RGB", CARD_WH, GROUND)
    pen = ImageDraw.Draw(sheet)
    pen.text((60, 40), "cvdemo", INK, ImageFont.load_default(84))
    pen.text((62, 148), "Six classics of computer vision, live on your own picture", ACCENT, ImageFont.load_default(38))
    for number, tab in enumerate(TABS):
        with Image.open(folder / small(tab.slug)) as picture:
            tile = picture.convert("RGB").resize((348, 190), Image.Resampling.LANCZOS, (0, 13, 216, 131))
        sheet.paste(tile, (60 + number % 3 * 366, 218 + number // 3 * 206))
    return sheet


def icon() -> Image.Image:
    """An eye: a ring and a dot."""
    picture = Image.new("RGBA", (ICON_PX, ICON_PX), (0, 0, 0, 0))
    pen, unit = ImageDraw.Draw(picture), ICON_PX / 64
    pen.rounded_rectangle((0, 0, ICON_PX - 1, ICON_PX - 1), 14 * unit, fill=(79, 70, 229))
    pen.ellipse([side * unit for side in (12, 12, 52, 52)], fill=INK)
    pen.ellipse([side * unit for side in (22, 22, 42, 42)], fill=GROUND)
    pen.ellipse([side * unit for side in (32, 24, 39, 31)], fill=INK)
    return picture


def note_settings(folder: Path, slugs: Iterable[str]) -> None:
    """Writes down with which settings the results of these tabs were made; a test compares them with the page's."""
    path = folder / MADE
    made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    made |= {slug: {"picture": LOOKS[slug].picture} | settings(asked(slug)) for slug in slugs}
    path.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


MAKERS = {
    "classify": classified,
    "detect": detected,
    "upscale": enlarged,
    "dream": dreamed,
    "style": painted,
}  # of the tabs that show a pair


def main(folder: Path = FOLDER, only: Collection[str] = ()) -> None:
    """Writes all of them into the folder; or those of some tabs, and the card."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [tab.slug for tab in TABS if not only or tab.slug in only]
    for slug in filter(MAKERS.__contains__, made):
        pair = MAKERS[slug]()
        for side, picture in zip(("before", "after"), pair, strict=True):
            save(resize_to_fit(picture, SIDE_PX), folder / f"{slug}_{side}.webp")
        save(half_and_half(pair) if slug == "upscale" else filled(pair[1], SMALL_WH), folder / small(slug))
    if "sample" in made:
        for sheet in SHEETS:
            save(drawn(sheet), folder / sheet.file, quality=85)
        save(filled(drawn(SHEETS[0]), SMALL_WH), folder / small("sample"))
    note_settings(folder, made)
    icon().quantize(32).save(folder / ICON, optimize=True)
    card(folder).save(folder / CARD, quality=70, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="+", default=(), metavar="TAB", choices=[tab.slug for tab in TABS])
    options = parser.parse_args()
    main(options.folder, options.only)
