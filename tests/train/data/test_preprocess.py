"""The stations from picture files to what a network sees: packed, read in batches, mean off, patches, ten crops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from train.data.packing import packed_listing
from train.data.preprocess import (
    central_logits,
    mean_subtraction,
    random_patches,
    shrunk,
    stored,
    ten_crop_logits,
)
from train.data.read_pictures import Listing
from train.engine import writing


def listing(folder: Path, greys: tuple[int, ...] = (0, 51, 102)) -> Listing:
    """Pictures of 40 x 20 px in one grey each, in two classes."""
    folder.mkdir(parents=True)
    files = [folder / f"{number}.png" for number in range(len(greys))]
    for path, grey in zip(files, greys, strict=True):
        Image.new("RGB", (40, 20), (grey, 0, 255)).save(path)
    return Listing(files, np.arange(len(greys)) % 2, ["a", "b"])


def numbered(side: int) -> np.ndarray:
    """One picture (1, side, side, 3) whose first two channels are row and column."""
    rows, columns = np.mgrid[:side, :side].astype(np.uint8)
    return np.stack([rows, columns, rows], axis=-1)[None]


def test_pictures_are_stored_as_squares_once(tmp_path: Path) -> None:
    pictures = listing(tmp_path / "in")
    told: list[int] = []
    first = stored(pictures, tmp_path / "out.h5", 16, progress=told.append)
    assert first.read([2, 0]).shape == (2, 16, 16, 3) and first.labels.tolist() == [0, 1, 0]
    stored(pictures, tmp_path / "out.h5", 16, progress=told.append)
    assert told == [1, 2, 3]
    assert stored(pictures, tmp_path / "out.h5", 8).read().shape == (3, 8, 8, 3)


def test_a_read_only_place_is_used_where_it_is_packed_and_else_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = listing(tmp_path / "disk" / "in")
    beside = tmp_path / "disk" / "out.h5"
    packed_listing(tmp_path / "disk" / "in", pictures, beside, 16)
    disk = tmp_path / "disk"
    monkeypatch.setattr(writing, "can_write_in", lambda folder: disk not in (folder, *folder.parents))
    assert stored(pictures, beside, 16).path == beside
    assert stored(pictures, beside, 8, cache=tmp_path / "run").path == tmp_path / "run" / "out.h5"
    with pytest.raises(PermissionError, match="cannot be written: give a copy of the data"):
        stored(pictures, beside, 8)


def test_the_mean_of_the_training_pictures_is_taken_off(tmp_path: Path) -> None:
    file = stored(listing(tmp_path / "in"), tmp_path / "out.h5", 16)
    subtract = mean_subtraction(file)
    assert subtract.mean == (0.2, 0.0, 1.0) and subtract.std == (1.0, 1.0, 1.0)
    pixels = torch.from_numpy(file.read()).permute(0, 3, 1, 2) / 255
    assert torch.allclose(subtract(pixels).mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-6)
    file.mean = None
    with pytest.raises(ValueError, match="no pictures, so it has no mean"):
        mean_subtraction(file)


def test_patches_are_whole_parts_from_every_place() -> None:
    pictures = numbered(10).repeat(400, axis=0)
    patches = random_patches(pictures, 7, torch.Generator().manual_seed(0))
    corners = {(int(patch[0, 0, 0]), int(patch[0, 0, 1])) for patch in patches}
    assert corners == {(top, left) for top in range(4) for left in range(4)}
    top, left = patches[0, 0, 0, :2]
    assert np.array_equal(patches[0], pictures[0, top : top + 7, left : left + 7])
    again = random_patches(pictures, 7, torch.Generator().manual_seed(0))
    assert np.array_equal(again, patches)
    with pytest.raises(ValueError, match="patches of 11 px from pictures of 10 x 10"):
        random_patches(pictures, 11, torch.Generator())


def test_shrunk_pictures_keep_their_mean() -> None:
    pictures = numbered(16)
    small = shrunk(pictures, 8)
    assert small.shape == (1, 8, 8, 3) and small[0, 0, 3, 1] in (6, 7)  # of columns 6 and 7
    assert shrunk(pictures, 16) is pictures


class Corner(nn.Module):
    """The logits of two classes: the first pixel of the red and of the green channel."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels[:, :2, 0, 0]


def test_ten_crops_are_averaged_as_probabilities() -> None:
    rows, columns = torch.meshgrid(torch.arange(5.0), torch.arange(5.0), indexing="ij")
    one = torch.stack([rows, columns, rows])
    pixels = torch.stack([one, one + 1, 2 * one])
    assert torch.equal(central_logits(Corner(), 3)(pixels), pixels[:, :2, 1, 1])
    answer = ten_crop_logits(Corner(), 3)(pixels)
    seen = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]  # top and left of the crops
    logits = [pixels[:, :2, y, x] for y, x in seen] + [pixels[:, :2, y, x + 2] for y, x in seen]
    wanted = torch.stack(logits).softmax(dim=2).mean(dim=0)
    assert answer.shape == (3, 2) and torch.allclose(answer.softmax(dim=1), wanted, atol=1e-6)
