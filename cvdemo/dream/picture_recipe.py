"""The recipe of a dreamed picture, inside its file: the settings as JSON, in a text chunk (tEXt) of the PNG.

Nothing else goes in: no name, date, place or mask of a visitor. What comes out may be anybody's: the chunk is bounded
before it is read (`cvdemo.limits.RECIPE_BYTES`), each value is checked by itself, and what cannot be used is left out.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from cvdemo.config import SettingError
from cvdemo.dream.deepdream import DreamConfig
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, png_bytes
from cvdemo.limits import RECIPE_BYTES
from cvdemo.picture_files.metadata import png_text

KEYWORD = "cvdemo-dream-1"  # the number is the version: a later program that means other things writes another
NAMED_AT_MOST = 3  # of what is left out


@dataclass(frozen=True)
class Recipe:
    """Settings that were in a picture.

    Attributes:
        config: those that can be used, the others as they are by default.
        left_out: names of those that cannot: not known here, or with a value out of range.
        guided: whether the dream followed a guide picture, which is not in the file.
    """

    config: DreamConfig
    left_out: tuple[str, ...] = ()
    guided: bool = False

    @property
    def notes(self) -> list[str]:
        """Sentences on what is missing; none where nothing is."""
        sentences = []
        if self.guided:
            sentences.append("It followed a guide picture, which is not in the file: please choose it again.")
        if self.left_out:
            names = ", ".join(name[:40] for name in self.left_out[:NAMED_AT_MOST])
            more = " and others" if len(self.left_out) > NAMED_AT_MOST else ""
            sentences.append(f"Left out, since they cannot be used here: {names}{more}.")
        return sentences

    @property
    def in_words(self) -> str:
        """What is told where its settings are taken over: a sentence or more."""
        restored = "The settings of this dream are restored; the new one starts from the picture as it is."
        return " ".join([restored, *self.notes])


def recipe_texts(config: DreamConfig, *, guided: bool = False) -> dict[str, str]:
    """The text chunks of a dreamed picture's file: JSON of ASCII, by its keyword."""
    return {KEYWORD: json.dumps(asdict(config) | ({"guided": True} if guided else {}))}


def dreamed_png(image: ImageArray, config: DreamConfig, *, guided: bool = False) -> bytes:
    """A dreamed picture, uint8 (H, W, 3), as a PNG file with its recipe."""
    return png_bytes(image, texts=recipe_texts(config, guided=guided))


def read_recipe(data: bytes) -> Recipe | None:
    """The recipe in a picture file; None where there is none that can be read. Never raises, whatever the file is."""
    text = png_text(data, KEYWORD, RECIPE_BYTES)
    if text is None:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):  # RecursionError: thousands of brackets
        return None
    return _usable(said) if isinstance(said, Mapping) else None


def _usable(said: Mapping[str, Any]) -> Recipe:
    """What is said, as far as it can be used: setting by setting."""
    config, left_out = DreamConfig(), []
    known = {field.name for field in fields(DreamConfig)}
    for name, value in said.items():
        if name == "guided":
            continue
        try:
            if name not in known:
                raise SettingError(name)
            config = replace(config, **{name: value})
        except InputError:
            left_out.append(name)
    return Recipe(config, tuple(left_out), said.get("guided") is True)
