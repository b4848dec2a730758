"""More than two hundred picture files that no camera wrote, from a seed: `hostile_files()` gives them by kind and name.

truncated   every 5 % of seven formats          flipped     a few bytes changed, in nine formats
lying       sizes and lengths that are not so   bomb        small files that unpack to much
polyglot    two formats at once, or another     metadata    damaged, huge or nonsensical
mode        every kind of pixel                 animated    many frames, or many pictures
empty       nothing, or next to nothing
"""

import functools
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cv2
import numpy as np
import pillow_heif
from PIL import Image

SIZE_WH = (96, 64)
BELOW_LIMIT_PX = 6300  # 39.7 megapixels
GARBAGE = b"\xff" * 8 + bytes(range(256))
JPEG_LIKE = {"jpg": ("JPEG", {"quality": 90}), "progressive.jpg": ("JPEG", {"quality": 90, "progressive": True})}
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    **JPEG_LIKE,
    "png": ("PNG", {}),
    "webp": ("WEBP", {"quality": 80}),
    "gif": ("GIF", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {"quality": 60, "speed": 10}),
    "heic": ("HEIF", {"quality": 60}),
    "bmp": ("BMP", {}),
    "ppm": ("PPM", {}),
}
TRUNCATED = ("jpg", "progressive.jpg", "png", "webp", "gif", "tif", "avif", "heic")


def encoded(picture: Image.Image, ending: str, **options: Any) -> bytes:
    kind, usual = FORMATS[ending]
    buffer = io.BytesIO()
    picture.save(buffer, kind, **{**usual, **options})
    return buffer.getvalue()


def ordinary(seed: int) -> Image.Image:
    """Slopes with some noise: every format has something to store, and none of it is large."""
    width, height = SIZE_WH
    rows, columns = np.mgrid[0:height, 0:width]
    slopes = np.stack([rows * 4 % 256, columns * 2 % 256, (rows + columns) % 256], -1)
    noise = np.random.default_rng(seed).integers(-20, 20, slopes.shape)
    return Image.fromarray((slopes + noise).clip(0, 255).astype(np.uint8))


def chunk(kind: bytes, body: bytes, length: int | None = None, crc: int | None = None) -> bytes:
    """A PNG chunk; length and checksum tell the truth unless they are given."""
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + kind + body + struct.pack(">I", checksum)


