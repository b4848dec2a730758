"""A walk through a generator's latents as a film that repeats without a seam.

The way is the closed loop of `cvdemo.sample.latents`; each of its latents is one frame, enlarged because players and
H.264, which keeps colour at half the resolution, do badly by pictures of 64 px.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.demo import Step, seconds_left
from cvdemo.images import ImageArray
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import BATCH, PictureNetwork, generate
from cvdemo.sample.latents import loop

ENCODING = 2 / 3  # of a frame's work, which comes some 40 frames after the rest: measured at an enlargement of 4 and 8


@dataclass(frozen=True, kw_only=True)
class WalkConfig(Config):
    """How the film is made."""

    seconds: float = setting(8.0, "Length", unit="s", minimum=2.0, maximum=30.0, step=1.0, help="Of the film.")
    fps: int = setting(24, "Frames a second", minimum=10, maximum=30, step=1, help="More is smoother and takes longer.")
    stops: int = setting(
        6,
        "Random pictures on the way",
        minimum=2,
        maximum=16,
        step=1,
        help="If nothing is picked, the film goes from one of them to the next.",
    )
    enlarge: int = setting(
        4, "Enlargement", choices=(1, 2, 4, 8), help="How many times larger the film is than the pictures."
    )

    @property
    def frames(self) -> int:
        return round(self.seconds * self.fps)


def film_steps(
    generator: PictureNetwork, stops: Tensor, config: WalkConfig, deadline: Deadline | None = None
) -> Iterator[Step[bytes]]:
    """Draws and encodes the frames of a walk, some a step, the last of which is the preview; the result is an mp4 file.

    If the deadline comes first, the film ends there and repeats with a jerk; its step is not complete. The file is
    written on the disk, where its index can be put ahead of its pictures, and nothing is left of it.

    Args:
        stops: (K, latent_dim), K >= 2 latents that the walk passes in this order, and then the first again.
    """
    deadline = deadline or Deadline()
    points = loop(stops, config.frames)
    with TemporaryDirectory(prefix="cvdemo-walk-") as folder:
        path = Path(folder) / "walk.mp4"
        with Film(path, config.fps) as film:
            for start in range(0, len(points), BATCH):
                for picture in generate(generator, points[start : start + BATCH]):
                    frame = enlarged(picture, config.enlarge)
                    film.add(frame)
                step: Step[bytes] = Step(
                    done=film.frames,
                    total=len(points),
                    seconds_left=seconds_left(deadline, _worked(film), len(points)),
                    preview=frame,
                )
                if step.done == step.total or deadline.expired:
                    break
                yield step
        yield replace(step, result=path.read_bytes(), complete=step.done == step.total)


def _worked(film: Film) -> float:
    """How many frames the work so far is worth; 0 while none is encoded, so that nothing is known of encoding yet."""
    return (1 - ENCODING) * film.frames + ENCODING * film.encoded if film.encoded else 0.0


def enlarged(picture: ImageArray, times: int) -> ImageArray:
    """The picture `times` as wide and high, bicubic."""
    if times == 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
