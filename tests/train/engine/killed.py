"""What test_checkpoint.py runs in a process of its own: trains in forked children and kills them at random moments.

One process imports torch, and each child is forked from it, so that a restart costs milliseconds. Prints one JSON
object.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import torch

from tests.train.tiny_tasks import TinyTask
from train.engine.checkpoint import NEXT, PREVIOUS, has_checkpoint
from train.engine.loop import LoopConfig, Trainer

CONFIG = LoopConfig(
    steps=40, batch_size=4, log_every=1, evaluate_every=20, preview_every=0, ema_decay=0.9, checkpoint_seconds=0.0
)
KILLS = 20


def train(out: Path) -> None:
    """Trains to the end, from the newest checkpoint if there is one; saves after every step."""
    warnings.simplefilter("error")
    Trainer(TinyTask(CONFIG, width=2000), CONFIG, out, resume=has_checkpoint(out)).run()


def forked(out: Path, log: Path) -> int:
    """The id of a child that trains; its traceback, if it has one, goes to `log`."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with log.open("a") as file:
                os.dup2(file.fileno(), 2)
                train(out)
            status = 0
        except BaseException:
            traceback.print_exc(file=log.open("a"))
        finally:
            os._exit(status)
    return child


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    TinyTask(CONFIG)  # an optimiser's first construction imports for seconds: here, not in every child
    log = folder / "log.txt"
    began = time.monotonic()
    _, status = os.waitpid(forked(folder / "whole", log), 0)
    assert status == 0, log.read_text()
    whole_s = time.monotonic() - began
    draw = random.Random(0)
    kills = in_a_save = runs = 0
    while kills < KILLS:
        out = folder / f"killed{runs}"
        while True:  # until this run has come to its end
            child = forked(out, log)
            # later than the end of most runs' remaining steps once enough kills have been made
            time.sleep(draw.uniform(0, 0.4 * whole_s) if kills < KILLS else 0)
            if kills < KILLS:
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            if os.WIFSIGNALED(status):
                kills += 1
                in_a_save += any((out / name).exists() for name in (NEXT, NEXT + ".partial"))
            else:
                assert os.WEXITSTATUS(status) == 0, log.read_text()
                break
        runs += 1
    seconds = time.monotonic() - began
    fell_back = log.read_text().count(PREVIOUS)
    print(
        json.dumps({"kills": kills, "in_a_save": in_a_save, "runs": runs, "fell_back": fell_back, "seconds": seconds})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
