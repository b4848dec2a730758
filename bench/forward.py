"""Classification's network forward beside ONNX Runtime and PyTorch on the same network: `python -m bench.forward`.

Every engine answers the same normalised pixels, all in turn in each round, first on the machine as it is and then
beside one busy process of our own. Times are of one answer; what counts is the ratio to the peer, ONNX Runtime called
without this project, within the same round: whatever else the machine does meanwhile, it does to both. PyTorch is timed
with `--torch` only: beside other work two of its threads take seconds for an answer, and keep everyone else waiting.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from cvdemo.classify.catalogue import list_networks
from cvdemo.classify.classifier import Member, load_classifier, load_network
from cvdemo.nets.forward import make_session
from cvdemo.nets.onnx_graph import INPUT
from cvdemo.nets.onnx_trace import onnx_model

Engine = Callable[[Tensor], np.ndarray]
Times = dict[str, list[tuple[float, float]]]  # by engine, for each round: ms on the clock and of CPU

PEER = "ONNX Runtime, threads that sleep"
OURS = "this project's page"
TORCH = "torch"
ANSWERS = 8  # of an engine in one round, after one that is not timed
PAUSE_S = 0.06  # between two engines: threads that spin go on for a while, and would slow the next
WARM_UP_S = 0.3  # until a busy process is busy


def engines(member: Member, name: str, threads: int) -> dict[str, Engine]:
    """The network of a weight in several ways: normalised pixels -> logits."""
    plain = load_network(name)
    shape = ("batch", len(member.preprocessing.mean), "height", "width")
    asleep = make_session(onnx_model(plain, shape=shape), threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    complete = onnx_model(plain, shape=shape).complete().SerializeToString()
    spinning = onnxruntime.InferenceSession(complete, options, providers=["CPUExecutionProvider"])
    assert member.forward is not None
    forward, folded = member.forward, member.network
    return {
        PEER: lambda pixels: np.asarray(asleep.run(None, {INPUT: pixels.numpy()})[0]),
        OURS: lambda pixels: forward(pixels).numpy(),
        "ONNX Runtime, threads that spin, its default": lambda pixels: np.asarray(
            spinning.run(None, {INPUT: pixels.numpy()})[0]
        ),
        TORCH: lambda pixels: np.asarray(plain(pixels)),
        "torch, BatchNorms folded": lambda pixels: np.asarray(folded(pixels)),
    }


@contextmanager
def busy_process() -> Iterator[None]:
    """One process that never rests, ended afterwards."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        time.sleep(WARM_UP_S)
        yield
    finally:
        process.kill()
        process.wait()


@torch.inference_mode()
def measured(ways: dict[str, Engine], pixels: Tensor, rounds: int) -> Times:
    """Each round asks every engine once, `ANSWERS` times in a row."""
    times: Times = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            time.sleep(PAUSE_S)
            way(pixels)
            clock, cpu = time.perf_counter(), time.process_time()
            for _answer in range(ANSWERS):
                way(pixels)
            spent = time.perf_counter() - clock, time.process_time() - cpu
            times[name].append((1000 * spent[0] / ANSWERS, 1000 * spent[1] / ANSWERS))
    return times


@torch.inference_mode()
def largest_differences(ways: dict[str, Engine], pixels: Tensor) -> dict[str, float]:
    """Of each engine's logits from those of PyTorch."""
    wanted = ways[TORCH](pixels)
    return {name: float(np.abs(way(pixels) - wanted).max()) for name, way in ways.items()}


def ratio(times: Times, name: str) -> float:
    """Median over the rounds of an engine's time over the peer's in the same round."""
    return statistics.median(own[0] / peer[0] for own, peer in zip(times[name], times[PEER], strict=True))


def table(title: str, times: Times, differences: dict[str, float]) -> str:
    """Markdown: medians, and the ratio to the peer."""
    lines = [f"| {title} | ms | ms of CPU | times the peer | difference of logits |", "|---|---:|---:|---:|---:|"]
    for name, pairs in times.items():
        clock, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        lines.append(f"| {name} | {clock:.1f} | {cpu:.1f} | {ratio(times, name):.2f} | {differences[name]:.0e} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Prints a table for each condition, and what was measured on what."""
    parser = argparse.ArgumentParser(prog="python -m bench.forward", description=__doc__)
    parser.add_argument("--model", default="imagenet", choices=list(list_networks()), help="of one network")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--torch", action="store_true", help="time PyTorch too")
    args = parser.parse_args(argv)
    classifier, threads = load_classifier(args.model, "cpu"), torch.get_num_threads()
    names = list_networks()[args.model].members
    if len(names) > 1:
        parser.error(f"{args.model} is an ensemble: choose one of its members, {', '.join(names)}")
    (member,) = classifier.members
    side_px, channels = member.preprocessing.input_px, len(member.preprocessing.mean)
    pixels = torch.randn(1, channels, side_px, side_px)
    ways = engines(member, names[0], threads)
    differences = largest_differences(ways, pixels)
    ways = {name: way for name, way in ways.items() if args.torch or "torch" not in name}
    load = os.getloadavg()[0]
    print(table("as found", measured(ways, pixels, args.rounds), differences) + "\n")
    with busy_process():
        print(table("beside one busy process", measured(ways, pixels, args.rounds), differences))
    print(
        f"\n{names[0]}, {side_px} px; {args.rounds} rounds of {ANSWERS} answers; {threads} threads of "
        f"{os.cpu_count()}; load before {load:.1f}; torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}"
    )


if __name__ == "__main__":
    main()
