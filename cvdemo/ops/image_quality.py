"""How near a picture is to its original: PSNR, and SSIM as Wang et al. 2004 define it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WINDOW_PX = 11  # Wang et al. 2004, "Image quality assessment", section III-B
_SSIM_SIGMA_PX = 1.5
_SSIM_C1 = 0.01**2  # (K1 L)^2 with dynamic range L = 1
_SSIM_C2 = 0.03**2


def psnr(pred: Tensor, target: Tensor, border_px: int = 0) -> Tensor:
    """Peak signal-to-noise ratio in dB, (B,); +inf where the pictures are identical.

    Args:
        pred, target: (B, C, H, W) in [0, 1].
        border_px: cropped from each side first; SRCNN papers crop the scale factor.

    Raises:
        ValueError: the shapes differ, or nothing is left inside the border.
    """
    pred, target = _inner(pred, target, border_px)
    mse = (pred - target).square().mean(dim=(1, 2, 3))
    return -10 * mse.log10()


def ssim(pred: Tensor, target: Tensor, border_px: int = 0) -> Tensor:
    """Structural similarity, (B,), at most 1: mean over channels and over whole 11x11 windows.

    Gaussian window of sigma 1.5 px and population covariances, without the optional downsampling of
    Wang's script; equal to skimage's `structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)`.

    Args:
        pred, target: (B, C, H, W) in [0, 1].
        border_px: cropped from each side first.

    Raises:
        ValueError: the shapes differ, or what is left inside the border is smaller than the window.
    """
    pred, target = _inner(pred, target, border_px)
    if min(pred.shape[2:]) < SSIM_WINDOW_PX:
        raise ValueError(f"SSIM needs {SSIM_WINDOW_PX} px a side, got {tuple(pred.shape[2:])} after {border_px=}")
    # Differences of squares lose digits on flat areas: float64.
    x, y = pred.double(), target.double()
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x.square()
    var_y = _blur(y * y) - mean_y.square()
    cov = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _SSIM_C1) / (mean_x.square() + mean_y.square() + _SSIM_C1)
    structure = (2 * cov + _SSIM_C2) / (var_x + var_y + _SSIM_C2)  # contrast and structure, eq. 13
    return (luminance * structure).mean(dim=(1, 2, 3)).to(pred.dtype)


def _inner(pred: Tensor, target: Tensor, border_px: int) -> tuple[Tensor, Tensor]:
    """Both pictures without their border."""
    if pred.shape != target.shape or pred.ndim != 4:
        raise ValueError(f"need two equal (B, C, H, W), got {tuple(pred.shape)}, {tuple(target.shape)}")
    if border_px < 0 or 2 * border_px >= min(pred.shape[2:]):
        raise ValueError(f"{border_px=} leaves nothing of {tuple(pred.shape[2:])}")
    inner = slice(border_px, -border_px or None)
    return pred[..., inner, inner], target[..., inner, inner]


def _blur(image: Tensor) -> Tensor:
    """Gaussian means over every whole window, (B, C, H - 10, W - 10)."""
    offsets = torch.arange(SSIM_WINDOW_PX, dtype=image.dtype, device=image.device) - SSIM_WINDOW_PX // 2
    kernel = torch.exp(-offsets.square() / (2 * _SSIM_SIGMA_PX**2))
    kernel /= kernel.sum()
    channels = image.shape[1]
    rows = kernel.view(1, 1, -1, 1).repeat(channels, 1, 1, 1)
    cols = kernel.view(1, 1, 1, -1).repeat(channels, 1, 1, 1)
    return F.conv2d(F.conv2d(image, rows, groups=channels), cols, groups=channels)
