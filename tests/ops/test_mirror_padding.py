"""Mirrored borders: numpy's symmetric padding, however far, and places that need none."""

import numpy as np
import pytest
import torch

from cvdemo.ops.mirror_padding import mirrored, with_border


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 5), (9, 4)])
@pytest.mark.parametrize("border_px", [0, 1, 7])
def test_a_border_is_that_of_numpy(size_hw: tuple[int, int], border_px: int) -> None:
    picture = torch.rand(1, 1, *size_hw)
    expected = np.pad(picture[0, 0], border_px, mode="symmetric")
    np.testing.assert_array_equal(with_border(picture, border_px)[0, 0], expected)


def test_a_place_inside_is_only_looked_at() -> None:
    picture = torch.rand(1, 2, 6, 8)
    inside = mirrored(picture, 3, 2, 7)
    assert torch.equal(inside, picture[..., 2:7]) and inside.data_ptr() == picture[..., 2:].data_ptr()


def test_a_place_beyond_an_edge() -> None:
    row = torch.arange(4.0)[None]
    assert mirrored(row, 1, -2, 1).tolist() == [[1, 0, 0]]
    assert mirrored(row, 1, 3, 6).tolist() == [[3, 3, 2]]
