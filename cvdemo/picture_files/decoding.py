"""A picture file's bytes -> uint8 RGB: limits before pixels, metadata that costs nothing, colours in sRGB, upright.

The size in the header is checked before a pixel is decoded, so that a small file that unpacks to hundreds of megapixels
costs nothing. This module imports no torch: `cvdemo.picture_files.decode_apart` runs it in a process of its own.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, TiffImagePlugin, UnidentifiedImageError

from cvdemo.errors import InputError
from cvdemo.limits import FILE_PARTS, JPEG_SCANS, MEMORY_HERE_BYTES, PICTURE_ASPECT_RATIO, PICTURE_MEGAPIXELS
from cvdemo.picture_files.colour_profiles import lab_to_rgb, to_srgb
from cvdemo.picture_files.metadata import Bare, without_metadata

ImageArray = npt.NDArray[np.uint8]

Image.init()  # all decoders, so that the list below can be matched against those this Pillow was built with
FORMATS = tuple({"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "AVIF"} & set(Image.OPEN))
ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC pictures are accepted"
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})  # ISO/IEC 23008-12
AVIF_BRANDS = frozenset({b"avif", b"avis"})
TIFF_BEGINNINGS = (b"II*\0", b"MM\0*")
BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", *TIFF_BEGINNINGS)
SAVE_AS_JPEG = (
    "export it as JPEG from the app that shows it, or let the iPhone take JPEGs: Settings, Camera, Formats, "
    "Most Compatible"
)

# A JPEG that lacks no more than these rows still shows its picture; one that lacks more was cut off.
MISSING_SHARE = 0.05
MISSING_PX = 17  # one row of blocks, of which a part may be there, and the row above, into which colours are smoothed
# Coded pixels to go on with where a JPEG ends. The zeros complete a last byte of 0xFF, and an arithmetic code, which
# may leave its own out.
FILLER = b"\0" * 8 + b"\x55" * 2**16
BAND_PX = 2**20  # conversions that would need several copies of a large picture go through it in bands of rows
# A picture whose decoding may take more memory than this is decoded in a process of its own; the peak in bytes a pixel:
# measured 13 for JPEG, PNG, GIF and BMP of 8 bits, turned and with a profile; 25 for WebP with alpha, the worst.
LEAN_FORMATS = frozenset({"JPEG", "MPO", "PNG", "GIF", "BMP", "DIB"})
LEAN_MODES = frozenset({"1", "L", "P", "RGB"})
LEAN_BYTES_PER_PIXEL, BYTES_PER_PIXEL = 14, 28

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow would warn at 89 megapixels and raise at 179, at any thread's first open; `check_size` is stricter and says
# what the limit is.
Image.MAX_IMAGE_PIXELS = None
TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own reader takes uncompressed YCbCr for RGB


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a picture file; see `cvdemo.images.read_image`.

    Attributes:
        what: how sentences name the picture, "The style picture" for instance.
        enough_px: sides that are enough: a JPEG larger than that is decoded at a half, a quarter or an eighth of its
            size, with both sides at least so long, which takes a fraction of the time. None: as it is.
        file: how they name its file.
    """

    what: str = "The picture"
    max_megapixels: float = PICTURE_MEGAPIXELS
    max_aspect_ratio: float = PICTURE_ASPECT_RATIO
    keep_alpha: bool = False
    enough_px: int | None = None

    @property
    def file(self) -> str:
        return "The file" if self.what == "The picture" else f"{self.what} file"


Decode = Callable[[bytes, Request], ImageArray]


def decode(data: bytes, request: Request, elsewhere: Decode | None) -> ImageArray:
    """The picture in a file's bytes, see `cvdemo.images.read_image`.

    Args:
        elsewhere: decodes HEIC and what needs much memory; None decodes everything here.

    Raises:
        InputError: it cannot be used; the message says why.
    """
    _refuse_what_is_no_picture(data, request.file)
    if is_heic(data) and elsewhere is not None:
        return elsewhere(data, request)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # it warns of each damaged tag that it then passes over
        bare = without_metadata(data)
        picture = _open(bare, data, request.file)
        check_size(picture.width, picture.height, request)
        if elsewhere is not None and _bytes_needed(picture) > MEMORY_HERE_BYTES:
            return elsewhere(data, request)
        return _pixels(picture, bare, request)


