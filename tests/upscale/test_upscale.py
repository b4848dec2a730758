"""Upscaling: tiles that join exactly, sizes, greys, limits, and nothing computed in vain."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cvdemo.errors import InputError, WeightsError
from cvdemo.images import ImageArray, to_image, to_tensor
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.nets.srcnn import SRCNN
from cvdemo.ops.resample import bicubic_resize, luma, rgb_to_ycbcr
from cvdemo.runtime import Deadline, stopping_when
from cvdemo.upscale import upscale as upscale_module
from cvdemo.upscale.catalogue import list_networks, network_named
from cvdemo.upscale.network import DetailNetwork, Net, prepared
from cvdemo.upscale.run import UpscaleRequest, run_upscale
from cvdemo.upscale.upscale import UpscaleConfig, check_result_size, load_network, upscale_steps
from tests.helpers.upscaled import upscaled

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


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Inverse of `rgb_to_ycbcr`, found from what that makes of black, red, green and blue."""
    colours = torch.cat([torch.zeros(1, 3), torch.eye(3)]).double()
    black, *primaries = rgb_to_ycbcr(colours[..., None, None]).flatten(1)
    inverse = torch.linalg.inv(torch.stack([primary - black for primary in primaries], dim=1)).to(ycbcr)
    return torch.einsum("oc,bchw->bohw", inverse, ycbcr - black.to(ycbcr).view(1, 3, 1, 1))


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
    tiled = upscaled(noise, ready, UpscaleConfig(scale=scale, tile_px=64))
    untiled = upscaled(noise, ready, UpscaleConfig(scale=scale, tile_px=1024))
    np.testing.assert_array_equal(tiled.bicubic, untiled.bicubic)
    assert largest_difference(tiled.image, untiled.image) <= 1
    assert np.mean(tiled.image != untiled.image) < 1e-3
    assert largest_difference(tiled.image, whole_picture(noise, network, scale)) <= 1
    assert largest_difference(tiled.image, tiled.bicubic) > 10


