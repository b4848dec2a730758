"""Search: random trials, halving, going on after a stop, the chart, and a test split that nobody reads."""

import math
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from cvdemo.config import setting
from tests.helpers.extras import needed
from tests.train.tiny_tasks import altered
from train import __main__ as command_line
from train.data.splits import LabelledPictures
from train.engine import monitor
from train.engine.loop import LoopConfig, Task
from train.publishing.recipe import Context
from train.recipes import RECIPES, cifar10, lenet
from train.tools import search as search_module
from train.tools.search import CHART, JOURNAL, Search, run_search
from train.tools.search_chart import DIVERGED, FINISHED, STOPPED, Outcome, as_text, in_order, plot_search
from train.tools.search_ranges import Range, ranges_of

needed("optuna", "the extra search is not installed")
CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class ToyConfig(LoopConfig):
    """Nine steps, each measured."""

    steps: int = 9
    batch_size: int = 4
    ema_decay: float = 0.0
    evaluate_every: int = 1
    preview_every: int = 0
    lr: float = setting(0.1, minimum=0)
    kind: str = setting("a", choices=("a", "b"))


class ToyTask(Task):
    """Its error falls from step to step; how far hangs on the rate, best at 0.01, and on the kind.

    `stop_at`: the trial and step at which the process sends itself SIGTERM, `crash_at`: at which it dies. Rates above 1
    diverge.
    """

    product, metric, higher_is_better, device = "network", "error", False, CPU
    stop_at: tuple[int, int] | None = None
    crash_at: tuple[int, int] | None = None
    built = 0

    def __init__(self, config: ToyConfig) -> None:
        self.config: ToyConfig = config
        self.networks = {"network": nn.Linear(1, 1)}
        self.optimizers = {"network": torch.optim.SGD(self.networks["network"].parameters(), 0.0)}
        self.trial, self.taken = ToyTask.built, 0
        ToyTask.built += 1

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        self.taken = step + 1
        if ToyTask.stop_at == (self.trial, step):
            os.kill(os.getpid(), signal.SIGTERM)
        if ToyTask.crash_at == (self.trial, step):
            raise RuntimeError("the machine went down")
        return {"loss": torch.tensor(math.nan if self.config.lr > 1 else 1.0)}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        miss = abs(math.log10(self.config.lr) + 2) + (self.config.kind == "b")
        return {"error": miss + 1 / max(self.taken, 1)}


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyTask, "stop_at", None)
    monkeypatch.setattr(ToyTask, "crash_at", None)
    monkeypatch.setattr(ToyTask, "built", 0)
    monkeypatch.setattr(monitor, "draw", lambda *curves, **words: None)  # each trial's own curves, at every measure
    recipe: Any = replace(cifar10.RECIPE, config=ToyConfig)
    recipe = altered(recipe, build=lambda config, context: ToyTask(config))
    monkeypatch.setitem(RECIPES, "cifar10", recipe)


def search(out: Path, *texts: str, trials: int = 9, halving: int = 0, **settings: Any) -> Search:
    return Search(
        recipe=RECIPES["cifar10"],
        config=ToyConfig(**settings),
        ranges=ranges_of(texts or ["lr=1e-4:1:log", "kind"], ToyConfig),
        context=Context(data=out, device=CPU, amp=False),
        out=out,
        trials=trials,
        halving=halving,
    )


@pytest.mark.slow
def test_the_best_of_random_trials_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = run_search(search(tmp_path))
    assert [outcome.value for outcome in outcomes] == sorted(outcome.value or 0 for outcome in outcomes)
    assert len(outcomes) == 9 and {outcome.evaluations for outcome in outcomes} == {9}
    assert all(1e-4 <= outcome.settings["lr"] <= 1 for outcome in outcomes)
    assert {outcome.settings["kind"] for outcome in outcomes} == {"a", "b"} and outcomes[0].settings["kind"] == "a"
    best = outcomes[0].settings["lr"]
    assert outcomes[0].value == pytest.approx(abs(math.log10(best) + 2) + 1 / 9)
    text = capsys.readouterr().out
    assert "trial 9 of 9" in text and f"best: python -m train cifar10 --lr {best} --data DIR" in text


