"""A short video in a style: each frame is painted in one pass and kept steady; the result is an mp4 file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from cvdemo.config import setting
from cvdemo.demo import Lane, Request, Step, seconds_left
from cvdemo.images import ImageArray
from cvdemo.ops.read_video import Video
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline
from cvdemo.style.feed_forward import InstantConfig, PreparedStyle, load_painter
from cvdemo.style.instant import prepare
from cvdemo.style.steady import DEFAULT_STEADINESS, Before, steady_frame

PREVIEW_EVERY_S = 0.5  # of the video, between two previews
CRF = 20  # strokes are fine detail, which x264's default of 23 smears


@dataclass(frozen=True, kw_only=True)
class StyleVideoConfig(InstantConfig):
    """How a video is painted."""

    size: int = setting(
        512,
        "Size of the film",
        unit="px, longer side",
        minimum=128,
        maximum=1024,
        step=32,
        help="Twice the size takes four times as long.",
    )
    steadiness: float = setting(
        DEFAULT_STEADINESS,
        "Steadiness",
        minimum=0,
        maximum=0.95,
        step=0.05,
        help="Higher: less flicker where the video stands still.",
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class StyleVideoRequest(Request):
    """A video, the bytes of a file, in the manner of a picture; `styles` are further ones with their weights."""

    usual_lane: ClassVar[Lane] = Lane.SLOW

    video: bytes
    style: ImageArray
    config: StyleVideoConfig = field(default_factory=StyleVideoConfig)
    styles: tuple[tuple[ImageArray, float], ...] = ()


@dataclass(frozen=True)
class PaintedVideo:
    """A film.

    Attributes:
        mp4: the file, without sound. frames, fps, size_wh: of it.
        notes: what is missing, each a sentence: sound, an end that was cut off.
    """

    mp4: bytes
    frames: int
    fps: float
    size_wh: tuple[int, int]
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return self.frames / self.fps

    def as_dict(self) -> dict[str, Any]:
        """What programs are told of it."""
        return {
            "frames": self.frames,
            "fps": round(self.fps, 3),
            "seconds": round(self.seconds, 2),
            "size_wh": list(self.size_wh),
            "notes": list(self.notes),
        }


def run_style_video(request: StyleVideoRequest) -> Iterator[Step[PaintedVideo]]:
    """One step a frame, see `video_steps`. The time limit begins once the networks are loaded.

    Raises:
        InputError: the video is too large or cannot be read, or a picture is too narrow.
        WeightsError: there is no instant style here, or its file is missing or altered.
    """
    style = prepare([(request.style, 1.0), *request.styles], request.config, load_painter(request.device))
    yield from video_steps(request.video, style, request.config.steadiness, Deadline(request.time_limit_s))


def video_steps(
    data: bytes, style: PreparedStyle, steadiness: float, deadline: Deadline
) -> Iterator[Step[PaintedVideo]]:
    """A step a frame, some with the painted frame as preview; the last carries the film.

    If the deadline comes first, the film ends there and its step is not complete; the first frame is always in it.

    Raises:
        InputError: the video is too large, too narrow or cannot be read.
    """
    before: Before | None = None
    stopped = False
    with TemporaryDirectory(prefix="cvdemo-video-") as folder, Video(data) as video:
        path = Path(folder) / "painted.mp4"
        with Film(path, video.fps, crf=CRF) as film:
            for frame in video.frames():
                before = steady_frame(frame, style, before, steadiness)
                film.add(before.painted)
                stopped = deadline.expired
                if stopped:
                    break
                yield _step(film.frames, video, deadline, before.painted)
        assert before is not None  # a video without a frame has raised
        yield _last_step(path.read_bytes(), film.frames, video, before.painted, stopped=stopped)


def _step(frames: int, video: Video, deadline: Deadline, painted: ImageArray) -> Step[PaintedVideo]:
    total = max(frames, video.count)
    shows = (frames - 1) % max(1, round(PREVIEW_EVERY_S * video.fps)) == 0
    left = seconds_left(deadline, frames, total)
    return Step(done=frames, total=total, seconds_left=left, preview=painted if shows else None)


def _last_step(mp4: bytes, frames: int, video: Video, painted: ImageArray, *, stopped: bool) -> Step[PaintedVideo]:
    size_wh = (painted.shape[1], painted.shape[0])
    result = PaintedVideo(mp4, frames, video.fps, size_wh, video.notes(stopped=stopped))
    total = max(frames, video.count) if stopped else frames
    return Step(done=frames, total=total, preview=painted, result=result, complete=not stopped)
