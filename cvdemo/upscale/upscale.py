"""Upscaling by 2, 3 or 4: bicubic enlargement whose luminance a network restores, tile by tile.

C. Dong, C. C. Loy, K. He and X. Tang, "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 2016. As in
the paper (section 4.3.4) only Y of BT.601 goes through the network and the colour is bicubic. Here that is done by
adding the change in Y to the enlarged red, green and blue alike, which is the same algebra and keeps greys grey to
the last bit. Each tile carries its surroundings, so the tiles join to what the whole picture would give. Alpha is
enlarged by bicubic.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.limits import UPSCALED_MEGAPIXELS
from cvdemo.ops.bicubic_enlarge import enlarge
from cvdemo.ops.resample import luma
from cvdemo.ops.tiles import Place, tiles, times, window, with_margin
from cvdemo.ops.transparency import fill_hidden
from cvdemo.runtime import Deadline, load_once, resolve_device
from cvdemo.upscale.catalogue import AUTO, NETWORKS, UpscaleChoice
from cvdemo.upscale.catalogue import SCALES as SCALES
from cvdemo.upscale.network import DetailNetwork, make_network, prepared
from cvdemo.weights import entry_of, load_state_dict

KERNEL_REACH_PX = 3  # low-resolution px around a tile or strip: the cubic kernel reaches 2, one more for rounding
RGB_PER_Y = 255 / 219  # BT.601 squeezes [0, 255] into [16, 235]


@dataclass(frozen=True, kw_only=True)
class UpscaleConfig(Config):
    """How a picture is enlarged."""

    scale: int = setting(2, "Scale", choices=SCALES, help="How many times wider and higher the result is.")
    network: str = setting(
        AUTO,
        "Network",
        choices=NETWORKS,
        help="auto takes photo for a JPEG of quality 90 or less, else fast; the numbers are SRCNN's kernels.",
    )
    shrink_first: bool = setting(
        False,
        "Put it to the test",
        help="Shrinks your picture, enlarges it again, and measures how close the result comes to your picture.",
    )
    tile_px: int = setting(
        384,
        "Piece at a time",
        unit="px",
        minimum=64,
        maximum=1024,
        step=64,
        help="Large pictures are enlarged piece by piece. Smaller pieces take less memory. (Tile)",
    )


@dataclass(frozen=True)
class UpscaleStep:
    """Where the work stands after a tile.

    Attributes:
        done, total: tiles.
        image: the restored picture, uint8 (H, W, 3), or (H, W, 4) where alpha was given; black where tiles are still
            to come. The same array at every step, filled in as the steps go on.
        bicubic: the same for bicubic alone; None where it is not asked for.
        is_last: no further step follows, for all tiles are done or time has run out.
        share: of the picture's pixels that the tiles so far have; those at its edges are smaller.
    """

    done: int
    total: int
    image: ImageArray
    bicubic: ImageArray | None
    is_last: bool
    share: float


def load_network(choice: UpscaleChoice, device: str = "auto") -> DetailNetwork:
    """The network of a choice, loaded on first use and shared; on the CPU ONNX Runtime runs it, on a GPU torch.

    Raises:
        WeightsError: its file is missing or altered.
    """
    return _load(choice.weight, choice.scale, str(resolve_device(device)))


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
            "choose a smaller enlargement or picture."
        )


def upscale_steps(
    image: ImageArray,
    network: DetailNetwork,
    config: UpscaleConfig,
    deadline: Deadline | None = None,
    *,
    with_bicubic: bool = True,
) -> Iterator[UpscaleStep]:
    """One step a tile, row by row.

    Where the deadline comes first, bicubic alone fills the tiles that are left, and the last step has `done < total`.
    They stay black where nobody waits for the picture any more.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W, 4) RGBA, from 1 x 1 px; see `check_result_size`.
        network: made for `config.scale`; its device is where the work runs.
        config: `network` and `shrink_first` are left to the caller, see `cvdemo.upscale.run`.

    Raises:
        ValueError: the network is for another scale.
    """
    if network.scale != config.scale:
        raise ValueError(f"the network is for scale {network.scale}, asked for is {config.scale}")
    height, width, channels = image.shape
    image = fill_hidden(image) if channels == 4 else image
    restored = np.zeros((height * config.scale, width * config.scale, channels), np.uint8)
    bicubic = np.zeros_like(restored) if with_bicubic else None
    places = tiles(height, width, max(1, config.tile_px // config.scale))
    pixels = 0
    for done, place in enumerate(places, start=1):
        _restore_tile(image, network, place, restored, bicubic)
        pixels += image[place].shape[0] * image[place].shape[1]
        out_of_time = done < len(places) and deadline is not None and deadline.expired
        if out_of_time and deadline is not None:
            _fill_by_bicubic(image, network, places[done:], restored, bicubic, deadline)
        is_last = out_of_time or done == len(places)
        yield UpscaleStep(done, len(places), restored, bicubic, is_last, pixels / (height * width))
        if out_of_time:
            return


def time_ran_out(done: int, total: int) -> str:
    """The sentence for a picture of which tiles are missing."""
    return f"Time ran out after {done} of {total} pieces: choose a smaller enlargement or picture."


@torch.inference_mode()
def _restore_tile(
    image: ImageArray, network: DetailNetwork, place: Place, restored: ImageArray, bicubic: ImageArray | None
) -> None:
    """Writes the network's pixels of one tile, and bicubic's where asked for; `place` in px of the small picture."""
    rows, cols = times(place, network.scale)
    halo_px = network.halo_px if network.reads == "enlarged" else 0
    rgb, inner = _enlarged(image[..., :3], place, math.ceil(halo_px / network.scale), network)
    tile = rgb[..., inner[0], inner[1]]
    if network.reads == "enlarged":
        luminance = with_margin(luma(rgb), inner, halo_px)
    else:
        around, within = window(image[..., :3], place, network.halo_px)
        luminance = with_margin(luma(to_tensor(around, network.device)), within, network.halo_px)
    restored[rows, cols, :3] = to_image(tile + network.detail(luminance) * RGB_PER_Y)
    if bicubic is not None:
        bicubic[rows, cols, :3] = to_image(tile)
    _write_alpha(image, network, place, restored, bicubic)


@torch.inference_mode()
def _fill_by_bicubic(
    image: ImageArray,
    network: DetailNetwork,
    places: Sequence[Place],
    restored: ImageArray,
    bicubic: ImageArray | None,
    deadline: Deadline,
) -> None:
    """Writes bicubic's pixels of all these tiles, as long as somebody waits for them."""
    for place in places:
        if deadline.abandoned:
            return
        rgb, inner = _enlarged(image[..., :3], place, 0, network)
        tile = to_image(rgb[..., inner[0], inner[1]])
        rows, cols = times(place, network.scale)
        for picture in (restored, bicubic):
            if picture is not None:
                picture[rows, cols, :3] = tile
        _write_alpha(image, network, place, restored, bicubic)


def _write_alpha(
    image: ImageArray, network: DetailNetwork, place: Place, restored: ImageArray, bicubic: ImageArray | None
) -> None:
    """Writes a tile's alpha, where the picture has one, into both pictures."""
    if image.shape[2] == 4:
        plane, inner = _enlarged(image[..., 3:], place, 0, network)
        alpha = to_image(plane[..., inner[0], inner[1]])[..., 0]
        rows, cols = times(place, network.scale)
        for picture in (restored, bicubic):
            if picture is not None:
                picture[rows, cols, 3] = alpha


def _enlarged(image: ImageArray, place: Place, reach_px: int, network: DetailNetwork) -> tuple[Tensor, Place]:
    """The place and at least `reach_px` round it by bicubic, (1, C, H, W), and where in this the place lies."""
    near, inner = window(image, place, reach_px + KERNEL_REACH_PX)
    return enlarge(to_tensor(near, network.device), network.scale), times(inner, network.scale)