@pytest.mark.slow
def test_rates_are_drawn_evenly_over_their_logarithm(tmp_path: Path) -> None:
    outcomes = run_search(search(tmp_path, "lr=1e-4:1:log", trials=20, steps=1))
    below = sum(outcome.settings["lr"] < 1e-2 for outcome in outcomes)
    assert 5 <= below <= 15


def test_halving_stops_those_behind_early(tmp_path: Path) -> None:
    outcomes = run_search(search(tmp_path, halving=3))
    stopped = [outcome for outcome in outcomes if outcome.end == STOPPED]
    assert len(stopped) >= 4 and {outcome.evaluations for outcome in stopped} <= {1, 3}
    assert outcomes[0].end == FINISHED and outcomes[0].evaluations == 9
    assert min(outcome.value or 9 for outcome in outcomes if outcome.end == FINISHED) == outcomes[0].value


def test_only_the_best_trial_keeps_its_checkpoints(tmp_path: Path) -> None:
    outcomes = run_search(search(tmp_path, trials=5))
    held = {path.parent.name for path in (tmp_path / "trials").glob("*/*.pt")}
    assert held == {f"{outcomes[0].number:04d}"}
    assert len(list((tmp_path / "trials").glob("*/metrics.jsonl"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize("halving", [0, 3])
def test_a_search_that_was_stopped_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], halving: int
) -> None:
    whole = run_search(search(tmp_path / "whole", trials=6, halving=halving))
    ToyTask.built = 0
    monkeypatch.setattr(ToyTask, "stop_at", (0, 4))
    begun = run_search(search(tmp_path / "parts", trials=6, halving=halving))
    assert begun == [] and "stopped; the same command goes on" in capsys.readouterr().out
    monkeypatch.setattr(ToyTask, "stop_at", None)
    assert run_search(search(tmp_path / "parts", trials=6, halving=halving)) == whole
    assert run_search(search(tmp_path / "parts", trials=6, halving=halving)) == whole  # nothing is left to do


@pytest.mark.slow
def test_a_search_that_died_in_a_trial_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last checkpoint is older than its last measures, which are not told twice."""
    whole = run_search(search(tmp_path / "whole", trials=3))
    ToyTask.built = 0
    monkeypatch.setattr(ToyTask, "crash_at", (1, 5))
    with pytest.raises(RuntimeError, match="went down"):
        run_search(search(tmp_path / "parts", trials=3))
    assert run_search(search(tmp_path / "parts", trials=3)) == whole


@pytest.mark.slow
def test_more_trials_may_follow(tmp_path: Path) -> None:
    few = run_search(search(tmp_path / "a", trials=3))
    more = run_search(search(tmp_path / "a", trials=6))
    assert {outcome.number for outcome in more} == set(range(6))
    assert [outcome for outcome in more if outcome.number < 3] == few
    assert more == run_search(search(tmp_path / "b", trials=6))


def test_another_search_is_refused(tmp_path: Path) -> None:
    run_search(search(tmp_path, trials=1))
    with pytest.raises(ValueError, match=r"holds another search .*ranges.*give another --out"):
        run_search(search(tmp_path, "lr=1e-3:1:log", trials=2))
    with pytest.raises(ValueError, match=r"holds another search .*fixed"):
        run_search(search(tmp_path, trials=2, batch_size=8))


def test_one_search_at_a_time(tmp_path: Path) -> None:
    with search_module._alone(tmp_path), pytest.raises(BlockingIOError, match="another process searches in"):
        run_search(search(tmp_path, trials=1))


def test_trials_that_diverge_are_told_and_the_search_goes_on(tmp_path: Path) -> None:
    outcomes = run_search(search(tmp_path, "lr=0.5:2", trials=6))
    assert {outcome.end for outcome in outcomes} == {FINISHED, DIVERGED}
    assert all((outcome.end == DIVERGED) == (outcome.settings["lr"] > 1) for outcome in outcomes)
    assert all(outcome.value is None for outcome in outcomes if outcome.end == DIVERGED)


def test_the_chart_is_a_picture(tmp_path: Path) -> None:
    run_search(search(tmp_path, trials=3))
    with Image.open(tmp_path / CHART) as chart:
        assert chart.format == "PNG" and chart.width > 1000  # three panels, two in a row
        assert len(set(chart.resize((60, 40)).tobytes())) > 10
    assert (tmp_path / JOURNAL).is_file()


def test_nothing_to_draw_is_no_error(tmp_path: Path) -> None:
    outcome = Outcome(number=0, settings={"lr": 2.0}, end=DIVERGED, value=None, evaluations=0)
    target = tmp_path / "chart.png"
    assert not plot_search([outcome], [Range(name="lr", low=0, high=1)], "x", target, higher_is_better=True)
    assert not target.exists()
    assert "diverged" in as_text([outcome], "rank1") and "lr 2" in as_text([outcome], "rank1")


def test_the_order_is_by_end_then_by_value() -> None:
    ends = [(STOPPED, 9.0), (FINISHED, 1.0), (DIVERGED, None), (FINISHED, 2.0)]
    outcomes = [
        Outcome(number=number, settings={}, end=end, value=value, evaluations=1)
        for number, (end, value) in enumerate(ends)
    ]
    assert [outcome.number for outcome in in_order(outcomes, higher_is_better=True)] == [3, 1, 0, 2]
    assert [outcome.number for outcome in in_order(outcomes, higher_is_better=False)] == [1, 3, 0, 2]


@pytest.mark.parametrize(("trials", "halving"), [(0, 0), (1, 1), (1, -2)])
def test_numbers_that_make_no_search_are_refused(tmp_path: Path, trials: int, halving: int) -> None:
    with pytest.raises(ValueError, match="need trials >= 1 and halving 0 or >= 2"):
        run_search(search(tmp_path, trials=trials, halving=halving))


def test_a_recipe_that_measures_nothing_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="measures nothing on the way"):
        run_search(search(tmp_path / "out", evaluate_every=0))
    assert not (tmp_path / "out").exists()


def test_without_optuna_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    words = ["search", "cifar10", "--data", str(tmp_path), "--out", str(tmp_path / "s"), "--range", "lr=1e-3:1"]
    with pytest.raises(SystemExit, match=r"search needs Optuna, which is not installed: pip install '\.\[search\]'"):
        command_line.main(words)


def test_the_command_takes_the_options_of_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["search", "cifar10", "--data", str(tmp_path), "--out", str(tmp_path / "s"), "--range", "lr=1e-3:1:log"]
    command_line.main([*words, "--trials", "2", "--kind", "b", "--steps", "4", "--device", "cpu"])
    text = capsys.readouterr().out
    assert "trial 2 of 2: lr " in text and "--kind b" in text and "chart in" in text


@pytest.mark.slow
def test_the_test_split_stays_sealed(tmp_path: Path) -> None:
    """A whole search of a real recipe, whose test pictures raise when they are touched in any way."""
    splits = []

    def read(data: Path, split: str) -> LabelledPictures:
        splits.append(split)
        if split != "train":
            raise AssertionError(f"the {split} split was read")
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 256, (60, 28, 28, 1), dtype=np.uint8)
        return LabelledPictures(pictures, np.arange(60) % 10, [f"class {i}" for i in range(10)])

    recipe = replace(lenet.RECIPE, source=replace(lenet.RECIPE.source, read=read, folder=None))
    config = lenet.LenetConfig(epochs=2, batch_size=10, micro_batch=10, validation=20, log_every=1)
    outcomes = run_search(
        Search(
            recipe=recipe,
            config=config,
            ranges=ranges_of(["lr=1e-4:1e-1:log", "dropout=0:0.5"], lenet.LenetConfig),
            context=Context(data=tmp_path, device=CPU, amp=False),
            out=tmp_path / "out",
            trials=2,
        )
    )
    assert len(outcomes) == 2 and set(splits) == {"train"}
    assert not list((tmp_path / "out").rglob("test_readings.jsonl"))
