"""The benches of teaching, with features that take no network."""

import re
from pathlib import Path

import numpy as np
import pytest

from bench import few_pictures, teach
from tests.helpers.png_files import save_png
from tests.helpers.taught import BLUE, GREEN, RED, colour_features, shades, use_colours


def test_the_row_adds_up_what_reading_looking_and_leaving_out_took(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_colours(monkeypatch)
    monkeypatch.setattr(teach, "features_of", colour_features)
    monkeypatch.setattr(teach, "SMALL_HW", (48, 64))
    teach.main(["--pictures", "10"])
    (row,) = re.findall(r"^\| 10 of 640 x 480 px \|(.*)\|$", capsys.readouterr().out, re.MULTILINE)
    read, features, regression, total, _ = (int(cell) for cell in row.split("|"))
    assert total == pytest.approx(read + features + regression, abs=2) and regression > 0


def test_settings_are_measured_on_pictures_that_were_not_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(few_pictures, "features_of", colour_features)
    monkeypatch.setattr(few_pictures, "LESSONS", ((2, 2), (3, 4), (9, 2)))
    for name, colour in {"red": RED, "green": GREEN, "blue": BLUE}.items():
        (tmp_path / name).mkdir()
        for number, picture in enumerate(shades(colour, 8)):
            save_png(picture, tmp_path / name / f"{number}.png")
    few_pictures.main([str(tmp_path), "--draws", "2", "--most", "6"])
    *_, two, three = capsys.readouterr().out.strip().splitlines()
    assert two.startswith("| 2, 2 | 100.0, 0.") and three.startswith("| 3, 4 | 100.0, ")
    assert two.count("|") == len(few_pictures.STRENGTHS) + 3


def test_a_draw_parts_the_pictures_of_its_classes() -> None:
    classes = np.repeat([0, 1, 2], 5)
    taught, new = few_pictures.draw(classes, 2, 3, seed=1)
    assert len(taught) == 6 and len(new) == 4 and not set(taught) & set(new)
    assert set(classes[taught]) == set(classes[new]) and len(set(classes[new])) == 2
