"""Closer windows of `imagenet`: what they cost all at once, against one crop at a time.

The network halves its maps five times, so that its windows lie 32 px apart. Windows half as far apart come of the same
maps before the last halving: what follows runs four times, on the maps moved by nothing or one to the left, up, and
both, and the answers are woven together (P. Sermanet et al., "OverFeat", ICLR 2014, section 3.3, has it for the last
layer; "shift and stitch"). What lies before is run once. Once more halved, the four answers become sixteen, and so on.
Maps that are moved are filled with zeros at the far edge, as the network fills its edges itself.

Times are those of the network alone, ms of CPU. Crops are timed one at a time, as many as `SAMPLE`, and multiplied by
the number of windows.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.detect_rows import COMPARED_WH, Row, clocked, smooth_noise
from cvdemo.detect.candidates import ScanConfig
from cvdemo.detect.detector import load_detector
from cvdemo.detect.sliding_window import SlidingWindowDetector, level_sizes
from cvdemo.images import normalise, resize, to_tensor
from cvdemo.nets.backbone import load_backbone
from cvdemo.nets.efficientnet_lite import EfficientNetLite
from cvdemo.nets.forward import Engine, forward_engine
from cvdemo.nets.onnx_trace import MAPS, PICTURES
from cvdemo.nets.window_net import DenseWindows

STRIDES_PX = (32, 16, 8, 4)
BLOCKS_TO = {4: 3, 8: 5, 16: 11, 32: 16}  # so many of Lite0's blocks lead to maps of that stride
SAMPLE = 32  # crops that are timed
REPEATS = 3


class Part(nn.Module):
    """Some blocks of a network in a row, with its stem before the first and its head behind the last."""

    def __init__(self, network: EfficientNetLite, first: int, last: int) -> None:
        super().__init__()
        self.stem = network.stem if first == 0 else None
        self.blocks = network.blocks[first:last]
        self.head = network.head if last == len(network.blocks) else None
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        if self.stem is not None:
            x = F.relu6(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return x if self.head is None else F.relu6(self.head(x))


@dataclass(frozen=True)
class CloserWindows:
    """The logits of windows that lie closer than a network's own stride.

    Attributes:
        fronts: by stride in px, from pixels to maps of that stride. stages: from maps of that stride to those of twice.
        dense: from the last maps to the logits of all windows, 32 px apart. window_px: side of a window.
    """

    fronts: Mapping[int, Engine]
    stages: Mapping[int, Engine]
    dense: Engine
    window_px: int

    def logits(self, pixels: Tensor, stride_px: int) -> Tensor:
        """(1, 3, H, W) normalised, H and W multiples of 32 -> (K, rows, columns): windows so far apart."""
        size = [(side - self.window_px) // stride_px + 1 for side in pixels.shape[2:]]
        return self._woven(self.fronts[stride_px](pixels), stride_px, size)

    def _woven(self, maps: Tensor, stride_px: int, size: Sequence[int]) -> Tensor:
        """The logits of rows x columns windows from maps of their stride."""
        rows, columns = size
        if stride_px not in self.stages:
            return self.dense(maps)[0][:, :rows, :columns]
        moved = [(down, right) for down in range(min(2, rows)) for right in range(min(2, columns))]
        found = {}
        for down, right in moved:
            later = self.stages[stride_px](F.pad(maps[..., down:, right:], (0, right, 0, down)).contiguous())
            part = (len(range(down, rows, 2)), len(range(right, columns, 2)))
            found[down, right] = self._woven(later, 2 * stride_px, part)
        woven = found[0, 0].new_empty((len(found[0, 0]), rows, columns))
        for (down, right), logits in found.items():
            woven[:, down::2, right::2] = logits
        return woven


def closer_windows(network: EfficientNetLite, window_px: int) -> CloserWindows:
    """Those of EfficientNet-Lite0 on the CPU."""
    cells, strides = window_px // STRIDES_PX[0], sorted(BLOCKS_TO)
    steps = list(pairwise(strides))
    return CloserWindows(
        {stride: forward_engine(Part(network, 0, last), shape=PICTURES) for stride, last in BLOCKS_TO.items()},
        {a: forward_engine(Part(network, BLOCKS_TO[a], BLOCKS_TO[b]), shape=MAPS) for a, b in steps},
        forward_engine(DenseWindows(network.classifier, cells), shape=MAPS),
        window_px,
    )


@torch.inference_mode()
def closer_rows(size_wh: tuple[int, int] = COMPARED_WH, strides_px: Sequence[int] = STRIDES_PX) -> Iterator[Row]:
    """One for each distance of windows."""
    detector = load_detector("imagenet", "cpu")
    assert isinstance(detector, SlidingWindowDetector)  # the line of the table says so
    net, picture = detector.net, smooth_noise(size_wh)
    closer = closer_windows(load_backbone("cpu").network, net.window_px)
    levels = [
        normalise(resize(to_tensor(picture), size_hw, detector.preprocessing.interpolation), detector.preprocessing)
        for size_hw in level_sizes((picture.shape[0], picture.shape[1]), net, ScanConfig())
    ]
    crop = levels[-1][..., : net.window_px, : net.window_px].contiguous()
    crop_ms = statistics.median(_cpu_ms(partial(net.crop_logits, crop), SAMPLE))
    for stride_px in strides_px:
        ways = partial(_counted, closer, levels, stride_px)
        windows = ways()
        dense_ms = statistics.median(_cpu_ms(ways, REPEATS))
        yield Row(
            "`imagenet`, windows {} px apart, {} x {} px, ms of CPU of the network".format(stride_px, *size_wh),
            {"cpu_ms": dense_ms, "crops_cpu_ms": windows * crop_ms, "windows": windows, "n": 1},
            f"{windows * crop_ms / dense_ms:.0f} times as fast: {dense_ms:.0f} ms, {windows} windows",
            "at least 50 times",
            f"one crop at a time {crop_ms:.1f} ms each",
        )


def _counted(closer: CloserWindows, levels: Sequence[Tensor], stride_px: int) -> int:
    """Scores all windows of all levels, and counts them."""
    best = [closer.logits(level, stride_px).softmax(dim=0).amax(dim=0) for level in levels]
    return sum(scores.numel() for scores in best)


def _cpu_ms(work: Callable[[], object], times: int) -> list[float]:
    return [clocked(work)[2] for _ in range(times)]
