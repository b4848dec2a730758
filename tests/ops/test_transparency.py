"""Pictures with alpha: read with it, filled where nobody sees, and laid on white."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cvdemo.images import on_white, read_image
from cvdemo.ops.transparency import fill_hidden


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def test_rgba_comes_as_it_is() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 4), dtype=np.uint8)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(values)), keep_alpha=True), values)


def test_grey_with_alpha_stays_grey() -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 2), dtype=np.uint8)
    image = read_image(encoded(Image.fromarray(values, mode="LA")), keep_alpha=True)
    np.testing.assert_array_equal(image, values[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_colour_is_alpha(kind: str) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    image = read_image(encoded(picture, kind, transparency=0), keep_alpha=True)
    assert image[0, 0, 3] == 0 and image[0, 1].tolist() == [40, 50, 60, 255]


def test_a_transparent_grey_of_16_bits_is_alpha() -> None:
    values = np.array([[0, 30000], [65535, 30001]], np.uint16)
    image = read_image(encoded(Image.fromarray(values), transparency=30000), keep_alpha=True)
    assert image[..., 3].tolist() == [[255, 0], [255, 255]]
    assert image[1, 0].tolist() == [255, 255, 255, 255]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "I;16"])
def test_what_has_no_alpha_has_three_channels(mode: str) -> None:
    data = encoded(Image.new(mode, (3, 2)))
    assert read_image(data, keep_alpha=True).shape == (2, 3, 3)


def test_laid_on_white_it_is_what_is_read_without_alpha() -> None:
    values = np.random.default_rng(0).integers(0, 256, (50, 70, 4), dtype=np.uint8)
    np.testing.assert_array_equal(on_white(values), read_image(encoded(Image.fromarray(values))))
    exact = values[..., :3] * (values[..., 3:] / 255) + 255 - values[..., 3:]
    assert np.abs(on_white(values) - exact).max() <= 1


def test_an_opaque_picture_needs_no_white() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    assert on_white(image) is image


def test_the_hidden_take_the_colour_of_the_nearest_visible() -> None:
    image = np.zeros((4, 9, 4), np.uint8)
    image[:, :2] = (200, 10, 0, 255)
    image[:, 7] = (0, 0, 0, 15)
    image[:, 8] = (0, 0, 90, 16)
    before = image.copy()
    filled = fill_hidden(image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(filled[..., 3], image[..., 3])
    assert (filled[:, :5, :3] == (200, 10, 0)).all() and (filled[:, 5:, :3] == (0, 0, 90)).all()


def test_each_visible_pixel_keeps_its_colour() -> None:
    image = np.random.default_rng(3).integers(0, 256, (60, 50, 4), dtype=np.uint8)
    visible = image[..., 3] >= 128
    image[~visible, 3] //= 16
    assert image[~visible, 3].max() < 16
    filled = fill_hidden(image)
    np.testing.assert_array_equal(filled[visible], image[visible])
    seen = {tuple(colour) for colour in image[visible, :3]}
    assert {tuple(colour) for colour in filled[~visible, :3]} <= seen


@pytest.mark.parametrize("alpha", [0, 255])
def test_all_hidden_and_all_visible_stay_as_they_are(alpha: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 4), dtype=np.uint8)
    image[..., 3] = alpha
    np.testing.assert_array_equal(fill_hidden(image), image)


def test_a_picture_without_alpha_is_refused() -> None:
    with pytest.raises(ValueError, match=r"need \(H, W, 4\), got \(2, 2, 3\)"):
        fill_hidden(np.zeros((2, 2, 3), np.uint8))
