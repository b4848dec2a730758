"""The contact sheet: its columns, its pictures, and the command that writes it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cvdemo.images import ImageArray
from train.data import show_augment
from train.data.augment import AugmentConfig
from train.data.show_augment import augmented, columns_of, contact_sheet, main, showcase


@pytest.fixture
def pictures(chelsea: ImageArray) -> np.ndarray:
    """(3, 48, 48, 3)."""
    return np.stack([chelsea[start : start + 48, start : start + 48] for start in (0, 60, 120)])


def test_the_showcase_has_a_column_for_every_augmentation() -> None:
    titles = [column.title for column in columns_of(showcase(64))]
    singles = "Flip Translation Rotation Shear Rescale Stretch Brightness Contrast Saturation Hue Cutout MixUp CutMix"
    assert titles == ["As it is", *singles.split(), "Together"]


def test_what_is_off_has_no_column() -> None:
    columns = columns_of(AugmentConfig(flip=True, cutout_px=8, cutmix_alpha=1.0))
    assert [column.title for column in columns] == ["As it is", "Flip", "Cutout", "CutMix", "Together"]
    assert columns[-1].config == AugmentConfig(flip=True, cutout_px=8)
    assert [column.title for column in columns_of(AugmentConfig())] == ["As it is"]
    assert [column.title for column in columns_of(AugmentConfig(hue=0.1))] == ["As it is", "Hue"]


def test_each_column_changes_the_pictures_and_the_first_does_not(pictures: np.ndarray) -> None:
    first, *others = columns_of(showcase(48))
    same, shares = augmented(pictures, first.config, seed=0)
    assert np.array_equal(same, pictures) and shares == [1, 1, 1]
    for column in others:
        changed, shares = augmented(pictures, column.config, seed=0)
        assert not np.array_equal(changed, pictures), column.title
        assert (min(shares) < 1) == (column.title in ("MixUp", "CutMix"))


def test_the_sheet_shows_the_pictures_in_rows(pictures: np.ndarray) -> None:
    config = AugmentConfig(cutout_px=12)
    sheet = contact_sheet(pictures, config, seed=1, names=["a", "b", "c"])
    cell = show_augment._CELL
    left = show_augment._MARGIN + show_augment._NAME_WIDTH
    for row, picture in enumerate(pictures):
        top = show_augment._MARGIN + show_augment._TITLE_HEIGHT + row * (cell + show_augment._CAPTION_HEIGHT)
        shown = sheet[top : top + cell, left : left + cell]
        wanted = np.asarray(Image.fromarray(picture).resize((cell, cell), Image.Resampling.NEAREST))
        assert np.array_equal(shown, wanted)
    assert (sheet[:, :left] < 128).any() and (sheet[:, -show_augment._MARGIN :] == 255).all()


def test_the_seed_decides_on_the_sheet(pictures: np.ndarray) -> None:
    sheets = [contact_sheet(pictures, showcase(48), seed) for seed in (0, 0, 1)]
    assert np.array_equal(sheets[0], sheets[1]) and not np.array_equal(sheets[0], sheets[2])


def test_the_command_shows_every_augmentation_or_those_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--out", str(tmp_path / "all.png"), "--pictures", "2", "--size", "32"])
    assert "2 pictures, 15 columns" in capsys.readouterr().out
    for name in ("cat", "a dog with a name that is far too long for the sheet"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.new("RGB", (40, 30), "red").save(tmp_path / "in" / name / "1.png")
    words = ["--data", str(tmp_path / "in"), "--out", str(tmp_path / "some.png"), "--rotate-deg", "20", "--flip"]
    main(words)
    assert "2 pictures, 4 columns" in capsys.readouterr().out
    with Image.open(tmp_path / "all.png") as wide, Image.open(tmp_path / "some.png") as narrow:
        assert wide.width > narrow.width and wide.height == narrow.height
    with pytest.raises(ValueError, match="rotate_deg must be at most 180, got 200"):
        main([*words, "--rotate-deg", "200"])
    with pytest.raises(ValueError, match="at least one picture"):
        main([*words, "--pictures", "0"])
