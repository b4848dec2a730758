"""What a style transfer is given, at the size of each scale: the picture, its styles by region, and where it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, luminance, resize, resize_to_fit, to_tensor
from cvdemo.ops.colour_match import ColourMap, match_colours, mixed_colours
from cvdemo.ops.mirror_padding import mirrored
from cvdemo.style.config import INSTANT_START, StyleConfig
from cvdemo.style.scales import strokes_size
from cvdemo.style.targets import Strokes

START_NOISE = 0.03  # deviation, so that each seed sets out from another place
LARGE_PX = 2048  # pictures are kept at twice the largest scale, or at this where twice is more: floats take memory
SHAPE_TOLERANCE = 0.02  # by which the sides' ratio of a start picture may differ, as sizes are rounded
SMALLEST_REGION = 1e-3  # share of the picture: a smaller one has no statistics to speak of

T = TypeVar("T")
Weighted = tuple[T, float]


@dataclass(frozen=True, eq=False)
class StylePictures:
    """The pictures of one style transfer, uint8 (H, W, 3) RGB of any size.

    Attributes:
        others: further style pictures with their weights; `style` has the weight 1. With a mask they are the second
            style.
        mask: uint8 (H, W) in the shape of the content: 255 is painted in the second style, 0 in the first.
        start: the picture to begin with, in the shape of the content.

    Raises:
        InputError: a weight is not above 0; a mask without a second style or of another shape; a start picture of
            another shape.
    """

    content: ImageArray
    style: ImageArray
    others: Sequence[Weighted[ImageArray]] = ()
    mask: ImageArray | None = None
    start: ImageArray | None = None

    def __post_init__(self) -> None:
        for _, weight in self.others:
            if not 0 < weight < float("inf"):
                raise InputError(f"The weight of a style picture must be above 0, got {weight:g}.")
        if self.mask is not None:
            self._check_mask(self.mask)
        if self.start is not None and not _same_shape(self.start, self.content):
            raise InputError(
                f"The start picture is {_told(self.start)}, and the picture {_told(self.content)}: "
                "both must have the same shape."
            )

    def _check_mask(self, mask: ImageArray) -> None:
        if not self.others:
            raise InputError("A mask needs a second style picture.")
        if mask.dtype != np.uint8 or mask.ndim != 2:
            raise ValueError(f"need a uint8 (H, W) mask, got {mask.dtype} {mask.shape}")
        if not _same_shape(mask, self.content):
            raise InputError(
                f"The mask is {_told(mask)}, and the picture {_told(self.content)}: both must have the same shape."
            )

    @property
    def regions(self) -> list[list[Weighted[ImageArray]]]:
        """The style pictures of each region."""
        first, others = (self.style, 1.0), list(self.others)
        return [[first, *others]] if self.mask is None else [[first], others]


def mask_of(image: ImageArray) -> ImageArray:
    """A picture (H, W, 3) as a mask: its luminance, uint8 (H, W)."""
    mask: ImageArray = np.array(Image.fromarray(image).convert("L"))
    return mask


def _same_shape(one: ImageArray, other: ImageArray) -> bool:
    ratios = [image.shape[0] / image.shape[1] for image in (one, other)]
    smallest = min(*one.shape[:2], *other.shape[:2])
    return bool(abs(ratios[0] / ratios[1] - 1) <= SHAPE_TOLERANCE + 1 / smallest)


def _told(image: ImageArray) -> str:
    return f"{image.shape[1]} x {image.shape[0]} pixels"


class Scaled:
    """The pictures as tensors, in the colours that they are painted in, at the size of any scale.

    The content comes in the styles' colours, or with kept colours the styles in those of the content. No more pictures
    are kept than are used: one of 2,048 x 2,048 px takes 50 MB.
    """

    def __init__(self, pictures: StylePictures, config: StyleConfig, device: torch.device) -> None:
        self.pictures, self.config, self.device = pictures, config, device
        own = self._tensor(pictures.content, 1)
        painted = luminance(own).expand(-1, 3, -1, -1) if self._grey else own
        self._own = own if self._grey else None
        self._styles = [[(self._style(image, painted), weight) for image, weight in each] for each in pictures.regions]
        self._source = painted if config.keep_colours != "no" else self._in_their_colours(painted)

    @property
    def _grey(self) -> bool:
        return self.config.keep_colours == "luminance"

    def _tensor(self, image: ImageArray, scale: float) -> Tensor:
        """At no more than twice the size at which it is used: 40 megapixels of floats would take 3 GB and 15 s."""
        used_px = round(self.config.size * scale)
        return to_tensor(resize_to_fit(image, min(2 * used_px, max(used_px, LARGE_PX))), self.device)

    def _style(self, image: ImageArray, painted: Tensor) -> Tensor:
        pixels = self._tensor(image, self.config.style_scale)
        if self._grey:
            pixels = luminance(pixels).expand(-1, 3, -1, -1)
        return pixels if self.config.keep_colours == "no" else match_colours(pixels, painted)

    def _in_their_colours(self, own: Tensor) -> Tensor:
        """A picture in the colours of the styles."""
        made = [
            ColourMap.to_statistics(own, *mixed_colours(styles)).weakened(self.config.strength)(own)
            for styles in self._styles
        ]
        mask = self._mask((made[0].shape[-2], made[0].shape[-1]))
        return made[0] if mask is None else torch.lerp(made[0], made[1], mask)

    def _mask(self, size_hw: tuple[int, int]) -> Tensor | None:
        """(1, 1, H, W) in [0, 1]."""
        if self.pictures.mask is None:
            return None
        smaller = Image.fromarray(self.pictures.mask).resize(size_hw[::-1], Image.Resampling.BOX)
        return to_tensor(np.array(smaller)[..., None], self.device)

    def content(self, size_hw: tuple[int, int]) -> Tensor:
        """The content (1, 3, H, W) in the colours that it is to have."""
        return resize(self._source, size_hw)

    def strokes(self, size_hw: tuple[int, int]) -> list[Strokes]:
        """What each region is painted like, beside a content of this size."""
        mask = self._mask(size_hw)
        masks = [None] if mask is None else [1 - mask, mask]
        made = [
            Strokes(self._with_own(self._sized(images, styles, size_hw), size_hw), own)
            for images, styles, own in zip(self.pictures.regions, self._styles, masks, strict=True)
        ]
        kept = [each for each in made if each.mask is None or each.mask.mean() >= SMALLEST_REGION]
        return kept if len(kept) == len(made) else [replace(each, mask=None) for each in kept]

    def _sized(
        self,
        images: Sequence[Weighted[ImageArray]],
        styles: Sequence[Weighted[Tensor]],
        size_hw: tuple[int, int],
    ) -> list[Weighted[Tensor]]:
        scale = self.config.style_scale
        return [
            (resize(pixels, strokes_size(image, size_hw, scale)), weight)
            for (image, _), (pixels, weight) in zip(images, styles, strict=True)
        ]

    def _with_own(self, styles: list[Weighted[Tensor]], size_hw: tuple[int, int]) -> list[Weighted[Tensor]]:
        """With a strength below 1, the picture's own style counts too."""
        strength = self.config.strength
        if strength == 1:
            return styles
        total = sum(weight for _, weight in styles)
        own = (self.content(size_hw), 1 - strength)
        return [*((pixels, strength * weight / total) for pixels, weight in styles), own]

    def begin(self, size_hw: tuple[int, int], generator: torch.Generator) -> Tensor:
        """Where the coarsest scale sets out: (1, 3, H, W)."""
        content = self.content(size_hw)
        if self.pictures.start is not None:
            return resize(self._started(self._tensor(self.pictures.start, 1)), size_hw)
        return start_picture(content, self.strokes(size_hw), self.config, generator)

    def _started(self, pixels: Tensor) -> Tensor:
        return luminance(pixels).expand(-1, 3, -1, -1) if self._grey else pixels

    def shown(self, pixels: Tensor) -> Tensor:
        """The picture (1, 3, H, W) as it is shown: with kept colours by luminance, in those of the content."""
        if self._own is None:
            return pixels
        own = resize(self._own, (pixels.shape[-2], pixels.shape[-1]))
        return (own + luminance(pixels) - luminance(own)).clamp(0, 1)


def start_picture(
    content: Tensor, style: Tensor | Sequence[Strokes], config: StyleConfig, generator: torch.Generator
) -> Tensor:
    """(1, 3, H, W) of the content, of the first style, or of noise in its colours.

    The content comes without its finest detail: whiskers and grass would stay where strokes belong. The style comes at
    its own size, mirrored or cut.

    Raises:
        ValueError: it should start from the instant style, which is a picture that has to be given.
    """
    if config.start == INSTANT_START:
        raise ValueError(f"start {INSTANT_START!r} needs a start picture; `cvdemo.style.run` makes it")
    noise = torch.randn(content.shape, generator=generator).to(content)
    first = style if isinstance(style, Tensor) else style[0].pictures[0][0]
    if config.start == "noise":
        return match_colours((0.5 + 0.15 * noise).clamp(0, 1), first)
    height, width = content.shape[-2:]
    if config.start == "style":
        begun = mirrored(mirrored(first, 2, 0, height), 3, 0, width)
    else:
        begun = resize(resize(content, (-(-height // 2), -(-width // 2))), (height, width))
    return (begun + START_NOISE * noise).clamp(0, 1)
