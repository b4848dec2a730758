"""Where pictures come from, which are held out, and random crops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from train.style.pictures import (
    DRAWS,
    PictureArrays,
    PictureFiles,
    files_of,
    hold_out,
    noise_pictures,
    random_crops,
)


def save(path: Path, colour: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (colour, 0, 0)).save(path)
    return path


def draw(
    which: float = 0.0, scale: float = 0.0, top: float = 0.0, left: float = 0.0, mirrored: float = 0.9
) -> torch.Tensor:
    return torch.tensor([[which, scale, top, left, mirrored]])


def ramp(height: int, width: int) -> np.ndarray:
    """Red grows to the right, green downwards, both by 2 a pixel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x, 2 * y, 0 * x], axis=2).astype(np.uint8)


def test_empty_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    full = [save(tmp_path / "paintings" / "a" / f"{i}.png", i) for i in range(3)]
    (tmp_path / "paintings" / "b.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 empty files are passed over"):
        assert files_of(tmp_path, "paintings") == full
    with pytest.raises(FileNotFoundError, match="no folder 'photographs'"):
        files_of(tmp_path, "photographs")


def test_held_out_files_are_spread_and_never_trained_on() -> None:
    files = [Path(str(i)) for i in range(10)]
    kept, held = hold_out(files, 4)
    assert [int(path.name) for path in held] == [0, 2, 5, 7]
    assert sorted([*kept, *held]) == files
    assert hold_out(files, 4) == (kept, held)
    with pytest.raises(ValueError, match="4 pictures are held out, and there are only 4"):
        hold_out(files[:4], 4)


def test_a_file_that_cannot_be_read_is_told_and_the_next_takes_its_place(tmp_path: Path) -> None:
    files = [save(tmp_path / f"{i}.png", 10 * i) for i in range(3)]
    files[2].write_bytes(b"no picture")
    source = PictureFiles(files)
    assert len(source) == 3 and source.read(1)[0, 0, 0] == 10
    with pytest.warns(UserWarning, match=r"2\.png.*the next picture takes its place"):
        assert source.read(2)[0, 0, 0] == 0
    files[0].write_bytes(b"")
    files[1].unlink()
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="none of 3 pictures can be read"):
        source.read(0)
    with pytest.raises(ValueError, match="at least one"):
        PictureFiles([])


def test_the_smallest_crop_is_the_whole_shorter_side() -> None:
    source = PictureArrays([ramp(40, 80)])
    (left,) = random_crops(source, draw(left=0.0), 40, largest=2.0)
    (right,) = random_crops(source, draw(left=1.0), 40, largest=2.0)
    assert np.array_equal(left, ramp(40, 80)[:, :40])
    assert np.array_equal(right, ramp(40, 80)[:, 40:])


def test_the_largest_crop_shows_a_part_of_the_picture() -> None:
    (crop,) = random_crops(PictureArrays([ramp(80, 80)]), draw(scale=1.0, top=1.0, left=0.0), 40, largest=2.0)
    assert np.abs(crop.astype(int) - ramp(80, 80)[40:, :40]).max() <= 1


def test_half_of_the_crops_are_mirrored_and_all_pictures_drawn() -> None:
    source = PictureArrays([ramp(40, 40), 255 - ramp(40, 40)])
    draws = torch.cat([draw(), draw(mirrored=0.1), draw(which=0.99)])
    plain, mirrored, other = random_crops(source, draws, 40, largest=1.0)
    assert np.array_equal(plain, mirrored[:, ::-1]) and not np.array_equal(plain, mirrored)
    assert np.array_equal(other, 255 - ramp(40, 40))
    assert draws.shape[1] == DRAWS


def test_noise_pictures_repeat_with_their_seed() -> None:
    one, same, other = noise_pictures(2, 16, 0), noise_pictures(2, 16, 0), noise_pictures(2, 16, 1)
    assert np.array_equal(one.read(1), same.read(1)) and not np.array_equal(one.read(1), other.read(1))
    assert one.read(0).shape == (16, 16, 3)
