"""Quality against an original: shrinking, PSNR and SSIM strip by strip, and what cannot be compared."""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.ops.image_quality import psnr, ssim
from cvdemo.ops.resample import bicubic_resize, luma, rgb_to_ycbcr
from cvdemo.runtime import Deadline
from cvdemo.upscale import quality
from cvdemo.upscale.catalogue import PHOTO, list_networks, network_named
from cvdemo.upscale.quality import Quality, luma_quality, shrink
from cvdemo.upscale.upscale import UpscaleConfig, load_network
from tests.helpers.upscaled import upscaled


def only(pred: ImageArray, target: ImageArray, border_px: int) -> Quality:
    """The quality of a single picture."""
    (measured,) = luma_quality([pred], target, border_px) or []
    return measured


def largest_difference(a: ImageArray, b: ImageArray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_shrinking_by_strips_is_shrinking_the_whole(scale: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (701, 50, 3), dtype=np.uint8)
    low_res, original = shrink(image, scale)
    np.testing.assert_array_equal(original, image[: 701 // scale * scale, : 50 // scale * scale])
    assert low_res.shape == (701 // scale, 50 // scale, 3)
    expected = to_image(bicubic_resize(to_tensor(original), scale=1 / scale))
    assert largest_difference(low_res, expected) <= 1
    assert np.mean(low_res != expected) < 1e-3


def test_a_picture_too_small_to_measure_is_refused() -> None:
    image = np.zeros((14, 40, 3), np.uint8)
    with pytest.raises(InputError, match="40 x 14 pixels; to be shrunk by 2 and measured it needs at least 16"):
        shrink(image, 2)
    _, original = shrink(np.zeros((16, 17, 3), np.uint8), 2)
    assert luma_quality([original], original, 2) == [Quality(psnr=math.inf, ssim=1.0)]


def test_quality_by_strips_is_that_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (600, 40, 3), dtype=np.uint8)
    pred = np.clip(target + rng.normal(0, 12, target.shape), 0, 255).astype(np.uint8)
    measured, perfect = luma_quality([pred, target], target, 3) or []
    assert perfect == Quality(psnr=math.inf, ssim=1.0)
    pair = [rgb_to_ycbcr(to_tensor(image))[:, :1] for image in (pred, target)]
    assert measured.psnr == pytest.approx(psnr(*pair, border_px=3).item(), abs=1e-4)
    assert measured.ssim == pytest.approx(ssim(*pair, border_px=3).item(), abs=1e-6)
    y = [tensor[0, 0, 3:-3, 3:-3].numpy() for tensor in pair]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    assert measured.ssim == pytest.approx(structural_similarity(y[0], y[1], **options), abs=2e-3)


def test_a_known_psnr() -> None:
    black, colour = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), (51, 51, 50), np.uint8)
    y = (51 * (65.481 + 128.553) + 50 * 24.966) / 255**2
    assert only(black, colour, 0).psnr == pytest.approx(-20 * math.log10(y), abs=1e-4)


def test_greys_are_measured_as_they_are() -> None:
    black, grey = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 51, np.uint8)
    assert only(black, grey, 0).psnr == pytest.approx(-20 * math.log10(51 / 255), abs=1e-4)
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 30), dtype=np.uint8)
    pair = [torch.from_numpy(values)[None, None] / 255 for values in noise]
    measured = only(*(values[..., None].repeat(3, axis=2) for values in noise), border_px=2)
    assert measured.psnr == pytest.approx(psnr(*pair, border_px=2).item(), abs=1e-4)
    assert measured.ssim == pytest.approx(ssim(*pair, border_px=2).item(), abs=1e-6)


def test_quality_refuses_what_cannot_be_compared() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(ValueError, match=r"equal sizes .*\(20, 20, 3\), \(20, 10, 3\)"):
        luma_quality([image], image[:, :10], 0)
    with pytest.raises(ValueError, match="11 px or more"):
        luma_quality([image], image, 5)


def test_the_original_is_read_once_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    bicubic, image, original = (rng.integers(0, 256, (520, 20, 3), dtype=np.uint8) for _ in range(3))
    read: list[int] = []
    monkeypatch.setattr(quality, "luma", lambda rgb: read.append(rgb.shape[2]) or luma(rgb))
    assert len(luma_quality([bicubic, image], original, 0) or []) == 2
    assert read == [266] * 3 + [264] * 3 + [8] * 3  # each strip of the three pictures once, with what windows reach


@pytest.mark.parametrize("rows", [11, 256, 257, 266, 267, 520])
def test_strips_of_any_height_are_weighted_by_their_rows(rows: int) -> None:
    rng = np.random.default_rng(1)
    pred, target = (rng.integers(0, 256, (rows, 30, 3), dtype=np.uint8) for _ in range(2))
    pair = [rgb_to_ycbcr(to_tensor(image))[:, :1] for image in (pred, target)]
    measured = only(pred, target, 0)
    assert measured.psnr == pytest.approx(psnr(*pair).item(), abs=1e-4)
    assert measured.ssim == pytest.approx(ssim(*pair).item(), abs=1e-6)


def test_a_deadline_ends_it_without_a_number() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    assert luma_quality([image], image, 0, Deadline(0.0)) is None


@pytest.mark.parametrize(("scale", "value"), [(scale, value) for scale in (2, 3, 4) for value in list_networks(scale)])
def test_the_real_weights_beat_bicubic(chelsea: ImageArray, scale: int, value: str) -> None:
    """Each on what it is made for: that for photographs after JPEG has damaged the picture."""
    low_res, original = shrink(chelsea, scale)
    sent = as_jpeg(low_res, quality=40) if value == PHOTO else low_res
    result = upscaled(sent, load_network(network_named(scale, value), "cpu"), UpscaleConfig(scale=scale))
    restored, enlarged = luma_quality([result.image, result.bicubic], original, scale) or []
    assert restored.psnr > enlarged.psnr + (0.05 if value == PHOTO else 0.3)
    assert restored.ssim > enlarged.ssim


def as_jpeg(image: ImageArray, quality: int) -> ImageArray:
    """The picture after it was saved as JPEG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=quality)
    return np.array(Image.open(data))
