"""Style transfer: runs on a random and on the real network."""

from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
import torch

from cvdemo.errors import InputError
from cvdemo.example_pictures import example_picture
from cvdemo.images import ImageArray, Preprocessing, read_image, resize_to_fit, to_image, to_tensor
from cvdemo.nets.backbone import Backbone, load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.runtime import Deadline, stopping_when
from cvdemo.style import optimise
from cvdemo.style import pictures as pictures_module
from cvdemo.style.optimise import StyleConfig, StyleStep, stylize, whole_gradient
from cvdemo.style.painting import Painting
from cvdemo.style.targets import make_targets
from cvdemo.style.tiled import tiled_gradient
from tests.helpers.hand_turned_clock import Clock, set_clock

QUICK = StyleConfig(size=128, scales=2, steps=3)


@pytest.fixture(scope="module")
def random_network() -> Backbone:
    torch.manual_seed(0)
    preprocessing = Preprocessing(input_px=224, resize_px=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = EfficientNetLite(num_classes=2).eval().requires_grad_(False)
    return Backbone(network, preprocessing, torch.device("cpu"))


@pytest.fixture(scope="module")
def swirls() -> ImageArray:
    """(768, 768, 3): blue and golden brush strokes."""
    return read_image(example_picture("styles/night_swirls"))


def pictures(side_px: int = 48) -> tuple[ImageArray, ImageArray]:
    random = np.random.default_rng(3)
    return (
        random.integers(0, 256, (side_px, side_px + 16, 3), dtype=np.uint8),
        random.integers(0, 256, (40, 40, 3), dtype=np.uint8),
    )


def run(network: Backbone, config: StyleConfig = QUICK, deadline: Deadline | None = None) -> list[StyleStep]:
    return list(stylize(*pictures(), network, config, deadline))


def test_a_style_picture_that_is_too_narrow_is_named(random_network: Backbone) -> None:
    content, strip = pictures()[0], np.zeros((9, 100, 3), np.uint8)
    with pytest.raises(InputError, match=r"^The style picture is 100 x 9 pixels"):
        list(stylize(content, strip, random_network, QUICK))


def test_steps_count_up_over_all_scales(random_network: Backbone) -> None:
    steps = run(random_network)
    taken = [(s.progress.size, s.progress.step, s.progress.done) for s in steps]
    assert taken == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 4), (1, 1, 5), (1, 2, 6)]  # the coarser one gets more
    assert {s.progress.total for s in steps} == {6}
    assert steps[0].pixels.shape == (1, 3, 68, 91) and steps[-1].pixels.shape == (1, 3, 96, 128)
    assert all(np.isfinite(astuple(s.losses)).all() for s in steps)


def test_a_seed_repeats_and_another_differs(random_network: Backbone) -> None:
    first, repeated, other = (run(random_network, replace(QUICK, seed=seed))[-1].pixels for seed in (4, 4, 5))
    assert torch.equal(first, repeated)
    assert (first != other).any()


def test_inputs_are_left_as_they_were(random_network: Backbone) -> None:
    content, style = pictures()
    before = content.copy(), style.copy()
    list(stylize(content, style, random_network, QUICK))
    np.testing.assert_array_equal(content, before[0])
    np.testing.assert_array_equal(style, before[1])


def test_an_expired_deadline_leaves_one_step_for_the_coarsest_and_the_finest_scale(
    random_network: Backbone,
) -> None:
    steps = run(random_network, replace(QUICK, scales=3, size=192), Deadline(0))
    taken = [(s.progress.size, s.progress.step, s.progress.done, s.progress.wanted) for s in steps]
    assert taken == [(0, 1, 1, 9), (2, 1, 2, 9)]
    assert {step.size_hw for step in steps} == {(144, 192)}
    assert max(steps[-1].pixels.shape) == 192


def test_where_nobody_waits_the_step_under_way_is_the_last(random_network: Backbone) -> None:
    with stopping_when(lambda: True):
        steps = run(random_network, deadline=Deadline(60))
    assert [(s.progress.size, s.progress.done) for s in steps] == [(0, 1)]


