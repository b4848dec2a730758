"""Dream by requests: steps, measures, previews, deadlines, visitors who left."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cvdemo import images
from cvdemo.demo import Step, last_step, result_of
from cvdemo.demos import run
from cvdemo.dream import deepdream
from cvdemo.dream import run as dream_run
from cvdemo.dream.deepdream import DreamConfig, fit
from cvdemo.dream.run import Dream, DreamRequest
from cvdemo.errors import InputError
from cvdemo.images import ImageArray, to_image
from cvdemo.pace import step_work
from cvdemo.runtime import stopping_when
from tests.dream.tiny_network import TinyNetwork
from tests.helpers.hand_turned_clock import set_clock

SMALL = DreamConfig(size_px=128, octaves=2, steps=3, layer="block1", jitter_px=8)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A tiny network in place of the real one; the devices that it was asked for."""
    devices: list[str] = []
    network = TinyNetwork()
    monkeypatch.setattr(dream_run, "load_dream_network", lambda device: devices.append(device) or network)
    return devices


def steps_of(image: ImageArray, config: DreamConfig = SMALL, **others: Any) -> list[Step[Dream]]:
    return list(run(DreamRequest(image=image, config=config, **others)))


def test_every_step_is_measured_and_the_last_carries_the_dream(noise: ImageArray, tiny: list[str]) -> None:
    *steps, last = steps_of(noise, device="cpu")
    assert [(step.done, step.total) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert [(step.measures["octave"], step.measures["octaves"]) for step in steps] == [(1, 2)] * 3 + [(2, 2)] * 3
    assert all(step.result is None and step.preview is None and step.complete for step in steps)
    assert (last.done, last.total, last.seconds_left, last.complete) == (6, 6, 0, True)
    assert last.measures == steps[-1].measures
    assert last.result.image.shape == (96, 128, 3) and last.result.image.dtype == np.uint8
    assert (last.result.steps, last.result.wanted) == (6, 6)
    assert last.result.objectives == tuple(step.measures["objective"] for step in steps[3:])
    assert tiny == ["cpu"]


def test_the_network_runs_once_a_step(noise: ImageArray, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The objective is what the steps have measured."""
    runs: list[int] = []
    features = TinyNetwork.features
    monkeypatch.setattr(TinyNetwork, "features", lambda *args: runs.append(1) or features(*args))
    steps_of(noise)
    assert len(runs) == 6


def test_seconds_left_follow_the_plan(noise: ImageArray, tiny: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Later octaves are larger: half of the steps are less than half of the time, and more than their pixels."""
    clock, ascend = set_clock(monkeypatch), deepdream.ascend

    def slow(pixels: Any, *others: Any) -> Any:
        clock.passes(step_work(pixels[0, 0].numel()) * 1e-4)
        return ascend(pixels, *others)

    monkeypatch.setattr(deepdream, "ascend", slow)
    small_s, large_s = (40_000 + 69 * 91) * 1e-4, (40_000 + 96 * 128) * 1e-4
    left = [step.seconds_left for step in steps_of(noise)[:-1]]
    expected = [n * small_s + 3 * large_s for n in (2, 1, 0)] + [n * large_s for n in (2, 1, 0)]
    assert left == pytest.approx(expected)


def test_previews_come_when_they_are_due_and_cost_nothing_else(
    noise: ImageArray, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[tuple[int, ...]] = []

    def counting(pixels: Any) -> ImageArray:
        converted.append(tuple(pixels.shape[-2:]))
        return to_image(pixels)

    monkeypatch.setattr(dream_run, "to_image", counting)
    clock = set_clock(monkeypatch)
    shown = []
    for step in run(DreamRequest(image=noise, config=SMALL, preview_every_s=2.0)):
        shown.append(None if step.preview is None else step.preview.shape)
        clock.passes(1.0)
    assert shown == [(69, 91, 3), None, None, (96, 128, 3), None, None, None]  # none at the last: the result follows
    assert converted == [(69, 91), (96, 128), (96, 128)]


def test_a_preview_of_a_large_octave_is_reduced_and_the_dream_is_not(
    noise: ImageArray, tiny: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PREVIEW_PIXELS", 3072)
    *steps, last = steps_of(noise, preview_every_s=0)
    assert [step.preview.shape for step in steps[:-1]] == [(48, 64, 3)] * 5
    assert last.result.image.shape == (96, 128, 3)
    shown, dreamed = (steps[-2].preview.mean(axis=(0, 1)), last.result.image.mean(axis=(0, 1)))
    assert np.abs(shown - dreamed).max() < 5


def test_a_deadline_ends_it_with_the_full_size(noise: ImageArray, tiny: list[str]) -> None:
    last = last_step(steps_of(noise, replace(SMALL, octaves=3), time_limit_s=0))
    assert (last.done, last.total, last.complete) == (2, 2, False)
    assert last.result.image.shape == (96, 128, 3)
    assert (last.result.steps, last.result.wanted, len(last.result.objectives)) == (2, 9, 1)


def test_a_visitor_who_has_left_ends_it_at_the_next_step(noise: ImageArray, tiny: list[str]) -> None:
    with stopping_when(lambda: True):
        step, last = steps_of(noise, time_limit_s=60)
    assert step.done == last.done == 1 < last.total
    assert not last.complete and last.result.image.shape == (96, 128, 3)


@pytest.mark.parametrize("left", [False, True])
def test_outside_the_mask_the_result_is_the_picture_bit_for_bit(noise: ImageArray, tiny: list[str], left: bool) -> None:
    """Also where the visitor has left, and a smaller octave is enlarged."""
    mask = np.zeros((48, 64), np.uint8)
    mask[8:40, 24:56] = 255
    picture, outside = to_image(fit(noise, 128)), mask.repeat(2, 0).repeat(2, 1) == 0
    with stopping_when(lambda: left):
        dreamed = last_step(steps_of(noise, replace(SMALL, strength=0.8), mask=mask)).result.image
    np.testing.assert_array_equal(dreamed[outside], picture[outside])
    assert not np.array_equal(dreamed, picture)


def test_a_request_carries_a_guide(noise: ImageArray, tiny: list[str]) -> None:
    guide = np.full((8, 8, 3), 200, np.uint8)
    guided = last_step(steps_of(noise, guide=guide)).result.image
    assert not np.array_equal(guided, last_step(steps_of(noise)).result.image)
    with pytest.raises(InputError, match="please give one"):
        steps_of(noise, replace(SMALL, objective="guide:block1"))


def test_a_mask_of_another_size_is_refused(noise: ImageArray, tiny: list[str]) -> None:
    with pytest.raises(InputError, match="as large as the picture"):
        steps_of(noise, mask=np.full((64, 48), 255, np.uint8))


def test_it_pickles(noise: ImageArray, tiny: list[str]) -> None:
    request = DreamRequest(image=noise, config=SMALL, preview_every_s=0)
    steps = list(run(pickle.loads(pickle.dumps(request))))
    first, last = (pickle.loads(pickle.dumps(step)) for step in (steps[0], steps[-1]))
    np.testing.assert_array_equal(first.preview, steps[0].preview)
    np.testing.assert_array_equal(last.result.image, result_of(run(request)).image)
    assert last.result.objectives == steps[-1].result.objectives


def test_a_channel_the_layer_lacks_is_refused(noise: ImageArray, tiny: list[str]) -> None:
    with pytest.raises(InputError, match="channels 0 to 3"):
        steps_of(noise, replace(SMALL, channel=4))


def test_the_real_network_dreams_of_a_cat_and_its_objective_rises(chelsea: ImageArray) -> None:
    config = DreamConfig(size_px=128, octaves=1, steps=3)
    dreamed = result_of(run(DreamRequest(image=chelsea, config=config, device="cpu")))
    assert dreamed.objectives[-1] > 1.3 * dreamed.objectives[0] > 0
