"""The instant style by requests: masks and mixtures, what is kept, and the optimisation that refines it."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cvdemo.backends.work import work_of
from cvdemo.demo import Lane, result_of
from cvdemo.demos import run
from cvdemo.errors import InputError, WeightsError
from cvdemo.images import ImageArray
from cvdemo.style import instant, optimise, painting
from cvdemo.style import run as style_run
from cvdemo.style.config import StyleConfig
from cvdemo.style.feed_forward import InstantConfig, Painter, instant_style
from cvdemo.style.painting import Painting
from cvdemo.style.pictures import start_picture
from cvdemo.style.run import InstantFrameRequest, InstantRequest, StyleRequest
from tests.helpers import instant_weights
from tests.helpers.painters import random_painter, use_painter

SMALL = InstantConfig(size=128)
REFINED = StyleConfig(size=192, scales=2, steps=2, start="instant")


@pytest.fixture(scope="module")
def painter() -> Painter:
    return random_painter()


@pytest.fixture
def at_hand(painter: Painter, monkeypatch: pytest.MonkeyPatch) -> Painter:
    """The small painter and its backbone in the place of those on the disk."""
    use_painter(painter, monkeypatch)
    monkeypatch.setattr(style_run, "load_backbone", lambda device: painter.features)
    return painter


@pytest.fixture
def nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instant_weights.use(instant_weights.without_instant(tmp_path / "weights"), monkeypatch)


@pytest.fixture
def style() -> ImageArray:
    return np.kron(np.random.default_rng(1).integers(0, 256, (6, 8, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def test_a_request_gives_the_picture_in_one_step(at_hand: Painter, noise: ImageArray, style: ImageArray) -> None:
    request = InstantRequest(content=noise, style=style, config=SMALL)
    (step,) = run(pickle.loads(pickle.dumps(request)))
    assert (step.done, step.total, step.complete, step.seconds_left) == (1, 1, True, 0)
    np.testing.assert_array_equal(step.result.image, instant_style(noise, style, SMALL, at_hand))
    assert (step.result.steps, step.result.wanted) == (1, 1)


def test_without_a_mask_styles_are_mixed_and_with_one_each_has_its_part(
    at_hand: Painter, noise: ImageArray, style: ImageArray
) -> None:
    other = style[..., ::-1].copy()
    request = InstantRequest(content=noise, style=style, config=SMALL, styles=((other, 1.0),))
    mask = np.zeros(noise.shape[:2], np.uint8)
    mask[:, 32:] = 255
    mixture, parts = (result_of(run(each)).image for each in (request, replace(request, mask=mask)))
    one, two = (instant_style(noise, picture, SMALL, at_hand) for picture in (style, other))
    np.testing.assert_array_equal(parts[:, :60], one[:, :60])
    np.testing.assert_array_equal(parts[:, 70:], two[:, 70:])
    assert all(np.abs(mixture.astype(int) - whole).mean() > 1 for whole in (one, two))
    with pytest.raises(InputError, match="A mask needs a second style picture"):
        result_of(run(replace(request, styles=(), mask=mask)))


def test_a_style_is_described_once(at_hand: Painter, style: ImageArray, monkeypatch: pytest.MonkeyPatch) -> None:
    first = instant.prepare([(style, 1.0)], SMALL, at_hand)
    assert instant.prepare([(style.copy(), 1.0)], SMALL, at_hand) is first
    assert instant.prepare([(style, 1.0)], replace(SMALL, strength=0.5), at_hand) is not first
    assert instant.prepare([(style[::-1], 1.0)], SMALL, at_hand) is not first
    monkeypatch.setattr(instant, "KEPT_STYLES", 1)
    instant.prepare([(style, 2.0)], SMALL, at_hand)
    assert instant.prepare([(style, 1.0)], SMALL, at_hand) is not first


def test_a_frame_goes_on_from_the_one_before(at_hand: Painter, noise: ImageArray, style: ImageArray) -> None:
    request = InstantFrameRequest(frame=noise, style=style, config=SMALL, steadiness=0.8)
    first = result_of(run(request))
    np.testing.assert_array_equal(first.painted, instant_style(noise, style, SMALL, at_hand))
    shaken = np.clip(noise.astype(int) + np.random.default_rng(3).integers(-3, 4, noise.shape), 0, 255)
    later = replace(request, frame=shaken.astype(np.uint8), before=pickle.loads(pickle.dumps(first)))
    alone = result_of(run(replace(later, before=None))).painted
    steady = result_of(run(later)).painted
    apart = [np.abs(picture.astype(int) - first.painted).mean() for picture in (alone, steady)]
    assert apart[1] < apart[0] / 2


def test_lanes_and_durations_go_by_the_pixels_of_the_result(noise: ImageArray) -> None:
    small, large = (InstantRequest(content=noise, style=noise, config=InstantConfig(size=px)) for px in (512, 4096))
    assert (small.lane, large.lane) == (Lane.QUICK, Lane.SLOW)
    (kind, work), (same, more) = work_of(small), work_of(large)
    assert kind == same and more == pytest.approx(64 * work)


def test_the_optimisation_begins_with_the_instant_picture(
    at_hand: Painter, noise: ImageArray, style: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[torch.Tensor] = []
    real = Painting
    monkeypatch.setattr(optimise, "Painting", lambda pixels, *more: began.append(pixels) or real(pixels, *more))
    request = StyleRequest(content=noise, style=style, config=REFINED, preview_every_s=0.0)
    first, *steps, last = run(request)
    expected = instant_style(noise, style, InstantConfig(size=192), at_hand)
    assert (first.done, first.total, dict(first.measures)) == (0, 4, {})
    np.testing.assert_array_equal(first.preview, expected)
    assert len(steps) == 4 and last.result.image.shape == expected.shape
    shrunk = torch.nn.functional.avg_pool2d(torch.from_numpy(expected / 255).permute(2, 0, 1).float(), 8)
    found = torch.nn.functional.interpolate(began[0], shrunk.shape[-2:], mode="area")[0]
    assert (found - shrunk).abs().mean() < 0.03


def test_previews_of_coarse_scales_keep_the_fine_detail(
    at_hand: Painter, noise: ImageArray, style: ImageArray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the picture that comes at once would be followed by a blurred one."""
    monkeypatch.setattr(painting, "LEVEL_SHARE", 0.1)  # the first step itself changes little
    steps = run(StyleRequest(content=noise, style=style, config=replace(REFINED, step_size=0.005), preview_every_s=0.0))
    first, second = (next(steps).preview for _ in range(2))
    enlarged = Image.fromarray(first).resize((136, 102)).resize((192, 144), Image.Resampling.BICUBIC)  # one scale less
    lost, changed = (np.abs(np.array(picture).astype(int) - first).mean() for picture in (enlarged, second))
    assert changed < lost / 2


