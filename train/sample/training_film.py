"""The training film: what fixed latents became in the course of a run, small enough to lie beside the weight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.images import ImageArray
from cvdemo.ops.video import write_mp4

MAX_BYTES = 1_500_000
FPS = 12

_FRAMES = 240  # at most: 20 s
_FEWEST_FRAMES = 120  # a film of few pictures shows each for longer, up to a second, to last 10 s
_LAST_FRAMES = 24  # the last picture stands for 2 s
_CRFS = (23, 26, 29, 32, 35, 40, 45, 51)  # tried in turn until the film is small enough
_TEXT_PX = 20


def training_film(run: Path, target: Path, side_px: int, last_step: int, max_bytes: int = MAX_BYTES) -> Path:
    """Writes a film of the previews in a run's folder, the step below each, and returns its path.

    Args:
        run: holds `preview_<step>.png`.
        target: the mp4.
        side_px: of the square that is shown, from the upper left corner of the previews.
        last_step: later previews are left out.
        max_bytes: the film gets coarser until it is no larger, as far as H.264 goes.

    Raises:
        FileNotFoundError: there is no preview up to that step.
        ValueError: it is larger even at the coarsest.
    """
    previews = [(step, path) for step, path in _previews(run) if step <= last_step]
    if not previews:
        raise FileNotFoundError(f"no preview_*.png up to step {last_step} in {run}: train with --preview-every")
    for crf in _CRFS:
        write_mp4(_frames(_spread(previews), side_px), target, FPS, crf=crf)
        if target.stat().st_size <= max_bytes:
            return target
    size = target.stat().st_size
    target.unlink()
    raise ValueError(f"the film takes {size:,} bytes, more than {max_bytes:,}, at the coarsest: show fewer pictures")


def _previews(run: Path) -> list[tuple[int, Path]]:
    """(step, file), in order."""
    found = [(re.fullmatch(r"preview_(\d+)\.png", path.name), path) for path in run.iterdir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def _spread(previews: list[tuple[int, Path]]) -> list[tuple[int, Path]]:
    """At most `_FRAMES` of them, evenly; the first and the last are among them."""
    chosen = np.linspace(0, len(previews) - 1, min(_FRAMES, len(previews))).round().astype(int)
    return [previews[index] for index in chosen]


def _frames(previews: list[tuple[int, Path]], side_px: int) -> Iterator[ImageArray]:
    held = min(FPS, max(1, round(_FEWEST_FRAMES / len(previews))))
    for number, (step, path) in enumerate(previews, 1):
        with Image.open(path) as picture:
            frame = _labelled(picture.convert("RGB").crop((0, 0, side_px, side_px)), step)
        for _ in range(_LAST_FRAMES if number == len(previews) else held):
            yield frame


def _labelled(picture: Image.Image, step: int) -> ImageArray:
    """The picture with a strip below it that tells the step."""
    canvas = Image.new("RGB", (picture.width, picture.height + _TEXT_PX), "white")
    canvas.paste(picture)
    ImageDraw.Draw(canvas).text(
        (4, picture.height + _TEXT_PX // 2), f"step {step:,}", "#1f2937", ImageFont.load_default(12), anchor="lm"
    )
    return np.asarray(canvas)
