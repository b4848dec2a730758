"""Upscaling by 2, 3 or 4: bicubic enlargement whose luminance a network restores, tile by tile.

C. Dong, C. C. Loy, K. He and X. Tang, "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 2016. As in
the paper (section 4.3.4) only Y of BT.601 goes through the network and the colour is bicubic. Here that is done by
adding the change in Y to the enlarged red, green and blue alike, which is the same algebra and keeps greys grey to
the last bit. Each tile carries its surroundings, so the tiles join to what the whole picture would give. Alpha is
enlarged by bicubic.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.limits import UPSCALED_MEGAPIXELS
from cvdemo.ops.bicubic_enlarge import enlarge
from cvdemo.ops.image_quality import ssim
from cvdemo.ops.resample import bicubic_resize, rgb_to_ycbcr
from cvdemo.ops.tiles import Place, spans, tiles, times, window, with_margin
from cvdemo.ops.transparency import fill_hidden
from cvdemo.runtime import Deadline, load_once, resolve_device
from cvdemo.upscale.catalogue import AUTO, CHOICES, network_named
from cvdemo.upscale.catalogue import SCALES as SCALES
from cvdemo.upscale.network import DetailNetwork, make_network, prepared
from cvdemo.weights import entry_of, load_state_dict

KERNEL_REACH_PX = 3  # low-resolution px around a tile: the cubic kernel reaches 2, one more for rounding
RGB_PER_Y = 255 / 219  # BT.601 squeezes [0, 255] into [16, 235]
STRIP_ROWS = 256  # rows that shrinking and measuring hold as floats at a time
SSIM_WINDOW_PX = 11  # of `cvdemo.ops.image_quality.ssim`


@dataclass(frozen=True, kw_only=True)
class UpscaleConfig(Config):
    """How a picture is enlarged."""

    scale: int = setting(2, "Scale", choices=SCALES, help="How many times wider and higher the result is.")
    network: str = setting(
        AUTO,
        "Network",
        choices=CHOICES,
        help="auto takes fast where there is one for the scale; the numbers are the sizes of SRCNN's kernels.",
    )
    shrink_first: bool = setting(
        False,
        "Shrink first, to measure",
        help="Shrinks the picture by the scale, enlarges it again and compares with what you sent.",
    )
    tile_px: int = setting(
        384, "Tile", unit="px", minimum=64, maximum=1024, step=64, help="Smaller tiles take less memory."
    )


@dataclass(frozen=True)
class UpscaleStep:
    """Where the work stands after a tile.

    Attributes:
        done, total: tiles.
        image: the restored picture, uint8 (H, W, 3), or (H, W, 4) where alpha was given; black where tiles are still
            to come. The same array at every step, filled in as the steps go on.
        bicubic: the same for bicubic alone.
    """

    done: int
    total: int
    image: ImageArray
    bicubic: ImageArray


@dataclass(frozen=True)
class Upscaled:
    """The result: `image` by the network and `bicubic`, both uint8 (H, W, 3 or 4) of the same size."""

    image: ImageArray
    bicubic: ImageArray


@dataclass(frozen=True)
class Quality:
    """How near a picture's luminance is to the original's: `psnr` in dB, `ssim` at most 1."""

    psnr: float
    ssim: float


def load_srcnn(scale: int, device: str = "auto", network: str = AUTO) -> DetailNetwork:
    """The network for one scale, loaded on first use and shared; on the CPU ONNX Runtime runs it, on a GPU torch.

    Args:
        scale: 2, 3 or 4.
        network: one of `cvdemo.upscale.catalogue.list_networks(scale)`, or "auto" for the first of them.

    Raises:
        ValueError: no such scale.
        InputError: the scale has no such network.
        WeightsError: its file is missing or altered.
    """
    return _load(network_named(scale, network).weight, scale, str(resolve_device(device)))


@load_once
def _load(weight: str, scale: int, device: str) -> DetailNetwork:
    network = make_network(entry_of(weight).network)
    network.load_state_dict(load_state_dict(weight))
    return prepared(network.eval().requires_grad_(False), scale, device)


def check_result_size(height: int, width: int, scale: int) -> None:
    """Raises `InputError` where a picture of `height` x `width` px becomes too large at `scale`."""
    megapixels = height * width * scale**2 / 1e6
    if megapixels > UPSCALED_MEGAPIXELS:
        raise InputError(
            f"The result would be {math.ceil(megapixels)} megapixels; the limit is {UPSCALED_MEGAPIXELS:g}: "
            "choose a smaller scale or picture."
        )


def upscale_steps(
    image: ImageArray, network: DetailNetwork, config: UpscaleConfig, deadline: Deadline | None = None
) -> Iterator[UpscaleStep]:
    """One step a tile, row by row; the last one is not complete (`done < total`) where the deadline came first.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W, 4) RGBA, from 1 x 1 px.
        network: made for `config.scale`; its device is where the work runs.
        config: `network` and `shrink_first` are left to the caller, see `load_srcnn` and `shrink`.

    Raises:
        ValueError: the network is for another scale.
        InputError: the result would be too large.
    """
    if network.scale != config.scale:
        raise ValueError(f"the network is for scale {network.scale}, asked for is {config.scale}")
    height, width, channels = image.shape
    check_result_size(height, width, config.scale)
    image = fill_hidden(image) if channels == 4 else image
    restored = np.zeros((height * config.scale, width * config.scale, channels), np.uint8)
    enlarged = np.zeros_like(restored)
    places = tiles(height, width, max(1, config.tile_px // config.scale))
    for done, place in enumerate(places, start=1):
        target = times(place, config.scale)
        restored[target], enlarged[target] = _upscale_tile(image, network, place)
        yield UpscaleStep(done, len(places), restored, enlarged)
        if deadline is not None and deadline.expired:
            return


def upscale(
    image: ImageArray, network: DetailNetwork, config: UpscaleConfig, deadline: Deadline | None = None
) -> Upscaled:
    """The picture enlarged by `config.scale`, see `upscale_steps`.

    Raises:
        ValueError: the network is for another scale.
        InputError: the result would be too large, or the deadline came first.
    """
    return finished(list(upscale_steps(image, network, config, deadline))[-1])


def finished(step: UpscaleStep) -> Upscaled:
    """The result of a last step.

    Raises:
        InputError: tiles are missing, because the deadline came first.
    """
    if step.done < step.total:
        raise InputError(f"Time ran out after {step.done} of {step.total} tiles: choose a smaller scale or picture.")
    return Upscaled(step.image, step.bicubic)


@torch.inference_mode()
def _upscale_tile(image: ImageArray, network: DetailNetwork, place: Place) -> tuple[ImageArray, ImageArray]:
    """The network's and bicubic's pixels of one tile; `place` in px of the small picture."""
    scale, halo_px = network.scale, network.enlarged_halo_px
    around, inner = window(image[..., :3], place, network.low_res_halo_px)
    low_res = with_margin(_luma(around, network.device), inner, network.low_res_halo_px)
    near, inner = window(image, place, math.ceil(halo_px / scale) + KERNEL_REACH_PX)
    rgb = enlarge(to_tensor(near[..., :3], network.device), scale)
    inner = times(inner, scale)
    enlarged = with_margin(rgb_to_ycbcr(rgb)[:, :1], inner, halo_px)
    bicubic = rgb[..., inner[0], inner[1]]
    restored = bicubic + network.detail(low_res, enlarged) * RGB_PER_Y
    alpha = _enlarged_alpha(near, scale)[inner]
    return np.dstack([to_image(restored), alpha]), np.dstack([to_image(bicubic), alpha])


def _enlarged_alpha(image: ImageArray, scale: int) -> ImageArray:
    """Alpha by bicubic, uint8 (H * scale, W * scale, 1); without a channel where the picture has none."""
    if image.shape[2] == 3:
        return np.empty((image.shape[0] * scale, image.shape[1] * scale, 0), np.uint8)
    return to_image(enlarge(to_tensor(image[..., [3, 3, 3]])[:, :1], scale))[..., :1]


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


def luma_quality(pred: ImageArray, target: ImageArray, border_px: int, deadline: Deadline | None = None) -> Quality:
    """PSNR and SSIM on Y of BT.601 in [16, 235], or on a grey as it is, as super-resolution papers give them.

    Computed strip by strip on the 8-bit RGB pictures as they are delivered; papers round Y instead. Squeezed into
    [16, 235] too, a grey would read 1.3 dB better.

    Args:
        pred, target: uint8 (H, W, 3); a grey where red, green and blue of the target are equal everywhere.
        border_px: cropped from each side first; the papers crop the scale.
        deadline: 40 megapixels take 19 s of one core.

    Raises:
        ValueError: the sizes differ, or less than SSIM's 11-px window is left.
        InputError: the deadline came first.
    """
    if pred.shape != target.shape or min(pred.shape[:2]) - 2 * border_px < SSIM_WINDOW_PX:
        raise ValueError(f"need equal sizes of {SSIM_WINDOW_PX} px or more, got {pred.shape}, {target.shape}")
    inner = slice(border_px, -border_px or None)
    pair = pred[inner, inner], target[inner, inner]
    if (target[..., 1:] == target[..., :1]).all():
        pair = pair[0][..., 1:2], pair[1][..., 1:2]
    mse = _strip_mean(F.mse_loss, *pair, 0, deadline)
    similarity = _strip_mean(ssim, *pair, SSIM_WINDOW_PX - 1, deadline)
    return Quality(psnr=-10 * math.log10(mse) if mse else math.inf, ssim=similarity)


def _strip_mean(
    measure: Callable[[Tensor, Tensor], Tensor],
    pred: ImageArray,
    target: ImageArray,
    overlap: int,
    deadline: Deadline | None,
) -> float:
    """Mean of a per-row measure over strips whose rows overlap, weighted by the rows each strip adds."""
    total = 0.0
    rows_measured: int = pred.shape[0] - overlap
    for rows in spans(rows_measured, STRIP_ROWS):
        if deadline is not None and deadline.expired:
            raise InputError("Time ran out while the result was measured: choose a smaller picture.")
        strip = slice(rows.start, rows.stop + overlap)
        value = measure(_brightness(pred[strip]), _brightness(target[strip]))
        total += (rows.stop - rows.start) * float(value)
    return total / rows_measured


def _brightness(image: ImageArray) -> Tensor:
    """(1, 1, H, W) of (H, W, 3), or of a grey (H, W, 1) as it is."""
    return _luma(image) if image.shape[2] == 3 else to_tensor(image[..., [0, 0, 0]])[:, :1]


def _luma(image: ImageArray, device: torch.device | str = "cpu") -> Tensor:
    return rgb_to_ycbcr(to_tensor(image, device))[:, :1]  # (1, 1, H, W)
