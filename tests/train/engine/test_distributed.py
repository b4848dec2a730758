"""Two processes under torchrun train like one with the joint batch, stop together and resume bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.train.engine.two_processes import PLAIN
from tests.train.tiny_tasks import PlainTask, same_run
from train.engine import distributed
from train.engine.checkpoint import LAST, load
from train.engine.loop import Trainer
from train.engine.monitor import METRICS_FILE, read_records

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that two processes have filled, and what they printed."""
    out = tmp_path_factory.mktemp("together")
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.train.engine.two_processes"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-m", *words, str(out)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_equal_one_with_the_joint_batch(together: tuple[Path, str], tmp_path: Path) -> None:
    Trainer(PlainTask(PLAIN), PLAIN, tmp_path).run()
    one, two = load(tmp_path / LAST), load(together[0] / "plain" / LAST)
    start = PlainTask(PLAIN).networks["network"].state_dict()
    for part, key in [("networks", "network"), ("ema", None)]:
        of_one, of_two = (state[part] if key is None else state[part][key] for state in (one, two))
        for name, weight in of_one.items():
            moved = (weight - start[name]).abs().max().item()
            # the sum over eight pictures is taken in another order: float32's round-off, a thousandth of the movement
            assert (weight - of_two[name]).abs().max().item() < 1e-6 < 1e-3 * moved, name
    assert one["best"] == pytest.approx(two["best"], rel=1e-4)


def test_the_logged_loss_is_that_of_the_joint_batch(together: tuple[Path, str], tmp_path: Path) -> None:
    Trainer(PlainTask(PLAIN), PLAIN, tmp_path).run()
    one, two = (read_records(folder / METRICS_FILE) for folder in (tmp_path, together[0] / "plain"))
    assert [record["step"] for record in one] == [record["step"] for record in two]  # written once, not twice
    for a, b in zip(one, two, strict=True):
        assert a.get("train_loss", a.get("error")) == pytest.approx(b.get("train_loss", b.get("error")), rel=1e-4)


def test_two_processes_stopped_and_resumed_equal_two_that_were_not(together: tuple[Path, str]) -> None:
    whole, parts = (load(together[0] / name / LAST) for name in ("whole", "parts"))
    assert len(whole["rng"]) == 2
    assert whole["hardware"].startswith("2 processes")
    assert same_run(whole, parts)


def test_only_the_first_process_prints(together: tuple[Path, str]) -> None:
    assert (together[0] / "rank0.txt").exists() and (together[0] / "rank1.txt").exists()
    assert together[1].count("24/24") == 1


def test_another_number_of_processes_says_that_noise_differs(together: tuple[Path, str]) -> None:
    with pytest.warns(UserWarning, match="saved by 2 processes, resumed by 1"):
        Trainer(PlainTask(PLAIN), PLAIN, together[0] / "plain", resume=True)


def test_alone_nothing_is_shared() -> None:
    assert distributed.init_from_environment(torch.device("cpu")) == torch.device("cpu")
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    x = torch.arange(3.0)
    assert torch.equal(distributed.shard(x), x)
    weight = torch.nn.Parameter(x.clone())
    weight.grad = x.clone()
    distributed.average_gradients([weight])
    distributed.average([x])
    assert torch.equal(x, torch.arange(3.0)) and torch.equal(weight.grad, x)
    assert distributed.any_of(True, False) == [True, False]
    assert distributed.gathered("a") == ["a"] and distributed.from_main(7) == 7
    assert distributed.average_values({"loss": torch.tensor(2.0)}) == {"loss": 2.0}
