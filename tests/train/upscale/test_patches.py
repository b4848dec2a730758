"""Patches of luminance: they cover the picture, on the grid, with its mirror image around it; packed once."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.ops.resample import bicubic_resize
from train.data.hdf5 import Hdf5Dataset
from train.upscale.degradation import REACH_PX, CropDegradation, modcrop, read_luminance
from train.upscale.patches import GRID_PX, MARGIN_PX, PatchArray, cut, noise_patches, packed_patches, turned

SIDE = 96
FACTORS = (1.0, 0.7)


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (1, 1, height, width), generator=random).float() / 255


def to_uint8(luminance: torch.Tensor) -> np.ndarray:
    return (luminance[0, 0] * 255).round().byte().numpy()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[Path]]:
    """A data set of two pictures and one of one."""
    random = np.random.default_rng(0)
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path in paths:
        Image.fromarray(random.integers(0, 256, (70, 85, 3), dtype=np.uint8)).save(path)
    return {"first": paths[:2], "second": paths[2:]}


def test_patches_cover_the_picture_to_its_edges() -> None:
    high_res = modcrop(picture(250, 130), GRID_PX)
    (patches,) = cut(high_res, SIDE, [1.0])
    inner = patches[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]  # (n, 24, 24)
    pixels = to_uint8(high_res)
    found = np.zeros(pixels.shape, bool)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, inner.shape[1:])[::GRID_PX, ::GRID_PX]
    for y, x in np.ndindex(windows.shape[:2]):
        if (windows[y, x] == inner).all(axis=(1, 2)).any():
            found[y * GRID_PX : y * GRID_PX + 24, x * GRID_PX : x * GRID_PX + 24] = True
    assert found.all()


def test_around_the_picture_stands_its_mirror_image() -> None:
    high_res = picture(120, 120)
    (patches,) = cut(high_res, SIDE, [1.0])
    first = patches[0]
    assert np.array_equal(first[MARGIN_PX:, MARGIN_PX:], to_uint8(high_res)[: SIDE - MARGIN_PX, : SIDE - MARGIN_PX])
    assert np.array_equal(first[:MARGIN_PX], first[MARGIN_PX : 2 * MARGIN_PX][::-1])
    assert np.array_equal(first[:, :MARGIN_PX], first[:, MARGIN_PX : 2 * MARGIN_PX][:, ::-1])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_crop_of_a_patch_shrinks_to_what_the_whole_picture_shrinks_to(scale: int) -> None:
    high_res = picture(144, 180)
    low_res = bicubic_resize(high_res, scale=1 / scale)
    padded = np.pad(low_res[0, 0].numpy(), MARGIN_PX // scale, mode="symmetric")
    (patches,) = cut(high_res, SIDE, [1.0])
    of_patches, _ = CropDegradation(SIDE, scale, torch.device("cpu"))(torch.from_numpy(patches)[:, None].float() / 255)
    side = SIDE // scale - 2 * REACH_PX
    for patch, top, left in [(0, 0, 0), (1, 0, 24)]:  # in px of the high-resolution picture; patches lie 24 px apart
        rows, columns = (slice(start // scale + REACH_PX, start // scale + REACH_PX + side) for start in (top, left))
        torch.testing.assert_close(of_patches[patch, 0], torch.from_numpy(padded[rows, columns]), rtol=0, atol=2e-6)


def test_copies_that_are_too_small_are_left_out() -> None:
    assert len(list(cut(picture(80, 80), SIDE, FACTORS))) == 2  # 56 px
    assert len(list(cut(picture(60, 80), SIDE, FACTORS))) == 1
    (patches,) = cut(picture(60, 80), SIDE, [1.0])
    assert patches.shape[1:] == (SIDE, SIDE)


@pytest.mark.parametrize(("side", "factors"), [(100, [1.0]), (72, [1.0]), (96, [1.2]), (96, [0.0])])
def test_what_cannot_be_cut_is_refused(side: int, factors: list[float]) -> None:
    with pytest.raises(ValueError, match="multiple of 12 px above 72"):
        list(cut(picture(100, 100), side, factors))


def test_packed_patches_are_those_of_the_files(files: dict[str, list[Path]], tmp_path: Path) -> None:
    told: list[int] = []
    dataset = Hdf5Dataset(packed_patches(tmp_path, files, tmp_path / "p.h5", SIDE, FACTORS, told.append))
    expected = [
        patches for group in files.values() for path in group for patches in cut(read_luminance(path), SIDE, FACTORS)
    ]
    assert np.array_equal(dataset.read(), np.concatenate(expected))
    assert dataset.read().dtype == np.uint8
    assert told == [1, 2, 3]
    assert dataset.class_names == ["first", "second"]
    assert np.bincount(dataset.labels).tolist() == [2 * len(dataset) // 3, len(dataset) // 3]


def test_packed_patches_are_made_again_only_when_something_changed(
    files: dict[str, list[Path]], tmp_path: Path
) -> None:
    target = packed_patches(tmp_path, files, tmp_path / "p.h5", SIDE, FACTORS)
    made = target.stat().st_mtime_ns
    assert packed_patches(tmp_path, files, target, SIDE, FACTORS).stat().st_mtime_ns == made
    assert packed_patches(tmp_path, files, target, SIDE, [1.0]).stat().st_mtime_ns != made
    with h5py.File(target) as file:
        mark = file.attrs["fingerprint"]
    Image.new("RGB", (70, 85)).save(files["second"][0])
    packed_patches(tmp_path, files, target, SIDE, [1.0])
    with h5py.File(target) as file:
        assert file.attrs["fingerprint"] != mark


def test_pictures_too_small_leave_no_file(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "tiny.png")
    with pytest.raises(ValueError, match="no picture measures 48 px or more"):
        packed_patches(tmp_path, {"tiny": [tmp_path / "tiny.png"]}, tmp_path / "p.h5", SIDE, FACTORS)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.png"]


def test_the_eight_positions_are_all_different() -> None:
    patch = np.arange(9, dtype=np.uint8).reshape(3, 3)
    positions = {turned(patch, turn).tobytes() for turn in range(8)}
    assert len(positions) == 8
    assert np.array_equal(turned(patch, 0), patch)


def test_patches_in_memory_are_read_like_those_of_a_file() -> None:
    patches = np.arange(3 * 4, dtype=np.uint8).reshape(3, 2, 2)
    source = PatchArray(patches)
    assert len(source) == 3
    assert np.array_equal(source.read(np.array([2, 0, 2])), patches[[2, 0, 2]])
    noise = noise_patches(2, 12, seed=1)
    assert noise.read(np.array([0, 1])).shape == (2, 12, 12)
    assert np.array_equal(noise.read(np.array([1])), noise_patches(2, 12, seed=1).read(np.array([1])))
