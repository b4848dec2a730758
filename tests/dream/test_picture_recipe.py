"""The recipe in a dreamed picture's file: it comes back as it was, and no file whatever breaks its reader."""

import io
import json
import struct
import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cvdemo.dream.deepdream import DreamConfig
from cvdemo.dream.picture_recipe import KEYWORD, dreamed_png, read_recipe
from cvdemo.images import ImageArray, read_image
from cvdemo.limits import RECIPE_BYTES

CONFIG = DreamConfig(objective="block8 + 0.3*block12", colour=0.25, steps=7, octaves=2, size_px=256, seed=5)


def png_with(text: str, keyword: str = KEYWORD, *, packed: bool = False) -> bytes:
    info, file = PngInfo(), io.BytesIO()
    info.add_text(keyword, text, zip=packed)
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def said(**settings: Any) -> bytes:
    return png_with(json.dumps(settings))


def test_a_recipe_comes_back_and_the_picture_is_as_it_was(noise: ImageArray) -> None:
    data = dreamed_png(noise, CONFIG)
    recipe = read_recipe(data)
    assert recipe is not None and recipe.config == CONFIG and recipe.left_out == () and not recipe.guided
    assert "starts from the picture as it is" in recipe.in_words
    np.testing.assert_array_equal(read_image(data), noise)


def test_nothing_but_the_settings_is_in_the_file(noise: ImageArray) -> None:
    with Image.open(io.BytesIO(dreamed_png(noise, CONFIG))) as picture:
        picture.load()
        texts = picture.text  # type: ignore[attr-defined]  # of PNG files
    assert list(texts) == [KEYWORD] and json.loads(texts[KEYWORD]) == asdict(CONFIG)


def test_a_guide_is_told_but_not_kept(noise: ImageArray) -> None:
    recipe = read_recipe(dreamed_png(noise, CONFIG, guided=True))
    assert recipe is not None and recipe.guided and recipe.config == CONFIG
    assert "followed a guide picture, which is not in the file" in recipe.in_words


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 10_000},
        {"steps": 2.5},
        {"steps": None},
        {"steps": [1]},
        {"steps": {"steps": 1}},
        {"steps": True},
        {"step_size": float("nan")},
        {"step_size": 1e999},
        {"layer": "fc"},
        {"objective": "block8 +"},
        {"objective": "class:no such thing"},
        {"objective": 8},
        {"seed": -1},
        {"image": "/etc/passwd"},
        {"__class__": 1},
    ],
    ids=str,
)
def test_what_cannot_be_used_is_left_out_with_a_sentence(settings: dict[str, Any]) -> None:
    recipe = read_recipe(said(octaves=2, **settings, size_px=256))
    (name,) = settings
    assert recipe is not None and recipe.config == DreamConfig(octaves=2, size_px=256)
    assert recipe.left_out == (name,)
    assert recipe.in_words.endswith(f"Left out, since they cannot be used here: {name}.")


def test_many_that_are_left_out_are_not_all_named() -> None:
    recipe = read_recipe(said(**{f"{letter}" * 99: 1 for letter in "abcdef"}))
    assert recipe is not None and len(recipe.left_out) == 6
    assert recipe.in_words.endswith(f"{'c' * 40} and others.") and len(recipe.in_words) < 400


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        png_with("{}", keyword="cvdemo-dream-2"),
        png_with("[]"),
        png_with("null"),
        png_with("{"),
        png_with('{"steps": ' + "9" * 5000 + "}"),
        png_with("[" * 8000),
        png_with("{}", packed=True),
        png_with(json.dumps({"steps": 3}) + " " * RECIPE_BYTES),
        dreamed_png(np.zeros((4, 4, 3), np.uint8), CONFIG)[:60],
    ],
    ids=["empty", "words", "version", "list", "null", "cut", "digits", "brackets", "packed", "long", "short"],
)
def test_what_is_no_recipe_is_none(data: bytes) -> None:
    assert read_recipe(data) is None


def chunk(kind: bytes, body: bytes, crc: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def test_a_damaged_chunk_is_passed_over_and_the_first_sound_one_counts() -> None:
    text = KEYWORD.encode() + b"\0"
    whole = png_with("{}", "other")
    damaged, sound = chunk(b"tEXt", text + b'{"steps": 1}', crc=0), chunk(b"tEXt", text + b'{"steps": 2}')
    data = whole[:33] + damaged + sound + chunk(b"tEXt", text + b'{"steps": 3}') + whole[33:]
    recipe = read_recipe(data)
    assert recipe is not None and recipe.config.steps == 2


def test_a_file_of_very_many_chunks_is_given_up() -> None:
    whole = png_with("{}", "other")
    flood = chunk(b"tEXt", b"a\0b") * 60_000
    assert read_recipe(whole[:33] + flood + chunk(b"tEXt", KEYWORD.encode() + b"\0{}") + whole[33:]) is None
