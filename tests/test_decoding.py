"""Pictures that people own: damaged metadata, cut-off files, colour profiles, HEIC; each kind made here."""

import io
import json
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from cvdemo import decode_apart
from cvdemo.colour_profiles import D50_XYZ, _packed, _xyz, matrix_profile
from cvdemo.decoding import Request, is_heic
from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, ImageArray, read_image, resize_to_fit

P3_CHROMATICITY = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
TURNED = struct.pack("<2sHIHHHIII", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0)  # EXIF: shown rotated by 90 degrees clockwise
GARBAGE = b"\xff" * 8 + bytes(range(256))


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes, crc: int | None = None, length: int | None = None) -> bytes:
    """A PNG chunk; checksum and length tell the truth unless they are given."""
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body) if length is None else length) + kind + body + struct.pack(">I", checksum)


def png_with(image: ImageArray, *chunks: bytes) -> bytes:
    """The picture as PNG with these chunks right after its header."""
    plain = encoded(Image.fromarray(image))
    return plain[:33] + b"".join(chunks) + plain[33:]


def jpeg_with(image: ImageArray, *segments: tuple[int, bytes], **options: object) -> bytes:
    """The picture as JPEG with these application segments in front."""
    plain = encoded(Image.fromarray(image), "JPEG", quality=95, **options)
    packed = [b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments]
    return plain[:2] + b"".join(packed) + plain[2:]


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


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_its_end_is_read(chelsea: ImageArray, progressive: bool) -> None:
    data = jpeg_with(chelsea, progressive=progressive)
    whole = read_image(data)
    np.testing.assert_array_equal(read_image(data[:-2]), whole)
    nearly = read_image(data[:-20]).astype(int)
    assert (np.abs(nearly - whole).max(axis=(1, 2)) > 8).mean() < 0.06


@pytest.mark.parametrize(
    ("progressive", "share"), [(False, 0.3), (False, 0.6), (False, 0.85), (True, 0.1), (True, 0.3), (True, 0.6)]
)
def test_a_jpeg_cut_off_in_the_middle_is_told_so(chelsea: ImageArray, progressive: bool, share: float) -> None:
    data = jpeg_with(chelsea, progressive=progressive)
    with pytest.raises(InputError, match=r"^The file is cut off in the middle; copy it anew from where it came\.$"):
        read_image(data[: int(share * len(data))])


def test_a_progressive_jpeg_that_lacks_only_its_finest_bit_is_read(chelsea: ImageArray) -> None:
    data = jpeg_with(chelsea, progressive=True)
    cut = read_image(data[: round(0.85 * len(data))])
    assert np.abs(cut.astype(int) - read_image(data)).mean() < 2


def test_a_grey_jpeg_that_is_whole_is_never_called_cut_off() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    np.testing.assert_array_equal(read_image(jpeg_with(grey)), grey)


def test_a_jpeg_of_very_many_scans_is_refused(noise: ImageArray) -> None:
    data = jpeg_with(noise, progressive=True)
    start, end = data.rindex(b"\xff\xda"), len(data) - 2
    with pytest.raises(InputError, match=r"JPEG of \d+ scans; the limit is 100"):
        read_image(data[:end] + data[start:end] * 100 + data[end:])


def test_what_follows_the_end_of_a_jpeg_is_ignored(noise: ImageArray) -> None:
    data = jpeg_with(noise)
    np.testing.assert_array_equal(read_image(data + b"PK\x03\x04" + GARBAGE), read_image(data))


GREEN = np.zeros((4, 4, 3), np.uint8) + np.array([0, 255, 0], np.uint8)
MUTED = np.zeros((4, 4, 3), np.uint8) + np.array([90, 160, 90], np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_colours_of_display_p3_come_as_srgb(kind: str) -> None:
    options = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}, "HEIF": {"quality": -1, "chroma": 444}}
    pillow_heif.register_heif_opener()
    profile = matrix_profile(2.2, P3_CHROMATICITY)
    lossy = {"quality": 100, "subsampling": "4:4:4"}
    for colour, expected in ((GREEN, (0, 255, 0)), (MUTED, (59, 164, 80))):
        data = encoded(Image.fromarray(colour), kind, icc_profile=profile, **options.get(kind, lossy))
        assert np.abs(read_image(data)[0, 0].astype(int) - expected).max() <= 6


def test_pixels_of_srgb_stay_exactly_as_they_are(noise: ImageArray) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(noise), icc_profile=profile)), noise)
    srgb, gamma = chunk(b"sRGB", b"\0"), chunk(b"gAMA", struct.pack(">I", 100000))
    np.testing.assert_array_equal(read_image(png_with(noise, srgb, gamma)), noise)
    np.testing.assert_array_equal(read_image(png_with(noise, chunk(b"gAMA", struct.pack(">I", 45455)))), noise)


