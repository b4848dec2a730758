"""The gradient of an objective: shifted at random, in tiles where the picture is large, equal in its frequency bands.

The random shift is google/deepdream's, the bands are those of the TensorFlow examples (`lap_normalize`). A picture of
more than `TILED_FROM_PX` is cut into tiles that overlap, on a grid that lies elsewhere at every step, so that memory is
bounded and no seam shows. The tiles begin at multiples of the network's stride within the shifted frame: the network
then reads each place as it would in the whole picture.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cvdemo.dream.objectives import DreamNetwork, Objective, measure
from cvdemo.memory import give_back_memory
from cvdemo.nets.efficientnet_lite import TOTAL_STRIDE
from cvdemo.ops.tiles import Place

TILED_FROM_PX = 1_000_000  # a picture of more pixels is cut into tiles; so many take about 1 GB
TILE_PX = 512  # side of a tile without its overlap, a multiple of the stride
OVERLAP_PX = 64  # beyond each side of a tile, a multiple of the stride
NORM_PART = 1_000_000  # numbers that are added up at a time
EPS = 1e-12


@dataclass(frozen=True)
class Frame:
    """Where a picture lies in the wider frame that it is shifted in.

    Attributes:
        rows, cols: of the frame, in px of the picture; those below 0 or beyond its size repeat the border.
    """

    rows: slice
    cols: slice

    @classmethod
    def drawn(cls, size_hw: tuple[int, int], jitter_px: int, generator: torch.Generator) -> "Frame":
        """One that is `jitter_px` larger than the picture, its place drawn at random."""
        left, top = torch.randint(0, jitter_px + 1, (2,), generator=generator).tolist()
        return cls(slice(-top, size_hw[0] + jitter_px - top), slice(-left, size_hw[1] + jitter_px - left))

    @property
    def area(self) -> int:
        return area((self.rows, self.cols))


def framed(pixels: Tensor, frame: Frame) -> Tensor:
    """What lies in the frame, of (1, 3, H, W): a copy; beyond its edges the picture's border pixels are repeated."""
    height, width = pixels.shape[-2:]
    top, bottom = max(0, frame.rows.start), min(height, frame.rows.stop)
    left, right = max(0, frame.cols.start), min(width, frame.cols.stop)
    beyond = (left - frame.cols.start, frame.cols.stop - right, top - frame.rows.start, frame.rows.stop - bottom)
    part = pixels.detach()[..., top:bottom, left:right]
    return F.pad(part, beyond, mode="replicate") if any(beyond) else part.clone()


def jitter(pixels: Tensor, jitter_px: int, generator: torch.Generator) -> Tensor:
    """(1, 3, H, W) -> (1, 3, H + jitter_px, W + jitter_px), its place in the wider frame drawn at random.

    The frame repeats the border pixels and takes no gradient. Rolling the picture round, as the original does, makes
    opposite edges meet: here that drew a column of eyes along the seam. A mirrored frame drew heads cut by the border,
    being symmetric; repeated pixels that took a gradient burnt in as coloured streaks.
    """
    height, width = pixels.shape[-2:]
    frame = Frame.drawn((height, width), jitter_px, generator)
    wider = framed(pixels, frame)
    top, left = -frame.rows.start, -frame.cols.start
    if pixels.requires_grad:
        wider[..., top : top + height, left : left + width] = pixels
    return wider


def gradient_of(
    pixels: Tensor,
    network: DreamNetwork,
    objective: Objective,
    jitter_px: int,
    generator: torch.Generator,
    tile_px: int | None = None,
) -> tuple[Tensor, float]:
    """The gradient (1, 3, H, W) of a bound objective at pixels shifted at random, and the objective.

    Args:
        tile_px: side of the tiles, a multiple of 32; None: the picture as a whole.
    """
    height, width = pixels.shape[-2:]
    frame = Frame.drawn((height, width), jitter_px, generator)
    if tile_px is None:
        whole = (slice(0, height), slice(0, width))
        return _gradient_at(pixels, network, objective, frame, whole)
    gradient, value = torch.zeros_like(pixels), 0.0
    for core, window in tiles_of((height, width), frame, tile_px, generator):
        share = window.area / frame.area
        part, measured = _gradient_at(pixels, network, objective, window, core)
        gradient[..., core[0], core[1]] = part.mul_(share)
        value += measured * area(core) / (height * width)
    give_back_memory()  # of the tiles, before the whole picture needs some
    return gradient, value


