"""What surrounds the pixels may be damaged, huge or untrue: it costs no pixel, no rotation and no time."""

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, read_image
from cvdemo.limits import FILE_PARTS
from cvdemo.picture_files.metadata import PNG_SIGNATURE, without_metadata
from tests.helpers.files_from_parts import GARBAGE, chunk, encoded, jpeg_with, png_with

TURNED = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0)  # EXIF: shown rotated by 90 degrees clockwise

PNG_CHUNKS = {
    "bad exif": chunk(b"eXIf", b"\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01"),
    "exif of garbage": chunk(b"eXIf", GARBAGE),
    "text of 2 MB": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 2**21)),
    "text of 64 MB": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(b"a" * 2**26, 9)),
    "profile of 8 MB": chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"a" * 2**23)),
    "profile of garbage": chunk(b"iCCP", b"icc\0\0" + zlib.compress(GARBAGE * 20)),
    "profile that is not packed": chunk(b"iCCP", b"icc\0\0" + GARBAGE),
    "bad checksum": chunk(b"tEXt", b"Comment\0words", crc=1),
    "bad raw profile": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n   10\nzz no digits")),
    "length too short": chunk(b"tEXt", b"Comment\0words and words", length=9),
    "length beyond the end": chunk(b"tEXt", b"Comment\0words", length=2**30),
    "gamma of zero": chunk(b"gAMA", b"\0" * 4),
    "chromaticities of zero": chunk(b"gAMA", struct.pack(">I", 50000)) + chunk(b"cHRM", b"\0" * 32),
    "transparency too long": chunk(b"tRNS", b"\0" * 500, crc=2),
}


@pytest.mark.parametrize("name", PNG_CHUNKS)
def test_damaged_or_huge_png_metadata_costs_no_pixel(noise: ImageArray, name: str) -> None:
    np.testing.assert_array_equal(read_image(png_with(noise, PNG_CHUNKS[name])), noise)


