"""The sheet of colours: its ways meet at the ends, and the numbers and pictures stand where they belong."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.dream import run as dream_run
from cvdemo.dream.colour import colour_matrix
from cvdemo.images import ImageArray
from scripts import dream_colours
from scripts.dream_colours import LABEL_PX, OBJECTIVES, PICTURES, SIDE_PX, WAYS, colourfulness, dreamed, plain_matrix
from tests.dream.tiny_network import TinyNetwork


@pytest.mark.parametrize("colour", [0.0, 1.0])
def test_without_the_matrix_the_ends_are_the_same(colour: float) -> None:
    torch.testing.assert_close(plain_matrix(colour), colour_matrix(colour))


def test_colourfulness_is_that_of_the_definition() -> None:
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, axis=2)
    assert colourfulness(grey) == 0
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 100  # red - green 100, yellow - blue 50, no spread
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(100, 50))


def test_a_way_is_what_the_gradient_is_coloured_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream_run, "load_dream_network", lambda device: TinyNetwork())
    monkeypatch.setattr(dream_colours, "DREAM_PX", 128)
    own, natural, plain = (dreamed("coffee", "block8", way) for way in ("matrix 0", "matrix 0.3", "plain 0.3"))
    assert (own != natural).any() and (natural != plain).any()


def test_the_sheet_has_a_column_for_each_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def made_up(picture: str, objective: str, way: str) -> ImageArray:
        return np.full((40, 60, 3), 10 * list(WAYS).index(way) + 100 * (objective == "block8"), np.uint8)

    monkeypatch.setattr(dream_colours, "dreamed", made_up)
    dream_colours.main(tmp_path)
    with Image.open(tmp_path / "colours.webp") as picture:
        sheet = np.asarray(picture.convert("RGB")).astype(int)
    assert sheet.shape == (LABEL_PX + len(PICTURES) * len(OBJECTIVES) * SIDE_PX, len(WAYS) * SIDE_PX, 3)
    middle = LABEL_PX + SIDE_PX // 2
    assert abs(sheet[middle, 3 * SIDE_PX + 75] - 130).max() < 4
    assert abs(sheet[middle + SIDE_PX, 3 * SIDE_PX + 75] - 30).max() < 4
    rows = re.findall(r"^\| ((?:matrix|plain) [\d.]+) \| 0 \| 0 \|$", capsys.readouterr().out, re.MULTILINE)
    assert rows == list(WAYS)
