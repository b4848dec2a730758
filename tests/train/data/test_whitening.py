"""Whitening of whole pictures: fitted to some, applied to others, and the sheet that shows it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.images import to_batch
from cvdemo.ops.whitening import KINDS, WhiteningKind
from train import __main__ as command_line
from train.data import show_whitening
from train.data.show_whitening import as_pictures, columns_of, sheet_of
from train.data.whitening import first_components, fit_whitening


def blurred(count: int, side_px: int = 6, seed: int = 0) -> np.ndarray:
    """(N, H, W, 3) uint8, whose neighbours are alike."""
    noise = np.random.default_rng(seed).normal(128, 90, (count, side_px + 1, side_px + 1, 3))
    near = noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1] + noise[:, :-1, :-1]
    return (near / 4).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_training_pictures_have_the_identity_as_covariance_afterwards(kind: WhiteningKind) -> None:
    samples = to_batch(blurred(300))
    white = fit_whitening(samples, kind, 0.0)(samples)
    assert white.shape == (300, 108)
    assert torch.allclose(torch.cov(white.T), torch.eye(108).double(), atol=1e-8)
    assert white.mean(dim=0).abs().max() < 1e-9


def test_other_pictures_are_whitened_by_the_training_pictures() -> None:
    whitening = fit_whitening(to_batch(blurred(2000, 4)), "zca", 1e-4)
    others = whitening(to_batch(blurred(2000, 4, seed=1)))
    assert torch.allclose(torch.cov(others.T), torch.eye(48).double(), atol=0.15)


def test_the_first_component_is_what_varies_most() -> None:
    brightness = torch.linspace(-1, 1, 50)[:, None, None, None]
    samples = brightness.expand(50, 3, 2, 2) + 0.01 * torch.randn(50, 3, 2, 2)
    components, shares = first_components(samples, 2)
    assert components.shape == (2, 3, 2, 2) and components[0].abs().flatten().tolist() == pytest.approx(
        [12**-0.5] * 12, abs=0.02
    )
    assert shares[0] > 0.99 and shares.sum() <= 1


def test_one_picture_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="two samples or more, got 1"):
        fit_whitening(torch.zeros(1, 3), "pca", 0.0)


def test_zero_is_grey_and_the_extremes_are_black_and_white() -> None:
    values = torch.zeros(1, 3, 10, 10)
    values[..., :2, :], values[..., -2:, :] = -3, 3
    picture = as_pictures(values)[0]
    assert (picture[5] == 128).all() and (picture[0] == 0).all() and (picture[-1] == 255).all()
    assert (as_pictures(torch.zeros(1, 3, 2, 2)) == 128).all()


def test_each_column_shows_what_its_title_says() -> None:
    training, shown = blurred(400), blurred(3, seed=1)
    columns = {column.title: column.pictures for column in columns_of(shown, training, 1e-3)}
    assert list(columns) == ["As it is", "Mean removed", "PCA-whitened", "ZCA-whitened", "ZCA of patches"]
    assert np.array_equal(columns["As it is"], shown)

    def likeness(title: str) -> float:
        return float(np.corrcoef(columns[title].ravel().astype(float), shown.ravel().astype(float))[0, 1])

    assert likeness("Mean removed") > 0.98 > likeness("ZCA-whitened") > 0.3 > abs(likeness("PCA-whitened"))
    assert 0.98 > likeness("ZCA of patches") > 0.3


def test_the_sheet_has_a_row_for_each_picture_and_one_of_components() -> None:
    two, three = (sheet_of(blurred(count), blurred(40), 0.01) for count in (2, 3))
    cell, gap = show_whitening._CELL, show_whitening._GAP
    assert three.shape[0] - two.shape[0] == cell + gap and three.shape[1] == two.shape[1]
    left, top = show_whitening._MARGIN, show_whitening._MARGIN + show_whitening._TITLE_HEIGHT
    wanted = np.asarray(Image.fromarray(blurred(2)[0]).resize((cell, cell), Image.Resampling.NEAREST))
    assert np.array_equal(two[top : top + cell, left : left + cell], wanted)


def test_the_command_writes_the_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for index, picture in enumerate(blurred(8, 12, seed=len(name))):
            Image.fromarray(picture).save(tmp_path / "in" / name / f"{index}.png")
    words = ["show-whitening", "--data", str(tmp_path / "in"), "--out", str(tmp_path / "white.png"), "--size", "4"]
    command_line.main([*words, "--pictures", "2"])
    assert "2 pictures, fitted to 16; fewer pictures than the 48 values of each" in capsys.readouterr().out
    with Image.open(tmp_path / "white.png") as sheet:
        assert sheet.width > 5 * show_whitening._CELL
    with pytest.raises(SystemExit, match="size must be at least 4, got 2"):
        command_line.main([*words, "--size", "2"])
