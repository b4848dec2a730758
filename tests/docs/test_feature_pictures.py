"""The pairs of pictures of the page of features: each is there, small, shown with its words, and of two sides."""

import re

import numpy as np
import pytest
from PIL import Image

from cvdemo.demo import Request
from cvdemo.images import ImageArray
from cvdemo.style import optimise
from scripts.feature_pictures import DREAM, FOLDER, GAP_PX, PAIR_BYTES, PAIRS, SIDE_PX, STYLE, Pair, Side, drawn
from tests.docs.code_blocks import ROOT

FEATURES = (ROOT / "docs/features.md").read_text(encoding="utf-8")


def test_every_pair_is_made_small_and_shown_with_its_words() -> None:
    assert {path.stem for path in FOLDER.glob("*.webp")} == set(PAIRS)
    for name, pair in PAIRS.items():
        file = FOLDER / f"{name}.webp"
        with Image.open(file) as picture:
            assert picture.size == (2 * SIDE_PX + GAP_PX, SIDE_PX) and file.stat().st_size <= PAIR_BYTES
        assert re.search(rf'<img src="features/{name}\.webp" width="\d+" alt="{re.escape(pair.words)}">', FEATURES)


def test_the_two_sides_of_a_made_pair_differ() -> None:
    for name in PAIRS:
        with Image.open(FOLDER / f"{name}.webp") as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert abs(pixels[:, :SIDE_PX] - pixels[:, -SIDE_PX:]).mean() > 2, name


@pytest.mark.parametrize("name", PAIRS)
def test_the_settings_and_the_code_of_a_pair_are_there(name: str) -> None:
    pair = PAIRS[name]
    assert pair.off != pair.on
    for side in (pair.off, pair.on):
        with side.in_force():  # a name that is not there cannot be replaced
            config = pair.request(side).config
        usual = DREAM if pair.style is None else STYLE
        assert {key: getattr(config, key) for key in side.settings} == side.settings
        assert (config == usual) == (not side.settings)


def test_off_is_left_and_on_is_right_and_code_ends_with_its_side() -> None:
    seen: list[int] = []

    def make(request: Request) -> ImageArray:
        seen.append(optimise.MOST_STEPS)
        return np.full((300, 400, 3), 50 if optimise.MOST_STEPS else 200, np.uint8)

    before, none = optimise.MOST_STEPS, Side(code={"cvdemo.style.optimise.MOST_STEPS": 0})
    pixels = np.asarray(drawn(Pair("steps; none", "coffee", Side(), none), make))
    assert seen == [before, 0] and before == optimise.MOST_STEPS
    assert pixels[10, 10, 0] == 50 and pixels[10, -10, 0] == 200 and pixels[10, SIDE_PX + 1, 0] == 255


def test_the_square_that_is_cut_stays_within_the_picture() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, 200:] = 255
    right = Pair("a; b", "coffee", Side(), middle=(1.0, 0.0), shown_px=100)
    assert (np.asarray(right.cut(picture)) == 255).all() and right.cut(picture).size == (SIDE_PX, SIDE_PX)