def test_transparency_of_more_colours_than_the_palette_has_is_cut() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    plain = encoded(picture)
    before_pixels = plain.index(b"IDAT") - 4
    data = plain[:before_pixels] + chunk(b"tRNS", b"\xff\0" * 250) + plain[before_pixels:]
    assert read_image(data).tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_rotation_is_read_from_what_old_programs_wrote(noise: ImageArray) -> None:
    text = b"\nexif\n%8d\n" % (6 + len(TURNED)) + (b"Exif\0\0" + TURNED).hex().encode() + b"\n"
    data = png_with(noise, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    np.testing.assert_array_equal(read_image(data), np.rot90(noise, k=-1))


def test_rotation_is_read_from_xmp(noise: ImageArray) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    data = jpeg_with(noise, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    np.testing.assert_array_equal(read_image(data), np.rot90(read_image(jpeg_with(noise)), k=-1))


@pytest.mark.parametrize("tag", range(1, 9))
def test_every_orientation_is_that_of_the_standard(noise: ImageArray, tag: int) -> None:
    turned = {
        1: noise,
        2: noise[:, ::-1],
        3: noise[::-1, ::-1],
        4: noise[::-1],
        5: noise.transpose(1, 0, 2),
        6: np.rot90(noise, -1),
        7: noise[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(noise),
    }
    data = png_with(noise, chunk(b"eXIf", struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x0112, 3, 1, tag, 0)))
    np.testing.assert_array_equal(read_image(data), turned[tag])


JPEG_SEGMENTS = {
    "exif of garbage": (0xE1, b"Exif\0\0" + GARBAGE),
    "exif that points outside": (0xE1, b"Exif\0\0" + TURNED[:8] + b"\x40\0" + b"\x87\x69" * 90),
    "xmp of garbage": (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + GARBAGE),
    "profile of garbage": (0xE2, b"ICC_PROFILE\0\1\1" + GARBAGE * 10),
    "index of more pictures": (0xE2, b"MPF\0" + GARBAGE),
    "photoshop": (0xED, b"Photoshop 3.0\08BIM" + GARBAGE),
    "adobe": (0xEE, b"Adobe" + b"\0" * 7),
    "comment": (0xFE, b"<script>" + GARBAGE),
}


@pytest.mark.parametrize("name", JPEG_SEGMENTS)
def test_damaged_jpeg_metadata_costs_no_pixel(noise: ImageArray, name: str) -> None:
    plain = read_image(jpeg_with(noise, **({"keep_rgb": True} if name == "adobe" else {})))
    data = jpeg_with(noise, JPEG_SEGMENTS[name], **({"keep_rgb": True} if name == "adobe" else {}))
    np.testing.assert_array_equal(read_image(data), plain)


def test_a_jpeg_segment_whose_length_lies_costs_no_pixel(noise: ImageArray) -> None:
    plain = jpeg_with(noise)
    for length in (9, 60_000):
        segment = b"\xff\xe1" + struct.pack(">H", length) + b"Exif\0\0 words without any marker"
        np.testing.assert_array_equal(read_image(plain[:2] + segment + plain[2:]), read_image(plain))


def test_damaged_webp_metadata_costs_no_pixel(noise: ImageArray) -> None:
    options = {"lossless": True, "exif": b"Exif\0\0" + GARBAGE, "icc_profile": GARBAGE * 2, "xmp": GARBAGE}
    data = encoded(Image.fromarray(noise), "WEBP", **options)
    np.testing.assert_array_equal(read_image(data), noise)
    np.testing.assert_array_equal(read_image(data[:-300]), noise)  # cut off behind the pixels


def test_damaged_avif_metadata_costs_no_picture_and_no_rotation(noise: ImageArray) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words " * 20
    data = encoded(Image.fromarray(noise), "AVIF", exif=exif.tobytes())
    whole = read_image(data)
    damaged = data.replace(b"MM\0*", b"\xff" * 4)
    assert whole.shape == (64, 48, 3) and damaged != data
    np.testing.assert_array_equal(read_image(damaged), whole)


def test_damaged_tiff_tags_cost_no_pixel(noise: ImageArray) -> None:
    data = encoded(Image.fromarray(noise), "TIFF", icc_profile=GARBAGE, tiffinfo={270: "words", 305: "more words"})
    np.testing.assert_array_equal(read_image(data), noise)
    far = data.replace(struct.pack("<HHI", 34675, 7, len(GARBAGE)), struct.pack("<HHI", 34675, 7, 2**30))
    assert far != data
    np.testing.assert_array_equal(read_image(far), noise)


SCAN_HEADER = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
MANY_COMPONENTS = b"\xff\xda" + struct.pack(">HB", 516, 255) + bytes(range(255)) * 2 + b"\0\xff\0"
PROFILE = chunk(b"iCCP", b"icc\0\0" + zlib.compress(b"\0" * 2**22, 9))
RAW_PROFILE = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\0" * 2**18, 9))
COSTLY = {
    "fill bytes in a scan": b"\xff\xd8" + SCAN_HEADER + b"\xff" * 2**22 + b"\0",
    "fill bytes alone": b"\xff\xd8" + b"\xff" * 2**22,
    "markers without a length": b"\xff\xd8" + b"\xff\x01" * 2**21,
    "markers whose length is too short": b"\xff\xd8" + b"\xff\xe1\0\1" * 2**20,
    "empty tables": b"\xff\xd8" + b"\xff\xdb\0\2" * 2**20,
    "scans of 255 components": b"\xff\xd8\xff" + MANY_COMPONENTS * 9000,
    "empty chunks of pixels": PNG_SIGNATURE + chunk(b"IDAT", b"") * 2**20,
    "chunks whose length lies": PNG_SIGNATURE + b"PLTE" * 2**20,
    "profiles": PNG_SIGNATURE + PROFILE * 1000,
    "raw profiles": PNG_SIGNATURE + RAW_PROFILE * 10_000,
    "empty chunks of WebP": b"RIFF\0\0\0\0WEBP" + b"VP8X\0\0\0\0" * 2**19,
    "empty boxes of AVIF": b"\0\0\0\x08ftyp" * 2**22,
}


@pytest.mark.parametrize("name", COSTLY)
def test_no_file_costs_much_before_it_is_decoded(name: str) -> None:
    data = COSTLY[name]
    started = time.process_time()
    without_metadata(data)
    assert time.process_time() - started < 1
    tracemalloc.start()
    without_metadata(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data) + 2**24


def test_fill_bytes_in_front_of_a_marker_cost_no_pixel(chelsea: ImageArray) -> None:
    data = jpeg_with(chelsea, progressive=True)
    scan = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    filled = data[:scan] + b"\xff" * 1000 + data[scan:-2] + b"\xff" * 1000 + data[-2:]
    np.testing.assert_array_equal(read_image(filled), read_image(data))


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_of_very_many_parts_is_refused(noise: ImageArray, format: str) -> None:
    plain, count = encoded(Image.fromarray(noise), format), FILE_PARTS - 100
    part, start = (chunk(b"tEXt", b"a\0b"), 33) if format == "PNG" else (b"\xff\xfe\0\2", 2)
    read_image(plain[:start] + part * count + plain[start:])
    with pytest.raises(
        InputError, match=r"^The file is made of more than 50,000 parts; save it again as PNG or JPEG\.$"
    ):
        read_image(plain[:start] + part * (count + 100) + plain[start:])


def test_of_several_profiles_in_a_png_the_first_is_used() -> None:
    good, other = (chunk(b"iCCP", b"icc\0\0" + zlib.compress(body)) for body in (b"first", b"second"))
    damaged = chunk(b"iCCP", b"icc\0\0" + GARBAGE)
    assert without_metadata(PNG_SIGNATURE + good + other).info == {"icc_profile": b"first"}
    assert without_metadata(PNG_SIGNATURE + damaged + other).info == {"icc_profile": None}


def test_a_webp_that_ends_in_its_header_is_told_so() -> None:
    with pytest.raises(InputError, match="damaged or cut off"):
        read_image(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0")
