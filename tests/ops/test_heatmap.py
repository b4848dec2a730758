"""Heat maps: blurred within their range, coloured, laid over a picture, enlarged pixel by pixel."""

import numpy as np
import pytest

from cvdemo.images import ImageArray
from cvdemo.ops.heatmap import blurred, colour_map, overlay_heatmap, repeat_pixels


def test_the_blurred_map_keeps_its_peak_and_its_range() -> None:
    heat = np.zeros((224, 224), np.float32)
    heat[60:80, 100:120] = 1
    soft = blurred(heat)
    assert soft.dtype == np.float32 and soft.min() == 0 and soft.max() == 1
    assert soft[70, 110] == 1 and soft[150, 110] == 0 and 0 < soft[60, 110] < 1
    assert not blurred(np.zeros((28, 28), np.float32)).any()


def test_an_overlay_is_the_picture_where_it_is_cold(noise: ImageArray) -> None:
    heat = np.zeros((48, 64), np.float32)
    heat[:, 32:] = 1
    shown = overlay_heatmap(noise, heat)
    assert np.array_equal(shown[:, :32], noise[:, :32]) and not np.array_equal(shown[:, 32:], noise[:, 32:])
    with pytest.raises(ValueError, match="sizes differ"):
        overlay_heatmap(noise, heat[:10])


def test_small_pictures_are_enlarged_pixel_by_pixel(noise: ImageArray) -> None:
    assert np.array_equal(repeat_pixels(noise[:2, :2], 5)[:3, :3], np.broadcast_to(noise[0, 0], (3, 3, 3)))
    assert repeat_pixels(noise, 48).shape == noise.shape
    assert colour_map(np.zeros((2, 3), np.float32)).shape == (2, 3, 3)
