"""Pictures that people own: cut-off files, colour profiles, HEIC; each kind made here."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, ImageArray, read_image, resize_to_fit
from cvdemo.picture_files.colour_profiles import D50_XYZ, _packed, _xyz, matrix_profile
from cvdemo.picture_files.decoding import is_heic
from tests.helpers.files_from_parts import GARBAGE, chunk, encoded, jpeg_with, png_with

P3_CHROMATICITY = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


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
    with pytest.raises(InputError, match=r"^The file is cut off in the middle; copy it again from where you got it\.$"):
        read_image(data[: int(share * len(data))])


def test_a_progressive_jpeg_that_lacks_only_its_finest_bit_is_read(chelsea: ImageArray) -> None:
    data = jpeg_with(chelsea, progressive=True)
    cut = read_image(data[: round(0.85 * len(data))])
    assert np.abs(cut.astype(int) - read_image(data)).mean() < 2


def test_a_grey_jpeg_that_is_whole_is_never_called_cut_off() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    np.testing.assert_array_equal(read_image(jpeg_with(grey)), grey)


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 2}, {"subsampling": "4:4:4"}, {"optimize": True}])
@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_a_grey_bottom_is_cut_off_only_where_it_is(
    chelsea: ImageArray, kind: str, options: dict[str, object]
) -> None:
    grey_bottomed = chelsea.copy()
    grey_bottomed[200:] = 128
    picture = Image.fromarray(grey_bottomed).convert(kind)
    data = encoded(picture, "JPEG", quality=90, **options)
    for lacking in (1, 2):
        np.testing.assert_array_equal(read_image(data[:-lacking]), read_image(data))
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(InputError, match="cut off in the middle"):
            read_image(data[: int(share * len(data))])


def test_a_jpeg_whose_last_coded_byte_is_ff_is_cut_off_where_it_is(chelsea: ImageArray) -> None:
    data = jpeg_with(chelsea)
    with pytest.raises(InputError, match="cut off in the middle"):
        read_image(data[: data.index(b"\xff\x00", len(data) // 2) + 1])


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


def test_tiff_of_a_kind_that_is_not_read_is_not_only_called_damaged(noise: ImageArray) -> None:
    data = cv2.imencode(".tif", np.float32(noise))[1].tobytes()
    with pytest.raises(
        InputError, match=r"damaged or cut off, or a TIFF of a rare kind; save it again as PNG or JPEG\.$"
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


@pytest.mark.parametrize("turned", [False, True])
def test_a_large_jpeg_is_decoded_smaller_where_that_is_enough(chelsea: ImageArray, turned: bool) -> None:
    large = Image.fromarray(chelsea).resize((4 * 451, 4 * 300), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    data = encoded(large, "JPEG", quality=95, exif=exif)
    whole, smaller = read_image(data), read_image(data, enough_px=280)
    assert min(smaller.shape[:2]) == 300 and (smaller.shape[0] > smaller.shape[1]) == turned
    expected = resize_to_fit(whole, max(smaller.shape))
    assert np.abs(smaller.astype(int) - expected).mean() < 2
    assert read_image(data, enough_px=1000).shape == whole.shape
    assert read_image(encoded(large), enough_px=280).shape == (1200, 1804, 3)  # a PNG has no smaller self


def test_a_jpeg_cut_off_is_told_so_where_a_smaller_one_is_enough(chelsea: ImageArray) -> None:
    large = Image.fromarray(chelsea).resize((4 * 451, 4 * 300), Image.Resampling.BICUBIC)
    data = encoded(large, "JPEG", quality=95)
    with pytest.raises(InputError, match="is cut off in the middle"):
        read_image(data[: len(data) // 2], enough_px=280)
    assert read_image(data[:-2], enough_px=280).shape == (1200, 1804, 3)


def test_suffixes_are_those_of_cameras_and_phones() -> None:
    assert {".jfif", ".jpe", ".dib", ".heic", ".heif", ".tif", ".webp"} <= PICTURE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PICTURE_SUFFIXES)
