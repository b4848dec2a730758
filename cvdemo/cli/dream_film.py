"""The verb `dream-film`: a zoom film that begins with a picture, best one that was dreamed here."""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from cvdemo.cli.console import tell
from cvdemo.cli.output import write_files
from cvdemo.cli.recipe import RECIPE_HELP, content_of, recipe_of
from cvdemo.cli.sources import STDIO, read_other
from cvdemo.cli.targets import check_targets, either
from cvdemo.cli.verbs import PICTURE_VERBS
from cvdemo.config import Config
from cvdemo.demo import Step, result_of
from cvdemo.demos import run
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import read_recipe
from cvdemo.dream.zoom_film import FORMATS, DreamFilm, DreamFilmRequest, ZoomFilmConfig
from cvdemo.errors import InputError
from cvdemo.images import read_image

ENDINGS = tuple(f".{name}" for name in FORMATS)
PRESETS: Mapping[str, Config] = PICTURE_VERBS["dream"].presets
PRESET_HELP = "settings to start from, in place of those in IN; options given take precedence"


def add_dream_film_options(parser: argparse.ArgumentParser, preset: Callable[[str], str]) -> None:
    """IN, OUT, and where the settings come from; `preset` brings what is typed to the name of a preset."""
    source = "a picture, the first frame; a PNG that was dreamed here brings its settings along"
    parser.add_argument("input", metavar="IN", help=source)
    parser.add_argument("output", metavar="OUT", help=f"a {either(ENDINGS)} file")
    settings = parser.add_mutually_exclusive_group()
    settings.add_argument("--preset", type=preset, choices=list(PRESETS), help=PRESET_HELP)
    settings.add_argument("--recipe", metavar="FILE", help=RECIPE_HELP)
    parser.add_argument("--guide", metavar="PICTURE", help=PICTURE_VERBS["dream"].others["guide"])


def run_dream_film(
    film: ZoomFilmConfig, with_options: Callable[[DreamConfig], DreamConfig], args: argparse.Namespace
) -> int:
    """Makes the film. Returns 0.

    Args:
        with_options: a dream's config with what was given on the command line in its place.

    Raises:
        InputError: IN, the guide or the recipe cannot be read, OUT exists, cannot be written or has another ending, or
            the dream's settings cannot be used.
    """
    source, target = Path(args.input), Path(args.output)
    if target.suffix.lower() not in ENDINGS:
        raise InputError(f"OUT has to end in {either(ENDINGS)}; it is {args.output}.")
    inputs = [Path(name) for name in (args.input, args.guide, args.recipe) if name not in (None, STDIO)]
    check_targets([target], inputs, overwrite=args.overwrite)
    data = content_of(args.input)
    request = DreamFilmRequest(
        image=read_image(data),
        config=with_options(_base(data, args)),
        film=film,
        guide=None if args.guide is None else read_other("guide picture", args.guide),
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


def _base(data: bytes, args: argparse.Namespace) -> DreamConfig:
    """What is dreamed, before options: by the recipe or preset that is named, else by the recipe in IN, if it has one.

    What is missing of IN's own recipe is told on standard error.
    """
    if args.recipe is not None:
        return recipe_of(args.recipe)
    if args.preset is not None:
        preset = PRESETS[args.preset]
        assert isinstance(preset, DreamConfig)  # all of this verb are
        return preset
    return recipe_of(args.input) if read_recipe(data) is not None else DreamConfig()


def _with_bar(steps: Iterator[Step[Any]]) -> Iterator[Step[Any]]:
    """The steps, with a bar on a terminal."""
    with tqdm(unit="frame", disable=None, leave=False) as bar:
        for step in steps:
            bar.total = step.total
            bar.update(step.done - bar.n)
            yield step
