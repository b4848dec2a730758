"""Upscaling: tiles that join exactly, sizes, greys, limits, and the measured way through shrinking."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from cvdemo.errors import InputError, WeightsError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.ops.image_quality import psnr, ssim
from cvdemo.ops.resample import bicubic_resize, rgb_to_ycbcr, ycbcr_to_rgb
from cvdemo.runtime import Deadline
from cvdemo.upscale.catalogue import list_networks
from cvdemo.upscale.network import DetailNetwork, Net, prepared
from cvdemo.upscale.upscale import (
    Quality,
    UpscaleConfig,
    check_result_size,
    finished,
    load_srcnn,
    luma_quality,
    shrink,
    upscale,
    upscale_steps,
)

Make = Callable[[int], Net]


def sensitive_srcnn(scale: int) -> SRCNN:
    """A small SRCNN whose last layer is far from the identity, so that wrong surroundings show."""
    torch.manual_seed(1)
    small = SRCNN(kernels=(9, 5, 5), channels=(6, 4)).eval().requires_grad_(False)
    torch.nn.init.normal_(small.convs[-1].weight, std=0.1)  # type: ignore[arg-type]  # a convolution
    return small


def sensitive_fast(scale: int) -> FastSRCNN:
    """A small FastSRCNN that changes a lot."""
    torch.manual_seed(1)
    small = FastSRCNN(scale, width=6, depth=3).eval().requires_grad_(False)
    torch.nn.init.normal_(small.last.weight, std=0.05)
    return small


@pytest.fixture(params=[sensitive_srcnn, sensitive_fast], ids=["srcnn", "fast"])
def make(request: pytest.FixtureRequest) -> Make:
    """Each kind of network, for a scale."""
    return request.param  # type: ignore[no-any-return]  # one of the two above


@pytest.fixture
def network() -> DetailNetwork:
    """SRCNN for x2."""
    return prepared(sensitive_srcnn(2), 2)


@pytest.fixture
def identity() -> SRCNN:
    """SRCNN that gives its input back."""
    network = SRCNN(kernels=(3, 1, 3), channels=(2, 2)).eval().requires_grad_(False)
    network.get_parameter(f"convs.{len(network.convs) - 1}.weight")[0, 1:] = 0
    return network


def whole_picture(image: ImageArray, network: Net, scale: int) -> ImageArray:
    """The oracle: Y, Cb and Cr apart, as the paper words it, by torch and without tiles."""
    small = to_tensor(image)
    ycbcr = rgb_to_ycbcr(bicubic_resize(small, scale=float(scale)))
    if isinstance(network, FastSRCNN):
        ycbcr[:, :1] += network(rgb_to_ycbcr(small)[:, :1])
    else:
        ycbcr[:, :1] = network(ycbcr[:, :1])
    return to_image(ycbcr_to_rgb(ycbcr))


def largest_difference(a: ImageArray, b: ImageArray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_tiles_join_to_the_whole_picture(noise: ImageArray, make: Make, scale: int) -> None:
    network = make(scale)
    ready = prepared(network, scale)
    tiled = upscale(noise, ready, UpscaleConfig(scale=scale, tile_px=64))
    untiled = upscale(noise, ready, UpscaleConfig(scale=scale, tile_px=1024))
    np.testing.assert_array_equal(tiled.bicubic, untiled.bicubic)
    assert largest_difference(tiled.image, untiled.image) <= 1
    assert np.mean(tiled.image != untiled.image) < 1e-3
    assert largest_difference(tiled.image, whole_picture(noise, network, scale)) <= 1
    assert largest_difference(tiled.image, tiled.bicubic) > 10


@pytest.mark.parametrize(("size_hw", "tile_px"), [((41, 67), 64), ((7, 90), 67), ((65, 33), 101), ((64, 64), 65)])
def test_tiles_of_odd_sizes_that_do_not_divide(make: Make, size_hw: tuple[int, int], tile_px: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    network = make(3)
    tiled = upscale(image, prepared(network, 3), UpscaleConfig(scale=3, tile_px=tile_px))
    assert largest_difference(tiled.image, whole_picture(image, network, 3)) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (70, 1), (2, 3), (33, 50)])
def test_sizes_are_multiplied(make: Make, scale: int, size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    network = make(scale)
    result = upscale(image, prepared(network, scale), UpscaleConfig(scale=scale, tile_px=64))
    assert result.image.shape == result.bicubic.shape == (size_hw[0] * scale, size_hw[1] * scale, 3)
    assert largest_difference(result.image, whole_picture(image, network, scale)) <= 1


def test_a_single_pixel_keeps_its_colour(identity: SRCNN) -> None:
    image = np.array([[[250, 10, 77]]], dtype=np.uint8)
    result = upscale(image, prepared(identity, 3), UpscaleConfig(scale=3))
    np.testing.assert_array_equal(result.image, np.tile(image, (3, 3, 1)))


def test_grey_stays_grey(noise: ImageArray, make: Make) -> None:
    grey = np.repeat(noise[..., :1], 3, axis=2)
    result = upscale(grey, prepared(make(3), 3), UpscaleConfig(scale=3))
    assert np.ptp(result.image, axis=2).max() == 0


def test_alpha_is_enlarged_by_bicubic_and_the_colour_is_restored(noise: ImageArray, make: Make) -> None:
    alpha = np.random.default_rng(1).integers(16, 256, noise.shape[:2], dtype=np.uint8)
    ready, config = prepared(make(2), 2), UpscaleConfig(tile_px=64)
    result = upscale(np.dstack([noise, alpha]), ready, config)
    opaque = upscale(noise, ready, config)
    np.testing.assert_array_equal(result.image[..., :3], opaque.image)
    np.testing.assert_array_equal(result.bicubic[..., :3], opaque.bicubic)
    expected = to_image(bicubic_resize(to_tensor(np.dstack([alpha] * 3)), scale=2.0))[..., 0]
    for picture in (result.image, result.bicubic):
        np.testing.assert_array_equal(picture[..., 3], expected)


def test_what_is_hidden_leaves_no_fringe(identity: SRCNN) -> None:
    disc = np.zeros((40, 40, 4), np.uint8)  # black where nobody sees it, as editors leave it
    rows, cols = np.mgrid[:40, :40]
    disc[(rows - 20) ** 2 + (cols - 20) ** 2 < 150] = (200, 40, 90, 255)
    result = upscale(disc, prepared(identity, 2), UpscaleConfig())
    seen = result.image[result.image[..., 3] > 0]
    assert len(seen) > 1200 and np.abs(seen[:, :3].astype(int) - (200, 40, 90)).max() <= 1


@pytest.mark.parametrize("alpha", [0, 1, 15])
def test_what_is_hardly_seen_leaves_no_fringe_either(make: Make, alpha: int) -> None:
    halves = np.full((20, 40, 4), (200, 40, 90, 255), np.uint8)
    halves[:, 20:] = (0, 0, 0, alpha)
    clean = np.full((20, 40, 3), (200, 40, 90), np.uint8)
    ready, config = prepared(make(2), 2), UpscaleConfig()
    result, expected = upscale(halves, ready, config), upscale(clean, ready, config)
    np.testing.assert_array_equal(result.image[..., :3], expected.image)
    np.testing.assert_array_equal(result.bicubic[..., :3], expected.bicubic)


def test_a_network_for_another_scale_is_refused(noise: ImageArray, network: DetailNetwork) -> None:
    with pytest.raises(ValueError, match="the network is for scale 2, asked for is 3"):
        upscale(noise, network, UpscaleConfig(scale=3))


def test_only_luminance_differs_from_bicubic(cheetah: ImageArray, network: DetailNetwork) -> None:
    muted = (cheetah[100:140, 200:260] // 4 + 96).astype(np.uint8)  # nothing clips
    result = upscale(muted, network, UpscaleConfig(scale=2))
    change = result.image.astype(int) - result.bicubic.astype(int)
    assert np.ptp(change, axis=2).max() <= 1 < np.abs(change).max()  # rounding apart, the same in R, G and B


def test_the_identity_network_gives_bicubic(noise: ImageArray, identity: SRCNN) -> None:
    result = upscale(noise, prepared(identity, 2), UpscaleConfig(scale=2))
    assert largest_difference(result.image, result.bicubic) <= 1
    expected = to_image(bicubic_resize(to_tensor(noise), scale=2.0))
    np.testing.assert_array_equal(result.bicubic, expected)


def test_the_input_is_left_alone_and_the_result_repeats(noise: ImageArray, network: DetailNetwork) -> None:
    before = noise.copy()
    first = upscale(noise, network, UpscaleConfig())
    np.testing.assert_array_equal(first.image, upscale(noise, network, UpscaleConfig()).image)
    np.testing.assert_array_equal(noise, before)


def test_one_step_a_tile(noise: ImageArray, network: DetailNetwork) -> None:
    steps = list(upscale_steps(noise, network, UpscaleConfig(scale=2, tile_px=64)))  # 96 x 128 px
    assert [(step.done, step.total) for step in steps] == [(i, 4) for i in (1, 2, 3, 4)]


def test_tiles_to_come_are_black(noise: ImageArray, network: DetailNetwork) -> None:
    step = next(upscale_steps(noise, network, UpscaleConfig(scale=2, tile_px=64)))
    assert step.image[:64, :64].any() and not step.image[64:].any() and not step.image[:, 64:].any()


def test_a_deadline_stops_after_the_tile_it_finds(noise: ImageArray, network: DetailNetwork) -> None:
    config = UpscaleConfig(scale=2, tile_px=64)
    steps = list(upscale_steps(noise, network, config, Deadline(0.0)))
    assert [(step.done, step.total) for step in steps] == [(1, 4)]
    with pytest.raises(InputError, match="Time ran out after 1 of 4 tiles: choose a smaller scale or picture"):
        upscale(noise, network, config, Deadline(0.0))


def test_finished_gives_the_last_step(noise: ImageArray, network: DetailNetwork) -> None:
    last = list(upscale_steps(noise, network, UpscaleConfig()))[-1]
    assert finished(last).image is last.image and finished(last).bicubic is last.bicubic


def test_a_result_that_is_too_large_is_refused_before_any_work(network: DetailNetwork) -> None:
    image = np.zeros((2000, 3000, 3), np.uint8)
    words = "The result would be 96 megapixels; the limit is 40: choose a smaller scale or picture."
    with pytest.raises(InputError, match=words):
        next(upscale_steps(image, prepared(sensitive_srcnn(4), 4), UpscaleConfig(scale=4)))


def test_the_limit_itself_is_allowed() -> None:
    check_result_size(2000, 5000, 2)
    with pytest.raises(InputError, match="41 megapixels"):
        check_result_size(2001, 5000, 2)


@pytest.mark.parametrize(("field", "value"), [("scale", 5), ("scale", 1), ("tile_px", 32), ("tile_px", 2048)])
def test_settings_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .* got {value}"):
        UpscaleConfig(**{field: value})


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
    assert luma_quality(original, original, 2) == Quality(psnr=math.inf, ssim=1.0)


def test_quality_by_strips_is_that_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (600, 40, 3), dtype=np.uint8)
    pred = np.clip(target + rng.normal(0, 12, target.shape), 0, 255).astype(np.uint8)
    measured = luma_quality(pred, target, 3)
    ours, wanted = pair = [rgb_to_ycbcr(to_tensor(image))[:, :1] for image in (pred, target)]
    assert measured.psnr == pytest.approx(psnr(ours, wanted, border_px=3).item(), abs=1e-4)
    assert measured.ssim == pytest.approx(ssim(ours, wanted, border_px=3).item(), abs=1e-6)
    y = [tensor[0, 0, 3:-3, 3:-3].numpy() for tensor in pair]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    assert measured.ssim == pytest.approx(structural_similarity(y[0], y[1], **options), abs=2e-3)


def test_a_known_psnr() -> None:
    black, colour = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), (51, 51, 50), np.uint8)
    y = (51 * (65.481 + 128.553) + 50 * 24.966) / 255**2
    assert luma_quality(black, colour, 0).psnr == pytest.approx(-20 * math.log10(y), abs=1e-4)


def test_greys_are_measured_as_they_are() -> None:
    black, grey = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 51, np.uint8)
    assert luma_quality(black, grey, 0).psnr == pytest.approx(-20 * math.log10(51 / 255), abs=1e-4)
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 30), dtype=np.uint8)
    ours, wanted = (torch.from_numpy(values)[None, None] / 255 for values in noise)
    pred, target = (values[..., None].repeat(3, axis=2) for values in noise)
    measured = luma_quality(pred, target, border_px=2)
    assert measured.psnr == pytest.approx(psnr(ours, wanted, border_px=2).item(), abs=1e-4)
    assert measured.ssim == pytest.approx(ssim(ours, wanted, border_px=2).item(), abs=1e-6)


def test_quality_refuses_what_cannot_be_compared() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(ValueError, match=r"equal sizes .*\(20, 20, 3\), \(20, 10, 3\)"):
        luma_quality(image, image[:, :10], 0)
    with pytest.raises(ValueError, match="11 px or more"):
        luma_quality(image, image, 5)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scale must be one of \[2, 3, 4\], got 5"):
        load_srcnn(5)


def test_a_missing_network_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"weights": {}}))
    monkeypatch.setattr("cvdemo.weights.WEIGHTS_DIR", tmp_path)
    with pytest.raises(WeightsError, match="srcnn_x3"):
        load_srcnn(3)


def test_a_network_is_loaded_once_however_it_is_named() -> None:
    assert load_srcnn(2, "cpu", "9-5-5") is load_srcnn(2, device="cpu", network="9-5-5")
    assert load_srcnn(2, "cpu") is load_srcnn(2, "cpu", next(iter(list_networks(2))))


REAL = [(scale, value) for scale in (2, 3, 4) for value in list_networks(scale)]


@pytest.mark.parametrize(("scale", "value"), REAL)
def test_the_real_weights_beat_bicubic(chelsea: ImageArray, scale: int, value: str) -> None:
    low_res, original = shrink(chelsea, scale)
    result = upscale(low_res, load_srcnn(scale, "cpu", value), UpscaleConfig(scale=scale))
    restored, enlarged = (luma_quality(image, original, scale) for image in (result.image, result.bicubic))
    assert restored.psnr > enlarged.psnr + 0.3
    assert restored.ssim > enlarged.ssim


@pytest.mark.parametrize("value", list_networks(2))
def test_the_real_weights_sharpen_without_ringing_on_flat_colour(value: str) -> None:
    flat = np.array(Image.new("RGB", (40, 30), (200, 60, 20)))
    result = upscale(flat, load_srcnn(2, "cpu", value), UpscaleConfig())
    assert largest_difference(result.image, result.bicubic) <= 3
