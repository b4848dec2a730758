"""The sheets of channels: tiles are kept and not drawn twice, files are small, and the page shows what is there."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.dream import run as dream_run
from cvdemo.images import ImageArray
from scripts import dream_channels
from scripts.dream_channels import BLOCKS, COLUMNS, LABEL_PX, TILE_PX, noise_picture, page, sheet, tile, webp_bytes
from tests.dream.tiny_network import TinyNetwork


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tiny network in place of the real one; the devices that it was asked for, once for each dream."""
    asked: list[str] = []
    network = TinyNetwork()
    monkeypatch.setattr(dream_run, "load_dream_network", lambda device: asked.append(device) or network)
    return asked


def tiles_of(colours: list[int]) -> list[ImageArray]:
    return [np.full((TILE_PX, TILE_PX, 3), colour, np.uint8) for colour in colours]


def test_a_tile_is_drawn_once_and_hangs_on_its_channel(loads: list[str], tmp_path: Path) -> None:
    first, again, other = (tile("block9", channel, tmp_path) for channel in (0, 0, 1))
    assert len(loads) == 2 and first.shape == (TILE_PX, TILE_PX, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_every_tile_begins_with_the_same_grey_noise() -> None:
    noise = noise_picture()
    np.testing.assert_array_equal(noise, noise_picture())
    assert abs(noise.mean() - 128) < 1 and 10 < noise.std() < 14 and (np.ptp(noise, axis=2) == 0).all()


def test_the_tiles_stand_in_rows_under_their_numbers() -> None:
    drawn = np.asarray(sheet(tiles_of([*range(100, 100 + COLUMNS), 250])))
    assert drawn.shape == (2 * (TILE_PX + LABEL_PX), COLUMNS * TILE_PX, 3)
    assert (drawn[LABEL_PX + 5, [10, TILE_PX + 10], 0] == [100, 101]).all()
    assert drawn[TILE_PX + 2 * LABEL_PX + 5, 10, 0] == 250
    assert (drawn[:LABEL_PX, :TILE_PX] < 128).any()  # the number
    assert (drawn[TILE_PX + LABEL_PX :, TILE_PX:] == 255).all()


def test_a_sheet_is_as_good_as_its_size_allows() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    best, small = webp_bytes(Image.fromarray(noise)), webp_bytes(Image.fromarray(noise), 20_000)
    assert len(small) <= 20_000 < len(best) <= 150_000
    assert Image.open(io.BytesIO(small)).size == (200, 200)


def test_the_page_shows_what_is_there_and_how_to_draw_the_rest() -> None:
    text = page(["block9"])
    assert "## block9: 112 channels\n\n![The 112 channels of block9](dream-channels/block9.webp)\n" in text
    assert "python -m scripts.dream_channels --blocks block5 block6 block7 block8 block10 block11" in text
    assert "Not drawn yet" not in page(BLOCKS)


def test_the_documentation_has_the_page_of_its_sheets() -> None:
    there = [block for block in BLOCKS if (dream_channels.SHEETS / f"{block}.webp").is_file()]
    assert dream_channels.PAGE.read_text(encoding="utf-8") == page(there)
    for block in there:
        assert (dream_channels.SHEETS / f"{block}.webp").stat().st_size <= dream_channels.SHEET_BYTES