def test_a_start_picture_goes_before_the_instant_one(
    noise: ImageArray, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style_run, "load_backbone", lambda device: painter.features)
    request = StyleRequest(content=noise, style=noise, config=REFINED, start_image=noise)
    assert next(run(request)).done == 1


def test_colours_strength_and_strokes_are_those_of_the_optimisation() -> None:
    config = StyleConfig(strength=0.4, style_scale=1.5, keep_colours="luminance", size=1024)
    shared = InstantConfig(strength=0.4, style_scale=1.5, keep_colours="luminance", size=512)
    assert instant.instant_config(config, 512) == shared


@pytest.mark.usefixtures("nothing_there")
def test_where_its_weight_is_missing_it_is_told(noise: ImageArray) -> None:
    requests: Iterator[Any] = iter(
        [
            InstantRequest(content=noise, style=noise),
            InstantFrameRequest(frame=noise, style=noise, steadiness=0.5),
            StyleRequest(content=noise, style=noise, config=REFINED),
        ]
    )
    for request in requests:
        with pytest.raises(WeightsError, match=r"^There is no instant style here: its network"):
            next(run(request))


def test_the_optimiser_alone_does_not_make_it(noise: ImageArray) -> None:
    pixels = torch.rand(1, 3, 16, 16)
    with pytest.raises(ValueError, match="start 'instant' needs a start picture"):
        start_picture(pixels, pixels, REFINED, torch.Generator())