def test_a_profile_for_other_components_is_ignored(noise: ImageArray) -> None:
    profile = matrix_profile(1.0, P3_CHROMATICITY)
    grey = Image.fromarray(noise).convert("L")
    plain = read_image(encoded(grey))
    np.testing.assert_array_equal(read_image(encoded(grey, icc_profile=profile)), plain)


def test_gamma_and_chromaticities_of_a_png_are_applied() -> None:
    linear = np.full((2, 2, 3), 55, np.uint8)  # 21.6 % of the light: the middle grey of sRGB
    assert np.abs(read_image(png_with(linear, chunk(b"gAMA", struct.pack(">I", 100000)))).astype(int) - 128).max() <= 1
    numbers = struct.pack(">8I", *(round(value * 1e5) for value in P3_CHROMATICITY))
    data = png_with(MUTED, chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"cHRM", numbers))
    assert np.abs(read_image(data)[0, 0].astype(int) - (59, 164, 80)).max() <= 2


def test_grey_of_a_profile_comes_as_srgb_and_keeps_its_alpha() -> None:
    curve = b"curv" + struct.pack(">4xIH2x", 1, 256)  # linear
    profile = bytearray(_packed({b"wtpt": _xyz(D50_XYZ), b"kTRC": curve}))
    profile[16:20] = b"GRAY"
    picture = Image.new("LA", (2, 2), (55, 100))
    image = read_image(encoded(picture, icc_profile=bytes(profile)), keep_alpha=True)
    assert np.abs(image[0, 0].astype(int) - (128, 128, 128, 100)).max() <= 1


def cmyk_profile() -> bytes:
    """A profile of version 2 by whose table cyan is a dark green, all inks black, and everything else paper white."""
    inks = np.full((2, 2, 2, 2, 3), (255, 128, 128), np.uint8)
    inks[1] = (100, 78, 158)
    inks[1, 1, 1, 1] = (0, 128, 128)
    line = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * np.eye(3, dtype=int)).ravel().tolist())
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + line * 4 + inks.tobytes() + line * 3
    profile = bytearray(_packed({b"wtpt": _xyz(D50_XYZ), b"A2B0": table}))
    profile[12:24] = b"prtrCMYKLab "
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(kind: str) -> None:
    cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    assert read_image(encoded(cyan, kind))[0, 0].tolist() == pytest.approx([0, 255, 255], abs=3)
    red, green, blue = read_image(encoded(cyan, kind, icc_profile=cmyk_profile()))[0, 0].tolist()
    assert green > 80 and green > 1.5 * red and green > 1.5 * blue


