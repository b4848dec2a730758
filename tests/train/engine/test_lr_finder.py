"""The sweep of learning rates: what it suggests, that it stops, and that it leaves no trace."""

import copy
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.tiny_tasks import CONFIG, PlainTask, TinyTask, altered, equal
from train import __main__ as command_line
from train.engine.device import rng_state
from train.engine.loop import LoopConfig
from train.engine.lr_finder import LrSweep, describe, find_lr, plot_sweep, steepest
from train.recipes import RECIPES


def state_of(task: TinyTask) -> dict[str, Any]:
    networks = [network.state_dict() for network in task.networks.values()]
    optimizers = [optimizer.state_dict() for optimizer in task.optimizers.values()]
    modes = [module.training for network in task.networks.values() for module in network.modules()]
    gradients = [weight.grad for network in task.networks.values() for weight in network.parameters()]
    return copy.deepcopy({"n": networks, "o": optimizers, "m": modes, "g": gradients, "rng": rng_state(task.device)})


@pytest.mark.parametrize("steps_before", [0, 3])
def test_everything_is_put_back_bit_for_bit(steps_before: int) -> None:
    task = TinyTask(replace(CONFIG, steps=100))
    for step in range(steps_before):
        task.step(step, torch.Generator().manual_seed(step))
    before = state_of(task)
    find_lr(task, seed=0, steps=40)
    assert equal(before, state_of(task))


