"""The bench of style transfer: its rows, and the comparison of variants, on small pictures and few steps."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from bench import style, style_variants
from bench.style_variants import Variant
from cvdemo import backends
from cvdemo.demo import Step
from cvdemo.errors import WeightsError
from cvdemo.images import ImageArray, read_image
from cvdemo.style import painting
from cvdemo.style.config import StyleConfig
from cvdemo.style.losses import STYLE_DISTANCES, Statistics
from cvdemo.style.painting import Painting
from cvdemo.style.run import StyleRequest, Stylized
from cvdemo.style.targets import STYLE_LAYERS
from tests.helpers.hand_turned_clock import Clock
from tests.helpers.painters import random_painter

NOTHING: dict[str, float] = {"style": 0, "content": 0, "flat_noise": 0}  # what a judge says


@pytest.mark.parametrize(
    ("value", "least", "met"), [(14.0, False, "yes"), (15.0, False, "yes"), (16.0, False, "no"), (16.0, True, "yes")]
)
def test_a_row_says_whether_the_target_is_met_on_free_cores(value: float, least: bool, met: str) -> None:
    target = style.Target("style", lambda: None, 15, "s", least)
    word = "at least" if least else "at most"
    assert target.row(value, 30.0) == f"| style | {value:.2f} s | 30.00 s | {word} 15 s | {met} |"


def test_what_cannot_be_measured_is_told() -> None:
    assert style.TARGETS["instant"].row(None, None) == (
        "| instant style, 512 px | not measured | not measured | at most 1 s |  |"
    )


def test_without_its_weight_the_instant_style_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(device: str) -> None:
        raise WeightsError("It is not there.")

    monkeypatch.setattr(style, "load_painter", missing)
    assert style.instant_seconds() is None


def test_with_its_weight_the_instant_style_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    painter = random_painter()
    monkeypatch.setattr(style, "load_painter", lambda device: painter)
    monkeypatch.setattr(style, "ROUNDS", 1)
    seconds = style.instant_seconds()
    assert seconds is not None and seconds > 0


def stand_in(losses: list[float], shown: set[int]) -> Any:
    """A style transfer of these style losses, with previews at some steps."""

    def run(request: StyleRequest) -> Iterator[Step[Stylized]]:
        for number, loss in enumerate(losses):
            preview = np.zeros((4, 4, 3), np.uint8) if number in shown else None
            yield Step(done=number + 1, total=len(losses), preview=preview, measures={"style_loss": loss})

    return run


def test_a_preview_counts_once_half_of_the_style_loss_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "run", stand_in([1.0, 0.8, 0.4, 0.3], {0, 3}))
    assert style.preview_seconds() is not None
    monkeypatch.setattr(backends, "run", stand_in([1.0, 0.8, 0.4, 0.3], {0, 1}))
    assert style.preview_seconds() is None


@pytest.mark.slow
def test_steps_on_vgg_lower_its_losses() -> None:
    torch.manual_seed(0)
    content, reference = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32) * 0.5
    painting, gradient = Painting(content, 0.02), style.vgg_gradient(content, reference)
    found = [painting.step(gradient) for _ in range(6)]
    assert found[0].content == 0 and found[-1].style < found[0].style


def noise(seed: int, scale: int = 1) -> ImageArray:
    small = np.random.default_rng(seed).integers(0, 256, (64 // scale, 64 // scale, 3), dtype=np.uint8)
    return np.kron(small, np.ones((scale, scale, 1), np.uint8))


def test_the_judge_sees_style_content_and_noise() -> None:
    content, reference = noise(0, 16), noise(1, 4)
    itself, painted = (style_variants.judged(picture, content, reference) for picture in (content, reference))
    assert itself["content"] == 0 < painted["content"]
    assert painted["style"] < 1e-5 < itself["style"]
    speckled = (content.astype(int) + np.random.default_rng(2).integers(-9, 10, content.shape)).clip(0, 255)
    assert (
        style_variants.judged(speckled.astype(np.uint8), content, reference)["flat_noise"] > itself["flat_noise"] + 0.01
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that a comparison goes by."""
    clock = Clock()
    monkeypatch.setattr(style_variants, "time", SimpleNamespace(monotonic=clock, process_time=clock))
    return clock


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> list[StyleRequest]:
    """The requests that a stand-in for the style transfer got."""
    requests: list[StyleRequest] = []

    def run(request: StyleRequest) -> Iterator[Step[Stylized]]:
        requests.append(request)
        yield Step(done=7, total=7, result=Stylized(request.content[:64, :64], 7, 7))

    monkeypatch.setattr(backends, "run", run)
    return requests


