"""What phones and the web do to a picture: a little noise of the sensor, then JPEG; and PSNR on pictures treated so.

JPEG works on blocks of 8 px, and on colours at half the resolution (4:2:0, the default of Pillow and of most
cameras). A network sees the luminance of what the decoder gives.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cvdemo.images import to_image, to_tensor
from cvdemo.ops.resample import bicubic_resize, luma
from train.upscale.degradation import Restore, in_8_bit_steps, mean_scores, modcrop

QUALITIES = (40, 70)  # of JPEG, that choose the checkpoint: a picture much compressed, and one as the web has it
MEASURED = (*QUALITIES, 90)  # and one as a phone saves it


def through_jpeg(rgb: Tensor, quality: int) -> Tensor:
    """The picture (1, 3, H, W) in [0, 1] after an 8-bit JPEG of that quality, 4:2:0."""
    stream = io.BytesIO()
    Image.fromarray(to_image(rgb)).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as picture:
        return to_tensor(np.asarray(picture.convert("RGB")))


def damaged(rgb: Tensor, noise: Tensor, qualities: list[int]) -> Tensor:
    """Pictures (B, 3, H, W) with `noise` (B, 3, H, W) added, each after a JPEG of its own quality.

    Raises:
        ValueError: not one quality for each picture.
    """
    if len(qualities) != len(rgb):
        raise ValueError(f"need a quality for each of {len(rgb)} pictures, got {len(qualities)}")
    noisy = (rgb + noise).cpu()
    pictures = [through_jpeg(picture[None], quality) for picture, quality in zip(noisy, qualities, strict=True)]
    return torch.cat(pictures).to(rgb.device)


def measure_photos(
    pictures: Mapping[str, Tensor], scale: int, quality: int, restorers: Mapping[str, Restore]
) -> dict[str, float]:
    """`mean_scores` of pictures that were shrunk, then saved as JPEG, against the luminance of the originals.

    Args:
        pictures: (1, 3, H, W) in [0, 1] by name.
        quality: of JPEG.
    """
    return mean_scores(_pairs(pictures, scale, quality), scale, restorers)


def _pairs(pictures: Mapping[str, Tensor], scale: int, quality: int) -> Iterator[tuple[Tensor, Tensor]]:
    for picture in pictures.values():
        high_res = modcrop(picture, scale)
        low_res = through_jpeg(bicubic_resize(high_res, scale=1 / scale), quality)
        yield _luminance(low_res, high_res), in_8_bit_steps(_luminance(high_res, high_res))


def _luminance(rgb: Tensor, original: Tensor) -> Tensor:
    """Y of BT.601; a grey original as it is, see `read_luminance`."""
    return rgb[:, :1] if torch.equal(original[:, 1:], original[:, :1].expand(-1, 2, -1, -1)) else luma(rgb)
