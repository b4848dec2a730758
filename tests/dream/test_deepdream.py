"""DeepDream: octaves, steps, masks, guides and tiles on small cases; the real network on a real picture."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.config import SettingError
from cvdemo.dream import deepdream
from cvdemo.dream.colour import MOST_CONTRAST, Tone, colour_matrix, recoloured
from cvdemo.dream.deepdream import (
    SCENE_PX,
    DreamConfig,
    DreamStep,
    Octave,
    ascend,
    checked_size,
    direction_of,
    dream,
    fit,
    grow_octave,
    octave_sizes,
)
from cvdemo.dream.fourier import natural_spectrum
from cvdemo.dream.gradient import laplacian_normalise, mean_size
from cvdemo.dream.network import HalfBackbone, load_dream_network
from cvdemo.dream.objectives import Channel, DreamNetwork, LayerStrength, Scene, measure, parse_objective
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, resize, resize_to_fit, to_image, to_tensor
from cvdemo.nets.backbone import load_backbone
from cvdemo.runtime import Deadline, stopping_when
from tests.dream.tiny_network import TinyNetwork
from tests.helpers.hand_turned_clock import set_clock

SMALL = DreamConfig(size_px=128, octaves=2, steps=3, layer="block1", jitter_px=8)


@pytest.fixture(scope="module")
def network() -> TinyNetwork:
    return TinyNetwork()


def run(image: ImageArray, network: DreamNetwork, config: DreamConfig, seconds: float | None = None) -> list[DreamStep]:
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


@pytest.mark.parametrize("text", ["block8 +", "class:peacok", "block9:4000"])
def test_an_objective_that_cannot_be_read_is_refused_at_once(text: str) -> None:
    with pytest.raises(SettingError, match=r"Character \d+ of the objective"):
        DreamConfig(objective=text)


def test_the_goal_is_the_objective_or_layer_and_channel() -> None:
    assert DreamConfig(layer="block4").goal == LayerStrength("block4")
    assert DreamConfig(layer="block4", channel=7, objective=" ").goal == Channel("block4", 7)
    assert DreamConfig(layer="block4", objective="block8 - block9:3").goal == parse_objective("block8 - block9:3")


def test_a_dream_has_a_largest_size() -> None:
    assert checked_size((3000, 4000), 4000) == (3000, 4000)  # 12 megapixels
    with pytest.raises(InputError, match=r"would have 16.8 megapixels; the limit is 12. .* at most 3456 px"):
        checked_size((50, 50), 4096)
    assert checked_size((50, 50), 3456) == (3456, 3456)


def octave_of(pixels: Tensor, network: DreamNetwork, **others: Any) -> Octave:
    return Octave(network, LayerStrength("block1"), Tone.of(pixels), **others)


def test_a_step_moves_pixels_by_the_step_size_and_stays_in_range(network: TinyNetwork) -> None:
    pixels = torch.full((1, 3, 32, 32), 0.5) + 0.05 * torch.randn(1, 3, 32, 32)
    before = pixels.clone()
    stepped, _ = ascend(pixels, octave_of(pixels, network), replace(SMALL, step_size=2.0), torch.Generator())
    assert torch.equal(pixels, before)
    assert (stepped - pixels).abs().mean().item() == pytest.approx(2 / 255, rel=0.2)  # less its own mean
    white = torch.ones(1, 3, 32, 32)
    burnt, _ = ascend(white, octave_of(white, network), replace(SMALL, step_size=10.0), torch.Generator())
    assert burnt.max() <= 1 and burnt.min() >= 0


def test_a_step_follows_natural_colours_in_bands_or_in_their_spectrum() -> None:
    gradient = torch.randn(1, 3, 40, 60)
    natural = recoloured(gradient, colour_matrix(0.5))
    bands = direction_of(gradient, DreamConfig(laplacian_bands=3, colour=0.5))
    expected = laplacian_normalise(natural, 3)
    torch.testing.assert_close(bands, expected / mean_size(expected))
    spectrum = direction_of(gradient, DreamConfig(parameterisation="fourier", colour=0.5))
    expected = natural_spectrum(natural)
    torch.testing.assert_close(spectrum, expected / mean_size(expected))


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


@pytest.mark.parametrize(
    "objective", ["block1", "block1:2", "-block1:2", "block1:weakest1", "class:tench", "block1 + 0.1*stem:0"]
)
@pytest.mark.parametrize("parameterisation", ["pixels", "fourier"])
def test_the_dream_raises_its_objective(
    network: TinyNetwork, noise: ImageArray, objective: str, parameterisation: str
) -> None:
    config = replace(SMALL, objective=objective, parameterisation=parameterisation)
    dreamed = run(noise, network, config)[-1].pixels
    picture = fit(noise, 128)
    goal = config.goal.bound(Scene(network, picture))
    start, end = (measure(pixels, network, goal).item() for pixels in (picture, dreamed))
    assert end > start + (0.02 if parameterisation == "pixels" else 0.005) * abs(start)


def test_a_guide_changes_the_dream(network: TinyNetwork, noise: ImageArray) -> None:
    guides = [np.full((8, 8, 3), value, np.uint8) for value in (10, 240)]
    dreams = [list(dream(noise, network, SMALL, guide=guide))[-1].pixels for guide in guides]
    assert not torch.equal(*dreams) and not torch.equal(dreams[0], run(noise, network, SMALL)[-1].pixels)
    explicit = list(dream(noise, network, replace(SMALL, objective="guide:block1"), guide=guides[0]))[-1].pixels
    assert torch.equal(explicit, dreams[0])  # whole layers follow a guide that is given


def test_a_guide_that_is_missing_is_asked_for(network: TinyNetwork, noise: ImageArray) -> None:
    with pytest.raises(InputError, match="follows a guide picture: please give one"):
        run(noise, network, replace(SMALL, objective="guide:block1"))


def test_outside_the_mask_the_picture_is_untouched(network: TinyNetwork, noise: ImageArray) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 20:50] = 255
    picture, outside = fit(noise, 128), torch.from_numpy(mask.repeat(2, 0).repeat(2, 1) == 0)
    dreamed = list(dream(noise, network, replace(SMALL, strength=0.7), mask=mask))[-1].pixels
    assert torch.equal(dreamed[..., outside], picture[..., outside])
    changed = (dreamed - picture).abs().mean(dim=1)[0]
    assert changed[40:50, 60:80].mean() > 2 * changed[21:24, 60:80].mean() > 0  # feathered inwards


def test_a_dream_is_laid_over_the_picture_as_strongly_as_asked(network: TinyNetwork, noise: ImageArray) -> None:
    picture, whole = fit(noise, 128), run(noise, network, SMALL)[-1].pixels
    half, none = (run(noise, network, replace(SMALL, strength=s))[-1].pixels for s in (0.5, 0.0))
    torch.testing.assert_close(half, (picture + whole) / 2)
    assert torch.equal(none, picture)


def test_a_large_picture_is_dreamed_in_tiles(
    network: TinyNetwork, noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the sizes above the limit; what the tiles give is tested beside the gradient."""
    seen: list[tuple[int, ...]] = []
    features = TinyNetwork.features
    monkeypatch.setattr(TinyNetwork, "features", lambda s, p, n: seen.append(tuple(p.shape[-2:])) or features(s, p, n))
    monkeypatch.setattr(deepdream, "TILED_FROM_PX", 10_000)
    monkeypatch.setattr(deepdream, "TILE_PX", 64)
    run(noise, network, replace(SMALL, steps=1, size_px=256))
    assert max(height for height, _ in seen) <= 64 + 128 and len(seen) > 8


