"""Style by requests: steps, measures, previews, deadlines, visitors who left."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cvdemo import images
from cvdemo.demo import Step, last_step, result_of
from cvdemo.demos import run
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, Preprocessing, to_image
from cvdemo.nets.backbone import Backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.pace import STYLE_FIXED_PX, step_work
from cvdemo.runtime import stopping_when
from cvdemo.style import optimise
from cvdemo.style import run as style_run
from cvdemo.style.optimise import StyleConfig, stylize_pictures
from cvdemo.style.painting import Painting
from cvdemo.style.pictures import StylePictures
from cvdemo.style.run import StyleRequest, Stylized
from tests.helpers.hand_turned_clock import set_clock

QUICK = StyleConfig(size=128, scales=2, steps=3)
LOSSES = ("content_loss", "style_loss", "tv_loss")


@pytest.fixture(autouse=True)
def random_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A random network in place of the real one; what it was asked for."""
    asked: list[str] = []
    preprocessing = Preprocessing(input_px=224, resize_px=256, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = EfficientNetLite(num_classes=2).eval().requires_grad_(False)
    backbone = Backbone(network, preprocessing, torch.device("cpu"))
    monkeypatch.setattr(style_run, "load_backbone", lambda device: asked.append(device) or backbone)
    return asked


def request_for(image: ImageArray, config: StyleConfig = QUICK, **others: Any) -> StyleRequest:
    return StyleRequest(content=image, style=image[:40, :40], config=config, **others)


def steps_of(image: ImageArray, config: StyleConfig = QUICK, **others: Any) -> list[Step[Stylized]]:
    return list(run(request_for(image, config, **others)))


def test_every_step_is_measured_and_the_last_carries_the_picture(noise: ImageArray, random_network: list[str]) -> None:
    *steps, last = steps_of(noise, device="cpu")
    assert [(step.done, step.total) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert [(step.measures["scale"], step.measures["scales"]) for step in steps] == [(1, 2)] * 4 + [(2, 2)] * 2
    assert all(np.isfinite([step.measures[name] for name in LOSSES]).all() for step in steps)
    assert all(step.result is None and step.preview is None and step.complete for step in steps)
    assert all(step.seconds_left > 0 for step in steps[:-1])
    assert (last.done, last.total, last.seconds_left, last.complete) == (6, 6, 0, True)
    assert last.measures == steps[-1].measures
    assert last.result.image.shape == (96, 128, 3) and last.result.image.dtype == np.uint8
    assert (last.result.steps, last.result.wanted) == (6, 6)
    assert random_network == ["cpu"]


def test_seconds_left_follow_the_plan(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step at the finer scale takes longer, and less so than by its pixels."""
    clock, gradient = set_clock(monkeypatch), optimise.whole_gradient

    def slow(pixels: torch.Tensor, *others: Any) -> Any:
        clock.passes(step_work(pixels[0, 0].numel(), STYLE_FIXED_PX) * 1e-4)
        return gradient(pixels, *others)

    monkeypatch.setattr(optimise, "whole_gradient", slow)
    left = [step.seconds_left for step in steps_of(noise)[:-1]]
    small_s, large_s = (20_000 + 68 * 91) * 1e-4, (20_000 + 96 * 128) * 1e-4
    assert left == pytest.approx([n * small_s + 2 * large_s for n in (3, 2, 1, 0)] + [large_s, 0], rel=1e-2)


def test_previews_come_when_they_are_due_and_cost_nothing_else(
    noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[tuple[int, ...]] = []

    def counting(pixels: Any) -> ImageArray:
        converted.append(tuple(pixels.shape[-2:]))
        return to_image(pixels)

    monkeypatch.setattr(style_run, "to_image", counting)
    clock = set_clock(monkeypatch)
    shown = []
    for step in run(request_for(noise, preview_every_s=2.0)):
        shown.append(step.preview is not None)
        assert step.preview is None or step.preview.shape == (96, 128, 3)  # that of the result, at every scale
        clock.passes(1.0)
    assert shown == [True, False, False, True, False, False, False]  # none at the last: the result follows
    assert converted == [(96, 128)] * 3


def test_a_preview_of_a_large_painting_is_reduced_and_the_painting_is_not(
    noise: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PREVIEW_PIXELS", 3072)
    *steps, last = steps_of(noise, preview_every_s=0)
    assert [step.preview.shape for step in steps[:-1]] == [(48, 64, 3)] * (len(steps) - 1)
    assert last.result.image.shape == (96, 128, 3)
    shown, painted = (steps[-2].preview.mean(axis=(0, 1)), last.result.image.mean(axis=(0, 1)))
    assert np.abs(shown - painted).max() < 8


def test_a_deadline_ends_it_with_the_full_size(noise: ImageArray) -> None:
    last = last_step(steps_of(noise, replace(QUICK, scales=3, size=192), time_limit_s=0))
    assert (last.done, last.total, last.complete) == (2, 2, False)
    assert last.result.image.shape == (144, 192, 3)
    assert (last.result.steps, last.result.wanted) == (2, 9)


def test_a_visitor_who_has_left_ends_it_at_the_next_step(noise: ImageArray) -> None:
    with stopping_when(lambda: True):
        step, last = steps_of(noise, time_limit_s=60)
    assert step.done == last.done == 1 < last.total
    assert not last.complete and last.result.image.shape == (96, 128, 3)


def test_it_pickles(noise: ImageArray) -> None:
    request = request_for(noise, replace(QUICK, scales=1, steps=2), preview_every_s=0)
    steps = list(run(pickle.loads(pickle.dumps(request))))
    first, last = (pickle.loads(pickle.dumps(step)) for step in (steps[0], steps[-1]))
    np.testing.assert_array_equal(first.preview, steps[0].preview)
    np.testing.assert_array_equal(last.result.image, result_of(run(request)).image)
    assert last.measures == steps[-1].measures


def test_a_picture_that_is_too_narrow_is_named(noise: ImageArray) -> None:
    strip = np.zeros((9, 100, 3), np.uint8)
    with pytest.raises(InputError, match=r"^The picture is 100 x 9 pixels"):
        next(run(StyleRequest(content=strip, style=noise)))
    with pytest.raises(InputError, match=r"^The style picture is 100 x 9 pixels"):
        next(run(StyleRequest(content=noise, style=strip)))


def test_the_pictures_of_a_request_reach_the_painting(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StylePictures] = []
    stylize = stylize_pictures
    monkeypatch.setattr(style_run, "stylize_pictures", lambda given, *more: seen.append(given) or stylize(given, *more))
    mask, other = np.zeros(noise.shape[:2], np.uint8), noise[::-1].copy()
    config = replace(QUICK, scales=1, steps=1)
    result_of(run(request_for(noise, config, styles=((other, 0.5),), mask=mask, start_image=other)))
    (pictures,) = seen
    assert pictures.content is noise and pictures.others == ((other, 0.5),)
    assert pictures.mask is mask and pictures.start is other


def test_a_time_gives_a_complete_result_of_the_planned_size(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, step = set_clock(monkeypatch), Painting.step
    monkeypatch.setattr(Painting, "step", lambda own, gradient: clock.passes(0.2) or step(own, gradient))
    *steps, last = steps_of(noise, replace(QUICK, size=256, seconds=3.0), time_limit_s=60, preview_every_s=0.0)
    assert last.complete and last.done == last.total == len(steps)
    assert last.result.image.shape == (192, 256, 3)  # the least: 12 steps a size would leave time for 128 px alone
    assert steps[-2].preview.shape == last.result.image.shape
    assert 2.4 <= clock.now <= 3.6


def test_a_limit_before_the_time_is_told(noise: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, step = set_clock(monkeypatch), Painting.step
    monkeypatch.setattr(Painting, "step", lambda own, gradient: clock.passes(0.2) or step(own, gradient))
    last = last_step(steps_of(noise, replace(QUICK, size=256, seconds=60.0), time_limit_s=2))
    assert not last.complete and clock.now <= 3
