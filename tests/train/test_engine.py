"""The loop on a tiny network: resume bit for bit, signals, damaged checkpoints, what is kept and refused."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from train.checkpoint import BEST, LAST, PREVIOUS, load, load_last, save_last
from train.engine import LoopConfig, Task, Trainer, cosine_factor, epoch_indices, seeded, with_steps
from train.monitor import METRICS_FILE, read_records

CONFIG = LoopConfig(steps=8, batch_size=4, log_every=1, evaluate_every=2, preview_every=0, ema_decay=0.9)


class TinyTask(Task):
    """A linear fit with dropout, so that the global generator matters too."""

    product = "network"
    metric = "error"
    higher_is_better = False

    def __init__(self, stop_at: int | None = None, diverge_at: int | None = None) -> None:
        torch.manual_seed(3)
        self.device = torch.device("cpu")
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.3), nn.Linear(4, 1))
        self.networks = {"network": network}
        self.optimizers = {"network": torch.optim.Adam(network.parameters(), 0.01)}
        self.stop_at = stop_at
        self.diverge_at = diverge_at

    def lr_factor(self, step: int) -> float:
        return cosine_factor(step, 8, warmup=2)

    def step(self, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        x = torch.randn(4, 3, generator=generator)
        loss = (self.networks["network"](x) - x.sum(dim=1, keepdim=True)).square().mean()
        if step == self.diverge_at:
            loss = loss * float("nan")
        self.optimizers["network"].zero_grad()
        loss.backward()
        self.optimizers["network"].step()
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"loss": loss.detach()}

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        torch.rand(7)  # a measure that draws must not change training
        return {"error": network(torch.ones(1, 3)).item() ** 2}


def equal(a: object, b: object) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


@pytest.mark.parametrize("stop_at", [0, 3, 6])
def test_a_run_stopped_by_sigterm_and_resumed_equals_one_that_was_not(tmp_path: Path, stop_at: int) -> None:
    assert Trainer(TinyTask(), CONFIG, tmp_path / "whole").run()
    assert not Trainer(TinyTask(stop_at), CONFIG, tmp_path / "parts").run()
    torch.manual_seed(99)  # another process has another state
    resumed = Trainer(TinyTask(), CONFIG, tmp_path / "parts", resume=True)
    assert resumed.step == stop_at + 1
    assert resumed.run()
    whole, parts = load(tmp_path / "whole" / LAST), load(tmp_path / "parts" / LAST)
    for key in ("networks", "optimizers", "ema", "ema_updates", "step", "best", "rng"):
        assert equal(whole[key], parts[key]), key


def test_signal_handlers_are_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    Trainer(TinyTask(), CONFIG, tmp_path).run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_metrics_of_steps_taken_again_are_dropped(tmp_path: Path) -> None:
    Trainer(TinyTask(stop_at=3), CONFIG, tmp_path).run()
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 7, "seconds": 0, "loss": 0.0}\n')
    Trainer(TinyTask(), CONFIG, tmp_path, resume=True).run()
    records = read_records(tmp_path / METRICS_FILE)
    assert [record["step"] for record in records if "train_loss" in record] == list(range(1, 9))


def test_best_holds_the_best_measure(tmp_path: Path) -> None:
    Trainer(TinyTask(), CONFIG, tmp_path).run()
    records = read_records(tmp_path / METRICS_FILE)
    best = load(tmp_path / BEST)
    assert best["best"] == min(record["error"] for record in records if "error" in record)
    network = TinyTask().networks["network"]
    network.load_state_dict(best["ema"])
    assert TinyTask().evaluate(network.eval())["error"] == pytest.approx(best["best"])


def test_a_cut_checkpoint_falls_back_to_the_one_before_with_a_warning(tmp_path: Path) -> None:
    save_last({"step": 1}, tmp_path)
    save_last({"step": 2}, tmp_path)
    data = (tmp_path / LAST).read_bytes()
    for length in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / LAST).write_bytes(data[:length])
        with pytest.warns(UserWarning, match=PREVIOUS):
            assert load_last(tmp_path) == {"step": 1}


def test_nothing_readable_is_an_error_that_says_why(tmp_path: Path) -> None:
    (tmp_path / LAST).write_bytes(b"no checkpoint")
    with pytest.raises(FileNotFoundError, match=r"no readable checkpoint.*previous.pt: missing"):
        load_last(tmp_path)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    Trainer(TinyTask(), CONFIG, tmp_path).run()
    with pytest.raises(FileExistsError, match="--resume"):
        Trainer(TinyTask(), CONFIG, tmp_path)


def test_resuming_with_another_config_says_so(tmp_path: Path) -> None:
    Trainer(TinyTask(stop_at=1), CONFIG, tmp_path).run()
    with pytest.warns(UserWarning, match=r"'batch_size': \(4, 5\)"):
        Trainer(TinyTask(), replace(CONFIG, batch_size=5), tmp_path, resume=True)


def test_divergence_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="before step 3"):
        Trainer(TinyTask(diverge_at=2), CONFIG, tmp_path).run()


def test_every_picture_is_seen_once_an_epoch() -> None:
    first = torch.cat([epoch_indices(step, 4, 12, seed=1) for step in range(3)])
    second = torch.cat([epoch_indices(step, 4, 12, seed=1) for step in range(3, 6)])
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(12))
    assert first.tolist() != second.tolist()


def test_fewer_pictures_than_a_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one batch of 4"):
        epoch_indices(0, 4, 3, seed=0)


def test_steps_draw_differently_and_repeatably() -> None:
    keys = [(purpose, seed, step) for purpose in ("step", "epoch") for seed in (0, 1) for step in (0, 1)]
    assert len({torch.rand(1, generator=seeded(*key)).item() for key in keys}) == len(keys)
    draw = torch.rand(3, generator=seeded("step", 5, 7))
    assert torch.equal(draw, torch.rand(3, generator=seeded("step", 5, 7)))


def test_cosine_warms_up_and_falls_to_zero() -> None:
    factors = [cosine_factor(step, 10, warmup=2) for step in range(11)]
    assert factors[:3] == [0.5, 1.0, 1.0]
    assert factors == sorted(factors[:2]) + sorted(factors[2:], reverse=True)
    assert factors[-1] == pytest.approx(0.0)
