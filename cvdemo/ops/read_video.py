"""Videos as upright frames at even times, of a size that is bounded before anything is decoded.

Read by FFmpeg through PyAV. The container is told from the first bytes and then fixed: formats that only name other
files, such as playlists, are never opened. Sound is not read.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame

from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import VIDEO_BYTES, VIDEO_FASTEST_FPS, VIDEO_FPS, VIDEO_MEGAPIXELS, VIDEO_S, VIDEO_SIDE_PX

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi"})
DEFAULT_FPS = 25.0  # of a file that does not tell
SAME_TIME_S = 1e-3  # times that differ by less are the same: containers round them
UNREADABLE = "The video cannot be read: it is damaged, or of a kind that is not known. MP4, MOV, WebM, MKV and AVI are."


def container_format(data: bytes) -> str | None:
    """FFmpeg's name for the container that a file begins with; None for all that are not read."""
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "avi"
    return None


def upright(image: ImageArray, degrees: float) -> ImageArray:
    """The frame turned counter-clockwise by the next multiple of 90 degrees, as its file asks for."""
    turned: ImageArray = np.ascontiguousarray(np.rot90(image, round(degrees / 90) % 4))
    return turned


@dataclass
class Progress:
    """What reading has met.

    Attributes:
        cut: the video goes on after what is looked at. damaged: it could not be decoded to its end.
    """

    cut: bool = False
    damaged: bool = False


class Video:
    """A video's frames: `with Video(data) as video: for image in video.frames(): ...`.

    Attributes:
        fps: of the frames that are given: the file's own, `VIDEO_FPS` at most.
        count: how many frames are expected, from what the file tells; at least 1.
        coded_hw: the size of frames (px) as the file tells it, before they are turned upright; at least 1 each.
        has_sound: whether the file has any, which is not read.
        progress: what is known once the frames are read.

    Raises:
        InputError: on entry: too large, or no video that can be read; in `frames`, where not one can be decoded.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) > VIDEO_BYTES:
            raise InputError(f"The video has {len(data) / 2**20:.0f} MB; the limit is {VIDEO_BYTES / 2**20:.0f} MB.")
        self._data = data
        self._size_wh: tuple[int, int] | None = None
        self.progress = Progress()

    def __enter__(self) -> "Video":
        name = container_format(self._data)
        if name is None:
            raise InputError(UNREADABLE)
        try:
            self._container = av.open(io.BytesIO(self._data), "r", format=name)
        except (FFmpegError, ValueError) as error:
            raise InputError(UNREADABLE) from error
        if not self._container.streams.video:
            self._container.close()
            raise InputError("The file holds no moving picture.")
        self._stream = self._container.streams.video[0]
        width, height = self._stream.codec_context.width, self._stream.codec_context.height
        self.coded_hw = (max(1, height), max(1, width))
        try:
            self._check_size(width, height)
        except InputError:
            self._container.close()
            raise
        self.has_sound = bool(self._container.streams.audio)
        self._is_avi = name == "avi"  # whose times are those of decoding: its frames are evenly spaced
        self._own_fps = float(self._stream.average_rate or self._stream.guessed_rate or DEFAULT_FPS)
        self.fps = max(1.0, min(self._own_fps, VIDEO_FPS))
        self.count = max(1, round(min(self._seconds(), VIDEO_S) * self.fps))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def notes(self, *, stopped: bool) -> tuple[str, ...]:
        """What a film that is made of the frames lacks, each a sentence; `stopped`: not all of them were taken."""
        said = {
            "The sound is left out.": self.has_sound,
            f"Only the first {VIDEO_S:g} s are looked at.": self.progress.cut,
            "The file is damaged; what could be read is shown.": self.progress.damaged,
            "Stopped before the end.": stopped,
        }
        return tuple(sentence for sentence, holds in said.items() if holds)

    def _seconds(self) -> float:
        """As the file tells; what is looked at most where it does not."""
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else VIDEO_S

    @staticmethod
    def _check_size(width: int, height: int) -> None:
        if width * height > VIDEO_MEGAPIXELS * 1e6:
            megapixels = width * height / 1e6
            raise InputError(f"The video has frames of {megapixels:.1f} megapixels; the limit is {VIDEO_MEGAPIXELS:g}.")

    def frames(self) -> Iterator[ImageArray]:
        """uint8 (H, W, 3) RGB of one size, 1 / `fps` s apart: at each time the frame that is shown then."""
        given, time_s = 0, 0.0
        current: VideoFrame | None = None
        for time_s, frame in self._decoded():
            while current is not None and given / self.fps < time_s - SAME_TIME_S:
                yield self._image(current)
                given += 1
                if given >= VIDEO_S * self.fps:
                    self.progress.cut = True
                    return
            current = frame
        if current is None:
            raise InputError(UNREADABLE)
        if given / self.fps <= time_s + SAME_TIME_S:
            yield self._image(current)

    def _decoded(self) -> Iterator[tuple[float, VideoFrame]]:
        """Frames with their times in s from the first one, as far as they can be decoded."""
        first: float | None = None
        try:
            for number, frame in enumerate(self._container.decode(self._stream)):
                if number >= VIDEO_FASTEST_FPS * VIDEO_S:
                    self.progress.cut = True
                    return
                self._check_size(frame.width, frame.height)
                time_s = number / self._own_fps if frame.time is None or self._is_avi else frame.time
                first = time_s if first is None else first
                yield time_s - first, frame
        except (FFmpegError, ValueError):
            self.progress.damaged = True

    def _image(self, frame: VideoFrame) -> ImageArray:
        """The frame upright, with square pixels, no larger than is shown, and of the first one's size."""
        if self._size_wh is None:
            aspect = float(self._stream.sample_aspect_ratio or 1)
            wide, high = frame.width * max(1.0, aspect), frame.height / min(1.0, aspect)
            scale = min(1.0, VIDEO_SIDE_PX / max(wide, high))
            self._size_wh = (max(2, round(wide * scale)), max(2, round(high * scale)))
        width, height = self._size_wh
        small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA")
        return upright(small.to_ndarray().astype(np.uint8, copy=False), frame.rotation)
