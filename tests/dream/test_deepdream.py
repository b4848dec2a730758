"""DeepDream: octaves, jitter, Laplacian bands and objectives on small cases; the real network on a real picture."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.dream import deepdream
from cvdemo.dream.deepdream import (
    DreamConfig,
    DreamStep,
    ascend,
    dream,
    fit,
    grow_octave,
    jitter,
    laplacian_normalise,
    octave_sizes,
)
from cvdemo.dream.objectives import measure
from cvdemo.images import ImageArray, resize, to_image, to_tensor
from cvdemo.nets.backbone import FeatureNetwork, load_backbone
from cvdemo.runtime import Deadline, stopping_when
from tests.dream.tiny_network import TinyNetwork
from tests.helpers.hand_turned_clock import set_clock

SMALL = DreamConfig(size_px=128, octaves=2, steps=3, layer="block1", jitter_px=8)


@pytest.fixture(scope="module")
def network() -> TinyNetwork:
    return TinyNetwork()


def run(
    image: ImageArray, network: FeatureNetwork, config: DreamConfig, seconds: float | None = None
) -> list[DreamStep]:
    return list(dream(image, network, config, Deadline(seconds)))


@pytest.mark.parametrize(
    ("size_hw", "octaves", "scale", "expected"),
    [
        ((400, 800), 3, 2.0, [(100, 200), (200, 400), (400, 800)]),
        ((400, 800), 1, 1.4, [(400, 800)]),
        ((100, 100), 4, 2.0, [(50, 50), (100, 100)]),  # 25 px and 12 px fall below 32 px
        ((10, 500), 4, 1.4, [(10, 500)]),
    ],
)
def test_octaves_grow_to_the_full_size(
    size_hw: tuple[int, int], octaves: int, scale: float, expected: list[tuple[int, int]]
) -> None:
    assert octave_sizes(size_hw, octaves, scale) == expected


@pytest.mark.parametrize(("size_hw", "expected"), [((10, 40), (32, 128)), ((400, 100), (128, 32)), ((1, 50), (3, 128))])
def test_pictures_are_brought_to_the_size(size_hw: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fit(np.zeros((*size_hw, 3), np.uint8), 128).shape == (1, 3, *expected)


def test_a_large_picture_is_reduced_before_it_becomes_floats(
    network: TinyNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def recording(image: ImageArray, device: torch.device | str = "cpu") -> Tensor:
        converted.append(image.shape)
        return to_tensor(image, device)

    monkeypatch.setattr(deepdream, "to_tensor", recording)
    image = np.full((3000, 4000, 3), 90, dtype=np.uint8)
    assert run(image, network, replace(SMALL, steps=1))[-1].pixels.shape == (1, 3, 96, 128)
    assert converted == [(192, 256, 3)]


def test_a_reduced_picture_is_what_the_whole_one_would_have_been(chelsea: ImageArray) -> None:
    whole = F.interpolate(to_tensor(chelsea), (85, 128), mode="bicubic", antialias=True)
    assert (fit(chelsea, 128) - whole.clamp(0, 1)).abs().mean() < 1 / 255


@pytest.mark.parametrize("value", [{"octaves": 0}, {"step_size": 0.0}, {"layer": "stem"}, {"detail": 1.5}])
def test_settings_out_of_range_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(value))} must be"):
        DreamConfig(**value)


def test_one_laplacian_band_only_scales() -> None:
    gradient = torch.randn(1, 3, 33, 20)
    torch.testing.assert_close(laplacian_normalise(gradient, 1), gradient / gradient.square().mean().sqrt())


def test_laplacian_bands_lift_a_weak_low_frequency() -> None:
    x = torch.arange(64.0)
    coarse, fine = torch.sin(x * 2 * torch.pi / 64), torch.cos(x * torch.pi)  # periods of 64 px and 2 px
    gradient = (0.01 * coarse + fine).expand(1, 3, 64, 64)

    def share(g: Tensor) -> float:
        return float((g[0, 0, 0] @ coarse).abs() / (g[0, 0, 0] @ fine).abs())

    assert share(laplacian_normalise(gradient, 5)) > 20 * share(gradient)


def test_laplacian_of_a_dead_gradient_is_zero() -> None:
    assert laplacian_normalise(torch.zeros(1, 3, 5, 1), 6).abs().max() == 0


def test_jitter_moves_the_picture_inside_a_wider_frame() -> None:
    pixels = torch.rand(1, 3, 20, 30)
    generator = torch.Generator().manual_seed(0)
    places = set()
    for _ in range(20):
        wider = jitter(pixels, 8, generator)
        assert wider.shape == (1, 3, 28, 38)
        found = [(y, x) for y in range(9) for x in range(9) if torch.equal(wider[..., y : y + 20, x : x + 30], pixels)]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 10


def test_jitter_fits_pictures_narrower_than_itself() -> None:
    wider = jitter(torch.full((1, 3, 1, 50), 0.3), 32, torch.Generator())
    assert torch.equal(wider, torch.full((1, 3, 33, 82), 0.3))


def test_the_frame_takes_no_gradient() -> None:
    pixels = torch.rand(1, 3, 20, 30, requires_grad=True)
    jitter(pixels, 8, torch.Generator()).sum().backward()
    assert torch.equal(pixels.grad, torch.ones(1, 3, 20, 30))


def test_no_jitter_leaves_the_picture() -> None:
    pixels = torch.rand(1, 3, 20, 30)
    assert torch.equal(jitter(pixels, 0, torch.Generator()), pixels)


def test_a_step_moves_pixels_by_the_step_size_and_stays_in_range(network: TinyNetwork) -> None:
    pixels = torch.full((1, 3, 32, 32), 0.5) + 0.05 * torch.randn(1, 3, 32, 32)
    before = pixels.clone()
    stepped, _ = ascend(pixels, network, replace(SMALL, step_size=2.0), torch.Generator())
    assert torch.equal(pixels, before)
    assert (stepped - pixels).abs().mean().item() == pytest.approx(2 / 255, rel=1e-3)
    burnt, _ = ascend(torch.ones(1, 3, 32, 32), network, replace(SMALL, step_size=10.0), torch.Generator())
    assert burnt.max() <= 1 and burnt.min() >= 0


def test_growing_puts_the_lost_detail_back() -> None:
    original = torch.rand(1, 3, 64, 64)
    small = resize(original, (32, 32))
    assert torch.allclose(grow_octave(small, original, (64, 64), 1.0), original, atol=1e-6)
    assert (grow_octave(small, original, (64, 64), 0.0) - original).abs().mean() > 0.1


def test_steps_are_counted_and_the_last_has_the_full_size(network: TinyNetwork, noise: ImageArray) -> None:
    before = noise.copy()
    steps = run(noise, network, SMALL)
    taken = [(s.progress.size, s.progress.step, s.progress.done, s.progress.total) for s in steps]
    assert taken == [(0, 1, 1, 6), (0, 2, 2, 6), (0, 3, 3, 6), (1, 1, 4, 6), (1, 2, 5, 6), (1, 3, 6, 6)]
    assert steps[0].pixels.shape == (1, 3, 69, 91)  # 96 x 128 over 1.4
    assert steps[-1].pixels.shape == (1, 3, 96, 128) and steps[-1].pixels.dtype == torch.float32
    assert np.array_equal(noise, before)


@pytest.mark.parametrize("channel", [-1, 2])
def test_the_dream_raises_its_objective(network: TinyNetwork, noise: ImageArray, channel: int) -> None:
    config = replace(SMALL, channel=channel)
    dreamed = run(noise, network, config)[-1].pixels
    start, end = (measure(pixels, network, "block1", channel).item() for pixels in (fit(noise, 128), dreamed))
    assert end > start + 0.1 * abs(start)


def test_one_seed_repeats_and_two_differ(network: TinyNetwork, noise: ImageArray) -> None:
    first, repeated, other = (run(noise, network, replace(SMALL, seed=s))[-1].pixels for s in (1, 1, 2))
    assert torch.equal(first, repeated)
    assert not torch.equal(first, other)


def test_the_global_generator_is_left_alone(network: TinyNetwork, noise: ImageArray) -> None:
    before = torch.get_rng_state()
    run(noise, network, SMALL)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_passed_deadline_still_gives_the_full_size(network: TinyNetwork, noise: ImageArray) -> None:
    steps = run(noise, network, replace(SMALL, octaves=3), seconds=0.0)
    assert [(s.progress.size, s.progress.done, s.progress.wanted) for s in steps] == [(0, 1, 9), (2, 2, 9)]
    assert steps[-1].pixels.shape == (1, 3, 96, 128)


def test_a_deadline_in_the_middle_leaves_one_step_for_the_full_size(network: TinyNetwork, noise: ImageArray) -> None:
    deadline = Deadline(1000.0)
    steps = dream(noise, network, SMALL, deadline)
    next(steps)
    deadline.seconds = 0.0
    (last,) = steps
    assert last.progress.done == 2 and last.pixels.shape == (1, 3, 96, 128)


def test_on_a_slow_machine_the_full_size_is_dreamed_in_time(
    network: TinyNetwork, noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, ascend = set_clock(monkeypatch), deepdream.ascend

    def slow(pixels: torch.Tensor, *others: Any) -> Any:
        clock.passes(pixels.numel() * 1e-4)  # 1.9 to 3.7 s a step
        return ascend(pixels, *others)

    monkeypatch.setattr(deepdream, "ascend", slow)
    steps = run(noise, network, replace(SMALL, steps=30), seconds=60.0)
    taken = [sum(step.progress.size == octave for step in steps) for octave in (0, 1)]
    last = steps[-1].progress
    assert steps[-1].pixels.shape == (1, 3, 96, 128)
    assert min(taken) > 5 and max(taken) - min(taken) <= 1
    assert last.done == last.total == sum(taken) < last.wanted == 60
    assert clock.now <= 60


def test_where_nobody_waits_the_step_under_way_is_the_last(network: TinyNetwork, noise: ImageArray) -> None:
    with stopping_when(lambda: True):
        (only,) = run(noise, network, SMALL, seconds=60.0)
    assert only.progress.done == 1


def test_a_one_pixel_picture_dreams(network: TinyNetwork) -> None:
    image = np.full((1, 1, 3), 90, dtype=np.uint8)
    assert run(image, network, SMALL)[-1].pixels.shape == (1, 3, 128, 128)


def test_a_strip_dreams(network: TinyNetwork) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 50, 3), dtype=np.uint8)
    assert run(image, network, SMALL)[-1].pixels.shape == (1, 3, 3, 128)


@pytest.mark.parametrize("channel", [-1, 41])
def test_the_real_network_dreams_of_a_cat(chelsea: ImageArray, channel: int) -> None:
    network = load_backbone("cpu")
    config = DreamConfig(size_px=160, octaves=2, steps=3, layer="block9", channel=channel)
    dreamed = run(chelsea, network, config)[-1].pixels
    start, end = (measure(pixels, network, "block9", channel).item() for pixels in (fit(chelsea, 160), dreamed))
    assert end > start + 0.3 * abs(start)
    drift = to_image(dreamed).mean(axis=(0, 1)) - chelsea.mean(axis=(0, 1))
    assert np.abs(drift).max() < 20  # grey levels: neither washed out nor tinted
