"""Augmentation of whole batches, with parameters of their own for each picture and a generator of their own.

The order is: `jitter_colours` on pixels in [0, 1]; normalisation; `augment_batch`, in which zero is the mean colour;
`mix_batch`. All numbers are drawn from the generator given, on the CPU, so a resumed run draws the same.

The operations of `torchvision.transforms.v2` take one parameter for a whole batch, and its MixUp and CutMix draw from
the global generator. What is written anew here for that reason equals v2's, picture by picture, in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2 import functional as v2

from cvdemo.config import Config, setting

Edge = Literal["reflect", "mean"]


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Config):
    """What is done to pictures; by default nothing."""

    flip: bool = setting(False, help="mirror left to right, half of the pictures")
    translate_px: int = setting(
        0, help="move by up to this on both axes, less than the shorter side", unit="px", minimum=0
    )
    rotate_deg: float = setting(0.0, help="turn by up to this to either side", unit="degrees", minimum=0, maximum=180)
    shear_deg: float = setting(0.0, help="shear by up to this on either axis", unit="degrees", minimum=0, maximum=45)
    rescale: tuple[float, float] = setting(
        (1.0, 1.0), help="smallest and largest factor, uniform in its logarithm", above=0, min_count=2
    )
    stretch: float = setting(1.0, help="one axis longer, the other shorter by up to this", minimum=1, maximum=2)
    edge: Edge = setting("reflect", help="what comes in from outside", choices=get_args(Edge))
    brightness: float = setting(0.0, help="factors of 1 - this to 1 + this", minimum=0, maximum=1)
    contrast: float = setting(0.0, help="factors of 1 - this to 1 + this", minimum=0, maximum=1)
    saturation: float = setting(0.0, help="factors of 1 - this to 1 + this", minimum=0, maximum=1)
    hue: float = setting(
        0.0,
        help="up to this part of the colour circle to either side; slow: a picture at a time",
        minimum=0,
        maximum=0.5,
    )
    cutout_px: int = setting(
        0, help="side of a square of the mean colour, at most the shorter side", unit="px", minimum=0
    )
    mixup_alpha: float = setting(
        0.0, help="MixUp: of Beta(alpha, alpha), the share of the first picture; 0: off", minimum=0
    )
    cutmix_alpha: float = setting(
        0.0, help="CutMix: likewise; with both on, each picture has either one, at even odds", minimum=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.rescale) != 2 or self.rescale[0] > self.rescale[1]:
            raise ValueError(f"rescale must be a smallest and a largest factor, got {self.rescale}")


def augment_batch(pixels: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Normalised pixels (B, C, H, W) mirrored, warped, moved and with a part cut out, as the config says."""
    if config.flip:
        pixels = random_flip(pixels, generator)
    pixels = warp(pixels, random_warps(len(pixels), config, generator), config.edge)
    pixels = translate(pixels, config.translate_px, generator, "reflect" if config.edge == "reflect" else "constant")
    return cutout(pixels, config.cutout_px, generator)


def random_flip(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture mirrored left to right with probability one half."""
    mirrored = torch.rand(len(pixels), generator=generator) < 0.5
    return torch.where(mirrored.to(pixels.device)[:, None, None, None], pixels.flip(3), pixels)


def alternating_flip(pixels: Tensor, mirrored_first: Tensor, epoch: int) -> Tensor:
    """Mirrors a fixed half of the pictures in even epochs and the other half in odd ones.

    Two epochs then show each picture both ways, which random flips do not (airbench, section 3.6).

    Args:
        mirrored_first: (B,) bool, drawn once per picture.
    """
    mirrored = mirrored_first ^ bool(epoch % 2)
    return torch.where(mirrored.to(pixels.device)[:, None, None, None], pixels.flip(3), pixels)


def translate(pixels: Tensor, max_px: int, generator: torch.Generator, mode: str = "reflect") -> Tensor:
    """Each picture moved by up to `max_px` on both axes; what comes in is padded in the given mode."""
    if max_px == 0:
        return pixels
    batch, _, height, width = pixels.shape
    padded = F.pad(pixels, (max_px,) * 4, mode)
    down, right = torch.randint(0, 2 * max_px + 1, (2, batch), generator=generator).to(pixels.device)
    return crop_each(padded, down, right, (height, width))


def crop_each(pixels: Tensor, top: Tensor, left: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """(B, C, *size_hw) out of (B, C, H, W), from offsets (B,) of each picture's own."""
    rows = top[:, None] + torch.arange(size_hw[0], device=pixels.device)
    columns = left[:, None] + torch.arange(size_hw[1], device=pixels.device)
    picture = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    cropped = pixels.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]  # (B, h, w, C)
    return cropped.permute(0, 3, 1, 2)


