"""Augmentation that gradients pass through, of real and generated pictures alike, against a D that learns by heart.

S. Zhao, Z. Liu, J. Lin, J.-Y. Zhu and S. Han, "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS
2020, with the strengths of section 4: colour (brightness within 0.5, saturation to 2, contrast from 0.5 to 1.5),
translation by up to an eighth of the side, and a cut-out square of half the side. Pictures are in [-1, 1]; what is
shifted in or cut out is 0, mid-grey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

NUMBERS = 7  # random numbers that a picture takes: three of colour, two of translation, two of cut-out

_SHIFT = 1 / 8  # of the side, at most
_CUT = 1 / 2  # of the side


def draw(count: int, generator: torch.Generator) -> Tensor:
    """Random numbers in [0, 1) for the augmentation of `count` pictures, (count, NUMBERS)."""
    return torch.rand(count, NUMBERS, generator=generator)


def diff_augment(pictures: Tensor, policies: Sequence[str], numbers: Tensor) -> Tensor:
    """The pictures augmented, each in its own way; the same numbers do the same to any pictures.

    Args:
        pictures: (B, C, H, W) in [-1, 1]; colour may leave that range.
        policies: of "color", "translation" and "cutout" (the paper's names), applied in turn; "none" does nothing.
        numbers: from `draw`, (B, NUMBERS), on the CPU.

    Raises:
        ValueError: an unknown policy, or numbers for other pictures.
    """
    check_policies(policies)
    if numbers.shape != (len(pictures), NUMBERS):
        raise ValueError(f"need numbers {(len(pictures), NUMBERS)}, got {tuple(numbers.shape)}")
    pictures = pictures.contiguous()  # a fifth to a half of the time of channels last, with three channels
    for policy in policies:
        pictures = POLICIES[policy](pictures, numbers)
    return pictures.contiguous(memory_format=torch.channels_last)


def check_policies(policies: Sequence[str]) -> None:
    """Nothing, for policies that there are.

    Raises:
        ValueError: for others.
    """
    unknown = [policy for policy in policies if policy not in POLICIES]
    if unknown:
        raise ValueError(f"no augmentation {', '.join(unknown)}; there are {', '.join(POLICIES)}")


def _colour(pictures: Tensor, numbers: Tensor) -> Tensor:
    """Brightness b, saturation s and contrast c in turn, in one: cs x + c (1 - s) grey + (1 - c) mean + b."""
    b, s, c = numbers[:, :3].to(pictures.device).view(-1, 3, 1, 1, 1).unbind(1)
    b, s, c = b - 0.5, 2 * s, c + 0.5
    grey = pictures.mean(dim=1, keepdim=True)  # (B, 1, H, W)
    mean = grey.mean(dim=(2, 3), keepdim=True)
    return torch.addcmul(c * (1 - s) * grey + ((1 - c) * mean + b), pictures, c * s)


def _translation(pictures: Tensor, numbers: Tensor) -> Tensor:
    """Shifted by whole pixels. Slices, not an index: their gradient is cheaper, and the same twice on a GPU too."""
    height, width = pictures.shape[2:]
    most_y, most_x = round(height * _SHIFT), round(width * _SHIFT)
    padded = F.pad(pictures, (most_x, most_x, most_y, most_y)).unbind(0)
    tops = _whole(numbers[:, 3], 2 * most_y + 1).tolist()
    lefts = _whole(numbers[:, 4], 2 * most_x + 1).tolist()
    return torch.stack(
        [
            picture[:, top : top + height, left : left + width]
            for picture, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def _cutout(pictures: Tensor, numbers: Tensor) -> Tensor:
    """A square set to 0; its centre is any pixel, so part of it may lie outside."""
    height, width = pictures.shape[2:]
    inside_y = _near(numbers[:, 5], height)[:, :, None]  # (B, H, 1)
    inside_x = _near(numbers[:, 6], width)[:, None, :]  # (B, 1, W)
    kept = ~(inside_y & inside_x)[:, None]  # (B, 1, H, W)
    return pictures * kept.to(pictures)


def _whole(number: Tensor, count: int) -> Tensor:
    """(B,) whole numbers of 0 .. count - 1."""
    return (number * count).long()


def _near(number: Tensor, length: int) -> Tensor:
    """(B, length): whether a pixel of an axis belongs to the square whose centre is drawn on it."""
    reach = round(length * _CUT) // 2
    offset = torch.arange(length) - _whole(number, length)[:, None]
    return (offset >= -reach) & (offset < reach)


def _nothing(pictures: Tensor, numbers: Tensor) -> Tensor:
    return pictures


POLICIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "color": _colour,
    "translation": _translation,
    "cutout": _cutout,
    "none": _nothing,
}