def test_a_comparison_goes_on_where_it_was_stopped(
    tmp_path: Path, painted: list[StyleRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, variants = StyleConfig(size=128, seconds=2), {"plain": Variant(), "other, 1": Variant({"detail": 0.5})}
    first = style_variants.compare(tmp_path, config, 3, variants)
    assert len(painted) == 2 * 3
    assert {request.config.seconds for request in painted} == {2.0} and painted[-1].config.detail == 0.5 != painted[
        0
    ].config.detail == 0
    method = "128px-2s-adam4x0.35-by0.015-border1+7"
    (tmp_path / f"plain-{method}" / "astronaut-autumn_strokes.json").unlink()
    assert style_variants.compare(tmp_path, config, 3, variants) == first and len(painted) == 7
    assert {f"chart-{method}.png", f"sheet-{method}.png"} <= {path.name for path in tmp_path.iterdir()}
    assert first.splitlines()[0] == "| variant | pairs | style | content | flat_noise | steps | cpu_s |"
    assert first.splitlines()[2].startswith("| plain | 3 | ") and " | 7 | " in first.splitlines()[2]
    assert read_image(tmp_path / f"sheet-{method}.png").shape == (style_variants.LABEL_PX + 3 * 128, 4 * 128, 3)
    style_variants.compare(tmp_path, StyleConfig(size=128, steps=9), 1, {"plain": Variant()})
    assert len(painted) == 8 and painted[-1].config.seconds is None  # steps are another comparison
    monkeypatch.setattr(painting, "LEVELS", 1)
    assert (
        style_variants.compare(tmp_path, config, 3, variants) == first and len(painted) == 8 + 2 * 3
    )  # and so is Adam


def test_a_comparison_ends_with_the_pairs_that_all_variants_have_painted(
    tmp_path: Path, painted: list[StyleRequest], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:

    def judged(*pictures: ImageArray) -> dict[str, float]:
        clock.passes(1)
        return NOTHING

    monkeypatch.setattr(style_variants, "judged", judged)
    variants = {"plain": Variant(), "other": Variant({"detail": 0.5})}
    told = style_variants.compare(tmp_path, StyleConfig(size=128, steps=9), 36, variants, stop_after_s=3.5)
    assert len(painted) == 4 and told.count("| 2 | 0 | 0 | 0 | 7 | 0 |") == 2


def test_the_pairs_of_a_comparison_stay_the_same_whatever_examples_are_added() -> None:
    pairs = style_variants.picture_pairs(list(style_variants.content_pictures()), list(style_variants.style_pictures()))
    assert len(pairs) == 36
    assert pairs[:6] == [
        ("astronaut", "autumn_strokes"),
        ("chelsea", "halftone"),
        ("tower", "ink_wash"),
        ("coffee", "mosaic"),
        ("rocket", "night_swirls"),
        ("lion", "stained_glass"),
    ]


def test_the_first_pairs_share_neither_content_nor_style() -> None:
    pairs = style_variants.picture_pairs("abc", "xyz")
    assert [set(one) for one in zip(*pairs[:3], strict=True)] == [set("abc"), set("xyz")]
    assert len(set(pairs)) == len(pairs) == 9


def test_a_variant_is_in_force_within_its_block_only() -> None:
    before = dict(STYLE_LAYERS), dict(STYLE_DISTANCES)
    with Variant(layers={"stem": 4.0}, distance=style_variants.rooted_error).in_force():
        assert STYLE_LAYERS["stem"] == 4 and STYLE_DISTANCES["gram"] is style_variants.rooted_error
    assert before == (STYLE_LAYERS, STYLE_DISTANCES)


@pytest.mark.parametrize("distance", [style_variants.rooted_error, style_variants.centred_error])
def test_other_distances_are_zero_where_equal_and_one_for_nothing(distance: style_variants.Distance) -> None:
    torch.manual_seed(0)
    target = Statistics.of(torch.randn(1, 5, 9, 9))
    assert distance(target, target) < 1e-3
    torch.testing.assert_close(distance(Statistics(torch.zeros(5), torch.zeros(5, 5)), target), torch.tensor(1.0))


def test_steps_and_seconds_of_a_comparison_are_chosen() -> None:
    args = argparse.Namespace(steps=None, seconds=4.0, size=128)
    assert style.compared_config(args).seconds == 4
    args.steps = 9
    assert (style.compared_config(args).seconds, style.compared_config(args).steps) == (None, 9)


def test_times_are_compared_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(style, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    assert style.time_ratio(lambda: clock.passes(3), lambda: clock.passes(2), rounds=2) == pytest.approx(1.5)
