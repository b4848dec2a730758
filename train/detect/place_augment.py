"""Random views of annotated pictures: a part of one on a square canvas, mirrored, in other colours, boxes with it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from cvdemo.ops.boxes import FloatArray
from train.data.read_pictures import Pictures
from train.detect.annotations import Truth

DRAWS = 8  # random numbers that one view takes
GREY = 127  # what surrounds a picture smaller than its canvas: the mean that the backbone takes off
SMALLEST_PX = 3.0  # of a box's shorter side on the canvas; smaller ones are left out of the loss
LEAST_SHOWN = 0.4  # of a box's area inside the canvas; what shows less is left out of the loss


def random_view(
    picture: Pictures, truth: Truth, side_px: int, zoom: tuple[float, float], draw: Sequence[float]
) -> tuple[Pictures, Truth]:
    """uint8 (H, W, 3) -> uint8 (side_px, side_px, 3) and the boxes on it.

    The longer side becomes `zoom` (drawn between the two, evenly in its logarithm) times the canvas's side; what is
    larger than the canvas is cropped at random, what is smaller is laid on grey at random. Boxes of which little is
    left are marked as difficult, so that the loss passes over them.

    Args:
        draw: `DRAWS` numbers in [0, 1): zoom, aspect, place on both axes, mirroring, brightness, contrast, saturation.
    """
    height, width = picture.shape[:2]
    low, high = zoom
    scale = low * (high / low) ** draw[0] * side_px / max(height, width)
    aspect = math.exp(0.2 * (draw[1] - 0.5))  # up to a tenth wider or higher
    scale_x, scale_y = scale * aspect, scale / aspect
    canvas = np.full((side_px, side_px, 3), GREY, np.uint8)
    left = _lay(width * scale_x, side_px, draw[2])
    top = _lay(height * scale_y, side_px, draw[3])
    _paste(canvas, picture, (left, top), (scale_x, scale_y))
    boxes = truth.xyxy * np.array([scale_x, scale_y] * 2, np.float32) + np.array([left, top] * 2, np.float32)
    if draw[4] < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
        boxes = boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32) + np.array(
            [side_px, 0, side_px, 0], np.float32
        )
    return _recoloured(canvas, draw[5:8]), _on_canvas(boxes, truth, side_px)


def _lay(length: float, side_px: int, draw: float) -> float:
    """Where a picture's axis of that length begins on the canvas; negative where it is cropped."""
    return (side_px - length) * draw


def _paste(canvas: Pictures, picture: Pictures, at: tuple[float, float], scale: tuple[float, float]) -> None:
    """Draws the part of the picture that the canvas shows."""
    side, (left, top), (scale_x, scale_y) = canvas.shape[0], at, scale
    x1, x2 = max(0, round(left)), min(side, round(left + picture.shape[1] * scale_x))
    y1, y2 = max(0, round(top)), min(side, round(top + picture.shape[0] * scale_y))
    sx1, sx2 = ((x - left) / scale_x for x in (x1, x2))
    sy1, sy2 = ((y - top) / scale_y for y in (y1, y2))
    part = picture[max(0, math.floor(sy1)) : math.ceil(sy2), max(0, math.floor(sx1)) : math.ceil(sx2)]
    shrinks = scale_x * scale_y < 1
    canvas[y1:y2, x1:x2] = cv2.resize(
        part, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def _recoloured(canvas: Pictures, draw: Sequence[float]) -> Pictures:
    """Brightness, contrast and saturation changed by up to 30 per cent."""
    brightness, contrast, saturation = (1 + 0.6 * (value - 0.5) for value in draw)
    pixels = canvas.astype(np.float32)
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    mean = float(grey.mean())
    pixels = pixels * saturation + (grey * (1 - saturation))[..., None]
    pixels = (pixels * contrast + mean * (1 - contrast)) * brightness
    changed: Pictures = pixels.clip(0, 255).astype(np.uint8)
    return changed


def _on_canvas(boxes: FloatArray, truth: Truth, side_px: int) -> Truth:
    """The boxes clipped to the canvas; what is outside goes, what little shows of is difficult."""
    clipped = boxes.clip(0, side_px)
    sides = clipped[:, 2:] - clipped[:, :2]
    whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    inside = (sides > 1).all(axis=1)
    little = (sides.prod(axis=1) < LEAST_SHOWN * whole) | (sides.min(axis=1, initial=np.inf) < SMALLEST_PX)
    return Truth(clipped[inside].astype(np.float32), truth.classes[inside], truth.difficult[inside] | little[inside])


def letterboxed(picture: Pictures, long_px: int, multiple: int) -> tuple[Pictures, float]:
    """The whole picture with its longer side at `long_px`, on grey up to multiples on both axes, and the scale.

    The picture lies in the top left corner.
    """
    height, width = picture.shape[:2]
    scale = long_px / max(height, width)
    high, wide = max(1, round(height * scale)), max(1, round(width * scale))
    resized = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.full((-(-high // multiple) * multiple, -(-wide // multiple) * multiple, 3), GREY, np.uint8)
    canvas[:high, :wide] = resized
    return canvas, scale