def size_of(data: bytes, file: str = "The file") -> tuple[int, int]:
    """Width and height in px that a picture file's header tells, before it is turned upright.

    Raises:
        InputError: the file is no picture, or its header is damaged.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        _refuse_what_is_no_picture(data, file)
        return _open(without_metadata(data), data, file).size


def is_heic(data: bytes) -> bool:
    """Whether the bytes begin as a HEIC file does, whatever its name."""
    if data[4:8] != b"ftyp":
        return False
    header = data[8 : max(12, min(int.from_bytes(data[:4], "big"), 256))]
    brands = {header[start : start + 4] for start in range(0, len(header), 4) if start != 4}
    return bool(brands & HEIC_BRANDS) and not brands & AVIF_BRANDS


def check_size(width: int, height: int, request: Request) -> None:
    """Raises `InputError` where a picture of `width` x `height` pixels is too large or too narrow."""
    megapixels = width * height / 1e6
    if megapixels > request.max_megapixels:
        raise InputError(f"{request.what} is {megapixels:.0f} megapixels; the limit is {request.max_megapixels:g}.")
    if max(width, height) > request.max_aspect_ratio * min(width, height):
        raise InputError(
            f"{request.what} is {width} x {height} pixels; its longer side may be at most "
            f"{request.max_aspect_ratio:g} times its shorter side."
        )


def damaged(file: str, data: bytes) -> InputError:
    """What is said of a file that a decoder gives up."""
    if is_heic(data):
        return InputError(f"{file} is a HEIC picture that cannot be read; {SAVE_AS_JPEG}.")
    if data.startswith(TIFF_BEGINNINGS):
        return InputError(f"{file} is damaged or cut off, or a TIFF of a rare kind; save it again as PNG or JPEG.")
    return InputError(f"{file} is damaged or cut off; save it again, or copy it again from where you got it.")


def too_much_memory(file: str) -> InputError:
    """What is said where there is too little of it, or where a header asks for more than anybody has."""
    return InputError(f"{file} takes more memory to read than there is; save it as a smaller JPEG.")


def _refuse_what_is_no_picture(data: bytes, file: str) -> None:
    if not data:
        raise InputError(f"{file} is empty; {ACCEPTED}.")
    head = data[:1024].lstrip().lower()
    if head.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"<svg" in data[:4096].lower():
        raise InputError(f"{file} is SVG; SVG drawings cannot be read: export the drawing as PNG.")


def _open(bare: Bare, data: bytes, file: str) -> Image.Image:
    """The lazily opened picture; nothing but its header has been read."""
    if bare.scans > JPEG_SCANS:
        raise InputError(f"{file} is a JPEG of {bare.scans} scans; the limit is {JPEG_SCANS}.")
    if bare.parts > FILE_PARTS:
        raise InputError(f"{file} is made of more than {FILE_PARTS:,} parts; save it again as PNG or JPEG.")
    heic = is_heic(data)
    try:
        return Image.open(io.BytesIO(bare.data), formats=(*FORMATS, *(["HEIF"] if heic else [])))
    except Exception as error:  # decoders of ten formats, in C and in Python, fed with anything: each raises its own
        if isinstance(error, UnidentifiedImageError) and not data.startswith(BEGINNINGS) and data[4:8] != b"ftyp":
            raise InputError(f"{file} is not a picture that can be read; {ACCEPTED}.") from error
        raise damaged(file, data) from error


def _bytes_needed(picture: Image.Image) -> float:
    """An upper bound of the memory that decoding takes at its peak."""
    heavy = {"progressive", "transparency"} & set(picture.info)
    lean = picture.format in LEAN_FORMATS and picture.mode in LEAN_MODES and not heavy
    return picture.width * picture.height * (LEAN_BYTES_PER_PIXEL if lean else BYTES_PER_PIXEL)


def _pixels(picture: Image.Image, bare: Bare, request: Request) -> ImageArray:
    heic = picture.format == "HEIF"
    try:
        if not heic:  # there the first picture is the one that the file names
            picture.seek(0)
        if request.enough_px is not None and not bare.end_missing:  # one that is cut off is compared at its full size
            picture.draft(None, (request.enough_px, request.enough_px))
        picture.load()
        if bare.end_missing and (bare.scans_missing or _lacks_rows(picture, bare)):
            raise InputError(f"{request.file} is cut off in the middle; copy it again from where you got it.")
        info: dict[Any, Any] = {**picture.info, **{name: value for name, value in bare.info.items() if value}}
        return _to_array(_upright(picture, info), info, request)
    except InputError:
        raise
    except MemoryError as error:
        raise too_much_memory(request.file) from error
    except Exception as error:  # as in `_open`
        raise damaged(request.file, bare.data) from error


def _lacks_rows(picture: Image.Image, bare: Bare) -> bool:
    """Whether the coded pixels of a JPEG without its end had run out before its last rows.

    More of them change the picture only from where they had run out. Its colours tell nothing: what the decoder puts
    where nothing is left, a mid grey, is as well the colour of a wall.
    """
    if not bare.end_of_pixels:
        return False
    longer = bare.data[: bare.end_of_pixels] + FILLER + bare.data[bare.end_of_pixels :]
    with Image.open(io.BytesIO(longer), formats=("JPEG",)) as other:
        changed = ImageChops.difference(picture, other).getbbox()
    return changed is not None and picture.height - changed[1] > max(MISSING_PX, MISSING_SHARE * picture.height)


def _upright(picture: Image.Image, info: dict[str, Any]) -> Image.Image:
    """Turned and mirrored as EXIF or XMP say; as it is where they are damaged.

    Pillow's readers of TIFF and HEIC turn the picture themselves and take the tag away.
    """
    probe = Image.new("1", (1, 1))
    probe.info = {name: info[name] for name in ("exif", "xmp") if name in info}
    try:
        orientation = probe.getexif().get(ORIENTATION_TAG)
    except Exception:  # the parser of EXIF raises anything from SyntaxError to struct.error, and pixels go first
        return picture
    turn = UPRIGHT.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def _to_array(picture: Image.Image, info: dict[str, Any], request: Request) -> ImageArray:
    """8 bits of sRGB of any Pillow mode, with alpha where it has some and that is asked for, else on white."""
    colours, alpha = _split_alpha(picture, request.what)
    rgb = to_srgb(colours, info)
    rgb = rgb if rgb.mode == "RGB" else rgb.convert("RGB")
    del picture, colours
    if alpha is None:
        return np.array(rgb)
    image: ImageArray = np.empty((rgb.height, rgb.width, 4 if request.keep_alpha else 3), np.uint8)
    rows = max(1, BAND_PX // rgb.width)
    for top in range(0, rgb.height, rows):
        box = (0, top, rgb.width, min(top + rows, rgb.height))
        band = np.dstack([np.asarray(rgb.crop(box)), np.asarray(alpha.crop(box))])
        image[top : box[3]] = band if request.keep_alpha else on_white(band)
    return image


def _split_alpha(picture: Image.Image, what: str) -> tuple[Image.Image, Image.Image | None]:
    """The colours in mode L, RGB or CMYK, and the alpha in mode L where there is some."""
    mode = picture.mode
    if mode.startswith("I") or mode == "F":
        transparent = picture.info.get("transparency")  # a grey of 16 bits
        if transparent is None:
            return _to_8_bit(picture, what), None
        alpha = Image.fromarray(np.where(np.asarray(picture) == transparent, 0, 255).astype(np.uint8))
        return _to_8_bit(picture, what), alpha
    if mode == "LAB":
        return lab_to_rgb(picture), None
    if picture.has_transparency_data:
        grey = mode in ("LA", "La")
        picture = picture.convert("LA" if grey else "RGBA")
        return picture.convert("L" if grey else "RGB"), picture.getchannel("A")
    if mode in ("L", "RGB", "CMYK"):
        return picture, None
    return picture.convert("L" if mode == "1" else "RGB"), None


def on_white(image: ImageArray) -> ImageArray:
    """uint8 (H, W, 4) RGBA laid on white, as (H, W, 3); what has no alpha comes back as it is."""
    if image.shape[2] == 3:
        return image
    height, width = image.shape[:2]
    laid = np.empty((height, width, 3), np.uint8)
    rows = max(1, BAND_PX // width)
    for top in range(0, height, rows):  # Pillow's copies of all of it would take 12 bytes a pixel more
        band = Image.fromarray(np.ascontiguousarray(image[top : top + rows]))
        white = Image.new("RGBA", band.size, "white")
        laid[top : top + rows] = np.asarray(Image.alpha_composite(white, band).convert("RGB"))
    return laid


def _to_8_bit(picture: Image.Image, what: str) -> Image.Image:
    """Greys of 16 or 32 bits or floats, scaled to 0..255: the range is the smallest usual one that holds them."""
    values = np.asarray(picture, dtype=np.float32)
    if not np.isfinite(values).all():
        raise InputError(f"{what} holds values that are not numbers; save it again as PNG.")
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