def cutout(pixels: Tensor, side_px: int, generator: torch.Generator) -> Tensor:
    """A square of zeros (the mean) in each picture, anywhere in it (DeVries and Taylor 2017); kept within the edges."""
    if side_px == 0:
        return pixels
    batch, _, height, width = pixels.shape
    if side_px > min(height, width):
        raise ValueError(f"cannot cut {side_px} px out of {height} x {width}")
    fractions = torch.rand(2, batch, generator=generator).to(pixels.device)
    top = (fractions[0] * (height - side_px + 1)).long()[:, None]
    left = (fractions[1] * (width - side_px + 1)).long()[:, None]
    y, x = torch.arange(height, device=pixels.device), torch.arange(width, device=pixels.device)
    rows, columns = (y >= top) & (y < top + side_px), (x >= left) & (x < left + side_px)
    return pixels.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def random_warps(count: int, config: AugmentConfig, generator: torch.Generator) -> Tensor | None:
    """Matrices (count, 2, 2), see `warp_matrices`, of random rotation, shear, rescale and stretch; None for none."""
    low, high = config.rescale
    if not config.rotate_deg and not config.shear_deg and low == high == 1 and config.stretch == 1:
        return None
    u = 2 * torch.rand(5, count, generator=generator) - 1  # in [-1, 1)
    scale = low * (high / low) ** ((u[3] + 1) / 2)
    stretch = config.stretch ** u[4]
    scale_xy = torch.stack([scale * stretch, scale / stretch], dim=1)
    return warp_matrices(config.rotate_deg * u[0], config.shear_deg * u[1:3].T, scale_xy)


