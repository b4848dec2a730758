"""The windows in motion: what "sliding" means, as a film.

For each size of window, the largest first, the window goes over the picture row by row. Its frame, and the dot that it
leaves in its middle, have the colour of its score, as on the score map. Where there are more windows than frames the
frame jumps, but every window leaves its dot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cvdemo.demo import Step, seconds_left
from cvdemo.detect.candidates import LevelScores, Scan
from cvdemo.detect.drawing import INK, PAPER, draw_box, draw_detections
from cvdemo.detect.score_maps import score_colour, window_box
from cvdemo.detect.selection import Detections
from cvdemo.images import ImageArray, resize_to_fit
from cvdemo.limits import MOTION_FRAMES
from cvdemo.ops.video import Film
from cvdemo.runtime import Deadline

MOTION_FPS = 20.0
SLOWEST = 4  # frames that a window stays: a fifth of a second
LAST_FRAMES = 20  # of them show the boxes that were kept
SIDE_PX = 640  # longer side of the picture in the film
CAPTION_PX, CAPTION_FONT_PX = 30, 15.0


@dataclass(frozen=True)
class MotionFilm:
    """The film: the file, and how many frames it has."""

    mp4: bytes
    frames: int

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return self.frames / MOTION_FPS


def motion_steps(canvas: ImageArray, scan: Scan, found: Detections, deadline: Deadline) -> Iterator[Step[MotionFilm]]:
    """A step a frame of `windows_in_motion`; the last carries the film. If the deadline comes first, it ends there."""
    total = sum(_budgets(scan)) + LAST_FRAMES
    with TemporaryDirectory(prefix="cvdemo-motion-") as folder:
        path = Path(folder) / "motion.mp4"
        with Film(path, MOTION_FPS) as film:
            for frame in windows_in_motion(canvas, scan, found):
                film.add(frame)
                if deadline.expired:
                    break
                yield Step(done=film.frames, total=total, seconds_left=seconds_left(deadline, film.frames, total))
        done = film.frames
        yield Step(done=done, total=total, result=MotionFilm(path.read_bytes(), done), complete=done == total)


def windows_in_motion(canvas: ImageArray, scan: Scan, found: Detections) -> Iterator[ImageArray]:
    """Frames, uint8 (H, W, 3) of one size with even sides, `MOTION_FRAMES` at most; to be shown at `MOTION_FPS`.

    Args:
        canvas: the picture at any size. scan: without levels, only the last frames are shown.
        found: the boxes of the last frames.
    """
    picture = resize_to_fit(canvas, SIDE_PX)
    picture = np.ascontiguousarray(picture[: picture.shape[0] // 2 * 2 or 1, : picture.shape[1] // 2 * 2 or 1])
    for number, (level, frames) in enumerate(zip(scan.levels, _budgets(scan), strict=True), start=1):
        yield from _over_level(picture, level, frames, f"{number} of {len(scan.levels)}")
    boxes = "1 box is" if len(found.scores) == 1 else f"{len(found.scores)} boxes are"
    last = _with_caption(draw_detections(picture, found), f"Of all windows {boxes} kept.")
    for _ in range(LAST_FRAMES):
        yield last


def _budgets(scan: Scan) -> list[int]:
    """How many frames each level of the scan gets."""
    return frames_of_levels([level.best.size for level in scan.levels], MOTION_FRAMES - LAST_FRAMES)


def frames_of_levels(windows: list[int], frames: int) -> list[int]:
    """How many frames each level gets: all as many, but `SLOWEST` a window at most, and one at least.

    Args:
        windows: of each level. frames: in all, but for levels beyond that number, which get one each.
    """
    given = [0] * len(windows)
    left = frames
    for place, level in enumerate(sorted(range(len(windows)), key=lambda i: windows[i])):
        given[level] = max(1, min(SLOWEST * windows[level], left // (len(windows) - place)))
        left -= given[level]
    return given


def _over_level(picture: ImageArray, level: LevelScores, frames: int, which: str) -> Iterator[ImageArray]:
    """The window on its way over one level."""
    ground = Image.fromarray(picture)
    dots = ImageDraw.Draw(ground)
    (rows, columns), (height, width) = level.best.shape, level.size_hw
    scale_xy = picture.shape[1] / width, picture.shape[0] / height
    about = f"Size {which}: windows of {level.window_px:g} px on {width} x {height} px, {columns} x {rows}"
    stops = np.linspace(0, level.best.size - 1, frames).round().astype(int) if frames > 1 else [level.best.size - 1]
    start = 0
    for stop in stops:
        for index in range(start, int(stop) + 1):
            _dot(dots, level, index, scale_xy)
        start = int(stop) + 1
        shown, score = ground.copy(), float(level.best.flat[stop])
        draw_box(ImageDraw.Draw(shown), window_box(level, int(stop), scale_xy), score_colour(score), 3)
        yield _with_caption(np.array(shown), f"{about}; this one: {score:.0%}")


def _dot(draw: ImageDraw.ImageDraw, level: LevelScores, index: int, scale_xy: tuple[float, float]) -> None:
    x1, y1, x2, y2 = window_box(level, index, scale_xy)
    x, y, radius = (x1 + x2) / 2, (y1 + y2) / 2, max(1.0, 0.16 * level.stride_px * min(scale_xy))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=score_colour(float(level.best.flat[index])))


def _with_caption(picture: ImageArray, text: str) -> ImageArray:
    """The picture over a dark strip with a line of text, which is made smaller where it would not fit."""
    height, width = picture.shape[:2]
    sheet = Image.new("RGB", (width, height + CAPTION_PX), INK)
    sheet.paste(Image.fromarray(picture), (0, 0))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION_FONT_PX)
    room = width - 12
    if draw.textlength(text, font=font) > room:
        font = ImageFont.load_default(max(6.0, CAPTION_FONT_PX * room / draw.textlength(text, font=font)))
    draw.text((6, height + 6), text, font=font, fill=PAPER)
    return np.array(sheet)
