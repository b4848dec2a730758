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

from cvdemo.detect.candidates import SCORE_FLOOR, LevelScores, Scan, ScanConfig, ScanStep, of_size, share_of
from cvdemo.images import ImageArray, Preprocessing, normalise, resize, resize_to_fit, to_tensor
from cvdemo.limits import DETECT_CANDIDATES, DETECT_MEGAPIXELS
from cvdemo.nets.window_net import WindowNet, crop_batches
from cvdemo.ops.boxes import FloatArray, IntArray, component_box, scale_boxes, window_grid
from cvdemo.ops.pyramid import pyramid_sizes
from cvdemo.runtime import Deadline

EVIDENCE_SHARE = 0.3  # Zhou et al. use 0.2; by eye on six pictures, 0.3 leaves less ground around the object
EVIDENCE_ZOOM = 8  # evidence is enlarged before it is cut, so that boxes are finer than a cell of 32 px
REACH_CELLS = 2  # a box may grow beyond its window by so many cells
MAX_UPSCALE = 1.5  # where the settings leave it open


@dataclass(frozen=True)
class SlidingWindowDetector:
    """A window network with what it needs to be used.

    Attributes:
        net: scores windows. preprocessing: of its pictures. labels: its classes. device: where it runs.
    """

    net: WindowNet
    preprocessing: Preprocessing
    labels: list[str]
    device: torch.device

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """See `scan_steps`."""
        return scan_steps(image, self, config, deadline)


