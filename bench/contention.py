"""What jobs cost one another, and what other work on the machine costs them, as ratios, all in one run.

`python -m bench.contention [--seconds N] [--classifications N]`. The page is started as a process of its own and asked
through its API; the demos run by the backend that it uses. Free cores cannot be made: the first line says what load was
found, and with other work on the machine the ratios against free cores come out too small.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from gradio_client import Client, handle_file

from bench.load import busy_processes, found
from bench.memory import page
from bench.threads import milliseconds
from cvdemo import backends
from cvdemo.classify.classifier import load_classifier
from cvdemo.demo import Request, Run
from cvdemo.demos import RUNS
from cvdemo.images import normalise, read_image
from cvdemo.runtime import usable_cores

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "examples" / "coffee.jpg"
STYLE = ROOT / "examples" / "styles" / "mosaic.jpg"
START_LIMIT_S = 180.0
FORWARD_TARGET, BUSY_TARGET, TOGETHER_TARGET = 1.1, 2.2, 0.85  # times
CLASSIFY_TARGET_S = 1.5
ROUNDS = 3
SETTLED_S = 1.5  # until the backend has seen what else runs
STYLE_STEPS = 20  # in each of two scales, for two styles at once


@dataclass(frozen=True)
class Row:
    """One line of the table; `value` and `target` in `unit`."""

    name: str
    value: float
    target: float
    unit: str = " x"
    note: str = ""

    def __str__(self) -> str:
        met = "yes" if self.value <= self.target else "no"
        return f"| {self.name} | {self.value:.2f}{self.unit} | {self.target:g}{self.unit} | {met} | {self.note} |"


def forward_row() -> Row:
    """The page's forward pass of one crop against ONNX Runtime on the same network and as many threads."""
    classifier, crop = load_classifier(), torch.rand(1, 3, 224, 224)
    torch.set_num_threads(usable_cores())
    session, pixels = _peer(classifier.network, crop), normalise(crop, classifier.preprocessing)
    forward = classifier.members[0].forward
    assert forward is not None  # the page's classifiers have one
    ours, peer = [], []
    for _ in range(9):
        ours.append(milliseconds(lambda: forward(pixels)))
        peer.append(milliseconds(lambda: session.run(None, {"crop": crop.numpy()})))
    own_ms, peer_ms = statistics.median(ours), statistics.median(peer)
    note = f"{own_ms:.0f} and {peer_ms:.0f} ms"
    return Row("classify, forward, against ONNX Runtime", own_ms / peer_ms, FORWARD_TARGET, note=note)


def _peer(network: torch.nn.Module, crop: torch.Tensor) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the graph that torch's own exporter writes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter will go one day
        torch.onnx.export(network.eval(), (crop,), f"{folder}/peer.onnx", input_names=["crop"], dynamo=False)
        return onnxruntime.InferenceSession(f"{folder}/peer.onnx", options, providers=["CPUExecutionProvider"])


def requests() -> dict[str, Request]:
    """A request of each demo, by its class: pictures where it has to have some, else what is usual."""
    picture, style = read_image(PICTURE), read_image(STYLE)
    given: dict[str, Any] = {"image": picture, "content": picture, "style": style}
    made: dict[str, Request] = {}
    for kind in RUNS:
        needed = [field.name for field in dataclasses.fields(kind) if _has_no_default(field)]
        if set(needed) <= set(given):
            made[kind.__name__] = kind(**{name: given[name] for name in needed})
        else:
            print(f"{kind.__name__} is not measured: it needs {', '.join(needed)}.")
    return made


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def step_seconds(run: Run, request: Request, most_s: float) -> list[float]:
    """How long each step of a job took, until it is done or `most_s` are over."""
    times, started = [time.monotonic()], time.monotonic()
    for _ in run(request):
        times.append(time.monotonic())
        if times[-1] - started > most_s:
            break
    return [float(each) for each in np.diff(times)]


def ratio(numerator: list[list[float]], denominator: list[list[float]]) -> float:
    """Of the median times of the first steps, as many as every trial has: later ones may be larger."""
    steps = min(len(trial) for trial in (*numerator, *denominator))
    above, below = (statistics.median(sum(trial[:steps]) for trial in trials) for trials in (numerator, denominator))
    return above / below


def busy_rows(seconds: float) -> Iterator[Row]:
    """Each demo beside one busy process against itself without, in turns."""
    for name, request in requests().items():
        step_seconds(backends.run, request, seconds)  # loads the network
        alone: list[list[float]] = []
        beside: list[list[float]] = []
        for _ in range(ROUNDS):
            time.sleep(SETTLED_S)
            alone.append(step_seconds(backends.run, request, seconds))
            with busy_processes():
                time.sleep(SETTLED_S)
                beside.append(step_seconds(backends.run, request, seconds))
        yield Row(f"{name.removesuffix('Request')} beside one busy process", ratio(beside, alone), BUSY_TARGET)


def classify_row(url: str, count: int) -> Row:
    """The 95th percentile of classifications, one after the other, while a style transfer runs."""
    other, own = Client(url, verbose=False), Client(url, verbose=False)
    own.predict(handle_file(PICTURE), api_name="/classify")  # loads the network
    slow = other.submit(handle_file(PICTURE), handle_file(STYLE), size=768, steps=400, scales=6, api_name="/stylize")
    while not slow.outputs() and not slow.done():
        time.sleep(0.1)
    times = []
    for _ in range(count):
        started = time.monotonic()
        own.predict(handle_file(PICTURE), api_name="/classify")
        times.append(time.monotonic() - started)
    note = f"median {statistics.median(times):.2f} s" + ("; the style had ended" if slow.done() else "")
    slow.cancel()
    p95 = float(np.percentile(times, 95))
    return Row(f"classify while a style transfer runs, p95 of {count}", p95, CLASSIFY_TARGET_S, " s", note)


def together_row(url: str) -> Row:
    """Two styles at once against one after the other, in turns; by two clients."""
    clients = [Client(url, verbose=False) for _ in range(2)]

    def style(client: Client) -> None:
        client.predict(
            handle_file(PICTURE), handle_file(STYLE), size=256, steps=STYLE_STEPS, scales=2, api_name="/stylize"
        )

    style(clients[0])  # loads the network
    apart, together = [], []
    for _ in range(ROUNDS):
        started = time.monotonic()
        for client in clients:
            style(client)
        apart.append(time.monotonic() - started)
        started = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(style, clients))
        together.append(time.monotonic() - started)
    value, note = statistics.median(together) / statistics.median(apart), f"{statistics.median(together):.1f} s"
    return Row("two styles at once against one after the other", value, TOGETHER_TARGET, note=note)


def main(argv: list[str] | None = None) -> None:
    """Prints the load found and the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.contention", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each demo in each trial, at most")
    parser.add_argument("--classifications", type=int, default=30)
    args = parser.parse_args(argv)
    print(found())
    print(f"{usable_cores()} usable cores, torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}\n")
    print("| measured | value | at most | met | |\n|---|---:|---:|---|---|")
    print(forward_row(), flush=True)
    for row in busy_rows(args.seconds):
        print(row, flush=True)
    with page() as (_, url):
        print(classify_row(url, args.classifications), flush=True)
        print(together_row(url), flush=True)


if __name__ == "__main__":
    main()
