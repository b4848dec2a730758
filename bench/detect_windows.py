"""Fully convolutional against one crop at a time, for a network of valid convolutions, whose windows agree exactly.

The network is of the kind that finds faces in windows of 36 px, 4 px apart: two convolutions without padding, each
followed by pooling, and a linear classifier. Its weights are random: they change neither its time nor that the scores
agree. All ways score every window of every level of the pyramid; scaling the picture counts for each. Crops are scored
one at a time, and in batches of 32, which share what starting the network costs.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from bench.detect_rows import COMPARED_WH, Row, clocked, plain, smooth_noise
from cvdemo.detect.candidates import ScanConfig
from cvdemo.detect.sliding_window import level_sizes
from cvdemo.images import ImageArray, Preprocessing, normalise, resize, to_tensor
from cvdemo.nets.window_net import WindowNet, crop_batches

WINDOW_PX, STRIDE_PX, CELLS = 36, 4, 7
CHANNELS = (16, 32)
BATCH = 32
NUMBERS = Preprocessing(input_px=WINDOW_PX, resize_px=WINDOW_PX, mean=(0.4,) * 3, std=(0.2,) * 3)


def face_windows() -> WindowNet:
    """A network of valid convolutions with random weights: windows of 36 px, 4 px apart, face or none."""
    torch.manual_seed(0)
    first, second = CHANNELS
    trunk = nn.Sequential(
        nn.Conv2d(3, first, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(first, second, 3), nn.ReLU(), nn.MaxPool2d(2)
    )  # 36 -> 32 -> 16 -> 14 -> 7
    return WindowNet(
        trunk.eval().requires_grad_(False), nn.Linear(second, 2).requires_grad_(False), WINDOW_PX, STRIDE_PX, CELLS
    )


@torch.inference_mode()
def scores_of_all(net: WindowNet, picture: ImageArray, config: ScanConfig, crops_at_once: int = 0) -> Tensor:
    """(N,) the score of every window of every level, coarse to fine; by so many crops at once, or all windows for 0."""
    pixels, found = to_tensor(picture), []
    for size_hw in level_sizes((picture.shape[0], picture.shape[1]), net, config):
        level = normalise(resize(pixels, size_hw), NUMBERS)
        if crops_at_once:
            logits = torch.cat(list(crop_batches(net, level, crops_at_once))).T
        else:
            logits = net.window_logits(net.trunk(level)).flatten(1)
        found.append(logits.softmax(dim=0)[1])
    return torch.cat(found)


def valid_row(size_wh: tuple[int, int] = COMPARED_WH) -> Iterator[Row]:
    """The factor, and the largest difference of scores."""
    net, picture, config = face_windows(), smooth_noise(size_wh), ScanConfig(max_upscale=1.0)
    scores = partial(scores_of_all, net, picture, config)
    scores()
    whole, whole_ms, _ = clocked(scores)
    crops, crops_ms, _ = clocked(partial(scores, 1))
    _, batches_ms, _ = clocked(partial(scores, BATCH))
    difference = float((whole - crops).abs().max())
    yield Row(
        "the same, a network of valid convolutions, windows of {} px, {} px apart, {} x {} px".format(
            WINDOW_PX, STRIDE_PX, *size_wh
        ),
        {
            "ms": whole_ms,
            "crops_ms": crops_ms,
            "batches_ms": batches_ms,
            "difference": difference,
            "windows": len(whole),
            "n": 1,
        },
        f"{crops_ms / whole_ms:.0f} times as fast: {whole_ms:.0f} ms, {len(whole)} windows, scores within "
        f"{plain(difference)}",
        "at least 50 times",
        f"crop by crop {crops_ms:.0f} ms, in batches of {BATCH} {batches_ms:.0f} ms",
    )
