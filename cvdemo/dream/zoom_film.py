"""A zoom film: a dive into a dream. Each frame is the last one, enlarged about its centre, turned, and dreamed on.

That is the loop of the notebook google/deepdream (2015), which enlarged by 1.05 a frame. Departures: each frame gets
the mean and covariance of the colours of the first (see `cvdemo.ops.colour_match`), without which a dive drifts within
a few dozen frames to colours that no picture has; the picture may turn; and what a turn brings in at the corners is
mirrored. A frame is dreamed at its full size alone: larger forms grow out of smaller ones by the zoom itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import cv2
import numpy as np

from cvdemo.config import SEED_MAX, Config, setting
from cvdemo.demo import Lane, Request, Step, seconds_left
from cvdemo.dream.deepdream import DreamConfig, dream, fit
from cvdemo.dream.network import load_dream_network
from cvdemo.dream.objectives import DreamNetwork
from cvdemo.errors import LeftError
from cvdemo.images import ImageArray, to_image
from cvdemo.limits import DREAM_FILM_FRAMES
from cvdemo.ops.colour_match import match_colours
from cvdemo.ops.gif import Gif
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline

MP4, GIF = "mp4", "gif"
FORMATS = (MP4, GIF)


@dataclass(frozen=True, kw_only=True)
class ZoomFilmConfig(Config):
    """How the film moves; what it dreams of is a `DreamConfig`."""

    frames: int = setting(
        60, "Frames", minimum=2, maximum=DREAM_FILM_FRAMES, step=1, help="The first frame is the picture."
    )
    fps: int = setting(
        15,
        "Frames a second",
        minimum=5,
        maximum=30,
        step=1,
        help="More frames a second: the film is smoother and shorter.",
    )
    zoom: float = setting(
        1.04,
        "Zoom a frame",
        unit="times",
        minimum=1.0,
        maximum=1.2,
        step=0.01,
        help="At 1.04 it is twice as large after 18 frames.",
    )
    turn_deg: float = setting(
        0.5, "Turn a frame", unit="degrees", minimum=-10.0, maximum=10.0, step=0.1, help="Above 0 turns to the left."
    )
    frame_steps: int = setting(
        2, "Dream steps a frame", minimum=1, maximum=10, step=1, help="More steps: a stronger dream, and a longer wait."
    )
    film_px: int = setting(
        384, "Size of the film", unit="px", minimum=128, maximum=768, step=32, help="Longer side of a frame."
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class DreamFilmRequest(Request):
    """A zoom film that begins with a picture, best a dreamed one.

    Attributes:
        image: uint8 (H, W, 3) RGB of any size, the first frame.
        config: what is dreamed; its octaves, steps and size are not used.
        guide: uint8 (h, w, 3) RGB, whose features the dream follows, as in `DreamRequest`.
        formats: of the files that are wanted: "mp4", "gif" or both.
    """

    usual_lane: ClassVar[Lane] = Lane.SLOW

    image: ImageArray
    config: DreamConfig = field(default_factory=DreamConfig)
    film: ZoomFilmConfig = field(default_factory=ZoomFilmConfig)
    guide: ImageArray | None = None
    formats: Sequence[str] = (MP4,)


@dataclass(frozen=True, eq=False)
class DreamFilm:
    """A film.

    Attributes:
        files: the content of each file, by its format.
        frames: in it. wanted: those that the settings ask for.
    """

    files: Mapping[str, bytes]
    frames: int
    wanted: int


def dived(frame: ImageArray, zoom: float, turn_deg: float) -> ImageArray:
    """uint8 (H, W, 3) of the same size, enlarged `zoom` times about its centre and turned to the left, bicubic.

    What lies outside the frame is its mirror image.
    """
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, zoom)
    moved = cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.uint8)


def film_frames(request: DreamFilmRequest, network: DreamNetwork, deadline: Deadline) -> Iterator[ImageArray]:
    """Yields the frames, uint8 (H, W, 3), until all are there or the deadline is; the first comes in any case."""
    film = request.film
    first = fit(request.image, film.film_px, network.device)
    frame = to_image(first)
    yield frame
    for number in range(1, film.frames):
        settings = replace(
            request.config,
            octaves=1,
            steps=film.frame_steps,
            size_px=film.film_px,
            seed=(request.config.seed + number) % SEED_MAX,
        )
        for state in dream(dived(frame, film.zoom, film.turn_deg), network, settings, guide=request.guide):
            pixels = state.pixels
            if deadline.expired:
                return
        frame = to_image(match_colours(pixels, first))
        yield frame


def run_dream_film(request: DreamFilmRequest) -> Iterator[Step[DreamFilm]]:
    """A step for each frame, which is its preview; the last carries the film, where time ran out of the frames so far.

    The mp4 file is written on the disk, where its index can be put ahead of its pictures; nothing is left of it.

    Raises:
        ValueError: no format, or another than "mp4" and "gif". InputError: the layer has no such channel.
        LeftError: nobody waits for it any more.
    """
    if not request.formats or not set(request.formats) <= set(FORMATS):
        raise ValueError(f"need formats of {FORMATS}, got {request.formats}")
    deadline, film = Deadline(request.time_limit_s), request.film
    frames = film_frames(request, load_dream_network(request.device), deadline)
    with TemporaryDirectory(prefix="cvdemo-dream-") as folder:
        path, gif = Path(folder) / "film.mp4", Gif(film.fps)
        with ExitStack() as opened:
            writers: list[Film | Gif] = [opened.enter_context(Film(path, film.fps))] if MP4 in request.formats else []
            writers += [gif] if GIF in request.formats else []
            for done, frame in enumerate(frames, start=1):
                for writer in writers:
                    writer.add(frame)
                left_s = seconds_left(deadline, done - 1, film.frames - 1)  # the first one takes no time
                yield Step(done=done, total=film.frames, seconds_left=left_s, preview=frame)
        if deadline.abandoned:  # packing takes seconds
            raise LeftError("Nobody waits for the film any more.")
        files = {MP4: path.read_bytes()} if MP4 in request.formats else {}
        if GIF in request.formats:
            files[GIF] = gif.encoded()
    yield Step(
        done=done,
        total=film.frames,
        seconds_left=0.0,
        preview=frame,
        result=DreamFilm(files, done, film.frames),
        complete=done == film.frames,
    )
