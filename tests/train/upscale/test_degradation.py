"""The papers' way to low-resolution pictures, and the gate."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.ops.resample import bicubic_resize
from train.upscale.degradation import (
    REACH_PX,
    CropDegradation,
    check_gate,
    measure,
    modcrop,
    read_folder,
    read_luminance,
)


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


@pytest.mark.parametrize(("scale", "top", "left"), [(2, 6, 14), (3, 9, 21), (4, 0, 60)])
def test_a_degraded_crop_is_cut_from_the_degraded_picture(scale: int, top: int, left: int) -> None:
    whole = torch.rand(2, 1, 120, 144)
    low_res = bicubic_resize(whole, scale=1 / scale)
    enlarged = bicubic_resize(low_res, scale=scale)
    crops = whole[..., top : top + 60, left : left + 60]
    of_crops, enlarged_of_crops = CropDegradation(60, scale, torch.device("cpu"))(crops)
    for cut, full, edge, side in [
        (of_crops, low_res, REACH_PX, 1),
        (enlarged_of_crops, enlarged, 2 * REACH_PX * scale, scale),
    ]:
        size = 60 // scale * side - 2 * edge
        y, x = top // scale * side + edge, left // scale * side + edge
        torch.testing.assert_close(cut, full[..., y : y + size, x : x + size], rtol=0, atol=2e-6)


@pytest.mark.parametrize(("side", "scale"), [(50, 4), (16, 2), (32, 4)])
def test_crops_off_the_grid_or_too_small_are_refused(side: int, scale: int) -> None:
    with pytest.raises(ValueError, match=f"multiple of {scale} above {8 * scale} px"):
        CropDegradation(side, scale, torch.device("cpu"))


def test_luminance_is_8_bit_bt601(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5, 3), 255, np.uint8)).save(tmp_path / "white.png")
    luminance = read_luminance(tmp_path / "white.png")
    assert luminance.shape == (1, 1, 4, 5)
    torch.testing.assert_close(luminance, torch.full((1, 1, 4, 5), 235 / 255))
    assert list(read_folder(tmp_path)) == ["white.png"]
    (tmp_path / "LRx2").mkdir()
    Image.new("RGB", (2, 2)).save(tmp_path / "LRx2" / "white.png")
    with pytest.raises(ValueError, match=r"several pictures named white\.png: name the folder of the originals"):
        read_folder(tmp_path)


def test_doing_nothing_measures_as_bicubic_and_a_prophet_is_perfect() -> None:
    picture = (torch.rand(1, 1, 32, 32) * 255).round() / 255
    nothing = measure({"a": picture}, 2, lambda low_res, enlarged: enlarged)
    assert nothing["psnr"] == nothing["bicubic_psnr"]
    assert nothing["ssim"] == nothing["bicubic_ssim"]
    assert measure({"a": picture}, 2, lambda low_res, enlarged: picture)["psnr"] == float("inf")


def test_what_is_restored_is_the_shrunk_picture_and_its_enlargement() -> None:
    seen = []

    def restore(low_res: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        seen.append((low_res, enlarged))
        return enlarged

    picture = smooth_picture()
    result = measure({"a": picture}, 3, restore)
    ((low_res, enlarged),) = seen
    assert torch.equal(low_res, bicubic_resize(picture, scale=1 / 3))
    assert torch.equal(enlarged, bicubic_resize(low_res, scale=3))
    assert result["bicubic_psnr"] > 40  # nothing sharp in it is lost


@pytest.mark.parametrize(("name", "scale", "db"), [("set5", 2, 33.66), ("set5", 3, 30.43), ("set14", 4, 25.96)])
def test_the_gate_opens_within_its_tolerance(name: str, scale: int, db: float) -> None:
    check_gate(name, db, scale)


@pytest.mark.parametrize(("name", "scale", "db"), [("set5", 2, 35.0), ("set5", 3, 30.45), ("set14", 2, 30.33)])
def test_the_gate_refuses_another_protocol(name: str, scale: int, db: float) -> None:
    with pytest.raises(ValueError, match="no comparison is made"):
        check_gate(name, db, scale)


def test_a_grey_file_is_luminance_as_it_is(tmp_path: Path) -> None:
    grey = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "rgb.png")
    as_it_is, squeezed = (read_luminance(tmp_path / name)[0, 0] * 255 for name in ("grey.png", "rgb.png"))
    assert torch.equal(as_it_is.round(), torch.from_numpy(grey).float())
    torch.testing.assert_close(squeezed, (16 + as_it_is * 219 / 255).round())
