"""Pictures in and out: files, uint8 HWC RGB <-> float BCHW, and network preprocessing.

Every conversion stands here, once; how a file's bytes become pixels stands in `cvdemo.picture_files.decoding`.
"""

import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from cvdemo.errors import InputError
from cvdemo.limits import PICTURE_ASPECT_RATIO, PICTURE_MEGAPIXELS
from cvdemo.picture_files.decode_apart import decode_apart
from cvdemo.picture_files.decoding import BAND_PX, Request, decode
from cvdemo.picture_files.decoding import ImageArray as ImageArray
from cvdemo.picture_files.decoding import on_white as on_white
from cvdemo.runtime import Deadline

LANCZOS_LOBES = 3  # source pixels, at full scale, that an output pixel reaches to each side
PREVIEW_PIXELS = 2_000_000  # most of a preview: a screen shows no more of it
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
# What cameras, phones, scanners and browsers call files of these formats; lower case, with the dot.
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
OTHER_SUFFIXES = (".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif")
PICTURE_SUFFIXES = frozenset((*JPEG_SUFFIXES, *OTHER_SUFFIXES, ".ppm", ".pgm", ".pbm", ".pnm"))
# What systems leave in folders of pictures; lower case.
SYSTEM_NAMES = frozenset(
    {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin", "system volume information"}
)


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or an operating system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def read_image(
    source: str | os.PathLike[str] | bytes,
    what: str = "The picture",
    *,
    max_megapixels: float = PICTURE_MEGAPIXELS,
    max_aspect_ratio: float = PICTURE_ASPECT_RATIO,
    keep_alpha: bool = False,
    enough_px: int | None = None,
) -> ImageArray:
    """A picture file as uint8 (H, W, 3) sRGB: upright (EXIF), first frame, alpha on white, 16 bit scaled to 8.

    An embedded colour profile is applied; damaged metadata is ignored.

    Args:
        source: a path, or the file's bytes.
        what: how messages name the picture.
        max_megapixels: checked against the header, before any pixel is decoded.
        max_aspect_ratio: longer side over shorter side.
        keep_alpha: gives (H, W, 4) RGBA, not premultiplied, where the picture has alpha or a transparent colour.
        enough_px: sides that are enough: a larger JPEG is decoded smaller, in a fraction of the time; None: as it is.

    Raises:
        InputError: the file is empty, no picture, cut off, too large or too narrow; the message says which.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    request = Request(
        what=what,
        max_megapixels=max_megapixels,
        max_aspect_ratio=max_aspect_ratio,
        keep_alpha=keep_alpha,
        enough_px=enough_px,
    )
    return decode(data, request, elsewhere=decode_apart)


def from_uint8(pixels: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [0, 1], laid out in memory as before."""
    return pixels.float() / 255


def to_uint8(pixels: Tensor) -> Tensor:
    """Floats of any shape in [0, 1], clamped and rounded -> uint8, laid out in memory as before."""
    return pixels.float().clamp(0, 1).mul_(255).round_().to(torch.uint8)  # the clamped copy is ours


def to_batch(images: ImageArray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (N, H, W, C) -> float32 (N, C, H, W) in [0, 1], channels last in memory.

    Raises:
        ValueError: the array is not uint8 (N, H, W, C).
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"need a uint8 (N, H, W, C) array, got {images.dtype} {images.shape}")
    return from_uint8(torch.from_numpy(images).to(device).permute(0, 3, 1, 2))


def to_images(batch: Tensor) -> ImageArray:
    """float (N, C, H, W) in [0, 1], clamped -> uint8 (N, H, W, C)."""
    images: ImageArray = np.ascontiguousarray(to_uint8(batch.detach()).permute(0, 2, 3, 1).cpu().numpy())
    return images


def to_tensor(image: ImageArray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) RGB, or (H, W, 1) of one plane -> float32 (1, C, H, W) in [0, 1].

    Raises:
        ValueError: the array is not uint8, or of another shape.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] not in (1, 3):
        raise ValueError(f"need a uint8 (H, W, 3) array, got {image.dtype} {image.shape}")
    chw = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return from_uint8(chw.unsqueeze(0).to(device))


