"""Low-resolution pictures as super-resolution papers make them, and PSNR by their protocol."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from cvdemo.images import to_tensor
from cvdemo.ops.image_quality import psnr, ssim
from cvdemo.ops.resample import bicubic_resize, rgb_to_ycbcr
from train.data.read_pictures import each_read, picture_files, read_rgb

PROTOCOL = (
    "MATLAB bicubic with antialiasing, Y of BT.601 in [16, 235] (a grey file as it is), 8-bit rounding of Y and of the "
    "result, border of `scale` px cropped, mean over pictures"
)

# Dong et al. 2016, tables 2 and 3; bicubic by scale. Whoever misses these measures something else.
GATE_DB = {"set5": {2: 33.66, 3: 30.39, 4: 28.42}, "set14": {2: 30.24, 3: 27.55, 4: 26.00}}
GATE_TOLERANCE_DB = 0.05

# low-resolution px on each side that the cubic kernel reads, in shrinking as in enlarging
REACH_PX = 2

Restore = Callable[[Tensor, Tensor], Tensor]


def read_luminance(path: Path) -> Tensor:
    """Y of BT.601 as (1, 1, H, W) in [16, 235] / 255, rounded to 8 bits as MATLAB's `rgb2ycbcr` does.

    A grey file is taken as it is, in [0, 255] / 255, as the papers' scripts do: Set14 has one, and squeezing it into
    [16, 235] would add 1.3 dB to it.
    """
    rgb = read_colour(path)
    with Image.open(path) as picture:
        if picture.mode == "L":
            return rgb[:, :1]
    return in_8_bit_steps(rgb_to_ycbcr(rgb)[:, :1])


def read_colour(path: Path) -> Tensor:
    """Red, green and blue in [0, 1], (1, 3, H, W)."""
    return to_tensor(read_rgb(path))


def read_folder(folder: Path, read: Callable[[Path], Tensor] = read_luminance) -> dict[str, Tensor]:
    """Luminance, or what else `read` gives, by file name of every picture below `folder`.

    Raises:
        ValueError: two files have the same name, as where low-resolution copies lie beside the originals; or files
            cannot be read.
    """
    files = picture_files(folder)
    if repeated := [name for name, count in Counter(path.name for path in files).items() if count > 1]:
        raise ValueError(f"{folder} holds several pictures named {repeated[0]}: name the folder of the originals")
    return {path.name: read for path, read in zip(files, each_read(files, read), strict=True)}


def modcrop(high_res: Tensor, scale: int) -> Tensor:
    """The picture without the rows and columns at the end that `scale` does not divide."""
    height, width = high_res.shape[-2:]
    return high_res[..., : height - height % scale, : width - width % scale]


class CropDegradation:
    """The low-resolution and the enlarged form of crops as if cut from those of their whole pictures.

    Pixels next to a crop's border would need what lies outside, so they are left out. Each form takes two products with
    fixed matrices, of the weights that `bicubic_resize` has.

    Args:
        side_px: of the crops in px of the high-resolution picture.
        scale: 2, 3 or 4; the crops must begin at a multiple of it.
        device: where the crops are.

    Raises:
        ValueError: a side that `scale` does not divide, or from which nothing would be left.
    """

    def __init__(self, side_px: int, scale: int, device: torch.device) -> None:
        small_px = side_px // scale - 2 * REACH_PX
        if side_px % scale or small_px <= 2 * REACH_PX:
            raise ValueError(f"need a multiple of {scale} above {4 * REACH_PX * scale} px, got {side_px}")
        shrink = _resizing(side_px, side_px // scale)[REACH_PX:-REACH_PX]
        enlarge = _resizing(small_px, small_px * scale)[REACH_PX * scale : -REACH_PX * scale]
        self._shrink, self._enlarge = shrink.float().to(device), enlarge.float().to(device)

    def __call__(self, high_res: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, n, n) -> low-resolution (B, 1, n / scale - 4, ...) and enlarged (B, 1, n - 8 scale, ...), centred."""
        low_res = self.shrink(high_res)
        return low_res, self.enlarge(low_res)

    def shrink(self, high_res: Tensor) -> Tensor:
        """(B, C, n, n) -> low resolution, (B, C, n / scale - 4, ...)."""
        return self._shrink @ high_res @ self._shrink.T

    def enlarge(self, low_res: Tensor) -> Tensor:
        """What `shrink` gives -> enlarged, (B, C, n - 8 scale, ...)."""
        return self._enlarge @ low_res @ self._enlarge.T


def _resizing(in_px: int, out_px: int) -> Tensor:
    """The bicubic resizing of one axis as a matrix (out_px, in_px), float64."""
    identity = torch.eye(in_px, dtype=torch.float64)[None, None]
    return bicubic_resize(identity, out_hw=(out_px, in_px))[0, 0]


def measure(pictures: Mapping[str, Tensor], scale: int, restore: Restore) -> dict[str, float]:
    """Mean PSNR (dB) and SSIM over pictures of luminance, of `restore` and of bicubic.

    Args:
        pictures: (1, 1, H, W) by name.
        restore: takes the low-resolution picture (1, 1, h, w) and the one that bicubic has enlarged from it.
    """
    whole = (modcrop(picture, scale) for picture in pictures.values())
    return mean_scores(((bicubic_resize(each, scale=1 / scale), each) for each in whole), scale, {"": restore})


def mean_scores(
    pairs: Iterable[tuple[Tensor, Tensor]], scale: int, restorers: Mapping[str, Restore]
) -> dict[str, float]:
    """Mean `psnr` (dB) and `ssim` over pairs of luminance, for each way to restore; and those of bicubic.

    Args:
        pairs: the low-resolution picture (1, 1, h, w), and the one it should become, (1, 1, h * scale, w * scale).
        restorers: see `measure`; by what goes before the names of its scores.
    """
    totals: defaultdict[str, float] = defaultdict(float)
    count = 0
    for low_res, high_res in pairs:
        enlarged = bicubic_resize(low_res, scale=scale)
        with torch.no_grad():
            results = {name: restore(low_res, enlarged).cpu() for name, restore in restorers.items()}
        for name, result in (results | {"bicubic_": enlarged}).items():
            rounded = in_8_bit_steps(result)
            totals[f"{name}psnr"] += psnr(rounded, high_res, scale).item()
            totals[f"{name}ssim"] += ssim(rounded, high_res, scale).item()
        count += 1
    return {name: total / count for name, total in totals.items()}


def check_gate(name: str, bicubic_psnr: float, scale: int) -> None:
    """Makes sure that this is the test set `name`, measured as in the papers.

    Raises:
        ValueError: bicubic is not within 0.05 dB of the published figure, so nothing may be compared.
    """
    expected = GATE_DB[name][scale]
    if abs(bicubic_psnr - expected) > GATE_TOLERANCE_DB:
        raise ValueError(
            f"bicubic x{scale} gives {bicubic_psnr:.2f} dB, the papers' protocol on {name} {expected:.2f} +- "
            f"{GATE_TOLERANCE_DB} dB: this is not that data or protocol, no comparison is made"
        )


def in_8_bit_steps(luminance: Tensor) -> Tensor:
    """Rounded as a file would hold it, but as floats: where a network has diverged, NaN stays NaN."""
    return (luminance * 255).round().clamp(0, 255) / 255
