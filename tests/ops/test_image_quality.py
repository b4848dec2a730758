"""PSNR against arithmetic, SSIM against scikit-image."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cvdemo.ops.image_quality import psnr, ssim
from tests.helpers.extras import needed


def test_psnr_of_a_constant_error() -> None:
    target = torch.full((1, 1, 8, 8), 0.5)
    assert psnr(target + 0.1, target).item() == pytest.approx(20.0, abs=1e-4)


def test_psnr_is_one_number_a_picture_and_infinite_for_equal_ones() -> None:
    target = torch.rand(3, 3, 8, 8)
    pred = target.clone()
    pred[1] += 0.01
    values = psnr(pred, target)
    assert values.shape == (3,)
    assert math.isinf(values[0]) and math.isfinite(values[1])


def test_border_is_left_out() -> None:
    target = torch.zeros(1, 1, 10, 10)
    pred = target.clone()
    pred[..., 0, :] = 1.0
    assert math.isinf(psnr(pred, target, border_px=1))
    assert psnr(pred, target).item() == pytest.approx(10.0, abs=1e-4)


@pytest.mark.parametrize("border_px", [0, 3])
def test_ssim_equals_scikit_image(border_px: int) -> None:
    metrics = needed("skimage.metrics", "scikit-image is not installed")
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 1, 40, 37, generator=generator, dtype=torch.float64)
    pred = (target + 0.2 * torch.randn(target.shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    inner = slice(border_px, -border_px or None)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    _, full = metrics.structural_similarity(
        pred[0, 0, inner, inner].numpy(), target[0, 0, inner, inner].numpy(), full=True, **options
    )
    assert ssim(pred, target, border_px).item() == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)


def test_ssim_of_equal_pictures_is_one() -> None:
    image = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(ssim(image, image), torch.ones(2))


def test_ssim_falls_with_noise() -> None:
    image = torch.full((1, 1, 32, 32), 0.5)
    image[..., 16:] = 0.9
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    assert 1 > ssim(image + 0.05 * noise, image) > ssim(image + 0.2 * noise, image)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_refuses_different_shapes(measure: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match="equal"):
        measure(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 17))


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_refuses_a_border_that_leaves_nothing(measure: Callable[..., Tensor]) -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        measure(torch.rand(1, 1, 16, 16), torch.rand(1, 1, 16, 16), border_px=8)


def test_ssim_refuses_less_than_a_window() -> None:
    with pytest.raises(ValueError, match="11 px"):
        ssim(torch.rand(1, 1, 10, 20), torch.rand(1, 1, 10, 20))
