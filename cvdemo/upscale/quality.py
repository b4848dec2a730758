"""How near an enlarged picture is to its original, as super-resolution papers measure it.

The picture is shrunk, enlarged again, and compared with what it was: PSNR and SSIM on the luminance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.ops.image_quality import SSIM_WINDOW_PX, ssim
from cvdemo.ops.resample import bicubic_resize, luma
from cvdemo.ops.tiles import spans
from cvdemo.runtime import Deadline
from cvdemo.upscale.upscale import KERNEL_REACH_PX

STRIP_ROWS = 256  # rows that shrinking and measuring hold as floats at a time


@dataclass(frozen=True)
class Quality:
    """How near a picture's luminance is to the original's: `psnr` in dB, `ssim` at most 1."""

    psnr: float
    ssim: float


@dataclass(frozen=True)
class Comparison:
    """The quality of what bicubic gives, and of what the network makes of it."""

    bicubic: Quality
    network: Quality


def shrink(image: ImageArray, scale: int) -> tuple[ImageArray, ImageArray]:
    """The picture shrunk by `scale` as super-resolution papers do it, and the part of the original that it shows.

    MATLAB's antialiased bicubic, rounded to 8 bits; the original loses the rows and columns at the end that `scale`
    does not divide.

    Raises:
        InputError: the picture is too small to be measured afterwards.
    """
    least_px = SSIM_WINDOW_PX + 2 * scale
    height, width = (side // scale * scale for side in image.shape[:2])
    if min(height, width) < least_px:
        raise InputError(
            f"The picture is {image.shape[1]} x {image.shape[0]} pixels; to be shrunk by {scale} and measured it "
            f"needs at least {math.ceil(least_px / scale) * scale} on each side."
        )
    original = image[:height, :width]
    strips = []
    for rows in spans(height // scale, STRIP_ROWS // scale):
        top = max(0, rows.start - KERNEL_REACH_PX)
        strip = to_tensor(original[top * scale : (rows.stop + KERNEL_REACH_PX) * scale])
        shrunk = bicubic_resize(strip, scale=1 / scale)
        strips.append(to_image(shrunk[..., rows.start - top : rows.stop - top, :]))
    return np.concatenate(strips), original


def luma_quality(
    preds: Sequence[ImageArray], target: ImageArray, border_px: int, deadline: Deadline | None = None
) -> list[Quality] | None:
    """PSNR and SSIM of each on Y of BT.601 in [16, 235], or on a grey as it is, as super-resolution papers give them.

    Computed strip by strip on the 8-bit RGB pictures as they are delivered; papers round Y instead. Squeezed into
    [16, 235] too, a grey would read 1.3 dB better. None where the deadline came first.

    Args:
        preds, target: uint8 (H, W, 3); a grey where red, green and blue of the target are equal everywhere.
        border_px: cropped from each side first; the papers crop the scale.
        deadline: two pictures of 40 megapixels take 38 s of one core.

    Raises:
        ValueError: the sizes differ, or less than SSIM's 11-px window is left.
    """
    for pred in preds:
        if pred.shape != target.shape or min(pred.shape[:2]) - 2 * border_px < SSIM_WINDOW_PX:
            raise ValueError(f"need equal sizes of {SSIM_WINDOW_PX} px or more, got {pred.shape}, {target.shape}")
    inner = slice(border_px, -border_px or None)
    channels = slice(1, 2) if (target[..., 1:] == target[..., :1]).all() else slice(0, 3)
    pictures = [picture[inner, inner, channels] for picture in (target, *preds)]
    height: int = pictures[0].shape[0]
    errors, similarities = [0.0] * len(preds), [0.0] * len(preds)
    for rows in spans(height, STRIP_ROWS):
        if deadline is not None and deadline.expired:
            return None
        strip = slice(rows.start, rows.stop + SSIM_WINDOW_PX - 1)  # the windows of the strip's rows reach beyond them
        original, *others = (_brightness(picture[strip]) for picture in pictures)
        for i, other in enumerate(others):
            error, similarity = _strip_sums(other, original, rows.stop - rows.start)
            errors[i] += error
            similarities[i] += similarity
    return [
        Quality(psnr=_psnr(error / height), ssim=similarity / (height - SSIM_WINDOW_PX + 1))
        for error, similarity in zip(errors, similarities, strict=True)
    ]


def _strip_sums(pred: Tensor, target: Tensor, rows: int) -> tuple[float, float]:
    """Squared error and SSIM, both means times the rows of a strip that they are of.

    Args:
        pred, target: (1, 1, H, W); the strip, and below it what the last windows reach.
        rows: of the strip.
    """
    error = rows * float(F.mse_loss(pred[..., :rows, :], target[..., :rows, :]))
    windows = pred.shape[2] - SSIM_WINDOW_PX + 1  # rows of them; none in what is left at the end
    return error, windows * float(ssim(pred, target)) if windows > 0 else 0.0


def _psnr(mse: float) -> float:
    return -10 * math.log10(mse) if mse else math.inf


def _brightness(image: ImageArray) -> Tensor:
    """(1, 1, H, W) in [0, 1]: Y of (H, W, 3), or a grey (H, W, 1) as it is."""
    pixels = to_tensor(image)
    return luma(pixels) if pixels.shape[1] == 3 else pixels
