"""The verb `teach` of the command line: a folder with a sub-folder for each class becomes a taught head."""

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cvdemo.classify.taught_head import SUFFIX, TaughtHead, load_head, save_head
from cvdemo.classify.teach import KEPT_SIDE_PX, Taught, TeachRequest, check_classes
from cvdemo.cli.console import FAILED, say, tell
from cvdemo.cli.output import write_files
from cvdemo.cli.sources import Source, find_pictures, is_dir, read_picture
from cvdemo.cli.targets import check_targets
from cvdemo.demos import run
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, is_system, resize_to_fit
from cvdemo.limits import HEAD_BYTES


@dataclass(frozen=True)
class Class:
    """A class of the lesson: its name, and those of its pictures that can be read, each with its place."""

    label: str
    places: list[str]
    pictures: list[ImageArray]


def add_teach_options(parser: argparse.ArgumentParser) -> None:
    """FOLDER and HEAD."""
    folder = "a folder that has a sub-folder of pictures for each class, named after the class"
    parser.add_argument("folder", metavar="FOLDER", help=folder)
    parser.add_argument("output", metavar="HEAD", help=f"the {SUFFIX} file to write, for `classify --head`")


def run_teach_folder(args: argparse.Namespace) -> int:
    """Teaches a head. Returns the exit code: 2 where a picture could not be read, though the others were taught.

    Raises:
        InputError: there are too few or too many classes or pictures, or HEAD cannot be written.
    """
    found = _found_in(args.folder)
    target = Path(args.output)
    if target.suffix.lower() != SUFFIX:
        raise InputError(f"HEAD has to end in {SUFFIX}; it is {args.output}.")
    inputs = [source.path for sources in found.values() for source in sources if source.path is not None]
    check_targets([target], inputs, overwrite=args.overwrite)
    check_classes(list(found), [len(sources) for sources in found.values()])
    classes = [_read(label, sources) for label, sources in found.items()]
    taught = _taught(classes, args.device)
    write_files({target: save_head(taught.head)}, overwrite=args.overwrite)
    _tell(taught, classes, args)
    return FAILED if sum(len(one.pictures) for one in classes) < len(inputs) else 0


def _found_in(folder: str) -> dict[str, list[Source]]:
    """The pictures of each class, by its name."""
    if not is_dir(folder):
        raise InputError(
            f"FOLDER has to be a folder with a sub-folder for each class; {folder or 'an empty name'} is not."
        )
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_system(entry.name))
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}.") from error
    return {name: find_pictures(str(Path(folder) / name)).sources for name in names}


def _read(label: str, sources: list[Source]) -> Class:
    """A class; a picture that cannot be read is one line on standard error."""
    read = Class(label, [], [])
    for source in sources:
        try:
            picture = resize_to_fit(read_picture(source.path, enough_px=KEPT_SIDE_PX), KEPT_SIDE_PX)
        except InputError as error:
            say(f"{label}/{source.label}: {error}")
        else:
            read.places.append(f"{label}/{source.label}")
            read.pictures.append(picture)
    return read


def _taught(classes: list[Class], device: str) -> Taught:
    """The head, with a bar over its steps on a terminal."""
    request = TeachRequest(
        labels=tuple(one.label for one in classes),
        pictures=tuple(tuple(one.pictures) for one in classes),
        device=device,
    )
    taught: Taught | None = None
    with tqdm(unit="step", disable=None, leave=False) as bar:
        for step in run(request):
            bar.total, bar.n = step.total, step.done
            bar.refresh()
            taught = step.result
    assert taught is not None  # a demo's last step has a result
    return taught


def _tell(taught: Taught, classes: list[Class], args: argparse.Namespace) -> None:
    """How good the head is, and which pictures are doubtful."""
    places = {one.label: one.places for one in classes}
    if args.json:
        tell(json.dumps({"output": args.output, **taught.as_dict()}))
        return
    tell(f"{args.output}: {taught.in_words} (leave-one-out)")
    for verdict in taught.doubtful:
        tell(f"doubtful: {places[verdict.label][verdict.index]}: {verdict.in_words}")


def read_head(file: str) -> TaughtHead:
    """The head of `--head`.

    Raises:
        InputError: there is no such file, or it is no head of this version.
    """
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(HEAD_BYTES + 1)
    except OSError as error:
        raise InputError(f"The head {file} cannot be read: {error.strerror or error}.") from error
    return load_head(data)