def test_tiff_in_ycbcr_has_the_right_colours(chelsea: ImageArray) -> None:
    data = encoded(Image.fromarray(chelsea).convert("YCbCr"), "TIFF")
    assert np.abs(read_image(data).astype(int) - chelsea).max() <= 4


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_sixteen_bits_a_colour_are_scaled(noise: ImageArray, ending: str) -> None:
    data = cv2.imencode(ending, noise[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert np.abs(read_image(data).astype(int) - noise).max() <= 1


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK", "I;16", "I", "F", "1", "L", "P", "PA", "LA", "RGBA", "RGBX"])
def test_tiff_of_any_mode_is_read(mode: str) -> None:
    picture = Image.new(mode, (6, 5)) if mode.startswith(("I", "F", "LAB")) else Image.new("RGB", (6, 5)).convert(mode)
    assert read_image(encoded(picture, "TIFF")).shape == (5, 6, 3)


@pytest.fixture(scope="module")
def heic(chelsea: ImageArray) -> bytes:
    pillow_heif.register_heif_opener()
    return encoded(Image.fromarray(chelsea), "HEIF", quality=90)


def test_heic_is_read_whatever_its_name(chelsea: ImageArray, heic: bytes, tmp_path: Path) -> None:
    (tmp_path / "iphone.jpg").write_bytes(heic)
    assert np.abs(read_image(tmp_path / "iphone.jpg").astype(int) - chelsea).mean() < 3


def test_heic_is_turned_once(chelsea: ImageArray, heic: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(chelsea), "HEIF", quality=90, exif=exif.tobytes())
    assert b"irot" in data  # it says so twice, as an iPhone does
    turned = read_image(data)
    assert np.abs(turned.astype(int) - np.rot90(read_image(heic), k=-1)).mean() < 3


def test_the_first_picture_of_a_heic_burst_is_used(chelsea: ImageArray, heic: bytes) -> None:
    rest = [Image.new("RGB", (451, 300), "blue")]
    burst = encoded(Image.fromarray(chelsea), "HEIF", quality=90, save_all=True, append_images=rest)
    np.testing.assert_array_equal(read_image(burst), read_image(heic))


def test_the_size_of_a_heic_is_checked_before_its_pixels() -> None:
    pillow_heif.register_heif_opener()
    data = encoded(Image.new("RGB", (200, 200)), "HEIF")
    lying = data.replace(struct.pack(">II", 200, 200), struct.pack(">II", 20000, 10000))
    assert lying != data
    with pytest.raises(InputError, match="The style picture is 200 megapixels; the limit is 40"):
        read_image(lying, "The style picture")


def test_heic_that_cannot_be_read_says_how_to_get_a_jpeg() -> None:
    data = struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic") + GARBAGE * 4
    with pytest.raises(InputError, match=r"^The file is a HEIC picture .* export it as JPEG .*Most Compatible\.$"):
        read_image(data)


@pytest.mark.parametrize(
    ("brands", "heic"),
    [(b"heic", True), (b"mif1\0\0\0\0heic", True), (b"mif1\0\0\0\0avif", False), (b"avif\0\0\0\0mif1", False)],
)
def test_heic_and_avif_are_told_apart(brands: bytes, heic: bool) -> None:
    assert is_heic(struct.pack(">I4s", 8 + len(brands), b"ftyp") + brands) is heic


CHILDREN = {
    "dies": "import os; os.abort()",
    "hangs": "import time; time.sleep(100)",
    "says nothing": "pass",
    "talks nonsense": "print('nonsense')",
    "sends too little": "print('{\"shape\": [100, 100, 3]}')",
    "claims too much": "print('{\"shape\": [100000, 100000, 3]}')",
    "claims less than nothing": "print('{\"shape\": [-5, -5, 3]}')",
    "sends another kind": "print('[1]')",
}


@pytest.mark.parametrize("name", CHILDREN)
def test_whatever_becomes_of_the_decoding_process_is_one_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\n{CHILDREN[name]}\n")
    program.chmod(0o755)
    monkeypatch.setattr(decode_apart.sys, "executable", str(program))
    monkeypatch.setattr(decode_apart, "MAX_WALL_S", 1.0)
    with pytest.raises(InputError, match="The file is damaged or cut off"):
        decode_apart.decode_apart(b"anything", Request())


def test_the_decoding_process_may_write_no_file_and_take_no_more_memory(tmp_path: Path) -> None:
    program = (
        "import json, sys; from cvdemo import decode_apart; decode_apart._limit()\n"
        "told = []\n"
        "try: open(sys.argv[1], 'w').write('x' * 100000)\n"
        "except OSError: told.append('no file')\n"
        "try: bytearray(2**31)\n"
        "except MemoryError: told.append('no memory')\n"
        "print(json.dumps(told))"
    )
    command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + program]
    told = decode_apart.subprocess.run([*command, str(tmp_path / "f")], capture_output=True, check=True).stdout
    assert json.loads(told) == ["no file", "no memory"]


def test_a_large_picture_is_the_same_from_its_own_process() -> None:
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(0, 256, (85, 85, 4), dtype=np.uint8), np.ones((50, 50, 1), np.uint8))
    data = encoded(Image.fromarray(image), compress_level=1)
    np.testing.assert_array_equal(read_image(data, keep_alpha=True), image)


def test_tiff_of_a_kind_that_is_not_read_is_not_only_called_damaged(noise: ImageArray) -> None:
    data = cv2.imencode(".tif", np.float32(noise))[1].tobytes()
    with pytest.raises(
        InputError, match=r"damaged or cut off, or a TIFF of a rare kind; save it anew as PNG or JPEG\.$"
    ):
        read_image(data)


def test_each_picture_is_named(noise: ImageArray) -> None:
    strip = encoded(Image.new("RGB", (2000, 9)))
    with pytest.raises(InputError, match=r"^The style picture is 2000 x 9 pixels; its longer side"):
        read_image(strip, "The style picture")
    with pytest.raises(InputError, match=r"^The style picture file is empty; .*HEIC pictures are accepted\.$"):
        read_image(b"", "The style picture")


def test_resizing_in_bands_is_resizing_at_once() -> None:
    image = np.random.default_rng(3).integers(0, 256, (1700, 1301, 3), dtype=np.uint8)
    at_once = Image.fromarray(image).resize((230, 300), Image.Resampling.LANCZOS)
    assert np.abs(resize_to_fit(image, 300).astype(int) - np.asarray(at_once)).max() <= 1


def test_suffixes_are_those_of_cameras_and_phones() -> None:
    assert {".jfif", ".jpe", ".dib", ".heic", ".heif", ".tif", ".webp"} <= PICTURE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PICTURE_SUFFIXES)
