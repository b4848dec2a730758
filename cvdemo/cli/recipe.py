"""The settings of a dream, from the file of a picture that was dreamed before."""

from pathlib import Path

from cvdemo.cli.console import say
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import read_recipe
from cvdemo.errors import InputError
from cvdemo.limits import FILE_BYTES

RECIPE_HELP = "a PNG that was dreamed here: its settings to start from; options given take precedence"


def content_of(source: str) -> bytes:
    """What is in a picture file.

    Raises:
        InputError: there is no such file, or it cannot be read or is too large.
    """
    path = Path(source)
    if not path.is_file():
        raise InputError(f"There is no picture file {source}.")
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror or error}.") from error
    if len(data) > FILE_BYTES:
        raise InputError(f"{source} is larger than {FILE_BYTES >> 20} MB.")
    return data


def recipe_of(source: str) -> DreamConfig:
    """The settings in a picture's file; what is to be known of them is told in a line on standard error.

    Raises:
        InputError: there is no such file, or no recipe in it.
    """
    recipe = read_recipe(content_of(source))
    if recipe is None:
        raise InputError(
            f"{source} holds no recipe: it has to be a PNG that was dreamed here. "
            "A copy that another program saved has none."
        )
    if recipe.notes:
        say(" ".join(recipe.notes))
    return recipe.config