@pytest.mark.parametrize(("size_hw", "tile_px"), [((41, 67), 64), ((7, 90), 67), ((65, 33), 101), ((64, 64), 65)])
def test_tiles_of_odd_sizes_that_do_not_divide(make: Make, size_hw: tuple[int, int], tile_px: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    network = make(3)
    tiled = upscaled(image, prepared(network, 3), UpscaleConfig(scale=3, tile_px=tile_px))
    assert largest_difference(tiled.image, whole_picture(image, network, 3)) <= 1


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (70, 1), (2, 3), (33, 50)])
def test_sizes_are_multiplied(make: Make, scale: int, size_hw: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    network = make(scale)
    result = upscaled(image, prepared(network, scale), UpscaleConfig(scale=scale, tile_px=64))
    assert result.image.shape == result.bicubic.shape == (size_hw[0] * scale, size_hw[1] * scale, 3)
    assert largest_difference(result.image, whole_picture(image, network, scale)) <= 1


def test_a_single_pixel_keeps_its_colour(identity: SRCNN) -> None:
    image = np.array([[[250, 10, 77]]], dtype=np.uint8)
    result = upscaled(image, prepared(identity, 3), UpscaleConfig(scale=3))
    np.testing.assert_array_equal(result.image, np.tile(image, (3, 3, 1)))


def test_grey_stays_grey(noise: ImageArray, make: Make) -> None:
    grey = np.repeat(noise[..., :1], 3, axis=2)
    result = upscaled(grey, prepared(make(3), 3), UpscaleConfig(scale=3))
    assert np.ptp(result.image, axis=2).max() == 0


def test_alpha_is_enlarged_by_bicubic_and_the_colour_is_restored(noise: ImageArray, make: Make) -> None:
    alpha = np.random.default_rng(1).integers(16, 256, noise.shape[:2], dtype=np.uint8)
    ready, config = prepared(make(2), 2), UpscaleConfig(tile_px=64)
    result = upscaled(np.dstack([noise, alpha]), ready, config)
    opaque = upscaled(noise, ready, config)
    np.testing.assert_array_equal(result.image[..., :3], opaque.image)
    np.testing.assert_array_equal(result.bicubic[..., :3], opaque.bicubic)
    expected = to_image(bicubic_resize(to_tensor(np.dstack([alpha] * 3)), scale=2.0))[..., 0]
    for picture in (result.image, result.bicubic):
        np.testing.assert_array_equal(picture[..., 3], expected)


def test_what_is_hidden_leaves_no_fringe(identity: SRCNN) -> None:
    disc = np.zeros((40, 40, 4), np.uint8)  # black where nobody sees it, as editors leave it
    rows, cols = np.mgrid[:40, :40]
    disc[(rows - 20) ** 2 + (cols - 20) ** 2 < 150] = (200, 40, 90, 255)
    result = upscaled(disc, prepared(identity, 2), UpscaleConfig())
    seen = result.image[result.image[..., 3] > 0]
    assert len(seen) > 1200 and np.abs(seen[:, :3].astype(int) - (200, 40, 90)).max() <= 1


@pytest.mark.parametrize("alpha", [0, 1, 15])
def test_what_is_hardly_seen_leaves_no_fringe_either(make: Make, alpha: int) -> None:
    halves = np.full((20, 40, 4), (200, 40, 90, 255), np.uint8)
    halves[:, 20:] = (0, 0, 0, alpha)
    clean = np.full((20, 40, 3), (200, 40, 90), np.uint8)
    ready, config = prepared(make(2), 2), UpscaleConfig()
    result, expected = upscaled(halves, ready, config), upscaled(clean, ready, config)
    np.testing.assert_array_equal(result.image[..., :3], expected.image)
    np.testing.assert_array_equal(result.bicubic[..., :3], expected.bicubic)


def test_a_network_for_another_scale_is_refused(noise: ImageArray, network: DetailNetwork) -> None:
    with pytest.raises(ValueError, match="the network is for scale 2, asked for is 3"):
        upscaled(noise, network, UpscaleConfig(scale=3))


def test_only_luminance_differs_from_bicubic(cheetah: ImageArray, network: DetailNetwork) -> None:
    muted = (cheetah[100:140, 200:260] // 4 + 96).astype(np.uint8)  # nothing clips
    result = upscaled(muted, network, UpscaleConfig(scale=2))
    change = result.image.astype(int) - result.bicubic.astype(int)
    assert np.ptp(change, axis=2).max() <= 1 < np.abs(change).max()  # rounding apart, the same in R, G and B


def test_the_identity_network_gives_bicubic(noise: ImageArray, identity: SRCNN) -> None:
    result = upscaled(noise, prepared(identity, 2), UpscaleConfig(scale=2))
    assert largest_difference(result.image, result.bicubic) <= 1
    expected = to_image(bicubic_resize(to_tensor(noise), scale=2.0))
    np.testing.assert_array_equal(result.bicubic, expected)


def test_the_input_is_left_alone_and_the_result_repeats(noise: ImageArray, network: DetailNetwork) -> None:
    before = noise.copy()
    first = upscaled(noise, network, UpscaleConfig())
    np.testing.assert_array_equal(first.image, upscaled(noise, network, UpscaleConfig()).image)
    np.testing.assert_array_equal(noise, before)


def test_one_step_a_tile(noise: ImageArray, network: DetailNetwork) -> None:
    steps = list(upscale_steps(noise, network, UpscaleConfig(scale=2, tile_px=64)))  # 96 x 128 px
    assert [(step.done, step.total) for step in steps] == [(i, 4) for i in (1, 2, 3, 4)]
    assert [step.is_last for step in steps] == [False, False, False, True]


def test_tiles_to_come_are_black(noise: ImageArray, network: DetailNetwork) -> None:
    step = next(upscale_steps(noise, network, UpscaleConfig(scale=2, tile_px=64)))
    assert step.image[:64, :64].any() and not step.image[64:].any() and not step.image[:, 64:].any()


def test_a_deadline_stops_after_the_tile_it_finds_and_bicubic_fills_the_rest(noise: ImageArray, make: Make) -> None:
    config, ready = UpscaleConfig(scale=2, tile_px=64), prepared(make(2), 2)
    alpha = np.random.default_rng(1).integers(16, 256, noise.shape[:2], dtype=np.uint8)
    for picture in (noise, np.dstack([noise, alpha])):
        (step,) = upscale_steps(picture, ready, config, Deadline(0.0))
        whole = upscaled(picture, ready, config)
        assert (step.done, step.total, step.is_last) == (1, 4, True)
        np.testing.assert_array_equal(step.image[:64, :64], whole.image[:64, :64])
        np.testing.assert_array_equal(step.image[64:], whole.bicubic[64:])
        np.testing.assert_array_equal(step.image[:, 64:], whole.bicubic[:, 64:])
        np.testing.assert_array_equal(step.bicubic, whole.bicubic)


def test_nothing_is_filled_for_a_visitor_who_has_left(noise: ImageArray, network: DetailNetwork) -> None:
    with stopping_when(lambda: True):
        (step,) = upscale_steps(noise, network, UpscaleConfig(scale=2, tile_px=64), Deadline())
    assert step.done == 1 and not step.image[64:].any() and not step.image[:, 64:].any()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the pieces of a tile's work are done, and for how many planes bicubic is computed."""
    counted: Counter[str] = Counter()

    def count(name: str, weight: Callable[[Any], int] = lambda argument: 1) -> None:
        function = getattr(upscale_module, name)

        def wrapper(first: Any, *rest: Any) -> Any:
            counted[name] += weight(first)
            return function(first, *rest)

        monkeypatch.setattr(upscale_module, name, wrapper)

    count("enlarge", lambda pixels: pixels.shape[1])
    for name in ("luma", "to_image", "fill_hidden"):
        count(name)
    return counted


@pytest.mark.parametrize("with_bicubic", [True, False])
def test_a_tile_computes_only_what_is_used(
    noise: ImageArray, make: Make, with_bicubic: bool, calls: Counter[str]
) -> None:
    ready, config = prepared(make(2), 2), UpscaleConfig(scale=2)
    (step,) = upscale_steps(noise, ready, config, with_bicubic=with_bicubic)
    assert calls == {"enlarge": 3, "luma": 1, "to_image": 2 if with_bicubic else 1}
    assert (step.bicubic is not None) == with_bicubic
    calls.clear()
    list(upscale_steps(np.dstack([noise, noise[..., 0]]), ready, config, with_bicubic=with_bicubic))
    assert calls == {"enlarge": 4, "luma": 1, "to_image": 3 if with_bicubic else 2, "fill_hidden": 1}


def test_the_luminance_is_made_of_what_the_network_reads(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fast network needs no luminance of the enlarged picture, SRCNN none of the small one."""
    sizes: list[tuple[int, ...]] = []
    monkeypatch.setattr(upscale_module, "luma", lambda rgb: sizes.append(tuple(rgb.shape[2:])) or luma(rgb))
    for network in (sensitive_fast(2), sensitive_srcnn(2)):
        list(upscale_steps(noise, prepared(network, 2), UpscaleConfig(scale=2)))
    assert sizes == [(48, 64), (96, 128)]


def test_bicubic_that_nobody_asks_for_changes_nothing_else(noise: ImageArray, make: Make) -> None:
    ready, config = prepared(make(3), 3), UpscaleConfig(scale=3, tile_px=64)
    *_, without = upscale_steps(noise, ready, config, with_bicubic=False)
    np.testing.assert_array_equal(without.image, upscaled(noise, ready, config).image)


def test_a_result_that_is_too_large_is_refused_before_any_work() -> None:
    words = "The result would be 96 megapixels; the limit is 40: choose a smaller enlargement or picture."
    with pytest.raises(InputError, match=words):
        next(run_upscale(UpscaleRequest(image=np.zeros((2000, 3000, 3), np.uint8), config=UpscaleConfig(scale=4))))


def test_the_limit_itself_is_allowed() -> None:
    check_result_size(2000, 5000, 2)
    with pytest.raises(InputError, match="41 megapixels"):
        check_result_size(2001, 5000, 2)


@pytest.mark.parametrize(("field", "value"), [("scale", 5), ("scale", 1), ("tile_px", 32), ("tile_px", 2048)])
def test_settings_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} must be .* got {value}"):
        UpscaleConfig(**{field: value})


def test_a_missing_weight_names_itself() -> None:
    with pytest.raises(WeightsError, match="There is no weight named 'srcnn_gone'"):
        load_network(replace(network_named(3), weight="srcnn_gone"))


def test_a_network_is_loaded_once_however_it_is_named() -> None:
    first = next(iter(list_networks(2)))
    assert load_network(network_named(2), "cpu") is load_network(network_named(2, first), "cpu")
    assert load_network(network_named(2, "9-5-5"), "cpu") is load_network(network_named(2, "9-5-5"), device="cpu")


@pytest.mark.parametrize("value", list_networks(2))
def test_the_real_weights_sharpen_without_ringing_on_flat_colour(value: str) -> None:
    flat = np.array(Image.new("RGB", (40, 30), (200, 60, 20)))
    result = upscaled(flat, load_network(network_named(2, value), "cpu"), UpscaleConfig())
    assert largest_difference(result.image, result.bicubic) <= 3
