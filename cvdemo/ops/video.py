"""Films: H.264 in an mp4 file that browsers play, from frames of one size.

ITU-T H.264, encoded by x264 through PyAV, with 4:2:0 chroma and the index ahead of the pictures (`faststart`), which
is what every browser takes. Colours are converted by BT.709 and the file says so; without that players guess.
"""

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from cvdemo.images import ImageArray

DEFAULT_FPS = 24.0
DEFAULT_CRF = 18  # x264's constant quality, 0 to 51; 18 is taken for lossless to the eye


def write_mp4(frames: Iterable[ImageArray], path: Path, fps: float = DEFAULT_FPS, *, crf: int = DEFAULT_CRF) -> Path:
    """Writes the frames as one film and returns its path; nothing is left behind where it fails.

    Args:
        frames: uint8 (H, W, 3) RGB, all of one size; an odd side gets its last row or column twice.
        fps: frames a second.
        crf: 0 is lossless apart from the colours, 51 the smallest file.

    Raises:
        ValueError: no frames, frames of different sizes or not uint8 (H, W, 3), or a setting out of range.
    """
    with Film(path, fps, crf=crf) as film:
        for frame in frames:
            film.add(frame)
    return path


class Film:
    """A film that grows frame by frame: `with Film(path) as film: film.add(frame)`.

    It is written under a temporary name beside `path` and renamed at the end, so `path` is whole or absent.

    Raises:
        ValueError: on entry to or exit from the block, or in `add`, as in `write_mp4`.
    """

    def __init__(self, path: Path, fps: float = DEFAULT_FPS, *, crf: int = DEFAULT_CRF) -> None:
        if not 1 <= fps <= 240 or not 0 <= crf <= 51:
            raise ValueError(f"need fps in 1..240 and crf in 0..51, got {fps=}, {crf=}")
        self.path, self.frames = path, 0
        self.encoded = 0  # of the frames; the encoder looks some dozens ahead
        self._fps, self._crf = Fraction(fps).limit_denominator(1001), crf  # 23.976 is 24000/1001
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> "Film":
        self._container = av.open(self._partial, "w", format="mp4", options={"movflags": "faststart"})
        return self

    def add(self, image: ImageArray) -> None:
        """Appends one frame, uint8 (H, W, 3) RGB of the first one's size."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"need uint8 (H, W, 3) frames, got {image.dtype} {image.shape}")
        if self._shape is None:
            self._shape = image.shape
            self._stream = self._add_stream(image)
        if image.shape != self._shape:
            raise ValueError(f"need frames of one size, got {image.shape} after {self._shape}")
        frame = av.VideoFrame.from_ndarray(_even(image), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = self.frames, 1 / self._fps
        packets = self._stream.encode(frame)
        self._container.mux(packets)
        self.encoded += len(packets)
        self.frames += 1

    def _add_stream(self, image: ImageArray) -> VideoStream:
        stream = self._container.add_stream("libx264", rate=self._fps, options={"crf": str(self._crf)})
        stream.height, stream.width = _even(image).shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._fps
        context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return stream

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self.frames:
                self._container.mux(self._stream.encode(None))
            self._container.close()
            if kind is None and not self.frames:
                raise ValueError(f"need at least one frame, got none for {self.path}")
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)


def _even(image: ImageArray) -> ImageArray:
    """The frame with its last row and column twice where that makes a side even, which 4:2:0 asks for."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
