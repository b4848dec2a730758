"""Views of a scan beside its boxes: the score map, and the pyramid of windows that were scored.

Scores have one colour everywhere here: turbo's, dark blue for 0 and red for 1.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.drawing import INK, PAPER, Colour, draw_box
from cvdemo.images import ImageArray
from cvdemo.ops.boxes import FloatArray
from cvdemo.ops.heatmap import colour_map, overlay_heatmap

MAP_PIXELS = 1e5  # of a score map at most; it is smooth
TILE_SIDE_PX = 640  # the largest level is drawn no larger
CAPTION_PX, CAPTION_WIDTH_PX, CAPTION_FONT_PX = 26, 300, 14.0  # room under each level, and least width
SHEET_WIDTH_PX = 1180
LEGEND_PX, LEGEND_BAR_PX = 32, 12  # height of the score map's legend, and of the colours in it
MAP_CANDIDATES = 2000  # best ones of which the map is made; what the others add is hidden under them


def score_colour(score: float) -> Colour:
    """The turbo colour of a score in [0, 1]."""
    red, green, blue = colour_map(np.array([[score]], np.float32))[0, 0].tolist()
    return red, green, blue


def score_map(scan: Scan, class_indices: Sequence[int] = ()) -> FloatArray:
    """(h, w) in [0, 1], a tenth of a megapixel at most: the best score of the windows round each place.

    A window speaks with its whole score for its middle and with less towards its rim (a Hann window). So the middle of
    a window has at least its score, and the highest value is that of the best candidate.

    Args:
        class_indices: only these are looked at; all where there are none.
    """
    width, height = scan.size_wh
    scale = min(1.0, (MAP_PIXELS / (width * height)) ** 0.5)
    heat = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.float32)
    wanted = np.isin(scan.classes, class_indices) if class_indices else np.ones(len(scan.classes), bool)
    best = np.argsort(-scan.scores[wanted], kind="stable")[:MAP_CANDIDATES]
    for box, score in zip(scan.windows_xyxy[wanted][best] * scale, scan.scores[wanted][best], strict=True):
        _raise_to(heat, box, float(score))
    return heat


def _raise_to(heat: FloatArray, box: FloatArray, score: float) -> None:
    """Lifts the map over a box to a hill of height `score`."""
    left, top = np.floor(box[:2]).astype(int).clip(0)
    right, bottom = np.ceil(box[2:]).astype(int)
    part = heat[top:bottom, left:right]
    down, across = (_hill(side) for side in part.shape)
    np.maximum(part, np.float32(score) * down[:, None] * across[None, :], out=part)


def _hill(length: int) -> FloatArray:
    """A Hann window without its zeros that reaches 1 for even lengths too."""
    hann = np.hanning(length + 2)[1:-1].astype(np.float32)
    hill: FloatArray = hann / hann.max(initial=1e-9)
    return hill


def draw_score_map(canvas: ImageArray, scores: FloatArray) -> ImageArray:
    """A copy of the picture under a `score_map` in the turbo colours, dark blue to red, and a legend below it.

    The colours say the score itself, whatever the highest one is. Where it is low the picture shows through.
    """
    size_wh = (canvas.shape[1], canvas.shape[0])
    heat = cv2.resize(scores, size_wh, interpolation=cv2.INTER_LINEAR)
    shown = overlay_heatmap(canvas, heat.clip(0, 1).astype(np.float32))
    return np.concatenate([shown, _legend(canvas.shape[1])])


def _legend(width: int) -> ImageArray:
    """A strip with the colours of the scores from 0 to 100%, and their figures."""
    bar = colour_map(np.linspace(0, 1, width, dtype=np.float32)[None])
    strip = Image.new("RGB", (width, LEGEND_PX), INK)
    strip.paste(Image.fromarray(np.repeat(bar, LEGEND_BAR_PX, axis=0)), (0, 0))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(CAPTION_FONT_PX)
    for percent in (0, 25, 50, 75, 100):
        text = f"{percent}%"
        left = (width - draw.textlength(text, font=font)) * percent / 100
        draw.text((left, LEGEND_BAR_PX + 2), text, font=font, fill=PAPER)
    return np.array(strip)


def draw_windows(canvas: ImageArray, scan: Scan) -> ImageArray:
    """The pyramid: each level at its relative size, a dot at the centre of each window, its best window framed.

    Dots and frames have the colour of the score of the window's best class. Where windows of several sizes are scored
    on a level, it is shown once for each. The picture alone where the scan has no levels.
    """
    if not scan.levels:
        return np.array(canvas)
    widest = max(level.size_hw[1] for level in scan.levels)
    tallest = max(level.size_hw[0] for level in scan.levels)
    scale = min(1.0, TILE_SIDE_PX / widest, TILE_SIDE_PX / tallest)
    return _in_rows([_window_tile(canvas, level, scale) for level in reversed(scan.levels)], SHEET_WIDTH_PX)


def _window_tile(canvas: ImageArray, level: LevelScores, scale: float) -> ImageArray:
    """One level with its dots, the frame of its best window, and a caption below."""
    height, width = (max(24, round(side * scale)) for side in level.size_hw)
    rows, columns = level.best.shape
    tile = Image.new("RGB", (max(width, CAPTION_WIDTH_PX), height + CAPTION_PX), INK)
    tile.paste(Image.fromarray(canvas).resize((width, height), Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(tile)
    text = f"{level.size_hw[1]} x {level.size_hw[0]} px, windows of {level.window_px:g} px: {columns} x {rows}"
    draw.text((4, height + 4), text, font=ImageFont.load_default(CAPTION_FONT_PX), fill=PAPER)
    scale_xy = width / level.size_hw[1], height / level.size_hw[0]
    _draw_dots(draw, level, scale_xy)
    best = int(level.best.argmax())
    draw_box(draw, window_box(level, best, scale_xy), score_colour(float(level.best.flat[best])), 2)
    return np.array(tile)


def window_box(level: LevelScores, index: int, scale_xy: tuple[float, float]) -> tuple[float, float, float, float]:
    """The window of that index, row by row, in px of a picture of the level at another scale."""
    row, column = divmod(index, level.best.shape[1])
    x, y = (level.first_px + place * level.stride_px for place in (column, row))
    half = level.window_px / 2
    return (x - half) * scale_xy[0], (y - half) * scale_xy[1], (x + half) * scale_xy[0], (y + half) * scale_xy[1]


def _draw_dots(draw: ImageDraw.ImageDraw, level: LevelScores, scale_xy: tuple[float, float]) -> None:
    """A dot at the centre of each window, coloured by its score."""
    colours = colour_map(level.best).tolist()
    radius = max(1.0, 0.16 * level.stride_px * min(scale_xy))
    outline = PAPER if radius >= 2 else None  # small dots would be all outline
    for row, line in enumerate(colours):
        y = (level.first_px + row * level.stride_px) * scale_xy[1]
        for column, colour in enumerate(line):
            x = (level.first_px + column * level.stride_px) * scale_xy[0]
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour), outline=outline)


def _in_rows(tiles: list[ImageArray], width: int, gap: int = 12) -> ImageArray:
    """The tiles in rows, left to right, top-aligned, on a dark ground."""
    places, x, y, shelf = [], 0, 0, 0
    for tile in tiles:
        if x and x + tile.shape[1] > width:
            x, y, shelf = 0, y + shelf + gap, 0
        places.append((y, x))
        x, shelf = x + tile.shape[1] + gap, max(shelf, tile.shape[0])
    right = max(x + tile.shape[1] for (_, x), tile in zip(places, tiles, strict=True))
    sheet = np.full((y + shelf, right, 3), INK, np.uint8)
    for (top, left), tile in zip(places, tiles, strict=True):
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return sheet
