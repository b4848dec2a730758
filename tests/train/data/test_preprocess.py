"""Preprocessing: the page's results, known places, and what is refused."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cvdemo import images
from cvdemo.classify import classifier as classify
from cvdemo.images import ImageArray, to_tensor
from train.data import preprocess


@pytest.fixture
def picture(chelsea: ImageArray) -> Tensor:
    """(1, 3, 300, 451) in [0, 1]."""
    return to_tensor(chelsea)


def places(height: int, width: int, count: int = 1) -> Tensor:
    """Pictures (count, 1, H, W) whose pixels say where they are: 1000 * row + column."""
    return (torch.arange(height)[:, None] * 1000.0 + torch.arange(width)).expand(count, 1, -1, -1)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("short_px", "side_px"), [(256, 224), (64, 64), (333, 97), (32, 31)])
def test_pictures_come_out_as_on_the_page(picture: Tensor, short_px: int, side_px: int, interpolation: str) -> None:
    page = images.center_crop(images.resize_short_side(picture, short_px, interpolation), side_px)
    assert torch.equal(preprocess.resize_and_crop(picture, short_px, side_px, interpolation), page)


@pytest.mark.parametrize("size_hw", [(40, 60), (60, 40), (7, 50), (33, 33)])
def test_the_aspect_is_kept(size_hw: tuple[int, int]) -> None:
    height, width = preprocess.resize_keeping_aspect(torch.rand(2, 3, *size_hw), 20).shape[-2:]
    assert min(height, width) == 20
    assert max(height, width) == round(20 * max(size_hw) / min(size_hw))


def test_the_mean_of_each_channel_goes(picture: Tensor) -> None:
    mean, std = picture.mean(dim=(0, 2, 3)).tolist(), picture.std(dim=(0, 2, 3)).tolist()
    centred = preprocess.subtract_mean(picture, mean)
    assert centred.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    assert (centred + torch.tensor(mean).view(1, 3, 1, 1) - picture).abs().max() < 1e-6
    scaled = preprocess.subtract_mean(picture, mean, std)
    assert scaled.std(dim=(0, 2, 3)).numpy() == pytest.approx(1, abs=1e-4)


def test_patches_come_from_everywhere_each_from_its_own_place() -> None:
    patches = preprocess.random_patch(places(12, 10, 2000), 7, torch.Generator().manual_seed(0))
    corners = patches[:, 0, 0, 0]
    counts = torch.unique(corners, return_counts=True)
    assert counts[0].tolist() == [1000.0 * row + column for row in range(6) for column in range(4)]
    assert counts[1].min() > 2000 / 24 / 2
    assert torch.equal(patches - corners[:, None, None, None], places(7, 7, 2000))
    again = preprocess.random_patch(places(12, 10, 2000), 7, torch.Generator().manual_seed(0))
    assert torch.equal(again, patches)


def test_ten_crops_are_those_of_the_page(picture: Tensor) -> None:
    ours = preprocess.ten_crops(picture, 224)[0]
    page = classify.ten_crops(picture, 224)
    assert ours.shape == page.shape == (10, 3, 224, 224)
    for crop in ours:
        assert any(torch.equal(crop, other) for other in page)
    assert len(ours.flatten(1).unique(dim=0)) == 10


def test_ten_crops_lie_in_corners_and_centre() -> None:
    crops = preprocess.ten_crops(places(8, 12, 2), 6)
    assert crops.shape == (2, 10, 1, 6, 6)
    assert crops[1, :5, 0, 0, 0].tolist() == [2, 4, 2002, 2004, 1003]  # the square begins at column 2
    assert torch.equal(crops[:, 5:].flip(-1), crops[:, [1, 0, 3, 2, 4]])  # left is right in the mirror


def test_answers_are_averaged_as_probabilities() -> None:
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    mean = preprocess.mean_over_crops(logits)
    assert mean.shape == (2, 4)
    assert mean[1].numpy() == pytest.approx(np.mean([row.softmax(0).numpy() for row in logits[10:]], axis=0), abs=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    small = torch.rand(1, 3, 8, 12)
    with pytest.raises(ValueError, match="cannot take 9 px out of 8 x 12"):
        preprocess.random_patch(small, 9, torch.Generator())
    with pytest.raises(ValueError, match="cannot take 9 px out of 8 x 12"):
        preprocess.ten_crops(small, 9)
    with pytest.raises(ValueError, match="cannot crop 9 px out of a shorter side of 8 px"):
        preprocess.resize_and_crop(small, 8, 9)
    with pytest.raises(ValueError, match="at least 1 px"):
        preprocess.resize_keeping_aspect(small, 0)
