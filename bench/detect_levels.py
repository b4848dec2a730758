"""The small levels of a pyramid run one by one against packed into one canvas, so that they start the network once.

The network is a PlaceNet of 20 classes with random weights, which do not change its time. The levels stand side by side
on the canvas with gaps between them; what is not covered by any is computed too. On the CPU ONNX Runtime runs it, on a
GPU PyTorch; pixels go there and answers come back within the time. Both ways take turns; the medians are told.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor

from bench.detect_rows import Row, clocked
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.place_net import PlaceNet

LEVELS_HW = ((192, 256), (96, 128), (64, 96))
GAP_PX = 32  # a stride of the coarsest places
REPEATS = 7
CLASSES = 20


def packed(levels: Sequence[Tensor], gap_px: int = GAP_PX) -> Tensor:
    """(1, C, h, w) each, h and w multiples of the gap -> one such canvas with the levels in a row, zeros between."""
    height = max(level.shape[2] for level in levels)
    width = sum(level.shape[3] for level in levels) + gap_px * (len(levels) - 1)
    canvas = levels[0].new_zeros((1, levels[0].shape[1], height, width))
    left = 0
    for level in levels:
        canvas[:, :, : level.shape[2], left : left + level.shape[3]] = level
        left += level.shape[3] + gap_px
    return canvas


def level_rows(levels_hw: Sequence[tuple[int, int]] = LEVELS_HW, repeats: int = REPEATS) -> Iterator[Row]:
    """The times on the CPU, and on a GPU where there is one."""
    yield _level_row(torch.device("cpu"), levels_hw, repeats)
    if torch.cuda.is_available():
        yield _level_row(torch.device("cuda"), levels_hw, repeats)
    else:
        yield Row(_what("a GPU"), {}, "", "", "not run: no CUDA GPU")


def _what(where: str) -> str:
    return f"levels one by one against packed into one canvas, on {where}"


def _level_row(device: torch.device, levels_hw: Sequence[tuple[int, int]], repeats: int) -> Row:
    torch.manual_seed(0)
    network = PlaceNet(CLASSES).eval().requires_grad_(False).to(device)
    levels = [torch.randn(1, 3, height, width) for height, width in levels_hw]
    answered = partial(_answered, forward_engine(network, device=device), device)
    ways = {"ms": partial(answered, levels), "packed_ms": partial(answered, [packed(levels)])}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            _, took_ms, _ = clocked(way)
            if turn:  # the first one makes ready
                times[name].append(took_ms)
    medians = {name: statistics.median(all_ms) for name, all_ms in times.items()}
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    return Row(
        _what(where),
        {**medians, "device": device.type, "levels": len(levels), "repeats": repeats},
        f"one by one {medians['ms']:.1f} ms, packed {medians['packed_ms']:.1f} ms",
        "",
        f"levels of {', '.join(f'{width} x {height}' for height, width in levels_hw)} px",
    )


def _answered(engine: Engine, device: torch.device, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The network's answers, which have come back when this returns."""
    return [engine(pixels.to(device)).cpu() for pixels in inputs]
