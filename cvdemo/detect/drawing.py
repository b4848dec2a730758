"""Pictures of a detection: boxes with name chips, the score map, and the pyramid of windows that were scored."""

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.detect.selection import Detections
from cvdemo.detect.sliding_window import LevelScores, Scan
from cvdemo.images import ImageArray, resize_to_fit
from cvdemo.ops.boxes import FloatArray
from cvdemo.ops.heatmap import overlay_heatmap

MAX_SIDE_PX = 1280  # of what is drawn; a larger PNG answers late and shows no more
MIN_SIDE_PX = 720  # smaller pictures are enlarged, or no name would fit
GOLDEN_TURN = 0.618034  # successive classes get hues far apart
INK, PAPER, YELLOW = (17, 24, 39), (255, 255, 255), (250, 204, 21)
EDGE_WEIGHT = 0.3  # where windows reach only with their rims, near the picture's edge, the score map fades
LEAST = 1e-3  # lower probabilities count as this, or one level could veto all others
CAPTION_PX, CAPTION_WIDTH_PX, SHELF_PX = 26, 250, 1180
Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]


def class_colour(class_index: int) -> Colour:
    """A vivid RGB colour that is always the same for a class."""
    red, green, blue = colorsys.hsv_to_rgb((0.08 + class_index * GOLDEN_TURN) % 1.0, 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def canvas(image: ImageArray) -> ImageArray:
    """The picture at the size at which it is drawn on: longer side from `MIN_SIDE_PX` to `MAX_SIDE_PX`."""
    height, width = image.shape[:2]
    if max(height, width) >= MIN_SIDE_PX:
        return resize_to_fit(image, MAX_SIDE_PX)
    scale = MIN_SIDE_PX / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size_wh, Image.Resampling.BICUBIC))


def draw_detections(image: ImageArray, detections: Detections) -> ImageArray:
    """A copy of `canvas(image)` with a box and a chip "name 97%" for each detection, the best on top.

    Where boxes crowd, names that would cover better ones are left out.
    """
    shown = Image.fromarray(canvas(image))
    draw = ImageDraw.Draw(shown)
    scale = shown.width / detections.size_wh[0], shown.height / detections.size_wh[1]
    line_px = max(2, round(max(shown.size) / 320))
    boxes = [
        (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]) for x1, y1, x2, y2 in detections.xyxy.tolist()
    ]
    colours = [class_colour(int(c)) for c in detections.classes]
    for box, colour in reversed(list(zip(boxes, colours, strict=True))):
        _outline(draw, box, colour, line_px)
    taken: list[Rectangle] = []
    for box, colour, label, score in zip(boxes, colours, detections.labels, detections.scores, strict=True):
        _chip(draw, f"{label} {score:.0%}", box, colour, line_px, taken)
    return np.array(shown)


def _outline(draw: ImageDraw.ImageDraw, box: Rectangle, colour: Colour, line_px: int) -> None:
    """A coloured frame inside a thin dark one, so that it stands out from any ground."""
    width, height = draw.im.size
    x1, y1 = (max(0, min(round(v), limit - 1)) for v, limit in zip(box[:2], draw.im.size, strict=True))
    x2, y2 = max(x1, min(round(box[2]), width) - 1), max(y1, min(round(box[3]), height) - 1)
    draw.rectangle((x1, y1, x2, y2), outline=INK, width=line_px + 2)
    if x2 - x1 >= 2 and y2 - y1 >= 2:
        draw.rectangle((x1 + 1, y1 + 1, x2 - 1, y2 - 1), outline=colour, width=line_px)