def png_of(
    width: int, height: int, bits: int = 1, colour: int = 0, rows: int | None = None, interlaced: int = 0
) -> bytes:
    """A PNG of that size whose pixels are all zero, or that ends after `rows` of them."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    line = b"\0" * (1 + (width * bits * channels + 7) // 8)
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(line) for _ in range(height if rows is None else rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", b"\1\2\3") if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def truncated(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for ending in TRUNCATED:
        whole = encoded(picture, ending)
        for percent in range(5, 100, 5):
            yield f"{percent:02}.{ending}", whole[: len(whole) * percent // 100]


def flipped(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for ending in FORMATS:
        whole = np.frombuffer(encoded(picture, ending), np.uint8)
        for number in range(6):
            broken = whole.copy()
            reach = len(whole) if number % 2 else min(len(whole), 200)  # every other one in the header
            broken[rng.integers(4, reach, 1 + number)] = rng.integers(0, 256, 1 + number)
            yield f"{number}.{ending}", broken.tobytes()


def patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data, old
    return data.replace(old, new, 1)


def lying(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    width, height = SIZE_WH
    files = {ending: encoded(picture, ending) for ending in FORMATS}
    sizes = {"zero": (0, 0), "flat": (width, 0), "huge": (65_000, 65_000), "larger": (width + 50, height + 50)}
    for name, (w, h) in sizes.items():
        head = files["png"][16:24]
        png = patched(files["png"], head, struct.pack(">II", w, h))
        yield f"{name}.png", png[:29] + struct.pack(">I", zlib.crc32(png[12:29])) + png[33:]
        size = struct.pack(">HH", height, width)
        yield f"{name}.jpg", patched(files["jpg"], size, struct.pack(">HH", h, w))
        yield f"{name}.gif", files["gif"][:6] + struct.pack("<HH", w, h) + files["gif"][10:]
        yield f"{name}.bmp", files["bmp"][:18] + struct.pack("<ii", w, -h) + files["bmp"][26:]
        yield f"{name}.ppm", b"P6\n%d %d\n255\n" % (w, h) + files["ppm"][-100:]
        ispe = struct.pack(">II", width, height)
        yield f"{name}.avif", patched(files["avif"], ispe, struct.pack(">II", w, h))
        yield f"{name}.heic", patched(files["heic"], ispe, struct.pack(">II", w, h))
        yield f"{name}.tif", patched(files["tif"], tiff_tag(256, width), tiff_tag(256, w))
        vp8x = struct.pack(
            "<4sI4x3s3s", b"VP8X", 10, max(0, w - 1).to_bytes(3, "little"), max(0, h - 1).to_bytes(3, "little")
        )
        body = b"WEBP" + vp8x + files["webp"][12:]
        yield f"{name}.webp", b"RIFF" + struct.pack("<I", len(body)) + body
    yield "wide.webp", b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + b"\xff" * 6
    yield "length.png", files["png"][:33] + chunk(b"tEXt", b"a\0b", length=2**31) + files["png"][33:]
    yield "idat_length.png", files["png"][:33] + struct.pack(">I", 2**31 - 1) + files["png"][37:]
    yield "rows_missing.png", png_of(3000, 3000, 8, 2, rows=100)
    yield "interlaced.png", png_of(300, 300, 8, 2, interlaced=1)
    yield "segment.jpg", files["jpg"][:2] + b"\xff\xe1\xff\xff" + files["jpg"][2:]
    yield "no_tables.jpg", files["jpg"].replace(b"\xff\xc4", b"\xff\xee")
    yield "strips.tif", tiff({256: 5000, 257: 5000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 5000, 279: 2**31 - 1})
    yield "far.tif", tiff({256: 50, 257: 50, 258: 8, 259: 1, 262: 1, 273: 2**31 - 9, 277: 1, 278: 50, 279: 2500})
    yield "samples.tif", tiff({256: 50, 257: 50, 258: 8, 259: 1, 262: 2, 273: 8, 277: 60_000, 278: 50, 279: 2500})
    yield "rows.tif", tiff({256: 50, 257: 50, 258: 8, 259: 5, 262: 1, 273: 8, 277: 1, 278: 0, 279: 2**30})
    yield "loop.tif", tiff({256: 50, 257: 50, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 50, 279: 2500}, loop=True)
    yield "tiles.tif", tiff({256: 50, 257: 50, 258: 8, 259: 1, 262: 1, 277: 1, 322: 2**30, 323: 2**30, 324: 8, 325: 9})


def tiff_tag(number: int, value: int) -> bytes:
    """A directory entry of one whole number, short where Pillow would write a short."""
    return struct.pack("<HHIHH", number, 3, 1, value, 0) if value < 2**16 else struct.pack("<HHII", number, 4, 1, value)


def tiff(tags: dict[int, int], loop: bool = False) -> bytes:
    """A TIFF of these tags alone, with 4 KB of zeros for its pixels; with `loop` its directory follows itself."""
    start = 8 + 4096
    entries = b"".join(tiff_tag(number, value) for number, value in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", start if loop else 0)
    return b"II*\0" + struct.pack("<I", start) + b"\0" * 4096 + directory


def bomb(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    side, png, jpg = BELOW_LIMIT_PX, encoded(picture, "png"), encoded(picture, "jpg")
    yield "30000.png", png_of(30_000, 30_000)
    yield "9500.png", png_of(9_500, 9_500)
    yield "grey16.png", png_of(side, side, 16, 0)
    yield "rgba.png", png_of(side, side, 8, 6)
    yield "rgba16.png", png_of(side, side, 16, 6)
    yield "palette.png", png_of(side, side, 8, 3)
    plain = Image.new("RGB", (side, side), (60, 120, 180))
    for ending, options in (
        ("jpg", {"quality": 30}),
        ("progressive.jpg", {"quality": 30}),
        ("webp", {"method": 0}),
        ("avif", {"subsampling": "4:4:4"}),
        ("tif", {}),
    ):
        yield f"below_the_limit.{ending}", encoded(plain, ending, **options)
    yield "below_the_limit.gif", encoded(Image.new("L", (side, side)), "gif")
    fast = {"quality": 10, "enc_params": {"preset": "ultrafast"}}
    yield "large.heic", encoded(plain.resize((3000, 3000)), "heic", **fast)
    yield "alpha.webp", encoded(Image.new("RGBA", (side, side)), "webp", lossless=True, method=0)
    yield "cmyk.jpg", encoded(plain.convert("CMYK"), "jpg", quality=10)
    yield "float.tif", encoded(Image.new("F", (side, side)), "tif")
    yield "one_bit.tif", encoded(Image.new("1", (side, side)), "tif", compression="group4")
    yield "screen.gif", b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0) + encoded(picture, "gif")[13:]
    zeros = zlib.compress(b"\0" * 2**28, 9)
    for kind, start in ((b"zTXt", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0"), (b"iCCP", b"a\0\0")):
        yield f"{kind.decode()}.png", png[:33] + chunk(kind, start + zeros) + png[33:]
    yield "texts.png", png[:33] + chunk(b"tEXt", b"a\0b") * 40_000 + png[33:]
    progressive = encoded(picture, "progressive.jpg")
    scan = progressive[progressive.rindex(b"\xff\xda") : -2]
    yield "scans.jpg", progressive[:-2] + scan * 3000 + progressive[-2:]
    yield "segments.jpg", jpg[:2] + b"\xff\xfe\x00\x02" * 40_000 + jpg[2:]
    yield "fill_in_scan.jpg", jpg[:-2] + b"\xff" * 2**22 + b"\0"
    yield "fill_alone.jpg", jpg[:2] + b"\xff" * 2**22
    yield "tables.jpg", jpg[:2] + b"\xff\xdb\x00\x02" * 2**20 + jpg[2:]
    yield "no_data.png", png[:33] + chunk(b"IDAT", b"") * 300_000 + png[33:]
    for name, start in (("profiles", b"a\0\0"), ("raw_profiles", b"Raw profile type exif\0\0")):
        kind, unpacked = (b"iCCP", 2**22) if name == "profiles" else (b"zTXt", 2**18)
        yield f"{name}.png", png[:33] + chunk(kind, start + zlib.compress(b"\0" * unpacked, 9)) * 800 + png[33:]
    yield "exif.jpg", jpg[:2] + b"\xff\xe1\xff\xfeExif\0\0" + exif_that_nests() + jpg[2:]
    yield "packed.bmp", bmp_of_runs(side)


def exif_that_nests() -> bytes:
    """65,526 bytes of EXIF whose directories point at themselves."""
    tag = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return (b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 5000) + tag * 5000).ljust(65_526, b"\0")[:65_526]


def bmp_of_runs(side: int) -> bytes:
    """A run-length coded BMP of `side` px whose pixels end at once."""
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 4, 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 14 + 40 + 1024) + header + b"\0" * 1024 + b"\xff\x01\0\1"


def polyglot(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("page.html"), "<script>alert(1)</script>" * 1000)
    png, jpg, page = encoded(picture, "png"), encoded(picture, "jpg"), b"<html><script>alert(1)</script></html>"
    yield "zip.png", png + archive.getvalue()
    yield "zip.jpg", jpg + archive.getvalue()
    yield "html_comment.jpg", jpg[:2] + b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page + jpg[2:]
    yield "php.png", png[:33] + chunk(b"tEXt", b"Comment\0<?php system($_GET[0]); ?>") + png[33:]
    yield "script.gif", b"GIF89a/*" + encoded(picture, "gif")[8:] + b"*/=1;alert(1)"
    yield "svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "entities.png", b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>'
    yield "page.jpg", page
    yield "pdf.jpg", b"%PDF-1.4\n" + jpg
    yield "png_in.jpg", jpg[:20] + png
    yield "jpg_after.png", png + jpg
    yield "tiff_of_jpeg.tif", b"II*\0" + struct.pack("<I", 8) + jpg
    yield "archive.png", archive.getvalue()
    yield "program.png", b"\x7fELF" + bytes(rng.integers(0, 256, 2000, np.uint8))
    yield "postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99999 99999\n(/etc/passwd) run\n"
    yield "movie.heic", struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + GARBAGE * 10
    yield "imagetragick.png", b"push graphic-context\nfill 'url(https://127.0.0.1/|ls \"-la)'\npop graphic-context"


def metadata(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    png, jpg = encoded(picture, "png"), encoded(picture, "jpg")
    noise = bytes(rng.integers(0, 256, 3000, np.uint8))
    for kind in (
        b"eXIf",
        b"iCCP",
        b"gAMA",
        b"cHRM",
        b"sRGB",
        b"tRNS",
        b"pHYs",
        b"tIME",
        b"acTL",
        b"fcTL",
        b"zTXt",
        b"iTXt",
    ):
        yield f"{kind.decode()}.png", png[:33] + chunk(kind, noise) + png[33:]
    yield "checksum.png", png[:33] + chunk(b"tEXt", b"a\0b", crc=1) + png[33:]
    yield "raw_profile.png", png[:33] + chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(noise)) + png[33:]
    heads = (b"Exif\0\0", b"Exif\0\0II*\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0\1\1", b"MPF\0II*\0")
    for number, head in enumerate((*heads, b"Photoshop 3.0\08BIM", b"Adobe\0\0\0\0\0\0\0", b"JFIF\0")):
        marker = (0xE1, 0xE1, 0xE1, 0xE2, 0xE2, 0xED, 0xEE, 0xE0)[number]
        body = head + noise
        yield f"{number}.jpg", jpg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + jpg[2:]
    exif = Image.Exif()
    exif[0x010E] = "a" * 2900
    for ending in ("webp", "avif", "heic"):  # their encoders refuse nonsense
        whole = exif.tobytes()[6:]
        yield f"exif.{ending}", patched(encoded(picture, ending, exif=exif.tobytes()), whole, noise[: len(whole)])
    for ending in ("webp", "avif", "heic", "tif"):
        yield f"profile.{ending}", encoded(picture, ending, icc_profile=b"\0\0\x0b\xb8" + noise)
    yield "tags.tif", encoded(picture, "tif", compression="raw", tiffinfo={274: 77, 282: 0.0, 305: "a" * 100_000})
    yield "comment.gif", encoded(picture, "gif", comment=noise[:255])


def mode(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    for name in ("1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"):
        yield f"{name}.tif", encoded(picture.convert(name), "tif", compression="raw")
    for name in ("1", "L", "P", "LA", "RGBA", "I;16"):
        grey = picture.convert("L")
        yield f"{name}.png", encoded(grey.convert(name) if name == "I;16" else picture.convert(name), "png")
    yield "LAB.tif", encoded(Image.new("LAB", SIZE_WH, (120, 20, 200)), "tif", compression="raw")
    yield "CMYK.jpg", encoded(picture.convert("CMYK"), "jpg")
    yield "L.jpg", encoded(picture.convert("L"), "jpg")
    yield "rgb.jpg", encoded(picture, "jpg", keep_rgb=True)
    deep = np.asarray(picture, np.uint16) * 257
    yield "rgb16.png", cv2.imencode(".png", deep)[1].tobytes()
    yield "rgb16.tif", cv2.imencode(".tif", deep)[1].tobytes()
    yield "rgb_float.tif", cv2.imencode(".tif", np.float32(deep))[1].tobytes()
    values = np.linspace(-1e30, 1e30, 96 * 64, dtype=np.float32).reshape(64, 96)
    yield "wide.tif", encoded(Image.fromarray(values), "tif")
    values[3, 3], values[4, 4] = np.nan, np.inf
    yield "nan.tif", encoded(Image.fromarray(values), "tif")
    yield "negative.tif", encoded(Image.fromarray(np.full((64, 96), -(2**31), np.int32)), "tif")


def animated(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    small = [picture.rotate(3 * n).resize((24, 16)) for n in range(300)]
    for ending, count in (("gif", 300), ("webp", 60), ("png", 60), ("avif", 10), ("heic", 4), ("tif", 200)):
        yield f"{count}.{ending}", encoded(small[0], ending, save_all=True, append_images=small[1:count])
    buffer = io.BytesIO()
    small[0].save(buffer, "MPO", save_all=True, append_images=small[1:9])
    yield "9.mpo", buffer.getvalue()
    yield "cut.mpo", buffer.getvalue()[: len(buffer.getvalue()) // 2]


def empty(picture: Image.Image, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    yield "nothing.png", b""
    yield "one_byte.jpg", b"\xff"
    for ending in FORMATS:
        yield f"signature.{ending}", encoded(picture, ending)[:12]
    for number in range(5):
        yield f"random_{number}.jpg", bytes(rng.integers(0, 256, 5000, np.uint8))
    yield "zeros.png", b"\0" * 100_000
    yield "pixel.png", png_of(1, 1)
    yield "line.png", png_of(10_000, 1)
    yield "no_pixels.png", png_of(10, 10, rows=0)


Kind = Callable[[Image.Image, np.random.Generator], Iterator[tuple[str, bytes]]]
KINDS: tuple[Kind, ...] = (truncated, flipped, lying, bomb, polyglot, metadata, mode, animated, empty)


@functools.cache
def hostile_files() -> dict[str, dict[str, bytes]]:
    """All of them, made once a session: the bombs take some ten seconds."""
    return files_of(KINDS, seed=13)


def files_of(kinds: Iterable[Kind], seed: int) -> dict[str, dict[str, bytes]]:
    """Name to bytes, by kind; the same for the same seed and the same encoders."""
    pillow_heif.register_heif_opener()
    picture = ordinary(seed)
    return {kind.__name__: dict(kind(picture, np.random.default_rng(seed))) for kind in kinds}