def test_a_visitor_who_leaves_ends_the_preparation_of_a_scale(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its twelve views of the picture take several seconds at full size; a deadline that has passed keeps them all."""
    content = to_tensor(pictures()[0])
    seen: list[int] = []
    features = type(random_network).features

    def counted(network: Backbone, *others: Any) -> Any:
        seen.append(1)
        return features(network, *others)

    monkeypatch.setattr(type(random_network), "features", counted)
    with stopping_when(lambda: len(seen) >= 4):
        targets = make_targets(content, content, random_network, torch.Generator(), deadline=Deadline(60))
    assert len(seen) == 4 and len(targets.shifts) == len(targets.content) == 3
    assert len(make_targets(content, content, random_network, torch.Generator(), deadline=Deadline(0)).content) == 12


def slow_steps(monkeypatch: pytest.MonkeyPatch, seconds_per_pixel: float) -> Clock:
    """A step takes so long for each of the picture's pixels, and nothing else takes any time."""
    clock, gradient = set_clock(monkeypatch), whole_gradient

    def slow(pixels: torch.Tensor, *others: Any) -> Any:
        clock.passes(pixels[0, 0].numel() * seconds_per_pixel)
        return gradient(pixels, *others)

    monkeypatch.setattr(optimise, "whole_gradient", slow)
    return clock


def test_on_a_slow_machine_the_finest_scale_is_painted_in_time(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = slow_steps(monkeypatch, 3e-4)  # 2 to 3.7 s a step
    steps = run(random_network, replace(QUICK, steps=40), Deadline(60))
    taken = [sum(step.progress.size == scale for step in steps) for scale in (0, 1)]
    assert max(steps[-1].pixels.shape) == QUICK.size
    assert min(taken) > 5 and taken[1] < taken[0] < 2 * taken[1]
    last = steps[-1].progress
    assert last.done == last.total == sum(taken) < last.wanted == 80
    assert clock.now <= 60


@pytest.mark.parametrize(("seconds", "long_px"), [(12.0, 181), (4.0, 128)])
def test_seconds_are_kept_and_buy_size_and_steps(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch, seconds: float, long_px: int
) -> None:
    monkeypatch.setattr(optimise, "LEAST_PX", 0)
    clock = slow_steps(monkeypatch, 2e-5)  # 0.25 s a step at the coarsest of the planned scales, 128 px
    steps = run(random_network, StyleConfig(size=256, seconds=seconds, steps=1, scales=1))
    assert 0.8 * seconds <= clock.now <= 1.2 * seconds
    assert max(steps[-1].pixels.shape) == max(steps[-1].size_hw) == long_px
    last = steps[-1].progress
    assert last.done == last.total == last.wanted == len(steps)


def test_a_slow_machine_paints_a_picture_that_can_be_seen(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not a stamp: a few steps at the size that is the least, a little over time if need be."""
    clock = slow_steps(monkeypatch, 1e-4)
    steps = run(random_network, StyleConfig(size=512, seconds=4.0, steps=1, scales=1))
    assert max(steps[-1].pixels.shape) == max(steps[-1].size_hw) == 256 and clock.now < 20


def test_large_pictures_are_painted_by_tiles(random_network: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    tiled = []
    gradient = tiled_gradient
    monkeypatch.setattr(optimise, "WHOLE_PIXELS", 100 * 100)
    monkeypatch.setattr(optimise, "tiled_gradient", lambda at, *more: tiled.append(at.shape) or gradient(at, *more))
    steps = run(random_network)
    assert set(tiled) == {(1, 3, 96, 128)} and len(steps) == 6


def test_a_step_at_the_next_scale_begins_with_the_moments_of_the_last(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[float] = []
    step = Painting.step

    def watched(own: Painting, gradient: Any) -> Any:
        begun.append(float(own.adam.state[own.pixels].get("step", 0.0)))
        return step(own, gradient)

    monkeypatch.setattr(Painting, "step", watched)
    run(random_network)
    assert begun == [0, 1, 2, 3, 4, 5]


def test_large_pictures_are_reduced_before_they_become_floats(
    random_network: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = []

    def recording(image: ImageArray, device: torch.device | str = "cpu") -> torch.Tensor:
        converted.append(image.shape)
        return to_tensor(image, device)

    monkeypatch.setattr(pictures_module, "to_tensor", recording)
    large = np.full((3000, 4000, 3), 90, dtype=np.uint8)
    *_, last = stylize(large, large, random_network, replace(QUICK, style_scale=1.5, steps=1))
    assert last.pixels.shape == (1, 3, 96, 128)
    assert converted == [(192, 256, 3), (288, 384, 3)]


def test_smoothness_alone_flattens_the_picture(random_network: Backbone) -> None:
    config = replace(QUICK, scales=1, steps=40, content_weight=0, style_weight=0.1, tv_weight=300)
    steps = run(random_network, config)
    assert steps[-1].losses.tv_loss < 0.3 * steps[0].losses.tv_loss


def test_the_smallest_pictures_work(random_network: Backbone) -> None:
    dot = np.full((1, 1, 3), 90, np.uint8)
    last = list(stylize(dot, dot, random_network, replace(QUICK, steps=1)))[-1]
    assert last.pixels.shape == (1, 3, 128, 128)


@pytest.mark.parametrize(
    "field, value",
    [
        ("size", 4000),
        ("seconds", 0.5),
        ("keep_colours", "all"),
        ("strength", 0),
        ("style_weight", 0),
        ("start", "middle"),
        ("steps", 0),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{field} must be"):
        StyleConfig(**{field: value})


def test_the_style_loss_falls_and_the_colours_become_the_style(chelsea: ImageArray, swirls: ImageArray) -> None:
    config = StyleConfig(size=128, scales=1, steps=25)
    steps = list(stylize(chelsea, swirls, load_backbone("cpu"), config))
    assert steps[-1].losses.style_loss < 0.5 * steps[0].losses.style_loss
    distance = [
        np.abs(picture.mean(axis=(0, 1)) - swirls.mean(axis=(0, 1))).max()
        for picture in (chelsea, to_image(steps[-1].pixels))
    ]
    assert distance[1] < 0.4 * distance[0]


@pytest.mark.parametrize("way", ["luminance", "statistics"])
def test_kept_colours_are_those_of_the_content(chelsea: ImageArray, swirls: ImageArray, way: str) -> None:
    config = StyleConfig(size=128, scales=1, steps=15, keep_colours=way)
    last = list(stylize(chelsea, swirls, load_backbone("cpu"), config))[-1]
    assert np.abs(to_image(last.pixels).mean(axis=(0, 1)) - chelsea.mean(axis=(0, 1))).max() < 12


def test_more_content_weight_keeps_more_of_the_picture(chelsea: ImageArray, swirls: ImageArray) -> None:
    network, small = load_backbone("cpu"), resize_to_fit(chelsea, 200)
    last = [
        list(stylize(small, swirls, network, StyleConfig(size=128, scales=1, steps=20, content_weight=weight)))[-1]
        for weight in (0.0, 10.0)
    ]
    assert last[1].losses.content_loss < 0.7 * last[0].losses.content_loss
    assert last[1].losses.style_loss > last[0].losses.style_loss