def test_everything_is_put_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TinyTask(replace(CONFIG, steps=100))
    before, step = state_of(task), task.step

    def failing(number: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        if number == 5:
            raise RuntimeError("out of memory")
        random.random()
        return step(number, generator)

    monkeypatch.setattr(task, "step", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        find_lr(task, seed=0)
    assert equal(before, state_of(task))


def test_the_rate_it_suggests_learns_and_the_sweep_stops_when_the_loss_explodes() -> None:
    task = PlainTask(LoopConfig(batch_size=8))
    sweep = find_lr(task, seed=0, low=1e-3, high=1e4, steps=100)
    assert sweep.diverged and len(sweep.factors) < 100
    assert len(sweep.factors) == len(sweep.losses) == len(sweep.smoothed)
    assert sweep.rates == {"network": 0.05} and sweep.loss == "loss"
    assert sweep.suggestion is not None
    assert 1e-3 < sweep.suggestion < sweep.factors[-1] / 2
    losses = []
    for factor in (sweep.suggestion, 4 * sweep.factors[-1]):
        trial = PlainTask(LoopConfig(batch_size=8))
        trial.optimizers["network"].param_groups[0]["lr"] = 0.05 * factor
        losses.append([trial.step(step, torch.Generator())["loss"].item() for step in range(30)])
    assert losses[0][-1] < 0.5 * losses[0][0]
    assert not losses[1][-1] < losses[1][0]  # larger, or not a number


def test_a_quadratic_is_swept_as_computed_by_hand() -> None:
    """One weight w with loss w^2 / 2 under SGD of rate f: w shrinks by (1 - f) at each step."""

    class Quadratic(PlainTask):
        def __init__(self) -> None:
            self.device, self.config = torch.device("cpu"), LoopConfig()
            network = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.ones_(network.weight)
            self.networks = {"network": network}
            self.optimizers = {"network": torch.optim.SGD(network.parameters(), 1.0)}

        def step(self, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
            weight = self.networks["network"].get_parameter("weight")
            loss = weight.square().sum() / 2
            self.optimizers["network"].zero_grad()
            self.backward(loss)
            self.update()
            return {"other": loss.detach() * 0, "energy": loss.detach()}

    sweep = find_lr(Quadratic(), seed=0, low=0.011, high=100.0, steps=21, loss="energy")
    w, expected = 1.0, []
    for factor in np.geomspace(0.011, 100, 21):
        expected.append(w * w / 2)
        w *= 1 - factor
    assert sweep.losses == pytest.approx(expected[: len(sweep.losses)], rel=1e-4)
    assert sweep.smoothed[0] == pytest.approx(0.5)
    assert sweep.smoothed[1] == pytest.approx((0.09 * expected[0] + 0.1 * expected[1]) / 0.19)
    assert sweep.diverged
    assert sweep.suggestion is not None
    assert 0.05 < sweep.suggestion < 2  # above 2 the weight grows


def test_the_steepest_descent_is_found() -> None:
    factors = np.geomspace(1, 1e6, 7).tolist()
    assert steepest(factors, [5.0, 1.0, 0.99, 0.9, 0.5, 0.1, 9.0], first=2) == 1e4
    with pytest.raises(ValueError, match="did not fall after step 2"):
        steepest(factors, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], first=2)


def test_a_sweep_that_cannot_be_is_refused() -> None:
    for wrong in ({"low": 0.0}, {"low": 2.0, "high": 1.0}, {"steps": 9}):
        with pytest.raises(ValueError, match="need 0 < low < high and steps >= 10"):
            find_lr(PlainTask(LoopConfig()), seed=0, **wrong)


class Scripted(PlainTask):
    """A task whose losses are given."""

    def __init__(self, losses: Sequence[float]) -> None:
        super().__init__(LoopConfig())
        self.losses = losses

    def step(self, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"loss": torch.tensor(self.losses[step])}


@pytest.mark.parametrize(
    ("losses", "trouble"),
    [
        ([math.nan] * 40, "the loss exploded at once, at 0.001 times the recipe's learning rates"),
        ([2.0, 1e9, *[1.0] * 38], "the loss exploded at once from 2, at 0.00143 times"),
        ([2.3026] * 40, "the loss did not move: it stayed from 2.303 to 2.303 up to 1e\\+03 times"),
        ([2.3 + 0.01 * (-1) ** step for step in range(40)], "the loss did not move"),
        ([1.0 + 0.02 * step for step in range(40)], "the loss did not fall after step 4, it rose from 1 to 1.6"),
    ],
    ids=["nan", "explodes", "constant", "noise", "rises"],
)
def test_a_sweep_without_a_suggestion_says_why_and_is_drawn(losses: list[float], trouble: str, tmp_path: Path) -> None:
    sweep = find_lr(Scripted(losses), seed=0, steps=40)
    assert sweep.suggestion is None
    assert re.search(trouble, describe(sweep)) and "--sweep-" in describe(sweep)
    plot_sweep(sweep, tmp_path / "sweep.png")
    with Image.open(tmp_path / "sweep.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("learns", [True, False])
def test_the_command_draws_whatever_the_sweep_was(
    learns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    losses = [2.0 - 0.04 * step for step in range(40)] if learns else [1.0] * 40
    recipe = altered(RECIPES["cifar10"], build=lambda config, context: Scripted(losses))
    monkeypatch.setitem(RECIPES, "cifar10", recipe)
    words = ["lr-find", "cifar10", "--data", str(tmp_path), "--out", str(tmp_path / "new" / "curve.png")]
    words += ["--sweep-steps", "40", "--device", "cpu"]
    if learns:
        command_line.main(words)
        assert "suggested" in capsys.readouterr().out
    else:
        with pytest.raises(SystemExit, match=r"python -m train: the loss did not move: .*; curve in .*curve\.png"):
            command_line.main(words)
    assert (tmp_path / "new" / "curve.png").exists()


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        ("cifar10", ["--out", "folder"], "folder is a folder, where a file is needed"),
        ("cifar10", ["--out", "curve.svg"], "the curve is a PNG: give a name that ends in .png"),
        ("cifar10", ["--out", "file/curve.png"], "file is a file, where a folder is needed"),
        ("cifar10", ["--sweep-steps", "5"], "steps >= 10"),
        ("cifar10", ["--sweep-low", "2", "--sweep-high", "1"], "0 < low < high"),
        ("dcgan", [], "a sweep needs one loss; this recipe has loss_d, loss_g"),
    ],
)
def test_a_sweep_is_refused_before_the_data_are_read(
    recipe: str, options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setitem(RECIPES, recipe, altered(RECIPES[recipe], build=lambda *given: pytest.fail("data were read")))
    with pytest.raises(SystemExit, match=message):
        command_line.main(["lr-find", recipe, "--data", "absent", "--device", "cpu", *options])


def test_a_gan_has_no_one_loss_to_sweep() -> None:
    class TwoLosses(PlainTask):
        def step(self, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
            return {"loss_d": torch.zeros(()), "loss_g": torch.zeros(())}

    with pytest.raises(ValueError, match="a sweep needs one loss; this recipe has loss_d, loss_g"):
        find_lr(TwoLosses(LoopConfig()), seed=0)


SWEEP = LrSweep(
    factors=(0.1, 1.0, 10.0),
    losses=(3.0, 1.0, 2.0),
    smoothed=(3.0, 1.5, 1.7),
    rates={"filters": 0.2, "rest": 0.02},
    loss="loss",
    suggestion=0.5,
    diverged=True,
)


def test_what_is_printed_names_the_rates() -> None:
    text = describe(SWEEP)
    assert "suggested: 0.5 times the recipe's learning rates" in text
    assert "filters 0.1 (now 0.2), rest 0.01 (now 0.02)" in text
    assert "lowest at 1 times (a tenth of that is the bold choice) and exploded above 10 times" in text
    assert "did not explode up to 10 times" in describe(replace(SWEEP, diverged=False))


def test_the_sweep_is_drawn(tmp_path: Path) -> None:
    plot_sweep(SWEEP, tmp_path / "sweep.png")
    with Image.open(tmp_path / "sweep.png") as picture:
        assert picture.format == "PNG"


def test_progress_is_shown_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    find_lr(PlainTask(LoopConfig(batch_size=8)), seed=0, high=10.0, steps=20, show=True)
    assert "1/20" in capsys.readouterr().err
    find_lr(PlainTask(LoopConfig(batch_size=8)), seed=0, high=10.0, steps=20)
    assert capsys.readouterr().err == ""