def scan_steps(
    image: ImageArray, detector: SlidingWindowDetector, config: ScanConfig, deadline: Deadline | None = None
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
    sizes = level_sizes((height, width), net, config)
    pixels = to_tensor(resize_to_fit(image, max(sizes[-1])), detector.device)
    found: list[_LevelCandidates] = []
    for size_hw in sizes:
        for scored in _score_level(pixels, size_hw, (height, width), detector, config.crop_by_crop):
            if isinstance(scored, _LevelCandidates):
                found.append(scored)
                complete = len(found) == len(sizes)
                scan = _scan_so_far(found, (width, height), detector, config, clock, complete=complete)
                yield ScanStep(len(found), len(sizes), scan, scan.windows, share_of(sizes, len(found)))
            elif found and clock.expired:
                return
            elif found and scored.windows:
                share = share_of(sizes, len(found), scored.windows / scored.of)
                yield ScanStep(len(found), len(sizes), scan, scan.windows + scored.windows, share)


def level_sizes(size_hw: tuple[int, int], net: WindowNet, config: ScanConfig) -> list[tuple[int, int]]:
    """Heights and widths in px of the levels of a picture, coarse to fine; one at least.

    Left out are those whose windows are smaller than the smallest object that is asked for, or more than twice as
    large as the largest.
    """
    sizes = pyramid_sizes(
        size_hw,
        window_px=net.window_px,
        stride_px=net.stride_px,
        factor=config.pyramid_factor,
        max_upscale=config.max_upscale or MAX_UPSCALE,
        max_pixels=round(min(config.megapixels, DETECT_MEGAPIXELS) * 1e6),
    )
    while len(sizes) > 1 and net.window_px * size_hw[0] / sizes[-1][0] < config.min_object_px:
        del sizes[-1]
    while len(sizes) > 1 and 0 < 2 * config.max_object_px < net.window_px * size_hw[0] / sizes[0][0]:
        del sizes[0]
    return sizes


@dataclass(frozen=True)
class _Scored:
    """So many windows of a level, `of` how many."""

    windows: int
    of: int


@dataclass(frozen=True)
class _LevelCandidates:
    """The candidates of one level, beside its scores; arrays as in `Scan`."""

    scores: LevelScores
    windows_xyxy: FloatArray
    fitted_xyxy: FloatArray
    candidate_scores: FloatArray
    candidate_classes: IntArray


@torch.inference_mode()
def _score_level(
    pixels: Tensor,
    size_hw: tuple[int, int],
    picture_hw: tuple[int, int],
    detector: SlidingWindowDetector,
    crop_by_crop: bool,
) -> Iterator[_Scored | _LevelCandidates]:
    """How many windows are scored: none before any work, then after each batch of crops; at last the level."""
    yield _Scored(0, 0)
    net = detector.net
    level = normalise(resize(pixels, size_hw, detector.preprocessing.interpolation), detector.preprocessing)
    features = net.trunk(level)
    rows, columns = (side - net.cells + 1 for side in features.shape[2:])
    batches: list[Tensor] = []
    for batch in crop_batches(net, level) if crop_by_crop else ():
        batches.append(batch)
        yield _Scored(sum(map(len, batches)), rows * columns)
    logits = torch.cat(batches).T.reshape(-1, rows, columns) if crop_by_crop else net.window_logits(features)
    probabilities: FloatArray = logits.softmax(dim=0).cpu().numpy()  # (K, rows, columns)
    classes, at_row, at_column = _candidates(probabilities)
    grid = window_grid(size_hw, net.window_px, net.stride_px)
    windows_xyxy = grid[at_row * columns + at_column]
    fitted_xyxy = _evidence_boxes(net, features, classes, at_row, at_column)
    yield _LevelCandidates(
        LevelScores(size_hw, probabilities.max(axis=0), net.window_px, net.stride_px, net.window_px / 2),
        scale_boxes(windows_xyxy, size_hw, picture_hw),
        scale_boxes(fitted_xyxy, size_hw, picture_hw),
        probabilities[classes, at_row, at_column],
        classes,
    )


def _candidates(probabilities: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Class, row and column of everything above the floor in (K, rows, columns), the best `DETECT_CANDIDATES` of it."""
    classes, rows, columns = np.nonzero(probabilities > SCORE_FLOOR)
    best = np.argsort(-probabilities[classes, rows, columns], kind="stable")[:DETECT_CANDIDATES]
    return classes[best], rows[best], columns[best]


def _evidence_boxes(
    net: WindowNet, features: Tensor, classes: IntArray, rows: IntArray, columns: IntArray
) -> FloatArray:
    """For each candidate the extent, xyxy in px of the level, of what speaks for its class in and around its window."""
    margin_px = (net.window_px - net.cells * net.stride_px) / 2  # from the edge to the first cell, 0 with padding
    maps = {int(c): _enlarged_evidence(net.evidence(features, int(c))) for c in np.unique(classes)}
    side, reach = net.cells * EVIDENCE_ZOOM, REACH_CELLS * EVIDENCE_ZOOM
    cells = np.empty((len(classes), 4), dtype=np.float32)
    for i, (c, row, column) in enumerate(zip(classes, rows, columns, strict=True)):
        x, y = int(column) * EVIDENCE_ZOOM, int(row) * EVIDENCE_ZOOM
        cells[i] = component_box(maps[int(c)], (x, y, x + side, y + side), EVIDENCE_SHARE, reach)
    boxes: FloatArray = cells * np.float32(net.stride_px / EVIDENCE_ZOOM) + np.float32(margin_px)
    return boxes


def _enlarged_evidence(evidence: Tensor) -> FloatArray:
    values: FloatArray = evidence.float().cpu().numpy()
    size_wh = (values.shape[1] * EVIDENCE_ZOOM, values.shape[0] * EVIDENCE_ZOOM)
    return cv2.resize(values, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _scan_so_far(
    found: list[_LevelCandidates],
    size_wh: tuple[int, int],
    detector: SlidingWindowDetector,
    config: ScanConfig,
    clock: Deadline,
    *,
    complete: bool,
) -> Scan:
    boxes = np.concatenate([level.fitted_xyxy for level in found])
    wanted = of_size(boxes, config)
    return Scan(
        size_wh=size_wh,
        labels=detector.labels,
        levels=tuple(level.scores for level in found),
        windows_xyxy=np.concatenate([level.windows_xyxy for level in found])[wanted],
        fitted_xyxy=boxes[wanted],
        scores=np.concatenate([level.candidate_scores for level in found])[wanted],
        classes=np.concatenate([level.candidate_classes for level in found])[wanted],
        windows=sum(level.scores.best.size for level in found),
        elapsed_ms=clock.elapsed_ms,
        complete=complete,
    )
