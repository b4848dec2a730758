"""The network's half of detection: an image pyramid, sliding windows on every level, and every candidate they give.

Any classifier becomes a detector when a window is slid over a picture at several sizes (P. Viola and M. Jones, "Rapid
Object Detection using a Boosted Cascade of Simple Features", CVPR 2001, has the recipe in full). Run fully
convolutionally (P. Sermanet et al., "OverFeat", ICLR 2014), all windows of a level share their convolutions. Departure:
beside each square window stands the extent of what speaks for its class (class activation maps, B. Zhou et al.,
"Learning Deep Features for Discriminative Localization", CVPR 2016), since objects are not square.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from cvdemo.config import Config, setting
from cvdemo.images import ImageArray, Preprocessing, normalise, resize, resize_to_fit, to_tensor
from cvdemo.nets.window_net import WindowNet, crop_batches
from cvdemo.ops.boxes import FloatArray, IntArray, component_box, scale_boxes, window_grid
from cvdemo.ops.pyramid import pyramid_sizes
from cvdemo.runtime import Deadline

SCORE_FLOOR = 0.05  # candidates below are forgotten; at most 20 classes can pass it in one window
MAX_CANDIDATES = 1000  # a level, best first; real pictures stay below
EVIDENCE_SHARE = 0.3  # Zhou et al. use 0.2; by eye on six pictures, 0.3 leaves less ground around the object
EVIDENCE_ZOOM = 8  # evidence is enlarged before it is cut, so that boxes are finer than a cell of 32 px
REACH_CELLS = 2  # a box may grow beyond its window by so many cells


@dataclass(frozen=True, kw_only=True)
class ScanConfig(Config):
    """How finely a picture is searched."""

    pyramid_factor: float = setting(
        0.8, "Pyramid factor", minimum=0.5, maximum=0.95, step=0.01, help="Size of a level over the next finer one."
    )
    max_upscale: float = setting(
        1.5, "Largest enlargement", minimum=0.25, maximum=4.0, step=0.25, help="Higher finds smaller objects."
    )
    megapixels: float = setting(
        1.0, "Finest level", unit="megapixels", minimum=0.1, maximum=2.0, step=0.1, help="Bounds the time taken."
    )
    crop_by_crop: bool = setting(
        False, "Crop by crop", help="Each window by itself, the obviously right way: many times slower."
    )


@dataclass(frozen=True)
class Detector:
    """A window network with what it needs to be used."""

    net: WindowNet
    preprocessing: Preprocessing
    labels: list[str]
    device: torch.device


@dataclass(frozen=True)
class LevelScores:
    """What the windows of one pyramid level said.

    Attributes:
        size_hw: of the level, px.
        best: (rows, columns), the probability of each window's best class, in [0, 1].
        classes: (n,) the classes found on this level. probabilities: (n, rows, columns) of each.
    """

    size_hw: tuple[int, int]
    best: FloatArray
    classes: IntArray
    probabilities: FloatArray


@dataclass(frozen=True)
class Scan:
    """Everything that was found above `SCORE_FLOOR`, before thresholds and suppression.

    Attributes:
        size_wh: of the picture, px; all boxes are in its pixels.
        labels: class names. levels: coarse to fine.
        windows_xyxy: (N, 4) the windows. fitted_xyxy: (N, 4) the same, fitted to what speaks for the class.
        scores: (N,) probabilities. classes: (N,) indices into `labels`.
        windows: how many were scored, empty ones included. window_cells: side of a window in strides.
        elapsed_ms: from the start.
        complete: False where a deadline left out the finer levels.
    """

    size_wh: tuple[int, int]
    labels: list[str]
    levels: tuple[LevelScores, ...]
    windows_xyxy: FloatArray
    fitted_xyxy: FloatArray
    scores: FloatArray
    classes: IntArray
    windows: int
    window_cells: int
    elapsed_ms: float
    complete: bool


@dataclass(frozen=True)
class ScanStep:
    """`done` of `total` pyramid levels are scored; `scan` holds what they gave.

    `windows` counts those of the level under way too; `scan` is the same object until that level is scored.
    """

    done: int
    total: int
    scan: Scan
    windows: int


def scan_steps(
    image: ImageArray, detector: Detector, config: ScanConfig, deadline: Deadline | None = None
) -> Iterator[ScanStep]:
    """Scores one pyramid level after the other, coarse to fine; each step holds all that was found so far.

    Crop by crop there are steps between the levels too, one for each batch of crops.

    Args:
        image: uint8 (H, W, 3) RGB.
        deadline: no further level is begun after it, and one that is scored crop by crop is given up; the first is
            always scored.
    """
    clock = deadline or Deadline()
    height, width = image.shape[:2]
    net = detector.net
    sizes = pyramid_sizes(
        (height, width),
        window_px=net.window_px,
        stride_px=net.stride_px,
        factor=config.pyramid_factor,
        max_upscale=config.max_upscale,
        max_pixels=round(config.megapixels * 1e6),
    )
    pixels = to_tensor(resize_to_fit(image, max(sizes[-1])), detector.device)
    found: list[_Level] = []
    for size_hw in sizes:
        for scored in _score_level(pixels, size_hw, (height, width), detector, config.crop_by_crop):
            if isinstance(scored, _Level):
                found.append(scored)
                scan = _gather(found, (width, height), detector, clock, complete=len(found) == len(sizes))
                yield ScanStep(len(found), len(sizes), scan, scan.windows)
            elif found and clock.expired:
                return
            elif found and scored > 0:
                yield ScanStep(len(found), len(sizes), scan, scan.windows + scored)


@dataclass(frozen=True)
class _Level:
    """The candidates of one level, beside its scores; arrays as in `Scan`."""

    scores: LevelScores
    windows_xyxy: FloatArray
    fitted_xyxy: FloatArray
    candidate_scores: FloatArray
    candidate_classes: IntArray


@torch.inference_mode()
def _score_level(
    pixels: Tensor, size_hw: tuple[int, int], picture_hw: tuple[int, int], detector: Detector, crop_by_crop: bool
) -> Iterator[int | _Level]:
    """How many windows are scored: 0 before any work, then after each batch of crops; at last the level."""
    yield 0
    net = detector.net
    level = normalise(resize(pixels, size_hw, detector.preprocessing.interpolation), detector.preprocessing)
    features = net.trunk(level)
    logits = net.window_logits(features)
    batches: list[Tensor] = []
    for batch in crop_batches(net, level) if crop_by_crop else ():
        batches.append(batch)
        yield sum(map(len, batches))
    if crop_by_crop:
        logits = torch.cat(batches).T.reshape(logits.shape)
    probabilities: FloatArray = logits.softmax(dim=0).cpu().numpy()  # (K, rows, columns)
    classes, rows, columns = _candidates(probabilities)
    grid = window_grid(size_hw, net.window_px, net.stride_px)
    windows_xyxy = grid[rows * probabilities.shape[2] + columns]
    fitted_xyxy = _fit(net, features, classes, rows, columns)
    found = np.unique(classes)
    yield _Level(
        LevelScores(size_hw, probabilities.max(axis=0), found, probabilities[found]),
        scale_boxes(windows_xyxy, size_hw, picture_hw),
        scale_boxes(fitted_xyxy, size_hw, picture_hw),
        probabilities[classes, rows, columns],
        classes,
    )


def _candidates(probabilities: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Class, row and column of everything above the floor in (K, rows, columns), the best `MAX_CANDIDATES` of it."""
    classes, rows, columns = np.nonzero(probabilities > SCORE_FLOOR)
    best = np.argsort(-probabilities[classes, rows, columns], kind="stable")[:MAX_CANDIDATES]
    return classes[best], rows[best], columns[best]


