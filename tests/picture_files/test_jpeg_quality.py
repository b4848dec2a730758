"""The quality of a JPEG file, by its quantisation table."""

import io

import numpy as np
import pytest
from PIL import Image

from cvdemo.picture_files.jpeg_quality import jpeg_quality


def saved(kind: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("quality", [1, 10, 40, 49, 50, 51, 70, 90, 95, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_it_is_what_the_file_was_saved_with(quality: int, subsampling: str) -> None:
    assert jpeg_quality(saved("JPEG", quality=quality, subsampling=subsampling)) == quality


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "GIF"])
def test_another_file_has_none(kind: str) -> None:
    assert jpeg_quality(saved(kind)) is None


def test_a_file_of_two_pictures_has_that_of_the_first() -> None:
    second = Image.new("RGB", (16, 16))
    data = saved("MPO", quality=60, save_all=True, append_images=[second])
    assert jpeg_quality(data) == 60


def test_a_table_of_a_camera_gets_the_quality_that_divides_as_strongly() -> None:
    strong, weak = ([divisor] * 64 for divisor in (30, 3))
    qualities = [jpeg_quality(saved("JPEG", qtables=[table, table])) for table in (strong, weak)]
    assert None not in qualities
    assert 60 < (qualities[0] or 0) < 80 and 90 < (qualities[1] or 0) < 100


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0no picture", b"GIF89a"])
def test_what_is_damaged_has_none(data: bytes) -> None:
    assert jpeg_quality(data) is None
