"""Pictures in and out: decoding with limits, uint8 HWC RGB <-> float BCHW, and network preprocessing.

Every conversion stands here, once. `read_image` looks at the size in the header before it decodes a pixel, so that
a small file that unpacks to hundreds of megapixels costs nothing.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from cvdemo.errors import InputError

ImageArray = npt.NDArray[np.uint8]

MAX_MEGAPIXELS = 40.0
MAX_ASPECT_RATIO = 50.0
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
Image.init()  # all decoders, so that the list below can be matched against those this Pillow was built with
FORMATS = tuple({"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF"} & set(Image.OPEN))
# What cameras, phones, scanners and browsers call files of these formats; lower case, with the dot.
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
OTHER_SUFFIXES = (".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".avif", ".heic", ".heif", ".hif")
PICTURE_SUFFIXES = frozenset((*JPEG_SUFFIXES, *OTHER_SUFFIXES, ".ppm", ".pgm", ".pbm", ".pnm"))
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, RuntimeError)  # what Pillow's decoders raise; AVIF the last
ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF pictures are accepted"

# Pillow would warn at 89 megapixels and raise at 179, at any thread's first open; the check below is stricter and
# says what the limit is.
Image.MAX_IMAGE_PIXELS = None


def read_image(
    source: str | os.PathLike[str] | bytes,
    *,
    max_megapixels: float = MAX_MEGAPIXELS,
    max_aspect_ratio: float = MAX_ASPECT_RATIO,
    keep_alpha: bool = False,
) -> ImageArray:
    """A picture file as uint8 (H, W, 3) RGB: upright (EXIF), first frame, alpha on white, 16 bit scaled to 8.

    Args:
        source: a path, or the file's bytes.
        max_megapixels: checked against the header, before any pixel is decoded.
        max_aspect_ratio: longer side over shorter side.
        keep_alpha: gives (H, W, 4) RGBA, not premultiplied, where the picture has alpha or a transparent colour.

    Raises:
        InputError: the file is empty, no picture, cut off, too large or too narrow; the message says which.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    picture = _open(data)
    check_size(picture.width, picture.height, max_megapixels, max_aspect_ratio)
    try:
        picture.seek(0)
        picture.load()
    except DAMAGED as error:
        raise InputError(f"The picture file is damaged or cut off; please send it again. {ACCEPTED}.") from error
    image: ImageArray = np.array(_to_rgb_or_rgba(ImageOps.exif_transpose(picture)))
    return image if keep_alpha else on_white(image)


def check_size(width: int, height: int, max_megapixels: float, max_aspect_ratio: float) -> None:
    """Raises `InputError` where a picture of `width` x `height` pixels is too large or too narrow."""
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise InputError(f"The picture is {megapixels:.0f} megapixels; the limit is {max_megapixels:g}.")
    if max(width, height) > max_aspect_ratio * min(width, height):
        raise InputError(
            f"The picture is {width} x {height} pixels; its longer side may be at most "
            f"{max_aspect_ratio:g} times its shorter side."
        )


def _open(data: bytes) -> Image.Image:
    """The lazily opened picture; nothing but its header has been read."""
    if not data:
        raise InputError(f"The file is empty. {ACCEPTED}.")
    if _looks_like_svg(data):
        raise InputError(f"SVG drawings cannot be read; export the drawing as PNG. {ACCEPTED}.")
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise InputError(f"The file is not a picture that can be read. {ACCEPTED}.") from error
    except DAMAGED as error:
        raise InputError(f"The picture file is damaged or cut off; please send it again. {ACCEPTED}.") from error


def _looks_like_svg(data: bytes) -> bool:
    head = data[:1024].lstrip().lower()
    return head.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in data[:4096].lower()


def _to_rgb_or_rgba(picture: Image.Image) -> Image.Image:
    """8 bits of any Pillow mode, with alpha where it has some."""
    if picture.mode.startswith("I") or picture.mode == "F":
        transparent = picture.info.get("transparency")  # a grey of 16 bits
        if transparent is None:
            return _to_8_bit(picture).convert("RGB")
        alpha = Image.fromarray(np.where(np.asarray(picture) == transparent, 0, 255).astype(np.uint8))
        picture = _to_8_bit(picture).convert("RGB")
        picture.putalpha(alpha)
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def on_white(image: ImageArray) -> ImageArray:
    """uint8 (H, W, 4) RGBA laid on white, as (H, W, 3); what has no alpha comes back as it is."""
    if image.shape[2] == 3:
        return image
    white = Image.new("RGBA", (image.shape[1], image.shape[0]), "white")
    return np.array(Image.alpha_composite(white, Image.fromarray(image)).convert("RGB"))


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """Greys of 16 or 32 bits or floats, scaled to 0..255: the range is the smallest usual one that holds them."""
    values = np.asarray(picture, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"The picture holds values that are not numbers. {ACCEPTED}.")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:  # scientific data without a usual range: stretch it
        scaled = (values - low) / max(high - low, 1e-12) * 255
    elif picture.mode == "F" and high <= 1:
        scaled = values * 255
    elif picture.mode.startswith("I;16") or high > 255:
        scaled = values / 257
    else:
        scaled = values
    return Image.fromarray(scaled.round().astype(np.uint8))


def to_tensor(image: ImageArray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 (H, W, 3) RGB -> float32 (1, 3, H, W) in [0, 1].

    Raises:
        ValueError: the array is not uint8 (H, W, 3).
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"need a uint8 (H, W, 3) array, got {image.dtype} {image.shape}")
    chw = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return chw.unsqueeze(0).to(device=device, dtype=torch.float32) / 255


def to_image(tensor: Tensor) -> ImageArray:
    """float (1, C, H, W) or (C, H, W) in [0, 1], clamped -> uint8 (H, W, 3) RGB; C is 3, or 1 for grey."""
    chw = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    if chw.ndim != 3 or chw.shape[0] not in (1, 3):
        raise ValueError(f"need one picture of 3 channels or 1, got {tuple(tensor.shape)}")
    array: Tensor = chw.expand(3, -1, -1).float().clamp(0, 1).mul(255).round().to(torch.uint8)
    image: ImageArray = np.ascontiguousarray(array.permute(1, 2, 0).cpu().numpy())
    return image


def resize_to_fit(image: ImageArray, max_side_px: int) -> ImageArray:
    """The picture with its longer side at most `max_side_px`, aspect kept, antialiased; never enlarged."""
    height, width = image.shape[:2]
    if max_side_px < 1:
        raise ValueError(f"need max_side_px >= 1, got {max_side_px}")
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return np.array(image)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.array(Image.fromarray(image).resize(size_wh, Image.Resampling.LANCZOS))


def save_png(image: ImageArray, path: str | os.PathLike[str]) -> Path:
    """Writes the picture losslessly and returns the path."""
    Image.fromarray(image).save(path, format="PNG")
    return Path(path)


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


def resize(pixels: Tensor, size_hw: tuple[int, int], interpolation: str = "bicubic") -> Tensor:
    """(B, C, H, W) -> (B, C, *size_hw), antialiased, clamped back to [0, 1] where bicubic overshoots."""
    resized = F.interpolate(pixels, size_hw, mode=interpolation, antialias=True, align_corners=False)
    return resized.clamp(0, 1)


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