def _fit(net: WindowNet, features: Tensor, classes: IntArray, rows: IntArray, columns: IntArray) -> FloatArray:
    """For each candidate the extent, xyxy in px of the level, of what speaks for its class in and around its window."""
    margin_px = (net.window_px - net.cells * net.stride_px) / 2  # from the edge to the first cell, 0 with padding
    maps = {int(c): _enlarged(net.evidence(features, int(c))) for c in np.unique(classes)}
    side, reach = net.cells * EVIDENCE_ZOOM, REACH_CELLS * EVIDENCE_ZOOM
    cells = np.empty((len(classes), 4), dtype=np.float32)
    for i, (c, row, column) in enumerate(zip(classes, rows, columns, strict=True)):
        x, y = int(column) * EVIDENCE_ZOOM, int(row) * EVIDENCE_ZOOM
        cells[i] = component_box(maps[int(c)], (x, y, x + side, y + side), EVIDENCE_SHARE, reach)
    boxes: FloatArray = cells * np.float32(net.stride_px / EVIDENCE_ZOOM) + np.float32(margin_px)
    return boxes


def _enlarged(evidence: Tensor) -> FloatArray:
    values: FloatArray = evidence.float().cpu().numpy()
    size_wh = (values.shape[1] * EVIDENCE_ZOOM, values.shape[0] * EVIDENCE_ZOOM)
    return cv2.resize(values, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _gather(
    found: list[_Level], size_wh: tuple[int, int], detector: Detector, clock: Deadline, *, complete: bool
) -> Scan:
    return Scan(
        size_wh=size_wh,
        labels=detector.labels,
        levels=tuple(level.scores for level in found),
        windows_xyxy=np.concatenate([level.windows_xyxy for level in found]),
        fitted_xyxy=np.concatenate([level.fitted_xyxy for level in found]),
        scores=np.concatenate([level.candidate_scores for level in found]),
        classes=np.concatenate([level.candidate_classes for level in found]),
        windows=sum(level.scores.best.size for level in found),
        window_cells=detector.net.cells,
        elapsed_ms=clock.elapsed_ms,
        complete=complete,
    )
