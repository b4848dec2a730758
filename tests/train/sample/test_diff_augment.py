"""Differentiable augmentation: what each policy does, within which bounds, and that gradients pass."""

import pytest
import torch
from torch import Tensor

from train.sample.diff_augment import NUMBERS, check_policies, diff_augment, draw

ALL = ("color", "translation", "cutout")


def numbers(**values: float) -> Tensor:
    """Numbers of one picture that change nothing but what is named."""
    names = ("brightness", "saturation", "contrast", "down", "right", "cut_y", "cut_x")
    neutral = dict.fromkeys(names, 0.5)
    return torch.tensor([[{**neutral, **values}[name] for name in names]])


def picture(channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_neutral_numbers_change_neither_colour_nor_place() -> None:
    x = picture()
    torch.testing.assert_close(diff_augment(x, ("color", "translation"), numbers()), x)
    assert torch.equal(diff_augment(x, ("none",), draw(1, torch.Generator())), x)


def test_brightness_adds() -> None:
    x = picture()
    torch.testing.assert_close(diff_augment(x, ("color",), numbers(brightness=0.9)), x + 0.4)


def test_without_saturation_a_picture_is_grey() -> None:
    x = picture()
    grey = x.mean(dim=1, keepdim=True).expand_as(x)
    torch.testing.assert_close(diff_augment(x, ("color",), numbers(saturation=0.0)), grey)
    one = picture(channels=1)
    torch.testing.assert_close(diff_augment(one, ("color",), numbers(saturation=0.9)), one)


def test_contrast_is_about_the_mean_of_the_picture() -> None:
    x = picture()
    torch.testing.assert_close(diff_augment(x, ("color",), numbers(contrast=0.0)), (x - x.mean()) / 2 + x.mean())


def test_colour_applies_its_three_changes_in_turn() -> None:
    x = picture()
    brighter = x + 0.3
    grey = brighter.mean(dim=1, keepdim=True)
    richer = (brighter - grey) * 1.4 + grey
    wanted = (richer - richer.mean()) * 1.2 + richer.mean()
    found = diff_augment(x, ("color",), numbers(brightness=0.8, saturation=0.7, contrast=0.7))
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("number", "shift"), [(0.0, -2), (0.5, 0), (0.999, 2)])
def test_translation_moves_by_an_eighth_at_most_and_fills_with_grey(number: float, shift: int) -> None:
    x = picture()
    moved = diff_augment(x, ("translation",), numbers(down=number))
    if shift < 0:
        assert torch.equal(moved[:, :, -shift:], x[:, :, :shift]) and not moved[:, :, :-shift].any()
    elif shift:
        assert torch.equal(moved[:, :, :-shift], x[:, :, shift:]) and not moved[:, :, -shift:].any()
    else:
        assert torch.equal(moved, x)
    sideways = diff_augment(x.transpose(2, 3), ("translation",), numbers(right=number)).transpose(2, 3)
    assert torch.equal(sideways, moved)


def test_cutout_takes_a_square_of_half_the_side() -> None:
    ones = torch.ones(1, 3, 16, 16)
    cut = diff_augment(ones, ("cutout",), numbers())
    assert cut.eq(0).sum() == 3 * 64 and not cut[:, :, 4:12, 4:12].any()
    corner = diff_augment(ones, ("cutout",), numbers(cut_y=0.0, cut_x=0.0))
    assert corner.eq(0).sum() == 3 * 16 and not corner[:, :, :4, :4].any()


def test_pictures_of_a_batch_differ_and_the_same_numbers_repeat() -> None:
    x = picture().expand(4, -1, -1, -1)
    random = draw(4, torch.Generator().manual_seed(0))
    seen = diff_augment(x, ALL, random)
    assert len({one.sum().item() for one in seen}) == 4
    assert torch.equal(seen, diff_augment(x, ALL, random))
    assert torch.equal(seen[2:], diff_augment(x[2:], ALL, random[2:]))  # a share of the batch sees the same
    assert torch.equal(random, draw(4, torch.Generator().manual_seed(0)))


def test_gradients_are_those_of_finite_differences() -> None:
    x = picture(channels=1, side=8).double().requires_grad_(True)
    random = draw(1, torch.Generator().manual_seed(3)).double()
    assert torch.autograd.gradcheck(lambda p: diff_augment(p, ALL, random), x)


def test_refuses_other_policies_and_numbers() -> None:
    with pytest.raises(ValueError, match="no augmentation colour; there are color, translation, cutout, none"):
        check_policies(("color", "colour"))
    with pytest.raises(ValueError, match=rf"need numbers \(1, {NUMBERS}\), got \(2, {NUMBERS}\)"):
        diff_augment(picture(), ALL, torch.rand(2, NUMBERS))