def _chip(
    draw: ImageDraw.ImageDraw, text: str, box: Rectangle, colour: Colour, line_px: int, taken: list[Rectangle]
) -> None:
    """Draws the name at the first corner where it covers none of `taken`, and adds its place; else leaves it out."""
    width, height = draw.im.size
    font = ImageFont.load_default(max(13.0, min(34.0, max(width, height) / 36)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = line_px + 2
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    x1, y1, x2, y2 = box
    corners = [(x1, y1 - high), (x1, y1), (x1, y2), (x2 - wide, y2 - high), (x2 - wide, y1)]
    places = [_inside(x, y, wide, high, width, height) for x, y in corners]
    place = next((p for p in places if not any(_touch(p, other) for other in taken)), None)
    if place is None:
        return
    taken.append(place)
    draw.rounded_rectangle(place, radius=pad, fill=colour)
    draw.text((place[0] + pad - left, place[1] + pad - top), text, font=font, fill=_readable_on(colour))


def _inside(x: float, y: float, wide: float, high: float, width: int, height: int) -> Rectangle:
    x, y = max(0.0, min(x, width - wide)), max(0.0, min(y, height - high))
    return x, y, x + wide, y + high


def _touch(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _readable_on(colour: Colour) -> Colour:
    red, green, blue = colour
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER  # luma of BT.601


def score_map(scan: Scan, class_indices: Sequence[int] = ()) -> FloatArray:
    """(h, w) in [0, 1], a tenth of a megapixel at most: the probability of the likeliest class at each place.

    A window speaks for its pixels, most for those in its middle (a Hann window, cubed); a level's value is the weighted
    mean over the windows that hold a pixel, the map the geometric mean over the levels: hot where all sizes agree.
    It fades towards the picture's edge, which no window has in its middle.

    Args:
        class_indices: only these are looked at; all where there are none.
    """
    width, height = scan.size_wh
    scale = min(1.0, (1e5 / (width * height)) ** 0.5)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    maps = [_spread(_window_scores(level, class_indices), scan.window_cells, size_wh) for level in scan.levels]
    pooled: FloatArray = np.exp(np.mean([np.log(np.maximum(level, LEAST)) for level in maps], axis=0)).clip(0, 1)
    return pooled


def _window_scores(level: LevelScores, class_indices: Sequence[int]) -> FloatArray:
    if not class_indices:
        return level.best
    chosen = level.probabilities[np.isin(level.classes, class_indices)]
    return chosen.max(axis=0) if len(chosen) else np.zeros_like(level.best)


def _spread(scores: FloatArray, cells: int, size_wh: tuple[int, int]) -> FloatArray:
    """(rows, columns) of windows -> (h, w) of pixels: the weighted mean of the windows over each cell, enlarged."""
    bell = np.hanning(cells + 2)[1:-1] ** 3
    kernel = np.outer(bell, bell)
    rows, columns = scores.shape
    total, weight = (np.zeros((rows + cells - 1, columns + cells - 1)) for _ in range(2))
    for y in range(rows):
        for x in range(columns):
            total[y : y + cells, x : x + cells] += scores[y, x] * kernel
            weight[y : y + cells, x : x + cells] += kernel
    weight = np.maximum(weight, EDGE_WEIGHT * weight.max())
    spread: FloatArray = cv2.resize(total / weight, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return spread


def draw_score_map(image: ImageArray, scan: Scan, class_indices: Sequence[int] = ()) -> ImageArray:
    """`canvas(image)` under the score map in the turbo colours, its highest value as the hottest colour."""
    shown = canvas(image)
    size_wh = (shown.shape[1], shown.shape[0])
    scores = score_map(scan, class_indices)
    heat = cv2.resize(scores / scores.max(), size_wh, interpolation=cv2.INTER_LINEAR)
    return overlay_heatmap(shown, heat.clip(0, 1).astype(np.float32))


def draw_windows(image: ImageArray, scan: Scan) -> ImageArray:
    """The pyramid: each level at its relative size, a dot at the centre of each window, its best window framed.

    Dots are coloured by the probability of the window's best class, from dark blue (0) to red (1).
    """
    widest = max(level.size_hw[1] for level in scan.levels)
    tallest = max(level.size_hw[0] for level in scan.levels)
    scale = min(1.0, 640 / widest, 640 / tallest)
    shown = resize_to_fit(image, MAX_SIDE_PX)
    tiles = [_window_tile(shown, level, scan.window_cells, scale) for level in reversed(scan.levels)]
    return _shelves(tiles, SHELF_PX)


def _window_tile(image: ImageArray, level: LevelScores, cells: int, scale: float) -> ImageArray:
    """One level with its dots, the frame of its best window, and a caption below."""
    height, width = (max(24, round(side * scale)) for side in level.size_hw)
    rows, columns = level.best.shape
    tile = Image.new("RGB", (max(width, CAPTION_WIDTH_PX), height + CAPTION_PX), INK)
    tile.paste(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(tile)
    text = f"{level.size_hw[1]} x {level.size_hw[0]} px, {columns} x {rows} = {rows * columns} windows"
    draw.text((4, height + 4), text, font=ImageFont.load_default(14.0), fill=PAPER)
    stride_xy = width / (columns + cells - 1), height / (rows + cells - 1)
    _draw_dots(draw, level.best, cells, stride_xy)
    best, side_xy = int(level.best.argmax()), (cells * stride_xy[0], cells * stride_xy[1])
    x, y = best % columns * stride_xy[0], best // columns * stride_xy[1]
    _outline(draw, (x, y, x + side_xy[0], y + side_xy[1]), YELLOW, 2)
    return np.array(tile)


def _draw_dots(draw: ImageDraw.ImageDraw, best: FloatArray, cells: int, stride_xy: tuple[float, float]) -> None:
    """A dot at the centre of each window, coloured by its score."""
    colours = cv2.applyColorMap((best * 255).round().astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].tolist()
    radius = max(2.0, 0.16 * min(stride_xy))
    for row, line in enumerate(colours):
        for column, colour in enumerate(line):
            x, y = (column + cells / 2) * stride_xy[0], (row + cells / 2) * stride_xy[1]
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour), outline=PAPER)


def _shelves(tiles: list[ImageArray], width: int, gap: int = 12) -> ImageArray:
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
