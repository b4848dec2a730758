"""What the verbs `dream` and `dream-film` share: settings from a preset or a recipe, a mask and a guide picture."""

import argparse
from pathlib import Path

from cvdemo.cli.console import say
from cvdemo.cli.sources import STDIO, read_picture
from cvdemo.config import settings_of
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import read_recipe
from cvdemo.dream.presets import PRESETS, with_settings
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import FILE_BYTES

RECIPE_HELP = "a PNG that was dreamed here: its settings to start from; options given take precedence"
MASK_HELP = "a picture that is white where to dream and black elsewhere; it is stretched to the size of IN"
GUIDE_HELP = "a picture whose features the dream follows"
PICTURES = ("mask", "guide")  # options that name a picture that is read


def slug_of(preset: str) -> str:
    """The name of a preset on the command line."""
    return preset.lower().replace(" ", "-")


BY_SLUG = {slug_of(name): config for name, config in PRESETS.items()}


def dream_config(args: argparse.Namespace) -> DreamConfig:
    """The settings of `--recipe`, else of the preset, else the default ones, with every option given in their place.

    Raises:
        InputError: the file of the recipe cannot be read, or holds none. SettingError: a value is out of range.
    """
    base = DreamConfig() if args.preset is None else BY_SLUG[args.preset]
    if args.recipe is not None:
        base = recipe_of(Path(args.recipe))
    return with_options(base, args)


def with_options(base: DreamConfig, args: argparse.Namespace) -> DreamConfig:
    """The config with every setting that was given on the command line."""
    given = vars(args)
    return with_settings(base, {name: given[name] for name in settings_of(DreamConfig) if name in given})


def recipe_of(path: Path) -> DreamConfig:
    """The settings in a picture's file; what cannot be used of them is told in a line.

    Raises:
        InputError: there is no such file, or no recipe in it.
    """
    try:
        with path.open("rb") as file:
            recipe = read_recipe(file.read(FILE_BYTES + 1))
    except OSError as error:
        raise InputError(f"The recipe, {path}, cannot be read: {error.strerror or error}.") from error
    if recipe is None:
        raise InputError(f"{path} holds no recipe: it has to be a PNG as it was dreamed here, not saved anew.")
    say(recipe.in_words)
    return recipe.config


def read_named(args: argparse.Namespace, option: str) -> ImageArray | None:
    """The picture that an option names; None where it is not given.

    Raises:
        InputError: it cannot be read or used; the sentence says which option it is.
    """
    source = getattr(args, option)
    if source is None:
        return None
    if source == STDIO:
        raise InputError(f"--{option} has to name a file; standard input is for IN.")
    try:
        return read_picture(Path(source))
    except InputError as error:
        raise InputError(f"The picture of --{option}, {source}: {error}") from error
