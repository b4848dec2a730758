"""Masks: their size, their feathered edge, and that they are exactly 0 outside."""

import numpy as np
import pytest
import torch

from cvdemo.dream.mask import FEATHER, feathered
from cvdemo.errors import InputError
from cvdemo.images import ImageArray


def half() -> ImageArray:
    """(60, 100), whose right half is marked."""
    mask = np.zeros((60, 100), np.uint8)
    mask[:, 50:] = 255
    return mask


def test_outside_it_is_zero_and_inside_it_grows_from_the_edge() -> None:
    within = feathered(half(), (60, 100), (240, 400))
    assert within.shape == (1, 1, 240, 400)
    assert within[..., :200].abs().max() == 0 and within[..., 200:].min() > 0
    row = within[0, 0, 120, 200:]
    assert (row.diff() >= 0).all() and 0 < row[0] < 0.2
    reach = round(FEATHER * 400)
    assert row[reach // 2] < 0.7 and (row[reach + 1 :] == 1).all()  # up to the picture's border, which is no edge


def test_a_soft_brush_counts_from_the_middle_of_its_edge_on() -> None:
    mask = np.tile(np.linspace(0, 255, 100).astype(np.uint8), (60, 1))
    within = feathered(mask, (60, 100), (60, 100))
    assert torch.equal(within[0, 0, 0] > 0, torch.from_numpy(mask[0] >= 128))


def test_all_of_it_is_everywhere() -> None:
    assert torch.equal(feathered(np.full((4, 4), 255, np.uint8), (4, 4), (8, 8)), torch.ones(1, 1, 8, 8))


def test_a_mask_that_does_not_suit_is_refused() -> None:
    with pytest.raises(InputError, match="as large as the picture; it has 100 x 60 px and the picture 64 x 48"):
        feathered(half(), (48, 64), (96, 128))
    with pytest.raises(InputError, match="Nothing is marked in the mask"):
        feathered(np.zeros((4, 4), np.uint8), (4, 4), (8, 8))
    with pytest.raises(ValueError, match=r"uint8 \(H, W\) mask, got float64 \(4, 4\)"):
        feathered(np.zeros((4, 4)), (4, 4), (8, 8))  # type: ignore[arg-type]  # the error that is tested
