"""Milliseconds of a forward pass and of a style step by torch's threads and the spinning of OpenMP's, in one run.

`python -m bench.threads [--rounds N]`. One process for each setting, all asked in turn, first on the cores as they are
and then beside one busy process of our own; the median of the rounds counts. GOMP_SPINCOUNT says how often a thread
that waits at a barrier looks again before it sleeps; it is read when torch is loaded, and 300,000 is OpenMP's own
default.

Milliseconds of a forward pass and of a style step on two cores of an AMD EPYC, torch 2.11. The columns are of two runs
on different days, so compare within a column:

| threads, GOMP_SPINCOUNT | free cores | 1.4 of 2 cores busy | 1.4 of 2 busy, and one busy process |
|---|---:|---:|---:|
| 1, 300000 | 39, 70 | 17, 30 | 33, 61 |
| 2, 300000 | 18, 38 | 26, 130 | 162, 287 |
| 2, 10000 | | 87, 191 | 266, 292 |
| 2, 1000 | 26, 57 | 31, 47 | 55, 64 |
| 2, 100 | | 18, 33 | 33, 60 |
| 2, 0 | 42, 68 | 17, 31 | 30, 55 |

The same step in a worker thread by the size of the picture, 0.2 of 2 cores busy (300,000) and 0.9 (1,000):

| px | 1 thread, 300000 | 2 threads, 300000 | 1 thread, 1000 | 2 threads, 1000 |
|---|---:|---:|---:|---:|
| 256 | 33 | 37 | 32 | 34 |
| 512 | 165 | 108 | 195 | 167 |
| 768 | 412-443 | 292-338 | 443-635 | 412-419 |

Two threads are faster where they spin and the cores are free, and only then: with 1,000 a whole style of 256 px took
1.4 s on free cores with two threads and 1.0 s with one. Beside other work one thread is as good as any. So the spinning
stays as it is, and the backend gives a job the cores that are free; see `cvdemo.backends.local`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import busy_processes, found

DEFAULT = "300000"
SPINS = (DEFAULT, "10000", "1000", "100", "0")
CONDITIONS = ("as found", "beside one busy process")
WORK = ("forward, 224 px", "style step, 256 px")
REPEATS = 7  # in one round; their median is the round's


@dataclass
class Setting:
    """A process with its own threads and spinning, and the milliseconds it has told."""

    threads: str
    spin: str
    repeats: int
    process: subprocess.Popen[str] = field(init=False)
    times: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {name: [] for name in CONDITIONS})

    def __post_init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": self.threads, "GOMP_SPINCOUNT": self.spin}
        command = [sys.executable, "-m", "bench.threads", "--child", "--repeats", str(self.repeats)]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, condition: str) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None  # they are pipes
        self.process.stdin.write("measure\n")
        self.process.stdin.flush()
        self.times[condition].append(json.loads(self.process.stdout.readline()))

    def median(self, condition: str, work: str) -> float:
        return statistics.median(round_[work] for round_ in self.times[condition])


def works() -> dict[str, Callable[[], object]]:
    """What is measured: a classifier's forward pass, and one step of a style transfer."""
    import torch

    from cvdemo.classify.classifier import load_classifier

    network = load_classifier().network.eval()
    crop = torch.rand(1, 3, 224, 224)
    pixels = torch.rand(1, 3, 256, 256, requires_grad=True)

    def forward() -> object:
        with torch.inference_mode():
            return network(crop)

    def step() -> object:
        return torch.autograd.grad(network.features(pixels, ["block8"])["block8"].square().mean(), pixels)

    return dict(zip(WORK, (forward, step), strict=True))


def milliseconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median of some repeats, after one that is not timed."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[1:])


def child(repeats: int) -> None:
    """Measures once for each line on standard input."""
    work = works()
    for _ in sys.stdin:
        print(json.dumps({name: milliseconds(each, repeats) for name, each in work.items()}), flush=True)


def table(settings: list[Setting]) -> str:
    """Markdown: a row for each setting, a column for each work and condition."""
    columns = [(work, condition) for condition in CONDITIONS for work in WORK]
    lines = ["| threads, GOMP_SPINCOUNT | " + " | ".join(f"{work}, {condition}" for work, condition in columns) + " |"]
    lines.append("|---|" + "---:|" * len(columns))
    for setting in settings:
        numbers = " | ".join(f"{setting.median(condition, work):.0f}" for work, condition in columns)
        lines.append(f"| {setting.threads}, {setting.spin} | {numbers} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Prints the load found and the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.threads", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="in each round")
    parser.add_argument("--spins", nargs="+", default=SPINS, help="values of GOMP_SPINCOUNT")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        child(args.repeats)
        return
    print(found())
    settings = [Setting("1", DEFAULT, args.repeats), *(Setting("2", spin, args.repeats) for spin in args.spins)]
    for _ in range(args.rounds):
        for setting in settings:
            setting.measure(CONDITIONS[0])
        with busy_processes():
            for setting in settings:
                setting.measure(CONDITIONS[1])
    for setting in settings:
        setting.process.terminate()
        setting.process.wait()
    print(table(settings))


if __name__ == "__main__":
    main()
