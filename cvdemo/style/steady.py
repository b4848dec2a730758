"""Frames of a film or a camera in one style, steady from one to the next without looking for where things moved.

A network that draws strokes draws others when its input changes by a little noise, and the strokes shimmer. Three
things lower that:

- the style's code is one for all frames, and the colours of the film are averaged over its last frames;
- where the film stands still, a frame is averaged with those before, and only that is painted: noise and the codec's
  ripples are gone before the network sees them;
- there the painting too is averaged with the one before.

Where something moves both are the new ones, so nothing leaves a trail. What stands still is told from the difference
to the frame before, smoothed over some pixels: noise cancels out, an edge that moves does not. `flicker` measures what
is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cvdemo.images import ImageArray
from cvdemo.style.feed_forward import PreparedStyle, Seen

DEFAULT_STEADINESS = 0.8
COLOURS_SHARE = 0.1  # of a frame in the averaged colours: they follow a change of the light in about a second
CUT_SHARE = 0.6  # of the places that moved at once: another scene begins
SMOOTHED_PX = 2.0  # deviation of the smoothing before a difference counts
STILL, MOVED = 2.0, 7.0  # grey levels of 255: at most the one counts as still, at least the other as moved

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Before:
    """What is kept of a film from frame to frame.

    Attributes:
        seen: what the colours and the code were made from.
        held: uint8 (H, W, 3), the frame as it was painted: averaged where the film stands still.
        painted: uint8 (H, W, 3), the picture that was shown.
    """

    seen: Seen
    held: ImageArray
    painted: ImageArray


def steady_frame(
    frame: ImageArray,
    style: PreparedStyle,
    before: Before | None = None,
    steadiness: float = DEFAULT_STEADINESS,
) -> Before:
    """The frame in a style, as `painted`, and what the next one needs.

    Args:
        frame: uint8 (H, W, 3) of any size.
        before: of the frame before it; None, or of frames of another size: this is the first.
        steadiness: 0 paints each frame alone, but for its colours; 1 never changes what stands still.

    Raises:
        ValueError: `steadiness` is not from 0 to 1.
        InputError: the frame is too narrow.
    """
    if not 0 <= steadiness <= 1:
        raise ValueError(f"need a steadiness from 0 to 1, got {steadiness}")
    source = style.source(frame)
    kept = None if before is None or before.held.shape != source.shape else stillness(before.held, source)
    if before is None or kept is None or kept.mean() < 1 - CUT_SHARE:
        seen = style.see(frame)
        return Before(seen, source, style.paint(source, seen))
    seen = before.seen.towards(style.see(frame), COLOURS_SHARE)
    weight = steadiness * kept
    held = mixed(source, before.held, weight)
    return Before(seen, held, mixed(style.paint(held, seen), before.painted, weight))


def stillness(before: ImageArray, now: ImageArray) -> Floats:
    """How much each place of a film stands still, (H, W) from 0, moved, to 1, still; both uint8 (H, W, 3)."""
    difference = now.astype(np.float32) - before
    smoothed: Any = cv2.GaussianBlur(difference, (0, 0), SMOOTHED_PX)
    change = np.abs(smoothed).max(axis=2)
    still: Floats = np.clip((MOVED - change) / (MOVED - STILL), 0, 1)
    return still


def mixed(new: ImageArray, old: ImageArray, weight: Floats) -> ImageArray:
    """Two pictures uint8 (H, W, 3), of which the old one counts as much as `weight` (H, W) says."""
    change = weight[..., None] * (old.astype(np.float32) - new)
    return np.rint(new + change).astype(np.uint8)


def flicker(frames: Sequence[ImageArray], painted: Sequence[ImageArray]) -> float:
    """How much a painted film changes where the film itself stands still, in grey levels of 255; 0 is perfectly steady.

    The mean absolute difference of paintings in a row, over the places that count as still between their frames.

    Args:
        frames, painted: uint8 (H, W, 3) of one size, in the order of the film.

    Raises:
        ValueError: other counts or sizes, or nothing stands still.
    """
    shapes = {image.shape for image in (*frames, *painted)}
    if len(frames) != len(painted) or len(frames) < 2 or len(shapes) != 1:
        raise ValueError(f"need two or more frames of one size, got {len(frames)}, {len(painted)}, {sorted(shapes)}")
    total, weights = 0.0, 0.0
    for (before, now), (old, new) in zip(pairwise(frames), pairwise(painted), strict=True):
        still = stillness(before, now) >= 1
        total += float(np.abs(new.astype(np.float32) - old)[still].mean(axis=1).sum())
        weights += float(still.sum())
    if not weights:
        raise ValueError("nothing in the film stands still")
    return total / weights