def _gradient_at(
    pixels: Tensor, network: DreamNetwork, objective: Objective, frame: Frame, place: Place
) -> tuple[Tensor, float]:
    """The gradient at a place of the picture, where the network sees what lies in the frame, and the objective there.

    What lies beyond the picture repeats its border, and its own gradient is dropped.
    """
    with torch.enable_grad():
        seen = framed(pixels, frame).requires_grad_()
        value = measure(seen, network, objective)
        (gradient,) = torch.autograd.grad(value, seen)
    rows, cols = place
    top, left = frame.rows.start, frame.cols.start
    inner = gradient[..., rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
    return inner.contiguous(), value.item()


def tiles_of(
    size_hw: tuple[int, int], frame: Frame, tile_px: int, generator: torch.Generator
) -> list[tuple[Place, Frame]]:
    """The picture in tiles, each with the part of the frame that the network sees for it.

    The grid's place is drawn at random, in steps of the network's stride.
    """
    if tile_px % TOTAL_STRIDE:
        raise ValueError(f"need tiles of a multiple of {TOTAL_STRIDE} px, got {tile_px}")
    shifts = torch.randint(0, tile_px // TOTAL_STRIDE, (2,), generator=generator).tolist()
    spans = [
        _spans(length, along, tile_px, shift * TOTAL_STRIDE)
        for length, along, shift in zip(size_hw, (frame.rows, frame.cols), shifts, strict=True)
    ]
    return [((rows, cols), Frame(seen_rows, seen_cols)) for rows, seen_rows in spans[0] for cols, seen_cols in spans[1]]


def _spans(length: int, along: slice, tile_px: int, shift_px: int) -> list[tuple[slice, slice]]:
    """One axis of the picture in spans, each with what is seen for it."""
    spans = []
    for start in range(along.start - shift_px, length, tile_px):
        core = slice(max(0, start), min(start + tile_px, length))
        if core.start < core.stop:
            seen = slice(max(along.start, start - OVERLAP_PX), min(along.stop, start + tile_px + OVERLAP_PX))
            spans.append((core, seen))
    return spans


def area(place: Place) -> int:
    """Pixels of a place."""
    height, width = (int(span.stop - span.start) for span in place)
    return height * width


def laplacian_normalise(gradient: Tensor, bands: int) -> Tensor:
    """(1, C, H, W) with each of `bands` frequency bands divided by its root mean square; one band: only scaled.

    TensorFlow examples, `deepdream.ipynb` (`lap_normalize`); halving here is antialiased bilinear, not a 5x5 kernel.
    """
    low, details = gradient, []
    del gradient  # of a large picture it counts, where the caller has let it go too
    for _ in range(bands - 1):
        height, width = low.shape[-2:]
        half = F.interpolate(low, ((height + 1) // 2, (width + 1) // 2), mode="bilinear", antialias=True)
        details.append(_grow(half, (height, width)).sub_(low).neg_())
        low = half
    merged = _unit_rms(low)
    while details:
        detail = details.pop()
        merged = _grow(merged, (detail.shape[-2], detail.shape[-1])).add_(detail, alpha=1 / _rms(detail))
    return merged


def _grow(band: Tensor, size_hw: tuple[int, int]) -> Tensor:
    # antialiasing changes nothing here, but without it the last digit depends on the number of threads
    return F.interpolate(band, size_hw, mode="bilinear", antialias=True)


def _rms(band: Tensor) -> float:
    return _norm(band, 2) / math.sqrt(band.numel()) + EPS


def _unit_rms(band: Tensor) -> Tensor:
    return band / _rms(band)


def mean_size(direction: Tensor) -> float:
    """The mean of its absolute values; a little more, so that a dead gradient can be divided by it."""
    return _norm(direction, 1) / direction.numel() + EPS


def _norm(values: Tensor, order: int) -> float:
    """The vector norm, the same whatever the number of threads.

    In float32 the threads' partial sums differ in their last digit, and a dream makes another picture of that. Part by
    part, because in float64 the whole of 12 megapixels would take 288 MB.
    """
    parts = [
        torch.linalg.vector_norm(part, order, dtype=torch.float64) for part in torch.split(values.flatten(), NORM_PART)
    ]
    return float(torch.linalg.vector_norm(torch.stack(parts), order))