def test_colours_stay_near_the_pictures(network: TinyNetwork, chelsea: ImageArray) -> None:
    picture = Tone.of(fit(chelsea, 128))
    dreamed = Tone.of(run(chelsea, network, replace(SMALL, steps=20, step_size=6.0, colour=1.0))[-1].pixels)
    assert (dreamed.mean - picture.mean).abs().max() < 0.03
    assert (dreamed.deviation / picture.deviation).max() < MOST_CONTRAST + 0.1


def test_one_seed_repeats_and_two_differ(network: TinyNetwork, noise: ImageArray) -> None:
    first, repeated, other = (run(noise, network, replace(SMALL, seed=s))[-1].pixels for s in (1, 1, 2))
    assert torch.equal(first, repeated)
    assert not torch.equal(first, other)


def test_in_bfloat16_a_dream_is_the_same_on_one_thread_and_on_two(chelsea: ImageArray) -> None:
    """The page's jobs share the cores: there a seed gives the same picture while others run."""
    network = HalfBackbone.of(load_backbone("cpu"))
    before, dreamed = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            dreamed.append(run(chelsea, network, replace(SMALL, size_px=256, steps=4))[-1].pixels)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*dreamed)


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

    def slow(pixels: Tensor, *others: Any) -> Any:
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


@pytest.mark.parametrize("objective", ["block8 + 0.3*block12", "block9:41", "class:peacock", "guide:block8"])
def test_the_real_network_dreams_of_a_cat(chelsea: ImageArray, cheetah: ImageArray, objective: str) -> None:
    network = load_dream_network("cpu")
    config = DreamConfig(size_px=128, octaves=2, steps=3, objective=objective)
    guide = cheetah if "guide" in objective else None
    dreamed = list(dream(chelsea, network, config, guide=guide))[-1].pixels
    seen = None if guide is None else to_tensor(resize_to_fit(guide, SCENE_PX))
    goal = config.goal.bound(Scene(network, fit(chelsea, 128), seen))
    with torch.no_grad():
        start, end = (measure(pixels, network, goal).item() for pixels in (fit(chelsea, 128), dreamed))
    assert end > start + 0.3 * abs(start)
    drift = to_image(dreamed).mean(axis=(0, 1)) - chelsea.mean(axis=(0, 1))
    assert np.abs(drift).max() < 8  # grey levels: neither washed out nor tinted
