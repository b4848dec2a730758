"""What a style transfer is given: colours, regions, masks, starts, and pictures that do not fit together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, luminance, resize, to_tensor
from cvdemo.ops.colour_match import colour_statistics
from cvdemo.style.config import StyleConfig
from cvdemo.style.pictures import Scaled, StylePictures, mask_of

CPU = torch.device("cpu")
CONFIG = StyleConfig(size=128)
SIZE = (48, 64)


@pytest.fixture
def content() -> ImageArray:
    """(48, 64, 3): dim and greenish."""
    return painted((48, 64), 0, (60, 110, 50))


@pytest.fixture
def style() -> ImageArray:
    return painted((40, 40), 1, (200, 90, 20))


def painted(size_hw: tuple[int, int], seed: int, colour: tuple[int, int, int]) -> ImageArray:
    """Noise round a colour."""
    noise = np.random.default_rng(seed).normal(0, 15, (*size_hw, 3))
    return (np.array(colour) + noise).clip(0, 255).astype(np.uint8)


def mean(pixels: Tensor) -> Tensor:
    return colour_statistics(pixels)[0][:, 0]


def scaled(pictures: StylePictures, **settings: object) -> Scaled:
    return Scaled(pictures, replace(CONFIG, **settings), CPU)  # type: ignore[arg-type]  # whatever a test changes


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_picture_comes_in_the_colours_of_the_style(content: ImageArray, style: ImageArray) -> None:
    found = scaled(StylePictures(content, style)).content(SIZE)
    torch.testing.assert_close(mean(found), mean(to_tensor(style)), atol=0.02, rtol=0)


def test_strength_takes_the_colours_part_of_the_way_and_counts_the_pictures_own_style(
    content: ImageArray, style: ImageArray
) -> None:
    made = scaled(StylePictures(content, style), strength=0.25)
    expected = 0.75 * mean(to_tensor(content)) + 0.25 * mean(to_tensor(style))
    torch.testing.assert_close(mean(made.content(SIZE)), expected, atol=0.02, rtol=0)
    (strokes,) = made.strokes(SIZE)
    (_, weight), (own, own_weight) = strokes.pictures
    assert (weight, own_weight) == (0.25, 0.75)
    assert torch.equal(own, made.content(SIZE))


def test_kept_by_statistics_the_style_comes_in_the_pictures_colours(content: ImageArray, style: ImageArray) -> None:
    made = scaled(StylePictures(content, style), keep_colours="statistics")
    (strokes,) = made.strokes(SIZE)
    torch.testing.assert_close(mean(strokes.pictures[0][0]), mean(to_tensor(content)), atol=0.02, rtol=0)
    torch.testing.assert_close(made.content(SIZE), resize(to_tensor(content), SIZE))
    pixels = torch.rand(1, 3, *SIZE)
    assert made.shown(pixels) is pixels


def test_kept_by_luminance_only_light_and_dark_are_painted(content: ImageArray, style: ImageArray) -> None:
    made = scaled(StylePictures(content, style), keep_colours="luminance")
    own = resize(to_tensor(content), SIZE)
    assert torch.equal(made.content(SIZE)[:, 0], made.content(SIZE)[:, 2])
    (strokes,) = made.strokes(SIZE)
    torch.testing.assert_close(
        mean(strokes.pictures[0][0]), mean(luminance(own).expand(-1, 3, -1, -1)), atol=0.02, rtol=0
    )
    grey = torch.full((1, 3, *SIZE), 0.5)
    shown = made.shown(grey)
    torch.testing.assert_close(luminance(shown), luminance(grey), atol=1e-3, rtol=0)
    torch.testing.assert_close(shown - luminance(shown), own - luminance(own), atol=1e-3, rtol=0)
    assert made.shown(torch.rand(1, 3, 24, 32)).shape == (1, 3, 24, 32)


def test_several_styles_give_their_colours_by_weight(content: ImageArray, style: ImageArray) -> None:
    blue = painted((60, 40), 2, (20, 40, 180))
    made = scaled(StylePictures(content, style, others=[(blue, 3.0)]))
    expected = 0.25 * mean(to_tensor(style)) + 0.75 * mean(to_tensor(blue))
    torch.testing.assert_close(mean(made.content(SIZE)), expected, atol=0.05, rtol=0)  # some are clamped
    (strokes,) = made.strokes(SIZE)
    assert [(pixels.shape[-2:], weight) for pixels, weight in strokes.pictures] == [((64, 64), 1.0), ((64, 43), 3.0)]


def test_a_mask_parts_the_picture(content: ImageArray, style: ImageArray) -> None:
    blue = painted((60, 40), 2, (20, 40, 180))
    mask = np.zeros((96, 128), np.uint8)
    mask[:, 96:] = 255
    made = scaled(StylePictures(content, style, others=[(blue, 1.0)], mask=mask))
    first, second = made.strokes(SIZE)
    assert first.mask is not None and second.mask is not None
    assert (first.mask[..., :48] == 1).all() and (first.mask[..., 48:] == 0).all()
    torch.testing.assert_close(first.mask + second.mask, torch.ones(1, 1, *SIZE))
    torch.testing.assert_close(mean(second.pictures[0][0]), mean(to_tensor(blue)), atol=0.02, rtol=0)
    coloured = made.content(SIZE)
    torch.testing.assert_close(mean(coloured[..., 50:]), mean(to_tensor(blue)), atol=0.05, rtol=0)
    torch.testing.assert_close(mean(coloured[..., :46]), mean(to_tensor(style)), atol=0.05, rtol=0)


@pytest.mark.parametrize(("value", "colour"), [(0, (200, 90, 20)), (255, (20, 40, 180))])
def test_a_mask_of_one_value_leaves_one_style_everywhere(
    content: ImageArray, style: ImageArray, value: int, colour: tuple[int, int, int]
) -> None:
    mask = np.full((48, 64), value, np.uint8)
    made = scaled(StylePictures(content, style, others=[(painted((60, 40), 2, (20, 40, 180)), 1.0)], mask=mask))
    (strokes,) = made.strokes(SIZE)
    assert strokes.mask is None
    torch.testing.assert_close(mean(strokes.pictures[0][0]), torch.tensor(colour) / 255, atol=0.02, rtol=0)


def test_starts(content: ImageArray, style: ImageArray) -> None:
    begun = {start: scaled(StylePictures(content, style), start=start) for start in ("content", "style", "noise")}
    found = {start: made.begin(SIZE, generator()) for start, made in begun.items()}
    assert {pixels.shape for pixels in found.values()} == {(1, 3, *SIZE)}
    own = begun["content"].content(SIZE)
    assert (found["content"] - own).abs().mean() < 0.05
    (strokes,) = begun["style"].strokes(SIZE)
    reference = strokes.pictures[0][0]
    assert (found["style"] - reference[..., :48, :64]).abs().mean() < 0.05
    torch.testing.assert_close(mean(found["noise"]), mean(reference), atol=0.03, rtol=0)
    other = begun["content"].begin(SIZE, generator(1))
    assert (found["content"] != other).any()


def test_a_style_smaller_than_the_picture_begins_mirrored(content: ImageArray) -> None:
    stripes = np.repeat(np.arange(0, 250, 10, dtype=np.uint8), 10)[None, :, None] * np.ones((100, 1, 3), np.uint8)
    made = scaled(StylePictures(content, stripes), start="style", style_scale=0.5)
    (strokes,) = made.strokes(SIZE)
    height, width = strokes.pictures[0][0].shape[-2:]
    assert height < SIZE[0] and width < SIZE[1]
    begun = made.begin(SIZE, generator())
    torch.testing.assert_close(begun[..., width : 2 * width], begun[..., :width].flip(3), atol=0.3, rtol=0)


def test_a_start_picture_is_taken_as_it_is(content: ImageArray, style: ImageArray) -> None:
    start = painted((96, 128), 5, (10, 200, 100))
    begun = scaled(StylePictures(content, style, start=start)).begin(SIZE, generator())
    torch.testing.assert_close(begun, resize(to_tensor(start), SIZE))


def test_a_mask_is_the_luminance_of_its_picture() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0] = 255
    assert mask_of(picture).tolist() == [[255, 255], [0, 0]]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_weights_are_above_zero(content: ImageArray, style: ImageArray, weight: float) -> None:
    with pytest.raises(InputError, match="The weight of a style picture must be above 0"):
        StylePictures(content, style, others=[(style, weight)])


def test_a_mask_needs_a_second_style_and_the_shape_of_the_picture(content: ImageArray, style: ImageArray) -> None:
    with pytest.raises(InputError, match=r"^A mask needs a second style picture\.$"):
        StylePictures(content, style, mask=np.zeros((48, 64), np.uint8))
    with pytest.raises(InputError, match=r"^The mask is 48 x 64 pixels, and the picture 64 x 48 pixels"):
        StylePictures(content, style, [(style, 1.0)], np.zeros((64, 48), np.uint8))
    with pytest.raises(ValueError, match=r"need a uint8 \(H, W\) mask, got uint8 \(48, 64, 3\)"):
        StylePictures(content, style, [(style, 1.0)], np.zeros((48, 64, 3), np.uint8))


def test_a_start_picture_has_the_shape_of_the_picture(content: ImageArray, style: ImageArray) -> None:
    with pytest.raises(InputError, match=r"^The start picture is 40 x 40 pixels, and the picture 64 x 48 pixels"):
        StylePictures(content, style, start=style)
