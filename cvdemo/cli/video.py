"""`detect` and `stylize` on a video: an mp4 file beside a line, or JSON, of what it shows."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cvdemo.cli.console import say, tell
from cvdemo.cli.output import write_files
from cvdemo.cli.sources import STDIO, is_dir
from cvdemo.cli.stylize import pictures_beside, styles_of
from cvdemo.cli.targets import check_targets, is_folder
from cvdemo.demo import Request, Step, result_of
from cvdemo.demos import run
from cvdemo.detect.run import DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.detect.video import DetectedVideo
from cvdemo.errors import InputError
from cvdemo.limits import VIDEO_BYTES
from cvdemo.ops.read_video import VIDEO_SUFFIXES
from cvdemo.style.video import PaintedVideo, StyleVideoConfig, StyleVideoRequest

FILM = ".mp4"
# options that say something of pictures only
NOT_OF_A_VIDEO = ("coco", "csv", "format", "recursive", "mask", "start_image")


def is_video(source: str) -> bool:
    """Whether IN is a video, by its ending; a folder never is."""
    return Path(source).suffix.lower() in VIDEO_SUFFIXES and not is_dir(source)


def run_video(config: DetectConfig | StyleVideoConfig, args: argparse.Namespace) -> int:
    """Writes the annotated or painted video. Returns 0.

    Raises:
        InputError: IN cannot be read or is no video, OUT exists, cannot be written or does not end in .mp4, or an
            option has nothing to do with a video.
        WeightsError: a network is not there.
    """
    for name in NOT_OF_A_VIDEO:
        if getattr(args, name, None):
            raise InputError(f"--{name.replace('_', '-')} changes nothing in a video: please leave it out.")
    source, target = Path(args.input), _target(args)
    inputs = [source, *(Path(picture) for _, picture in pictures_beside(args) if picture != STDIO)]
    check_targets([target], inputs, overwrite=args.overwrite)
    made: DetectedVideo | PaintedVideo = result_of(_with_bar(run(_request(config, _content(source), args))))
    write_files({target: made.mp4}, overwrite=args.overwrite)
    facts: Mapping[str, Any] = {"file": str(source), "output": str(target), **made.as_dict()}
    if args.json:
        tell(json.dumps(facts))
        return 0
    for note in made.notes:
        say(note)
    seen = f"{made.in_words}, at once at most; " if isinstance(made, DetectedVideo) else ""
    tell(f"{source.name} -> {target}: {seen}{made.frames} frames, {made.fps:.3g} a second")
    return 0


def _request(config: DetectConfig | StyleVideoConfig, video: bytes, args: argparse.Namespace) -> Request:
    if isinstance(config, DetectConfig):
        return DetectVideoRequest(video=video, config=config, device=args.device)
    style, *others = styles_of(args)
    return StyleVideoRequest(video=video, style=style[0], styles=tuple(others), config=config, device=args.device)


def _target(args: argparse.Namespace) -> Path:
    output = args.output or ""
    if output and is_folder(output):
        return Path(output) / f"{Path(args.input).stem}{FILM}"
    if Path(output).suffix.lower() != FILM or output == STDIO:
        raise InputError(f"OUT has to end in {FILM}, or be a folder, as IN is a video; it is {output or 'missing'}.")
    return Path(output)


def _content(source: Path) -> bytes:
    try:
        if source.exists() and not source.is_file():
            raise InputError(f"{source} is not a regular file.")
        with source.open("rb") as file:
            return file.read(VIDEO_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {source}.") from error
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}.") from error


def _with_bar(steps: Iterator[Step[Any]]) -> Iterator[Step[Any]]:
    """The steps, with a bar on a terminal."""
    with tqdm(unit="frame", disable=None, leave=False) as bar:
        for step in steps:
            bar.total = step.total
            bar.update(step.done - bar.n)
            yield step
