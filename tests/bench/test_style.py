"""The bench of style transfer: its rows, and the comparison of variants, on small pictures and few steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench import style, style_variants
from cvdemo import backends
from cvdemo.demo import Step
from cvdemo.errors import WeightsError
from cvdemo.images import ImageArray
from cvdemo.style.painting import Painting
from cvdemo.style.run import StyleRequest, Stylized
from tests.helpers.painters import random_painter


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


def test_a_comparison_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[StyleRequest] = []

    def run(request: StyleRequest) -> Iterator[Step[Stylized]]:
        painted.append(request)
        yield Step(done=7, total=7, result=Stylized(request.content[:64, :64], 7, 7))

    monkeypatch.setattr(backends, "run", run)
    variants = {"plain": {}, "other, 1": {"detail": 0.5}}
    first = style_variants.compare(tmp_path, 2.0, 128, 2, variants)
    assert len(painted) == 2 * 4
    assert {request.config.seconds for request in painted} == {2.0} and painted[-1].config.detail == 0.5
    (tmp_path / "plain-128px-2s" / "chelsea-autumn_strokes.json").unlink()
    assert style_variants.compare(tmp_path, 2.0, 128, 2, variants) == first and len(painted) == 9
    assert {"chart.png", "plain-128px-2s.png", "other_1-128px-2s.png"} <= {path.name for path in tmp_path.iterdir()}
    assert first.splitlines()[0] == "| variant | style | content | flat_noise | steps |"
    assert first.splitlines()[2].startswith("| plain | ") and first.splitlines()[2].endswith("| 7 |")
    style_variants.compare(tmp_path, 3.0, 128, 1, {"plain": {}})
    assert len(painted) == 10  # another time is another comparison
