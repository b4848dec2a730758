"""Time of 64 samples of a generator in several engines, in one run, and what the manifest says of its quality.

`python -m bench.sample [--generator NAME]`. Every engine turns the same latents into uint8 pictures, in turn, and the
median of the rounds counts: milliseconds on the clock, and of CPU in all threads together, which other work on the
machine hardly stretches. In brackets how many times as fast as torch in float32, one batch of 64.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cvdemo.demo import result_of
from cvdemo.errors import WeightsError
from cvdemo.nets.dcgan import Generator
from cvdemo.sample.generate import DEFAULT_GENERATOR, SampleConfig, latents, read_generator
from cvdemo.sample.run import SampleRequest, run_sample
from cvdemo.weights import WeightEntry, load_manifest
from train.engine.device import channels_last
from train.publishing.recipe import BASELINE

Pictures = npt.NDArray[np.uint8]
Engine = Callable[[Tensor], Pictures]

PEER = "torch, float32"
PAGE = "this project's page"
_OPSET, _IR_VERSION = 17, 8  # of 2022: every ONNX Runtime since 1.12 reads them


def engines(generator: Generator) -> dict[str, Engine]:
    """The same generator in several ways, by name: latents (N, latent_dim) -> (N, H, W, C) uint8."""
    fast = channels_last(folded(generator))
    session = onnx_session(fast)

    def in_bfloat16(points: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            pictures: Tensor = fast(points[:, :, None, None])
        return pictures

    def in_onnx(points: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"latents": points[:, :, None, None].numpy()})[0])

    return {
        PEER: lambda points: to_bytes(generator(points)),
        "torch, float32, folded, channels last": lambda points: to_bytes(fast(points[:, :, None, None])),
        "torch, bfloat16, folded, channels last": lambda points: to_bytes(in_bfloat16(points)),
        "ONNX Runtime, float32": lambda points: to_bytes(in_onnx(points)),
    }


def on_the_page(name: str) -> Engine:
    """The demo itself, by its one way to run; it draws the latents of seed 0 itself, as many as it is given."""

    def draw(points: Tensor) -> Pictures:
        config = SampleConfig(generator=name, count=len(points), seed=0, truncation=1.0)
        pictures: list[Pictures] = result_of(run_sample(SampleRequest(config=config, device="cpu")))
        return np.stack(pictures)

    return draw


def folded(generator: Generator) -> nn.Sequential:
    """The layers with each BatchNorm folded into the convolution before it."""
    layers: list[nn.Module] = []
    for layer in generator.layers:
        if isinstance(layer, nn.BatchNorm2d):
            conv = layers.pop()
            assert isinstance(conv, nn.ConvTranspose2d)
            layer = fuse_conv_bn_eval(conv, layer, transpose=True)
        layers.append(layer)
    return nn.Sequential(*layers).eval().requires_grad_(False)


def onnx_session(layers: nn.Sequential) -> onnxruntime.InferenceSession:
    """Folded layers as an ONNX graph, built node by node, with as many threads as torch has."""
    nodes, tensors, name = [], [], "latents"
    for index, layer in enumerate(layers):
        inputs, output = [name], f"layer{index}"
        if isinstance(layer, nn.ConvTranspose2d):
            assert layer.bias is not None
            for kind, values in (("weight", layer.weight), ("bias", layer.bias)):
                tensors.append(numpy_helper.from_array(values.detach().contiguous().numpy(), f"{kind}{index}"))
                inputs.append(f"{kind}{index}")
            pads, strides = [layer.padding[0]] * 4, list(layer.stride)
            nodes.append(helper.make_node("ConvTranspose", inputs, [output], pads=pads, strides=strides))
        else:
            nodes.append(helper.make_node("Tanh" if isinstance(layer, nn.Tanh) else "Relu", inputs, [output]))
        name = output
    graph = helper.make_graph(
        nodes,
        "generator",
        [helper.make_tensor_value_info("latents", TensorProto.FLOAT, ["n", "latent_dim", 1, 1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "channels", "height", "width"])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def to_bytes(pictures: Tensor) -> Pictures:
    """(N, C, H, W) in [-1, 1] -> (N, H, W, 3) uint8."""
    scaled = ((pictures.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(scaled.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy())


@torch.inference_mode()
def measured(makers: dict[str, Engine], points: Tensor, rounds: int) -> dict[str, tuple[float, float, int]]:
    """For each engine the median milliseconds on the clock and of CPU, and its largest difference from the first.

    The engines take turns; one round before is not timed. The difference is in steps of 1/255.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in makers}
    differences: dict[str, int] = {}
    wanted = next(iter(makers.values()))(points).astype(int)
    for number in range(rounds + 1):
        for name, make in makers.items():
            clock, cpu = time.perf_counter(), time.process_time()
            pictures = make(points)
            if number:
                times[name].append((1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu)))
            differences[name] = int(np.abs(pictures.astype(int) - wanted).max())
    medians = {
        name: [statistics.median(column) for column in zip(*pairs, strict=True)] for name, pairs in times.items()
    }
    return {name: (medians[name][0], medians[name][1], differences[name]) for name in makers}


def table(rows: dict[str, tuple[float, float, int]], count: int) -> str:
    """Markdown: the times, and in brackets how many times as fast as the peer."""
    lines = [f"| {count} samples | ms | ms of CPU | largest difference, of 255 |", "|---|---:|---:|---:|"]
    for name, (clock, cpu, difference) in rows.items():
        faster = [f"{own:,.0f} ({peer / own:.1f}x)" for own, peer in zip((clock, cpu), rows[PEER][:2], strict=True)]
        lines.append(f"| {name} | {faster[0]} | {faster[1]} | {difference} |")
    return "\n".join(lines)


def quality() -> str:
    """Markdown: what the manifest says of every generator, and of the plain one of its recipe, where that is there."""
    entries = {name: entry for name, entry in load_manifest().items() if entry.network["name"] == "dcgan"}
    plain = {entry.recipe: _fd(entry) for entry in entries.values() if entry.task == BASELINE}
    lines = ["| generator | measured | n | FD-Lite0 against the best of plain | command |", "|---|---|---:|---:|---|"]
    for name, entry in entries.items():
        values = ", ".join(f"{key} {value}" for key, value in entry.metric["value"].items())
        ratio = f"{_fd(entry) / plain[entry.recipe]:.0%}" if entry.recipe in plain else ""
        lines.append(f"| {name} | {values} | {entry.metric['n']:,} | {ratio} | `{entry.metric['command']}` |")
    return "\n".join(lines)


def _fd(entry: WeightEntry) -> float:
    return float(entry.metric["value"]["fd_lite0"])


def main(argv: list[str] | None = None) -> None:
    """Prints both tables, and between them what was measured on what."""
    parser = argparse.ArgumentParser(prog="python -m bench.sample", description=__doc__)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR, help="name in the manifest")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=9, help="timed, of which the median counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    try:
        generator = read_generator(args.generator).requires_grad_(False)
    except WeightsError as error:
        parser.error(str(error))
    points = latents(args.count, generator.latent_dim, 0)
    ways = engines(generator) | {PAGE: on_the_page(args.generator)}
    print(table(measured(ways, points, args.rounds), args.count))
    print(
        f"\n{args.generator}, {generator.size} px; median of {args.rounds} rounds; {args.threads} threads of ", end=""
    )
    print(f"{os.cpu_count()}, torch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}\n")
    print(quality())


if __name__ == "__main__":
    main()
