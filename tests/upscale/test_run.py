"""Upscaling as a run: steps, the measured way, and what a deadline or a visitor who has left makes of it."""

import pickle

import numpy as np
import pytest
import torch

from cvdemo import demos
from cvdemo.demo import last_step, result_of
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, on_white
from cvdemo.nets.fast_srcnn import FastSRCNN
from cvdemo.runtime import stopping_when
from cvdemo.upscale import run as run_module
from cvdemo.upscale import upscale as upscale_module
from cvdemo.upscale.catalogue import UpscaleChoice, list_networks, network_named
from cvdemo.upscale.network import DetailNetwork, prepared
from cvdemo.upscale.quality import Quality, luma_quality, shrink
from cvdemo.upscale.run import UpscaleRequest, run_upscale
from cvdemo.upscale.upscale import UpscaleConfig, load_network
from tests.helpers.hand_turned_clock import Clock, set_clock
from tests.helpers.upscaled import upscaled

FOUR_TILES = UpscaleConfig(scale=2, tile_px=64)  # of a picture of 64 x 48 px


def small_network(scale: int) -> DetailNetwork:
    torch.manual_seed(1)
    small = FastSRCNN(scale, width=6, depth=1).eval().requires_grad_(False)
    torch.nn.init.normal_(small.last.weight, std=0.05)
    return prepared(small, scale)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> DetailNetwork:
    """A small network for x2 that every request gets."""
    small = small_network(2)
    monkeypatch.setattr(run_module, "load_network", lambda choice, device: small)
    return small


