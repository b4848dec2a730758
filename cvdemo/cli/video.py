"""`detect` on a video: an annotated mp4 file beside a line, or JSON, of what was found."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cvdemo.cli.console import say, tell
from cvdemo.cli.output import write_files
from cvdemo.cli.sources import STDIO, is_dir
from cvdemo.cli.targets import check_targets, is_folder
from cvdemo.demo import Step, result_of
from cvdemo.demos import run
from cvdemo.detect.run import DetectVideoRequest
from cvdemo.detect.selection import DetectConfig
from cvdemo.detect.video import DetectedVideo
from cvdemo.errors import InputError
from cvdemo.limits import VIDEO_BYTES
from cvdemo.ops.read_video import VIDEO_SUFFIXES

FILM = ".mp4"
NOT_OF_A_VIDEO = ("coco", "csv", "format", "recursive")  # options that say something of pictures only


def is_video(source: str) -> bool:
    """Whether IN is a video, by its ending; a folder never is."""
    return Path(source).suffix.lower() in VIDEO_SUFFIXES and not is_dir(source)


def run_video(config: DetectConfig, args: argparse.Namespace) -> int:
    """Writes the annotated video. Returns 0.

    Raises:
        InputError: IN cannot be read or is no video, OUT exists, cannot be written or does not end in .mp4, or an
            option has nothing to do with a video.
    """
    for name in NOT_OF_A_VIDEO:
        if getattr(args, name, None):
            raise InputError(f"--{name} changes nothing in a video: please leave it out.")
    source, target = Path(args.input), _target(args)
    check_targets([target], [source], overwrite=args.overwrite)
    request = DetectVideoRequest(video=_content(source), config=config, device=args.device)
    found: DetectedVideo = result_of(_with_bar(run(request)))
    write_files({target: found.mp4}, overwrite=args.overwrite)
    if args.json:
        tell(json.dumps({"file": str(source), "output": str(target), **found.as_dict()}))
        return 0
    for note in found.notes:
        say(note)
    tell(
        f"{source.name} -> {target}: {found.in_words}, at once at most; {found.frames} frames, {found.fps:.3g} a second"
    )
    return 0


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
            raise InputError(f"{source} is no regular file.")
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
