"""A walk through a generator's latents as a film that repeats without a seam.

The way is the closed loop of `cvdemo.sample.latents`; each of its latents is one frame, enlarged because players and
H.264, which keeps colour at half the resolution, do badly by pictures of 64 px.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline
from cvdemo.sample.generate import BATCH, PictureNetwork, generate
from cvdemo.sample.latents import loop


@dataclass(frozen=True, kw_only=True)
class WalkConfig(Config):
    """How the film is made."""

    seconds: float = setting(8.0, "Length", unit="s", minimum=2.0, maximum=30.0, step=1.0)
    fps: int = setting(24, "Frames a second", minimum=10, maximum=30, step=1)
    stops: int = setting(
        6, "Random points", minimum=2, maximum=16, step=1, help="That the walk goes through when nothing is picked."
    )
    enlarge: int = setting(4, "Enlarged", choices=(1, 2, 4, 8), help="How many times, for the film.")

    @property
    def frames(self) -> int:
        return round(self.seconds * self.fps)


@dataclass(frozen=True)
class WalkStep:
    """Where the work stands after some frames: `done` of `total`, and those that are new, uint8 (H, W, 3)."""

    done: int
    total: int
    frames: list[ImageArray]


def walk_steps(
    generator: PictureNetwork, stops: Tensor, config: WalkConfig, deadline: Deadline | None = None
) -> Iterator[WalkStep]:
    """The frames of a walk, some at a time; the last step is not complete (`done < total`) if the deadline came first.

    Args:
        stops: (K, latent_dim), K >= 2 latents that the walk passes in this order, and then the first again.
    """
    points = loop(stops, config.frames)
    for start in range(0, len(points), BATCH):
        frames = [enlarged(picture, config.enlarge) for picture in generate(generator, points[start : start + BATCH])]
        yield WalkStep(start + len(frames), len(points), frames)
        if deadline is not None and deadline.expired:
            return


def film_steps(
    path: Path, generator: PictureNetwork, stops: Tensor, config: WalkConfig, deadline: Deadline | None = None
) -> Iterator[WalkStep]:
    """`walk_steps` on the way into the film `path`, which is there, whole, after the last step, and not before.

    Raises:
        InputError: the deadline came first; no film is left.
    """
    with Film(path, config.fps) as film:
        for step in walk_steps(generator, stops, config, deadline):
            for frame in step.frames:
                film.add(frame)
            yield step
        if step.done < step.total:
            raise InputError(f"Time ran out after {step.done} of {step.total} frames: choose a shorter film.")


def enlarged(picture: ImageArray, times: int) -> ImageArray:
    """The picture `times` as wide and high, bicubic."""
    if times == 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