def to_image(tensor: Tensor) -> ImageArray:
    """float (1, C, H, W) or (C, H, W) in [0, 1], clamped -> uint8 (H, W, 3) RGB; C is 3, or 1 for grey."""
    chw = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    if chw.ndim != 3 or chw.shape[0] not in (1, 3):
        raise ValueError(f"need one picture of 3 channels or 1, got {tuple(tensor.shape)}")
    image: ImageArray = np.ascontiguousarray(to_uint8(chw).expand(3, -1, -1).permute(1, 2, 0).cpu().numpy())
    return image


def resize_to_fit(image: ImageArray, max_side_px: int) -> ImageArray:
    """The picture with its longer side at most `max_side_px`, aspect kept, antialiased; never enlarged."""
    height, width = image.shape[:2]
    if max_side_px < 1:
        raise ValueError(f"need max_side_px >= 1, got {max_side_px}")
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return np.array(image)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    rows = max(1, high * BAND_PX // (height * width))
    bands = [_resized_rows(image, (wide, high), top, min(top + rows, high)) for top in range(0, high, rows)]
    return bands[0] if len(bands) == 1 else np.concatenate(bands)


def _resized_rows(image: ImageArray, size_wh: tuple[int, int], top: int, bottom: int) -> ImageArray:
    """Rows `top` to `bottom` of the picture at another size; only what they are made of is copied for Pillow."""
    height, width = image.shape[:2]
    scale = height / size_wh[1]
    reach = math.ceil(LANCZOS_LOBES * scale) + 1
    first, last = max(0, math.floor(top * scale) - reach), min(height, math.ceil(bottom * scale) + reach)
    box = (0.0, top * scale - first, float(width), min(bottom * scale, height) - first)
    part = Image.fromarray(image[first:last])
    return np.array(part.resize((size_wh[0], bottom - top), Image.Resampling.LANCZOS, box=box))


class _StoppableFile(io.BytesIO):
    """A file in memory that takes nothing more once nobody waits for it."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def write(self, data: Any) -> int:
        if self._deadline.abandoned:
            raise InputError("The picture was not packed, for nobody waits for it any more.")
        return super().write(data)


def png_bytes(
    image: ImageArray,
    compress_level: int = 6,
    deadline: Deadline | None = None,
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """The picture as the content of a PNG file.

    Args:
        compress_level: 0 to 9, of zlib.
        deadline: 40 megapixels take 4 s of one core even at level 1; a deadline that has only passed stops nothing.
        texts: written into the file, each in a text chunk of its own under its keyword.

    Raises:
        InputError: nobody waits for it any more; see `Deadline.abandoned`.
    """
    file = io.BytesIO() if deadline is None else _StoppableFile(deadline)
    info = PngInfo()
    for keyword, text in (texts or {}).items():
        info.add_text(keyword, text)
    Image.fromarray(image).save(file, format="PNG", compress_level=compress_level, pnginfo=info)
    return file.getvalue()


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How a network wants its pictures; it travels with the weights, in the manifest.

    Attributes:
        input_px: side of the square that the network was trained on.
        resize_px: the shorter side is brought to this before the centre crop of `input_px`.
        mean, std: per channel, of pixels in [0, 1]: three numbers for RGB, one for grey.
        interpolation: of the resize, always antialiased.
        colour: "grey" networks get the luminance as their only channel.
        ground: "dark" networks have seen light things on dark ground only; pictures on light ground are inverted.

    Raises:
        ValueError: the numbers of means and deviations do not fit the colour.
    """

    input_px: int
    resize_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    colour: Literal["rgb", "grey"] = "rgb"
    ground: Literal["any", "dark"] = "any"

    def __post_init__(self) -> None:
        channels = {"rgb": 3, "grey": 1}.get(self.colour)
        if not channels == len(self.mean) == len(self.std):
            raise ValueError(f"need {channels} means and deviations for {self.colour!r}, got {self.mean}, {self.std}")

    @classmethod
    def from_manifest(cls, entry: dict[str, Any]) -> "Preprocessing":
        """The `preprocessing` object of a manifest entry."""
        return cls(**{**entry, "mean": tuple(entry["mean"]), "std": tuple(entry["std"])})


def luminance(pixels: Tensor) -> Tensor:
    """(B, 3, H, W) RGB -> (B, 1, H, W), by the weights of ITU-R BT.601."""
    return (pixels * pixels.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def on_dark_ground(pixels: Tensor) -> Tensor:
    """(1, C, H, W) in [0, 1], inverted where the median of the outermost pixels is above a half."""
    edges = (pixels[..., 0, :], pixels[..., -1, :], pixels[..., 0], pixels[..., -1])
    ground = torch.cat([edge.flatten() for edge in edges]).median()
    return 1 - pixels if ground > 0.5 else pixels


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> the network's input (B, C, H, W): mean removed, deviation divided out.

    For a grey network the luminance comes first, so C is 1; what has one channel already is taken as it is.
    """
    if preprocessing.colour == "grey" and pixels.shape[1] == 3:
        pixels = luminance(pixels)
    mean = pixels.new_tensor(preprocessing.mean).view(1, -1, 1, 1)
    std = pixels.new_tensor(preprocessing.std).view(1, -1, 1, 1)
    return (pixels - mean) / std


def network_input(image: ImageArray, preprocessing: Preprocessing, size_hw: tuple[int, int]) -> Tensor:
    """uint8 (h, w, 3) RGB -> float32 (1, 3, *size_hw), as `normalise` makes it; 0, the mean, right of it and below.

    By a table of the 256 values, in one thread. PyTorch would share the work with threads that go on spinning, and take
    the cores from those of ONNX Runtime: faces in 40 pictures took 34 ms of CPU each so, and 17 with the table.

    Raises:
        ValueError: the array is not uint8, of another shape, or larger than `size_hw`, or the network is a grey one.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or preprocessing.colour != "rgb":
        raise ValueError(f"need uint8 (h, w, 3) for RGB, got {image.dtype} {image.shape}, {preprocessing.colour=}")
    height, width = image.shape[:2]
    if height > size_hw[0] or width > size_hw[1]:
        raise ValueError(f"{image.shape[:2]} does not fit into {size_hw=}")
    every = from_uint8(torch.arange(256, dtype=torch.uint8)).expand(1, 3, 1, 256)
    tables = normalise(every, preprocessing).numpy()[0, :, 0]
    pixels = np.zeros((1, 3, *size_hw), np.float32)
    for channel, table in enumerate(tables):
        pixels[0, channel, :height, :width] = table[image[..., channel]]
    return torch.from_numpy(pixels)


def resize(pixels: Tensor, size_hw: tuple[int, int], interpolation: str = "bicubic") -> Tensor:
    """(B, C, H, W) -> (B, C, *size_hw), antialiased, clamped back to [0, 1] where bicubic overshoots."""
    resized = F.interpolate(pixels, size_hw, mode=interpolation, antialias=True, align_corners=False)
    return resized.clamp(0, 1)


def preview_size(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width (px) of a picture's preview: its own, or as much less as `PREVIEW_PIXELS` ask for."""
    scale = min(1.0, math.sqrt(PREVIEW_PIXELS / (size_hw[0] * size_hw[1])))
    return max(1, round(size_hw[0] * scale)), max(1, round(size_hw[1] * scale))


def resize_short_side(pixels: Tensor, short_px: int, interpolation: str = "bicubic") -> Tensor:
    """(B, C, H, W) -> the shorter side exactly `short_px`, aspect kept."""
    height, width = pixels.shape[-2:]
    scale = short_px / min(height, width)
    size_hw = (max(short_px, round(height * scale)), max(short_px, round(width * scale)))
    return resize(pixels, size_hw, interpolation)


def center_crop(pixels: Tensor, side_px: int) -> Tensor:
    """The central (B, C, side_px, side_px) part."""
    height, width = pixels.shape[-2:]
    if min(height, width) < side_px:
        raise ValueError(f"cannot crop {side_px} px from {height} x {width}")
    top, left = round((height - side_px) / 2), round((width - side_px) / 2)
    return pixels[..., top : top + side_px, left : left + side_px]