def warp_matrices(angle_deg: Tensor, shear_deg: Tensor, scale_xy: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that take offsets (x, y) from the centre to where they go; the signs are v2's.

    Args:
        angle_deg: (B,), clockwise. shear_deg, scale_xy: (B, 2); scaled first, then sheared, then turned.
    """
    angle, shear = angle_deg.deg2rad(), shear_deg.deg2rad().tan()
    one, zero = torch.ones_like(angle), torch.zeros_like(angle)
    rotation = _matrices(angle.cos(), -angle.sin(), angle.sin(), angle.cos())
    shear_y = _matrices(one, zero, -shear[:, 1], one)
    shear_x = _matrices(one, -shear[:, 0], zero, one)
    return rotation @ shear_y @ shear_x @ torch.diag_embed(scale_xy)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack([a, b, c, d], dim=1).view(-1, 2, 2)


def warp(pixels: Tensor, matrices: Tensor | None, edge: Edge = "reflect") -> Tensor:
    """(B, C, H, W), each picture moved about its centre by its matrix (B, 2, 2); bilinear, in one resampling."""
    if matrices is None:
        return pixels
    height, width = pixels.shape[-2:]
    half = torch.tensor([width / 2, height / 2])  # grid_sample's unit
    inverse = torch.linalg.inv(matrices) * half / half[:, None]
    theta = F.pad(inverse, (0, 1)).to(pixels)  # no translation
    grid = F.affine_grid(theta, list(pixels.shape), align_corners=False)
    padding = "reflection" if edge == "reflect" else "zeros"
    return F.grid_sample(pixels, grid, "bilinear", padding, align_corners=False)


def jitter_colours(pixels: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Pixels (B, C, H, W) in [0, 1] with brightness, contrast, saturation and hue changed, in this order.

    Of grey pictures (C = 1) saturation and hue stay what they are.
    """
    if not (config.brightness or config.contrast or config.saturation or config.hue):
        return pixels
    u = 2 * torch.rand(4, len(pixels), 1, 1, 1, generator=generator).to(pixels.device) - 1  # in [-1, 1)
    if config.brightness:
        pixels = _blend(pixels, torch.zeros_like(pixels), 1 + config.brightness * u[0])
    if config.contrast:
        mean = v2.rgb_to_grayscale(pixels).mean(dim=(1, 2, 3), keepdim=True)
        pixels = _blend(pixels, mean, 1 + config.contrast * u[1])
    if config.saturation and pixels.shape[1] == 3:
        pixels = _blend(pixels, v2.rgb_to_grayscale(pixels), 1 + config.saturation * u[2])
    if config.hue:
        shifts = (config.hue * u[3]).flatten().tolist()
        pixels = torch.stack([v2.adjust_hue(one, shift) for one, shift in zip(pixels, shifts, strict=True)])
    return pixels


def _blend(pixels: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return (share * pixels + (1 - share) * other).clamp(0, 1)


def mix_batch(
    pixels: Tensor, labels: Tensor, num_classes: int, config: AugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Each picture mixed with its neighbour in the batch, and the targets (B, num_classes) with the same shares.

    MixUp (Zhang et al. 2018) blends the two; CutMix (Yun et al. 2019) sets a box of the second into the first. Each
    picture has a share of its own. With both alphas 0 pixels stay and targets are one-hot.

    Args:
        pixels: (B, C, H, W), shuffled.
        labels: (B,) int64.
    """
    targets = F.one_hot(labels, num_classes).float()
    if not config.mixup_alpha and not config.cutmix_alpha:
        return pixels, targets
    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    both = bool(config.mixup_alpha and config.cutmix_alpha)
    cut = random.random(len(pixels)) < (0.5 if both else float(config.cutmix_alpha > 0))
    alphas = np.where(cut, config.cutmix_alpha, config.mixup_alpha)
    kept = random.beta(alphas, alphas)
    boxes = _random_boxes(1 - kept, (pixels.shape[2], pixels.shape[3]), random)
    shares = np.where(cut[:, None, None], ~boxes, kept[:, None, None])  # (B, H, W) of the first picture
    share = torch.from_numpy(shares).to(pixels)[:, None]
    target_share = share.mean(dim=(1, 2, 3))[:, None]
    mixed = share * pixels + (1 - share) * pixels.roll(1, 0)
    return mixed, target_share * targets + (1 - target_share) * targets.roll(1, 0)


def _random_boxes(
    areas: npt.NDArray[np.float64], size_hw: tuple[int, int], random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Masks (B, H, W) of boxes with these areas (B,), as parts of the picture, less what lies beyond its edges."""
    inside = []
    for side in size_hw:
        centre = random.integers(0, side, len(areas))[:, None]
        half = np.rint(side * np.sqrt(areas))[:, None] / 2
        place = np.arange(side) + 0.5
        inside.append((place > centre - half) & (place <= centre + half))
    boxes: npt.NDArray[np.bool_] = inside[0][:, :, None] & inside[1][:, None, :]
    return boxes


def tta_views(pixels: Tensor, translate_px: int = 1) -> list[tuple[Tensor, float]]:
    """Six views of a batch with their weights, which add up to 1, for averaging a network's answers (airbench).

    The pictures and their mirror images count a quarter each; both moved up and left, and down and right, by
    `translate_px` with reflected edges, an eighth each.
    """
    height, width = pixels.shape[-2:]
    padded = F.pad(pixels, (translate_px,) * 4, "reflect")
    up_left = padded[..., 2 * translate_px :, 2 * translate_px :]
    down_right = padded[..., :height, :width]
    weighted = [(pixels, 0.25), (up_left, 0.125), (down_right, 0.125)]
    return [(view, weight) for plain, weight in weighted for view in (plain, plain.flip(3))]
