"""GIF films, bounded in bytes: GIF89a by Pillow, each frame with a palette of its own, repeated for ever.

A GIF of textures takes nearly a byte a pixel. So where a film would be too large, its frames are made smaller.
"""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cvdemo.images import ImageArray, resize_to_fit
from cvdemo.limits import GIF_BYTES, GIF_SIDE_PX

COLOURS = 128  # of each palette; 256 take a fifth more bytes
SMALLEST_SIDE_PX = 16
SPARE = 0.95  # of the side at which the bytes should fit: they do not fall quite as the pixels do


class Gif:
    """A film that grows frame by frame; no frame is kept larger than `side_px`."""

    def __init__(self, fps: float, side_px: int = GIF_SIDE_PX) -> None:
        if not 1 <= fps <= 50:
            raise ValueError(f"need fps in 1..50, which is what players keep to, got {fps=}")
        self.fps, self.side_px = fps, side_px
        self.frames: list[ImageArray] = []

    def add(self, image: ImageArray) -> None:
        """Appends one frame, uint8 (H, W, 3) RGB."""
        self.frames.append(resize_to_fit(image, self.side_px))

    def encoded(self, max_bytes: int = GIF_BYTES) -> bytes:
        """The file, of `max_bytes` at most, or with frames of 16 px if not even those fit.

        Raises:
            ValueError: there are no frames.
        """
        if not self.frames:
            raise ValueError("need at least one frame, got none")
        frames = self.frames
        while True:
            data = _encoded(frames, self.fps)
            side_px = max(frames[0].shape[:2])
            if len(data) <= max_bytes or side_px <= SMALLEST_SIDE_PX:
                return data
            fitting_px = int(SPARE * side_px * math.sqrt(max_bytes / len(data)))
            frames = [resize_to_fit(frame, max(SMALLEST_SIDE_PX, fitting_px)) for frame in self.frames]


def _encoded(frames: Sequence[ImageArray], fps: float) -> bytes:
    first, *others = [Image.fromarray(frame).quantize(COLOURS) for frame in frames]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=_durations_ms(len(frames), fps), loop=0)
    return file.getvalue()


def _durations_ms(frames: int, fps: float) -> list[int]:
    """How long each frame is shown: whole hundredths of a second, as GIF counts them, that add up to the length."""
    ends = np.round(100 * np.arange(frames + 1) / fps)
    return [int(10 * duration) for duration in np.diff(ends)]
