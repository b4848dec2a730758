"""Low-resolution pictures as super-resolution papers make them, and PSNR by their protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cvdemo.images import read_image, to_tensor
from cvdemo.quality import psnr, ssim
from cvdemo.resample import bicubic_resize, rgb_to_ycbcr
from train.hdf5 import picture_files

PROTOCOL = (
    "MATLAB bicubic with antialiasing, Y of BT.601 in [16, 235], 8-bit rounding of Y and of the result, "
    "border of `scale` px cropped, mean over pictures"
)

# Dong et al. 2016, table 2; bicubic on Set5. Whoever misses these measures something else.
GATE_DB = {2: 33.66, 3: 30.39, 4: 28.42}
GATE_TOLERANCE_DB = 0.05


def read_luminance(path: Path) -> Tensor:
    """Y of BT.601 as (1, 1, H, W) in [16, 235] / 255, rounded to 8 bits as MATLAB's `rgb2ycbcr` does."""
    return (rgb_to_ycbcr(to_tensor(read_image(path)))[:, :1] * 255).round() / 255


def read_folder(folder: Path) -> dict[str, Tensor]:
    """Luminance by file name of every picture below `folder`."""
    return {path.name: read_luminance(path) for path in picture_files(folder)}


def modcrop(high_res: Tensor, scale: int) -> Tensor:
    """The picture without the rows and columns at the end that `scale` does not divide."""
    height, width = high_res.shape[-2:]
    return high_res[..., : height - height % scale, : width - width % scale]


def blurred(high_res: Tensor, scale: int) -> Tensor:
    """`high_res` shrunk by `scale` and enlarged again, both bicubic: what SRCNN gets; sizes must divide."""
    return bicubic_resize(bicubic_resize(high_res, scale=1 / scale), scale=scale)


def measure(pictures: Mapping[str, Tensor], scale: int, restore: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM over pictures of luminance, of `restore` and of bicubic."""
    totals = {"psnr": 0.0, "ssim": 0.0, "bicubic_psnr": 0.0, "bicubic_ssim": 0.0}
    for picture in pictures.values():
        high_res = modcrop(picture, scale)
        low_res = blurred(high_res, scale)
        with torch.no_grad():
            restored = _to_8_bit(restore(low_res).cpu())
        enlarged = _to_8_bit(low_res)
        totals["psnr"] += psnr(restored, high_res, scale).item()
        totals["ssim"] += ssim(restored, high_res, scale).item()
        totals["bicubic_psnr"] += psnr(enlarged, high_res, scale).item()
        totals["bicubic_ssim"] += ssim(enlarged, high_res, scale).item()
    return {name: total / len(pictures) for name, total in totals.items()}


def check_gate(bicubic_psnr: float, scale: int) -> None:
    """Makes sure that this is Set5 measured as in the papers.

    Raises:
        ValueError: bicubic is not within 0.05 dB of the published figure, so nothing may be compared.
    """
    expected = GATE_DB[scale]
    if abs(bicubic_psnr - expected) > GATE_TOLERANCE_DB:
        raise ValueError(
            f"bicubic x{scale} gives {bicubic_psnr:.2f} dB, the papers' Set5 protocol {expected:.2f} +- "
            f"{GATE_TOLERANCE_DB} dB: this is not that data or protocol, no comparison is made"
        )


def _to_8_bit(luminance: Tensor) -> Tensor:
    return (luminance * 255).round().clamp(0, 255) / 255
