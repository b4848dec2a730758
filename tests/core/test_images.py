"""Pictures in and out: every odd file is read rightly or refused with one sentence."""

import io
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.errors import InputError
from cvdemo.images import (
    ImageArray,
    Preprocessing,
    center_crop,
    from_uint8,
    network_input,
    normalise,
    on_white,
    png_bytes,
    preview_size,
    read_image,
    resize_short_side,
    resize_to_fit,
    to_batch,
    to_image,
    to_images,
    to_tensor,
    to_uint8,
)
from cvdemo.runtime import Deadline, stopping_when
from tests.helpers.png_files import save_png


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png_header_only(width: int, height: int) -> bytes:
    """A PNG that promises `width` x `height` 1-bit pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_come_back_exactly(noise: ImageArray, format: str) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert np.array_equal(read_image(encoded(Image.fromarray(noise), format, **options)), noise)


def test_a_path_is_read_like_its_bytes(noise: ImageArray, tmp_path: Path) -> None:
    assert np.array_equal(read_image(save_png(noise, tmp_path / "a.png")), noise)


def test_exif_rotation_is_applied(noise: ImageArray) -> None:
    exif = Image.Exif()
    exif[274] = 6  # shown rotated by 90 degrees clockwise
    data = encoded(Image.fromarray(noise), "PNG", exif=exif)
    assert np.array_equal(read_image(data), np.rot90(noise, k=-1))


def test_alpha_goes_onto_white() -> None:
    half = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    half.putpixel((1, 0), (200, 100, 50, 255))
    assert read_image(encoded(half)).tolist() == [[[255, 255, 255], [200, 100, 50]]]


def test_a_transparent_palette_colour_goes_onto_white() -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    assert read_image(encoded(picture, transparency=0)).tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_grey_with_alpha_goes_onto_white() -> None:
    picture = Image.new("LA", (1, 1), (0, 0))
    assert read_image(encoded(picture)).tolist() == [[[255, 255, 255]]]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257 * 128, 65535]], dtype=np.uint16)
    assert read_image(encoded(Image.fromarray(values))).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_dark_sixteen_bit_pictures_stay_dark() -> None:
    values = np.full((2, 2), 200, dtype=np.uint16)
    assert read_image(encoded(Image.fromarray(values))).max() == 1


def test_float_pictures_in_zero_to_one_fill_the_range() -> None:
    values = np.array([[0.0, 0.5, 1.0]], dtype=np.float32)
    assert read_image(encoded(Image.fromarray(values), "TIFF")).tolist() == [[[0] * 3, [128] * 3, [255] * 3]]


def test_cmyk_becomes_rgb() -> None:
    data = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    red = read_image(data).reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_image(data)[0, 0].tolist() == [255, 0, 0]


def test_one_pixel_is_a_picture() -> None:
    assert read_image(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


SENTENCES = [
    (b"", "The file is empty"),
    (b"hello, this is text", "not a picture that can be read"),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawings cannot be read"),
    (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG drawings cannot be read"),
    (b"\x89PNG\r\n\x1a\n\x00\x00", "not a picture|damaged or cut off"),
    (png_header_only(20000, 10000), "The picture is 200 megapixels; the limit is 40"),
    (encoded(Image.new("1", (9500, 9500))), "The picture is 90 megapixels; the limit is 40"),
    (encoded(Image.new("RGB", (1, 5000))), "1 x 5000 pixels; its longer side may be at most 50 times"),
]


@pytest.mark.parametrize(("data", "sentence"), SENTENCES, ids=lambda v: v if isinstance(v, str) else "")
def test_what_cannot_be_used_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_image(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_a_cut_off_file_is_refused(noise: ImageArray, format: str) -> None:
    data = encoded(Image.fromarray(noise), format)
    with pytest.raises(InputError, match=r"cut off"):
        read_image(data[: len(data) // 2])


def test_flipped_bytes_are_refused_or_read_but_never_crash(noise: ImageArray) -> None:
    rng = np.random.default_rng(1)
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "PPM"):
        whole = np.frombuffer(encoded(Image.fromarray(noise), format), np.uint8)
        for _ in range(40):
            broken = whole.copy()
            broken[rng.integers(0, len(broken), 8)] = rng.integers(0, 256, 8)
            try:
                assert read_image(broken.tobytes()).shape[2] == 3
            except InputError as error:
                assert str(error).endswith(".")


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    data = encoded(Image.new("1", (9500, 9500)))
    tracemalloc.start()
    with pytest.raises(InputError):
        read_image(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6


def test_tensors_round_trip(noise: ImageArray) -> None:
    tensor = to_tensor(noise)
    assert tensor.shape == (1, 3, 48, 64) and tensor.min() >= 0 and tensor.max() <= 1
    assert np.array_equal(to_image(tensor), noise)


def test_a_single_plane_round_trips(noise: ImageArray) -> None:
    tensor = to_tensor(noise[..., 1:2])
    assert tensor.shape == (1, 1, 48, 64)
    assert np.array_equal(to_image(tensor), noise[..., [1, 1, 1]])


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_to_tensor_names_what_it_got(wrong: ImageArray) -> None:
    with pytest.raises(ValueError, match=r"need a uint8 \(H, W, 3\) array, got"):
        to_tensor(wrong)


def test_a_preview_is_the_picture_itself_or_two_megapixels_of_its_shape() -> None:
    assert preview_size((1000, 2000)) == (1000, 2000)
    height, width = preview_size((3000, 4000))
    assert 1_990_000 < height * width <= 2_010_000 and abs(width / height - 4 / 3) < 0.002
    assert preview_size((1, 50_000_000)) == (1, 10_000_000)


def test_to_image_clamps_and_refuses_batches() -> None:
    assert to_image(torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)).tolist() == [[[0, 128, 255]]]
    with pytest.raises(ValueError, match="one picture of 3 channels"):
        to_image(torch.zeros(2, 3, 4, 4))


def test_every_byte_survives_the_way_to_floats_and_back() -> None:
    bytes_ = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(from_uint8(bytes_)), bytes_)
    assert from_uint8(bytes_)[[0, 51, 255]].tolist() == pytest.approx([0, 0.2, 1])
    assert to_uint8(torch.tensor([-1.0, 0.5, 2.0])).tolist() == [0, 128, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_batches_survive_the_way_to_tensors_and_back(channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, 5, 7, channels), dtype=np.uint8)
    batch = to_batch(noise)
    assert batch.shape == (2, channels, 5, 7) and batch.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(to_images(batch), noise)


@pytest.mark.parametrize("images", [np.zeros((5, 7, 3), np.uint8), np.zeros((2, 5, 7, 3), np.float32)])
def test_what_is_no_batch_of_pictures_is_refused(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"need a uint8 \(N, H, W, C\) array"):
        to_batch(images)


@pytest.mark.parametrize(("size_wh", "fit", "expected_hw"), [((100, 50), 40, (20, 40)), ((1, 50), 10, (10, 1))])
def test_resize_to_fit_keeps_the_aspect(size_wh: tuple[int, int], fit: int, expected_hw: tuple[int, int]) -> None:
    resized = resize_to_fit(np.array(Image.new("RGB", size_wh)), fit)
    assert resized.shape[:2] == expected_hw


def test_resize_to_fit_never_enlarges_and_copies(noise: ImageArray) -> None:
    same = resize_to_fit(noise, 1000)
    assert np.array_equal(same, noise) and same is not noise
    with pytest.raises(ValueError, match="max_side_px >= 1"):
        resize_to_fit(noise, 0)


def test_network_input_is_what_normalise_makes_with_the_mean_round_it() -> None:
    rng, preprocessing = (
        np.random.default_rng(0),
        Preprocessing(input_px=8, resize_px=8, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)),
    )
    image = rng.integers(0, 256, (300, 201, 3), dtype=np.uint8)
    pixels = network_input(image, preprocessing, (320, 224))
    assert pixels.shape == (1, 3, 320, 224) and pixels.dtype == torch.float32
    assert torch.equal(pixels[..., :300, :201], normalise(to_tensor(image), preprocessing))
    assert not pixels[..., 300:, :].any() and not pixels[..., 201:].any()


@pytest.mark.parametrize(
    ("shape", "colour", "message"),
    [((9, 8, 3), "rgb", "does not fit"), ((8, 8, 1), "rgb", "need uint8"), ((8, 8, 3), "grey", "need uint8")],
)
def test_network_input_refuses_what_does_not_fit(
    shape: tuple[int, ...], colour: Literal["rgb", "grey"], message: str
) -> None:
    channels = 3 if colour == "rgb" else 1
    preprocessing = Preprocessing(input_px=8, resize_px=8, mean=(0.5,) * channels, std=(0.5,) * channels, colour=colour)
    with pytest.raises(ValueError, match=message):
        network_input(np.zeros(shape, np.uint8), preprocessing, (8, 8))


def test_preprocessing_normalises_and_crops() -> None:
    entry = {"input_px": 8, "resize_px": 10, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    preprocessing = Preprocessing.from_manifest(entry)
    pixels = resize_short_side(torch.ones(1, 3, 20, 40), preprocessing.resize_px)
    assert pixels.shape == (1, 3, 10, 20)
    crop = normalise(center_crop(pixels, preprocessing.input_px), preprocessing)
    assert crop.shape == (1, 3, 8, 8) and torch.allclose(crop, torch.full_like(crop, 2.0))
    with pytest.raises(ValueError, match="cannot crop 11 px"):
        center_crop(pixels, 11)


def test_packing_a_png_ends_with_its_visitor() -> None:
    """In the middle of the file; only a visitor who left ends it, not the time."""
    picture = np.random.default_rng(0).integers(0, 256, (800, 800, 3), dtype=np.uint8)
    asked = {False: 0, True: 0}

    def left_after(times: int) -> bool:
        asked[left := asked[False] >= times] += 1
        return left

    with stopping_when(lambda: left_after(1000)):
        assert png_bytes(picture, 1, Deadline(0)) == png_bytes(picture, 1)
    assert asked.pop(False) > 20
    asked[False] = 0
    with stopping_when(lambda: left_after(5)), pytest.raises(InputError, match="nobody waits"):
        png_bytes(picture, 1, Deadline())
    assert asked == {False: 5, True: 1}


def test_a_large_picture_is_laid_on_white_in_bands_and_the_same() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1000, 4), np.uint8)
    white = Image.new("RGBA", (1000, 1500), "white")
    expected = np.asarray(Image.alpha_composite(white, Image.fromarray(noise)).convert("RGB"))
    assert np.array_equal(on_white(noise), expected)
