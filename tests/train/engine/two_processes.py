"""What test_distributed.py has torchrun do in every process; the folder for the results is the only argument."""

import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from tests.train.tiny_tasks import CONFIG, PlainTask, TinyTask
from train.engine import distributed
from train.engine.loop import LoopConfig, Trainer

PLAIN = LoopConfig(
    steps=24, batch_size=8, log_every=4, evaluate_every=12, preview_every=0, ema_decay=0.9, clip_norm=0.3
)


def main(out: Path) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    distributed.init_from_environment(torch.device("cpu"))
    Trainer(PlainTask(PLAIN), PLAIN, out / "plain").run()

    config = replace(CONFIG, batch_size=8)  # with BatchNorm, dropout, and a stop that only the second process is told
    Trainer(TinyTask(config), config, out / "whole").run()
    stopped = Trainer(TinyTask(config, stop_at=4, stop_rank=1), config, out / "parts")
    assert not stopped.run()
    assert distributed.gathered(stopped.step) == [5, 5], "both stop after the same step"
    torch.manual_seed(99)
    resumed = Trainer(TinyTask(config), config, out / "parts", resume=True)
    assert resumed.run()
    networks = distributed.gathered(resumed.task.networks["network"].state_dict())
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0]), "buffers too are the same"
    draws = distributed.gathered(torch.rand(1).item())
    assert draws[0] != draws[1], "each process drops other units"

    with distributed.main_first():
        made_here = not (out / "made.txt").exists()
        (out / "made.txt").write_text("once")
    assert distributed.gathered(made_here) == [True, False]

    try:
        distributed.shard(torch.zeros(3))
    except ValueError as error:
        assert "3 rows cannot be shared evenly by 2" in str(error)
    else:
        raise AssertionError("three rows were shared by two")
    (out / f"rank{distributed.rank()}.txt").write_text("done")
    assert gloo_threads(), "that none is left says nothing if none is seen here"
    distributed.leave()
    assert not gloo_threads(), "the group is gone: no thread is left to need the interpreter while it ends"


def gloo_threads() -> list[str]:
    """Names of this process's threads that run gloo's work (Linux)."""
    names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
