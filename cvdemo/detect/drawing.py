"""Boxes with their labels drawn on a picture: colours, lines, and the font of the labels."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.detect.selection import Detections
from cvdemo.images import ImageArray, resize_to_fit

MAX_SIDE_PX = 1280  # of what is drawn; a larger PNG answers late and shows no more
MIN_SIDE_PX = 720  # smaller pictures are enlarged, or no name would fit
GOLDEN_TURN = 0.618034  # successive classes get hues far apart
TONES = (
    (0.85, 0.95),
    (0.5, 1.0),
    (0.9, 0.6),
)  # saturation and value: vivid, light, dark; hues come near after 13 classes
LINES_PER_SIDE = 320  # a box's line has this share of the longer side, and 2 px at least
LABELS_PER_SIDE = 36  # the letters of a label have this share of the longer side, within `LABEL_FONT_PX`
LABEL_FONT_PX = (13.0, 34.0)  # smallest and largest
INK, PAPER = (17, 24, 39), (255, 255, 255)
Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]


def class_colour(class_index: int) -> Colour:
    """An RGB colour that is always the same for a class, and unlike those of the nineteen classes around it."""
    saturation, value = TONES[class_index % len(TONES)]
    red, green, blue = colorsys.hsv_to_rgb((0.08 + class_index * GOLDEN_TURN) % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def to_canvas(image: ImageArray) -> ImageArray:
    """A copy of the picture at the size at which it is drawn on: longer side from `MIN_SIDE_PX` to `MAX_SIDE_PX`."""
    height, width = image.shape[:2]
    if max(height, width) >= MIN_SIDE_PX:
        return resize_to_fit(image, MAX_SIDE_PX)
    scale = MIN_SIDE_PX / max(height, width)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size_wh, Image.Resampling.BICUBIC))


def label_font(canvas_wh: tuple[int, int]) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """The font of the labels on a canvas of this size."""
    smallest, largest = LABEL_FONT_PX
    return ImageFont.load_default(max(smallest, min(largest, max(canvas_wh) / LABELS_PER_SIDE)))


def draw_detections(canvas: ImageArray, detections: Detections) -> ImageArray:
    """A copy of the picture with a box and a label, "name 97%", for each detection, the best on top.

    Where boxes crowd, labels that would cover better ones are left out.

    Args:
        canvas: the picture at any size, as `to_canvas` gives it.
    """
    shown = Image.fromarray(canvas)
    draw = ImageDraw.Draw(shown)
    scale = shown.width / detections.size_wh[0], shown.height / detections.size_wh[1]
    line_px, font = max(2, round(max(shown.size) / LINES_PER_SIDE)), label_font(shown.size)
    boxes = [
        (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]) for x1, y1, x2, y2 in detections.xyxy.tolist()
    ]
    colours = [class_colour(int(c)) for c in detections.classes]
    for box, colour in reversed(list(zip(boxes, colours, strict=True))):
        draw_box(draw, box, colour, line_px)
    taken: list[Rectangle] = []
    for box, colour, label, score in zip(boxes, colours, detections.labels, detections.scores, strict=True):
        _draw_label(draw, f"{label} {score:.0%}", font, box, colour, line_px, taken)
    return np.array(shown)


def draw_box(draw: ImageDraw.ImageDraw, box: Rectangle, colour: Colour, line_px: int) -> None:
    """A coloured frame inside a thin dark one, so that it stands out from any ground."""
    width, height = draw.im.size
    x1, y1 = (max(0, min(round(v), limit - 1)) for v, limit in zip(box[:2], draw.im.size, strict=True))
    x2, y2 = max(x1, min(round(box[2]), width) - 1), max(y1, min(round(box[3]), height) - 1)
    draw.rectangle((x1, y1, x2, y2), outline=INK, width=line_px + 2)
    if x2 - x1 >= 2 and y2 - y1 >= 2:
        draw.rectangle((x1 + 1, y1 + 1, x2 - 1, y2 - 1), outline=colour, width=line_px)


def _draw_label(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    box: Rectangle,
    colour: Colour,
    line_px: int,
    taken: list[Rectangle],
) -> None:
    """Draws it at the first corner of the box where it covers none of `taken`, and adds its place; or leaves it out."""
    width, height = draw.im.size
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
