"""The verb `dream-film`: a zoom film that begins with a picture, best one that was dreamed here."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cvdemo.cli.console import say, tell
from cvdemo.cli.dream import BY_SLUG, GUIDE_HELP, RECIPE_HELP, dream_config, read_named, with_options
from cvdemo.cli.output import write_files
from cvdemo.cli.sources import STDIO
from cvdemo.cli.targets import check_targets, either
from cvdemo.demo import Step, result_of
from cvdemo.demos import run
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import read_recipe
from cvdemo.dream.zoom_film import FORMATS, DreamFilm, DreamFilmRequest, ZoomFilmConfig
from cvdemo.errors import InputError
from cvdemo.images import read_image
from cvdemo.limits import FILE_BYTES

ENDINGS = tuple(f".{name}" for name in FORMATS)
PRESET_HELP = "settings to start from, in place of those in IN; options given take precedence"


def add_dream_film_options(parser: argparse.ArgumentParser, preset: Callable[[str], str]) -> None:
    """IN, OUT, and where the settings come from; `preset` brings what is typed to the name of a preset."""
    source = "a picture, the first frame; a PNG that was dreamed here brings its settings along"
    parser.add_argument("input", metavar="IN", help=source)
    parser.add_argument("output", metavar="OUT", help=f"a {either(ENDINGS)} file")
    settings = parser.add_mutually_exclusive_group()
    settings.add_argument("--preset", type=preset, choices=list(BY_SLUG), help=PRESET_HELP)
    settings.add_argument("--recipe", metavar="FILE", help=RECIPE_HELP)
    parser.add_argument("--guide", metavar="FILE", help=GUIDE_HELP)


def run_dream_film(film: ZoomFilmConfig, args: argparse.Namespace) -> int:
    """Makes the film. Returns 0.

    Raises:
        InputError: IN, the guide or the recipe cannot be read, OUT exists, cannot be written or has another ending, or
            the dream's settings cannot be used.
    """
    source, target = Path(args.input), Path(args.output)
    if target.suffix.lower() not in ENDINGS:
        raise InputError(f"OUT has to end in {either(ENDINGS)}; it is {args.output}.")
    check_targets([target], [source], overwrite=args.overwrite)
    data = _content(source)
    request = DreamFilmRequest(
        image=read_image(data),
        config=_config(data, args),
        film=film,
        guide=read_named(args, "guide"),
        formats=(target.suffix.lower()[1:],),
        device=args.device,
    )
    made: DreamFilm = result_of(_with_bar(run(request)))
    (content,) = made.files.values()
    write_files({target: content}, overwrite=args.overwrite)
    facts = {"file": str(source), "output": str(target), "frames": made.frames, "bytes": len(content)}
    words = f"{source.name} -> {target}: {made.frames} frames, {film.fps} a second, {len(content) / 1e6:.1f} MB"
    tell(json.dumps(facts) if args.json else words)
    return 0


def _config(data: bytes, args: argparse.Namespace) -> DreamConfig:
    """What is dreamed: by the options, or where they name nothing to start from, by the recipe in IN."""
    recipe = read_recipe(data) if args.preset is None and args.recipe is None else None
    if recipe is None:
        return dream_config(args)
    if recipe.left_out:
        say(recipe.in_words)
    return with_options(recipe.config, args)


def _content(source: Path) -> bytes:
    if str(source) == STDIO or not source.is_file():
        raise InputError(f"IN has to be a picture file; {source} is none.")
    try:
        with source.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}.") from error
    if len(data) > FILE_BYTES:
        raise InputError(f"The file is larger than {FILE_BYTES >> 20} MB.")
    return data


def _with_bar(steps: Iterator[Step[Any]]) -> Iterator[Step[Any]]:
    """The steps, with a bar on a terminal."""
    with tqdm(unit="frame", disable=None, leave=False) as bar:
        for step in steps:
            bar.total = step.total
            bar.update(step.done - bar.n)
            yield step