@pytest.fixture
def clock(network: DetailNetwork, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A tile takes a second."""
    clock, restore = set_clock(monkeypatch), upscale_module._restore_tile

    def slow(*args: object) -> None:
        clock.passes(1)
        restore(*args)  # type: ignore[arg-type]  # what it was called with

    monkeypatch.setattr(upscale_module, "_restore_tile", slow)
    return clock


def test_a_step_a_tile_and_the_last_carries_the_result(noise: ImageArray, clock: Clock, network: DetailNetwork) -> None:
    steps = list(demos.run(UpscaleRequest(image=noise, config=FOUR_TILES)))
    assert [(step.done, step.total) for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    by_pixels = (2, 1, 0.6, 0)  # two tiles are half as high as the others
    assert [step.seconds_left for step in steps] == [pytest.approx(seconds) for seconds in by_pixels]
    *earlier, last = steps
    assert not [step for step in earlier if step.result or step.partial] and last.complete
    expected = upscaled(noise, network, FOUR_TILES)
    np.testing.assert_array_equal(last.result.image, expected.image)
    np.testing.assert_array_equal(last.result.bicubic, expected.bicubic)
    assert last.result.original is last.result.quality is None
    choice = network_named(2)
    assert (last.result.network_title, last.result.network_kind) == (choice.title, choice.kind)


def test_the_measured_way(noise: ImageArray, clock: Clock, network: DetailNetwork) -> None:
    config = UpscaleConfig(scale=2, tile_px=64, shrink_first=True)
    steps = list(run_upscale(UpscaleRequest(image=noise, config=config, with_bicubic=False)))
    assert [(step.done, step.total) for step in steps] == [(0, 1), (1, 1), (1, 1)]  # shrinking, measuring, the result
    assert steps[0].result is None and steps[0].seconds_left is None and steps[-1].complete
    result = result_of(steps)
    low_res, original = shrink(noise, 2)
    expected = upscaled(low_res, network, config)
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.original, original)
    assert result.quality is not None
    measured = luma_quality([expected.bicubic, expected.image], original, 2)
    assert [result.quality.bicubic, result.quality.network] == measured
    assert result.quality.bicubic != result.quality.network


def test_a_transparent_picture_is_measured_on_white(noise: ImageArray, network: DetailNetwork) -> None:
    rgba = np.dstack([noise, noise[..., 1]])
    config = UpscaleConfig(shrink_first=True)
    result = result_of(run_upscale(UpscaleRequest(image=rgba, config=config)))
    np.testing.assert_array_equal(result.original, on_white(rgba))
    kept = result_of(run_upscale(UpscaleRequest(image=rgba)))
    assert kept.image.shape == (96, 128, 4)


@pytest.mark.parametrize(("limit_s", "done"), [(0, 1), (0.5, 1), (2, 2), (3.5, 4), (9, 4)])
def test_where_time_runs_out_bicubic_fills_the_rest(
    noise: ImageArray, clock: Clock, network: DetailNetwork, limit_s: float, done: int
) -> None:
    last = last_step(run_upscale(UpscaleRequest(image=noise, config=FOUR_TILES, time_limit_s=limit_s)))
    assert (last.done, last.total, last.complete) == (done, 4, done == 4)
    whole, result = upscaled(noise, network, FOUR_TILES), last.result
    assert result is not None
    restored_rows, restored_cols = (64 if done < 3 else 96), (64 if done == 1 else 128)
    np.testing.assert_array_equal(
        result.image[:restored_rows, :restored_cols], whole.image[:restored_rows, :restored_cols]
    )
    np.testing.assert_array_equal(result.image[restored_rows:], whole.bicubic[restored_rows:])
    np.testing.assert_array_equal(result.bicubic, whole.bicubic)


def test_where_time_runs_out_among_the_tiles_nothing_is_measured(noise: ImageArray, clock: Clock) -> None:
    large = np.tile(noise, (2, 2, 1))  # shrunk, it has four tiles
    config = UpscaleConfig(scale=2, tile_px=64, shrink_first=True)
    last = last_step(run_upscale(UpscaleRequest(image=large, config=config, time_limit_s=1.5)))
    assert (last.done, last.total, last.complete) == (2, 4, False)
    assert last.result is not None and last.result.quality is None and last.result.original is not None


def test_where_time_runs_out_while_it_is_measured_the_picture_is_whole(
    noise: ImageArray, clock: Clock, network: DetailNetwork
) -> None:
    config = UpscaleConfig(scale=2, shrink_first=True)
    last = last_step(run_upscale(UpscaleRequest(image=noise, config=config, time_limit_s=1)))
    assert (last.done, last.total, last.complete) == (1, 1, False)
    assert last.result is not None and last.result.quality is None
    np.testing.assert_array_equal(last.result.image, upscaled(shrink(noise, 2)[0], network, config).image)


def test_a_visitor_who_leaves_ends_it_at_the_next_tile(noise: ImageArray, clock: Clock) -> None:
    left = False
    with stopping_when(lambda: left):
        steps = run_upscale(UpscaleRequest(image=noise, config=FOUR_TILES))
        next(steps)
        left = True
        last = last_step(steps)
    assert (last.done, last.complete) == (2, False) and clock.now == 2
    assert last.result is not None and not last.result.image[64:].any()  # no bicubic for nobody


def test_what_is_too_large_is_refused_before_the_network_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "load_network", lambda choice, device: pytest.fail("loaded"))
    large = np.zeros((2000, 3000, 3), np.uint8)
    with pytest.raises(InputError, match="The result would be 96 megapixels; the limit is 40"):
        next(run_upscale(UpscaleRequest(image=large, config=UpscaleConfig(scale=4))))
    with pytest.raises(InputError, match="needs at least 16 on each side"):
        config = UpscaleConfig(shrink_first=True)
        list(run_upscale(UpscaleRequest(image=large[:14], config=config)))


def test_size_and_network_are_looked_up_once(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    choice = network_named(2)

    def named(scale: int, value: str, *, jpeg_quality: int | None) -> UpscaleChoice:
        looked_up.append("network")
        return choice

    monkeypatch.setattr(run_module, "network_named", named)
    for module in (run_module, upscale_module):
        monkeypatch.setattr(module, "check_result_size", lambda height, width, scale: looked_up.append("size"))
    result_of(run_upscale(UpscaleRequest(image=noise, config=FOUR_TILES, device="cpu")))
    assert looked_up == ["size", "network"]


@pytest.mark.parametrize(("shrink_first", "asked"), [(False, 60), (True, None)])
def test_automatic_goes_by_the_file_unless_the_picture_is_shrunk_first(
    noise: ImageArray, monkeypatch: pytest.MonkeyPatch, shrink_first: bool, asked: int | None
) -> None:
    looked_up: list[int | None] = []
    choice = network_named(2)

    def named(scale: int, value: str, *, jpeg_quality: int | None) -> UpscaleChoice:
        looked_up.append(jpeg_quality)
        return choice

    monkeypatch.setattr(run_module, "network_named", named)
    config = UpscaleConfig(shrink_first=shrink_first)
    result_of(run_upscale(UpscaleRequest(image=noise, config=config, jpeg_quality=60, device="cpu")))
    assert looked_up == [asked]


def test_requests_and_steps_pickle(noise: ImageArray, network: DetailNetwork) -> None:
    config = UpscaleConfig(shrink_first=True)
    request = pickle.loads(pickle.dumps(UpscaleRequest(image=noise, config=config, time_limit_s=9, with_bicubic=False)))
    assert request.config == config and request.time_limit_s == 9 and not request.with_bicubic
    np.testing.assert_array_equal(request.image, noise)
    last = last_step(pickle.loads(pickle.dumps(step)) for step in run_upscale(request))
    assert last.result is not None and last.result.quality is not None
    assert isinstance(last.result.quality.network, Quality) and last.result.bicubic is not None


@pytest.mark.parametrize("value", list_networks(2))
def test_the_real_networks_give_what_the_library_gives(chelsea: ImageArray, value: str) -> None:
    picture, config = chelsea[:100, :120], UpscaleConfig(network=value)
    result = result_of(run_upscale(UpscaleRequest(image=picture, config=config, device="cpu")))
    expected = upscaled(picture, load_network(network_named(2, value), "cpu"), config)
    np.testing.assert_array_equal(result.image, expected.image)
    np.testing.assert_array_equal(result.bicubic, expected.bicubic)
