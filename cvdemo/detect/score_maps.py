"""Views of a scan beside its boxes: the score map, and the pyramid of windows that were scored."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.drawing import INK, PAPER, draw_box
from cvdemo.images import ImageArray
from cvdemo.ops.boxes import FloatArray
from cvdemo.ops.heatmap import overlay_heatmap

EDGE_WEIGHT = 0.3  # where windows reach only with their rims, near the picture's edge, the score map fades
LEAST = 1e-3  # lower probabilities count as this, or one level could veto all others
MAP_PIXELS = 1e5  # of a score map at most; it is smooth
TILE_SIDE_PX = 640  # the largest level is drawn no larger
BEST_WINDOW_COLOUR = (250, 204, 21)
CAPTION_PX, CAPTION_WIDTH_PX, CAPTION_FONT_PX = 26, 250, 14.0  # room under each level, and least width
SHEET_WIDTH_PX = 1180


def score_map(scan: Scan, class_indices: Sequence[int] = ()) -> FloatArray:
    """(h, w) in [0, 1], a tenth of a megapixel at most: the probability of the likeliest class at each place.

    A window speaks for its pixels, most for those in its middle (a Hann window, cubed); a level's value is the weighted
    mean over the windows that hold a pixel, the map the geometric mean over the levels: hot where all sizes agree.
    It fades towards the picture's edge, which no window has in its middle.

    Args:
        class_indices: only these are looked at; all where there are none.
    """
    width, height = scan.size_wh
    scale = min(1.0, (MAP_PIXELS / (width * height)) ** 0.5)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    maps = [_over_pixels(_window_scores(level, class_indices), scan.window_cells, size_wh) for level in scan.levels]
    pooled: FloatArray = np.exp(np.mean([np.log(np.maximum(level, LEAST)) for level in maps], axis=0)).clip(0, 1)
    return pooled


def _window_scores(level: LevelScores, class_indices: Sequence[int]) -> FloatArray:
    if not class_indices:
        return level.best
    chosen = level.probabilities[np.isin(level.classes, class_indices)]
    return chosen.max(axis=0) if len(chosen) else np.zeros_like(level.best)


def _over_pixels(scores: FloatArray, cells: int, size_wh: tuple[int, int]) -> FloatArray:
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


def draw_score_map(canvas: ImageArray, scores: FloatArray) -> ImageArray:
    """A copy of the picture under a `score_map` in the turbo colours, its highest value as the hottest colour."""
    size_wh = (canvas.shape[1], canvas.shape[0])
    heat = cv2.resize(scores / scores.max(), size_wh, interpolation=cv2.INTER_LINEAR)
    return overlay_heatmap(canvas, heat.clip(0, 1).astype(np.float32))


def draw_windows(canvas: ImageArray, scan: Scan) -> ImageArray:
    """The pyramid: each level at its relative size, a dot at the centre of each window, its best window framed.

    Dots are coloured by the probability of the window's best class, from dark blue (0) to red (1).
    """
    widest = max(level.size_hw[1] for level in scan.levels)
    tallest = max(level.size_hw[0] for level in scan.levels)
    scale = min(1.0, TILE_SIDE_PX / widest, TILE_SIDE_PX / tallest)
    tiles = [_window_tile(canvas, level, scan.window_cells, scale) for level in reversed(scan.levels)]
    return _in_rows(tiles, SHEET_WIDTH_PX)


def _window_tile(canvas: ImageArray, level: LevelScores, cells: int, scale: float) -> ImageArray:
    """One level with its dots, the frame of its best window, and a caption below."""
    height, width = (max(24, round(side * scale)) for side in level.size_hw)
    rows, columns = level.best.shape
    tile = Image.new("RGB", (max(width, CAPTION_WIDTH_PX), height + CAPTION_PX), INK)
    tile.paste(Image.fromarray(canvas).resize((width, height), Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(tile)
    text = f"{level.size_hw[1]} x {level.size_hw[0]} px, {columns} x {rows} = {rows * columns} windows"
    draw.text((4, height + 4), text, font=ImageFont.load_default(CAPTION_FONT_PX), fill=PAPER)
    stride_xy = width / (columns + cells - 1), height / (rows + cells - 1)
    _draw_dots(draw, level.best, cells, stride_xy)
    best, side_xy = int(level.best.argmax()), (cells * stride_xy[0], cells * stride_xy[1])
    x, y = best % columns * stride_xy[0], best // columns * stride_xy[1]
    draw_box(draw, (x, y, x + side_xy[0], y + side_xy[1]), BEST_WINDOW_COLOUR, 2)
    return np.array(tile)


def _draw_dots(draw: ImageDraw.ImageDraw, best: FloatArray, cells: int, stride_xy: tuple[float, float]) -> None:
    """A dot at the centre of each window, coloured by its score."""
    colours = cv2.applyColorMap((best * 255).round().astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].tolist()
    radius = max(2.0, 0.16 * min(stride_xy))
    for row, line in enumerate(colours):
        for column, colour in enumerate(line):
            x, y = (column + cells / 2) * stride_xy[0], (row + cells / 2) * stride_xy[1]
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(colour), outline=PAPER)


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
