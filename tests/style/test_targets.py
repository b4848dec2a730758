"""Shifted views of a picture."""

import torch

from cvdemo.style.targets import shifted


def test_a_shift_moves_the_picture_inside_a_reflected_border() -> None:
    pixels = torch.rand(1, 3, 20, 24)
    still, moved = shifted(pixels, (0, 0)), shifted(pixels, (3, 5))
    assert still.shape == moved.shape == (1, 3, 36, 40)
    torch.testing.assert_close(still[..., 12:32, 12:36], pixels)
    torch.testing.assert_close(moved[..., 9:29, 7:31], pixels)
    torch.testing.assert_close(moved[..., 8, 7:31], pixels[..., 1, :])  # mirrored about the first row
