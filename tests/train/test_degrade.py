"""The papers' way to low-resolution pictures, and the gate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train.degrade import blurred, check_gate, measure, modcrop, read_folder, read_luminance


def smooth_picture(height: int = 48, width: int = 60) -> torch.Tensor:
    rows = torch.linspace(0, 6, height)[:, None].sin()
    cols = torch.linspace(0, 9, width)[None, :].cos()
    return (0.5 + 0.2 * rows * cols)[None, None]


@pytest.mark.parametrize(("scale", "size_hw"), [(2, (46, 60)), (3, (45, 60)), (4, (44, 60))])
def test_modcrop_keeps_the_top_left(scale: int, size_hw: tuple[int, int]) -> None:
    picture = torch.rand(1, 1, 47, 61)
    cropped = modcrop(picture, scale)
    assert cropped.shape[-2:] == size_hw
    assert torch.equal(cropped, picture[..., : size_hw[0], : size_hw[1]])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_blurring_keeps_size_and_smooth_content(scale: int) -> None:
    picture = modcrop(smooth_picture(), scale)
    assert blurred(picture, scale).shape == picture.shape
    assert (blurred(picture, scale) - picture).abs().max() < 0.03


def test_luminance_is_8_bit_bt601(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5, 3), 255, np.uint8)).save(tmp_path / "white.png")
    luminance = read_luminance(tmp_path / "white.png")
    assert luminance.shape == (1, 1, 4, 5)
    torch.testing.assert_close(luminance, torch.full((1, 1, 4, 5), 235 / 255))
    assert list(read_folder(tmp_path)) == ["white.png"]


def test_doing_nothing_measures_as_bicubic_and_a_prophet_is_perfect() -> None:
    picture = (torch.rand(1, 1, 32, 32) * 255).round() / 255
    nothing = measure({"a": picture}, 2, lambda low_res: low_res)
    assert nothing["psnr"] == nothing["bicubic_psnr"]
    assert nothing["ssim"] == nothing["bicubic_ssim"]
    assert measure({"a": picture}, 2, lambda low_res: picture)["psnr"] == float("inf")


@pytest.mark.parametrize(("scale", "db"), [(2, 33.66), (3, 30.43), (4, 28.38)])
def test_the_gate_opens_within_its_tolerance(scale: int, db: float) -> None:
    check_gate(db, scale)


@pytest.mark.parametrize(("scale", "db"), [(2, 35.0), (3, 30.45), (4, 28.36)])
def test_the_gate_refuses_another_protocol(scale: int, db: float) -> None:
    with pytest.raises(ValueError, match="no comparison is made"):
        check_gate(db, scale)
