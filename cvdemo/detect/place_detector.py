"""A network that answers at places, run over a picture: few levels, coarse to fine, large ones in overlapping tiles.

`cvdemo.nets.place_net.PlaceNet` sees objects of many sizes at once, so that the pyramid needs few levels with large
steps between them. The first shows the whole picture at the size that the network was trained on and answers at once.
Finer ones find what is small in large pictures. A level of more than `cvdemo.detect.level_tiles.TILE_PX` squared px is
run in tiles: what the edge of a tile cuts lies whole in the next one, or is so large that a coarser level has found it.
Where there is a gate, the finest level is run only round what the level before it takes for a small object.

What fills more than half of the side that the network knows is taken from the first level alone, for on finer ones its
parts look like things of their own. Measured with a network half trained on VOC 2007 (200 of the pictures 007000 to
007999, longer side 416, then 1.5 times the picture), mAP at IoU 0.5 by area: the first level alone .668, both without
that rule .573, with it .687; the second level alone .395.

Levels are not packed into one canvas, for on the CPU that saves no time. `python -m bench.detect --rows levels` has
levels of 192 x 256, 96 x 128 and 64 x 96 px: on two free cores they take 10.0 ms one by one, and 10.4 ms side by side
with gaps of 32 px; on one thread beside other work it was 14 and 17. Whole pyramids took 1.3 to 2.2 times as long
packed. A run of 32 x 32 px takes 0.65 ms of CPU, which bounds what starting one costs. On a GPU it has not been
measured: the same command does so where there is one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from cvdemo.detect.candidates import SCORE_FLOOR, LevelScores, Scan, ScanConfig, ScanStep, of_size, share_of
from cvdemo.detect.level_tiles import SMALL_PX, Tile, all_tiles, tiles_round
from cvdemo.images import ImageArray, Preprocessing, network_input
from cvdemo.limits import DETECT_CANDIDATES
from cvdemo.nets.forward import Engine
from cvdemo.ops.boxes import FloatArray, IntArray, scale_boxes
from cvdemo.ops.place_boxes import (
    BOX_SIDES,
    boxes_round,
    candidates_of,
    clip_boxes,
    grid_sizes,
    place_centres,
    place_strides,
    windows_at,
)
from cvdemo.ops.pyramid import resized, sparse_sizes
from cvdemo.ops.suppression import CONSIDERED, best_of_many
from cvdemo.runtime import Deadline

WINDOW_CELLS = 8  # a place is shown as the square of so many strides round it
LEAST_STRIDES = 2  # the smallest object that is seen has so many of the finest strides
LARGEST_SHARE = 0.5  # of the side that the network was trained on: larger boxes are left to the coarser level
CUT_PX = 3.0  # a box that comes so near to the edge of a tile, where the level goes on, is cut by it
SHOWN_PLACES = 20_000  # of a grid at most in the picture of windows: a session keeps them


@dataclass(frozen=True)
class PlaceDetector:
    """A network of places with what it needs to be used.

    Attributes:
        forward: normalised pixels (1, 3, H, W) -> (1, K + 4, places); see `PlaceNet.forward`.
        strides: of the places, finest first; TILE_PX and OVERLAP_PX are multiples of each.
        preprocessing: of its pictures; `input_px` is the longer side of the first level.
        labels: its classes. device: where it runs.
        max_upscale: largest enlargement of its finest level, where the settings leave it open.
        floor: candidates of lower score are forgotten.
        gate_score: the finest of several levels is run only round small boxes that have this score on the level before
            it, see `cvdemo.detect.level_tiles`; 0: everywhere.
    """

    forward: Engine
    strides: tuple[int, ...]
    preprocessing: Preprocessing
    labels: list[str]
    device: torch.device
    max_upscale: float = 1.0
    floor: float = SCORE_FLOOR
    gate_score: float = 0.0

    def scan(self, image: ImageArray, config: ScanConfig, deadline: Deadline | None = None) -> Iterator[ScanStep]:
        """Scores one level after the other, coarse to fine; each step holds all that was found so far.

        In a level of several tiles there is a step after each of them too.

        Args:
            image: uint8 (H, W, 3) RGB.
            deadline: no further level is begun after it, and one under way is given up; of the first one tile is always
                scored.
        """
        clock = deadline or Deadline()
        sizes = self.level_sizes((image.shape[0], image.shape[1]), config)
        found: list[_Level] = []
        scan: Scan | None = None
        for size_hw in sizes:
            level = _Level(size_hw, self, self._largest_on(size_hw, sizes))
            if self.gate_score and found and size_hw == sizes[-1]:
                level.look_only_at(found[-1].small_boxes(size_hw, self.gate_score))
            picture = resized(image, size_hw)
            for tile in level.tiles:
                if clock.expired and scan is not None:
                    return
                if clock.expired and level.added:
                    scan = self._scan_so_far([level], image, config, clock, complete=False)
                    yield ScanStep(0, len(sizes), scan, scan.windows, share_of(sizes, 0, level.done))
                    return
                level.add(tile, self._run(picture, tile))
                if scan is not None and level.done < 1:
                    share = share_of(sizes, len(found), level.done)
                    yield ScanStep(len(found), len(sizes), scan, scan.windows + level.windows, share)
            found.append(level)
            scan = self._scan_so_far(found, image, config, clock, complete=len(found) == len(sizes))
            yield ScanStep(len(found), len(sizes), scan, scan.windows, share_of(sizes, len(found)))

    def _largest_on(self, size_hw: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> float:
        """The longer side, px of the level, of the largest box that is taken from a level."""
        return math.inf if size_hw == sizes[0] else LARGEST_SHARE * self.preprocessing.input_px

    def level_sizes(self, size_hw: tuple[int, int], config: ScanConfig) -> list[tuple[int, int]]:
        """Heights and widths in px of the levels of a picture, coarse to fine; see `sparse_sizes`."""
        return sparse_sizes(
            size_hw,
            side_px=self.preprocessing.input_px,
            least_px=LEAST_STRIDES * self.strides[0],
            max_upscale=config.max_upscale or self.max_upscale,
            max_pixels=round(config.megapixels * 1e6),
            min_object_px=config.min_object_px,
            max_object_px=config.max_object_px or math.inf,
        )

    @torch.inference_mode()
    def _run(self, picture: ImageArray, tile: Tile) -> FloatArray:
        """(K + 4, places) of one tile; beyond the picture's right and lower edge lies its mean colour."""
        part = picture[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        pixels = network_input(part, self.preprocessing, (tile.height, tile.width)).to(self.device)
        output: FloatArray = self.forward(pixels)[0].float().cpu().numpy()
        return output

    def _scan_so_far(
        self, found: "Sequence[_Level]", image: ImageArray, config: ScanConfig, clock: Deadline, *, complete: bool
    ) -> Scan:
        picture_hw = (image.shape[0], image.shape[1])
        windows, boxes, scores, classes = (
            np.concatenate(arrays) for arrays in zip(*(level.candidates(picture_hw) for level in found), strict=True)
        )
        wanted = of_size(boxes, config)
        return Scan(
            size_wh=(picture_hw[1], picture_hw[0]),
            labels=self.labels,
            levels=tuple(scores for level in found for scores in level.scores()),
            windows_xyxy=windows[wanted],
            fitted_xyxy=boxes[wanted],
            scores=scores[wanted],
            classes=classes[wanted],
            windows=sum(level.windows for level in found),
            elapsed_ms=clock.elapsed_ms,
            complete=complete,
        )


Candidates = tuple[FloatArray, FloatArray, FloatArray, IntArray]  # windows, boxes, scores, classes
NOTHING: Candidates = (
    np.zeros((0, 4), np.float32),
    np.zeros((0, 4), np.float32),
    np.zeros(0, np.float32),
    np.zeros(0, np.int64),
)


@dataclass
class _Level:
    """One level while its tiles are scored."""

    size_hw: tuple[int, int]
    detector: PlaceDetector
    largest_px: float
    added: list[Candidates] = field(default_factory=list)
    seen_share: float = 1.0  # of the level, the part that its tiles cover

    def __post_init__(self) -> None:
        coarsest = self.detector.strides[-1]
        height, width = (-(-side // coarsest) * coarsest for side in self.size_hw)
        self.padded_hw = (height, width)
        self.tiles = all_tiles(self.padded_hw)
        self._best = [np.zeros(grid, np.float32) for grid in grid_sizes(self.padded_hw, self.detector.strides)]

    @property
    def done(self) -> float:
        """Share of the tiles that are scored; 1 where there are none."""
        return len(self.added) / len(self.tiles) if self.tiles else 1.0

    @property
    def windows(self) -> int:
        """How many places are scored; those of overlaps count once, those beyond the picture not at all."""
        return round(self.done * self.seen_share * sum(grid.size for grid in self._grids()))

    def look_only_at(self, xyxy: FloatArray) -> None:
        """Runs nothing but tiles round these boxes, px of the level; before the first tile."""
        coarsest = self.detector.strides[-1]
        self.tiles = tiles_round(xyxy, self.padded_hw, coarsest)
        seen = np.zeros([side // coarsest for side in self.padded_hw], bool)
        for tile in self.tiles:
            top, left = tile.top // coarsest, tile.left // coarsest
            seen[top : top + tile.height // coarsest, left : left + tile.width // coarsest] = True
        self.seen_share = float(seen.mean())

    def small_boxes(self, size_hw: tuple[int, int], least_score: float) -> FloatArray:
        """Boxes of at least this score with a side under `SMALL_PX`, (N, 4), in px of a level of another size."""
        _, boxes, scores, _ = self.candidates(self.size_hw)
        small = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=math.inf) < SMALL_PX
        return scale_boxes(boxes[small & (scores >= least_score)], self.size_hw, size_hw)

    def add(self, tile: Tile, output: FloatArray) -> None:
        """Keeps the best of what a tile's output holds above the floor, and the best score of each of its places."""
        strides, size_hw = self.detector.strides, (tile.height, tile.width)
        considered = CONSIDERED * DETECT_CANDIDATES
        classes, places, scores = candidates_of(output[:-BOX_SIDES], self.detector.floor, considered)
        centres = place_centres(size_hw, strides)[places]
        boxes = boxes_round(centres, output[-BOX_SIDES:, places])
        whole = self._wanted(boxes, tile)
        whole = whole[best_of_many(boxes[whole], scores[whole], classes[whole], DETECT_CANDIDATES)]
        windows = windows_at(centres, place_strides(size_hw, strides)[places], WINDOW_CELLS)
        offset = np.array([tile.left, tile.top] * 2, np.float32)
        self.added.append((windows[whole] + offset, boxes[whole] + offset, scores[whole], classes[whole]))
        self._note_best(tile, output[:-BOX_SIDES].max(axis=0))

    def _wanted(self, boxes: FloatArray, tile: Tile) -> IntArray:
        """Indices of the boxes that are not too large and reach no edge of the tile beyond which the level goes on."""
        goes_on = [tile.left > 0, tile.top > 0, tile.left + tile.width < self.padded_hw[1]]
        goes_on.append(tile.top + tile.height < self.padded_hw[0])
        room = np.concatenate([boxes[:, :2], np.array([tile.width, tile.height], np.float32) - boxes[:, 2:]], axis=1)
        is_cut = ((room < CUT_PX) & np.array(goes_on)).any(axis=1)
        longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
        kept: IntArray = (~is_cut & (longer <= self.largest_px)).nonzero()[0]
        return kept

    def _note_best(self, tile: Tile, logits: FloatArray) -> None:
        """Lays the best score of each place into the grids of the level; where tiles overlap the higher one counts."""
        start = 0
        for grid, stride in zip(self._best, self.detector.strides, strict=True):
            rows, columns = tile.height // stride, tile.width // stride
            scores = 1 / (
                1 + np.exp(-logits[start : start + rows * columns].clip(-80, 80))
            )  # 80: float32 holds exp(80)
            top, left = tile.top // stride, tile.left // stride
            part = grid[top : top + rows, left : left + columns]
            np.maximum(part, scores.reshape(rows, columns), out=part)
            start += rows * columns

    def _grids(self) -> list[FloatArray]:
        """The best scores of the places whose centre lies in the picture."""
        sides = zip(self._best, self.detector.strides, strict=True)
        return [grid[: _inside(self.size_hw[0], s), : _inside(self.size_hw[1], s)] for grid, s in sides]

    def candidates(self, picture_hw: tuple[int, int]) -> Candidates:
        """The best of all tiles, see `best_of_many`, in px of the picture and clipped to it."""
        added = self.added or [NOTHING]
        windows, boxes, scores, classes = (np.concatenate(arrays) for arrays in zip(*added, strict=True))
        best = best_of_many(boxes, scores, classes, DETECT_CANDIDATES)
        windows, boxes = (
            clip_boxes(scale_boxes(xyxy[best], self.size_hw, picture_hw), picture_hw) for xyxy in (windows, boxes)
        )
        return windows, boxes, scores[best], classes[best]

    def scores(self) -> list[LevelScores]:
        """What the places of each stride said, the coarsest first; large grids by the best of several places."""
        shown = []
        for grid, stride in zip(self._grids(), self.detector.strides, strict=True):
            pool = int(np.ceil((grid.size / SHOWN_PLACES) ** 0.5))
            size = stride * pool
            shown.append(LevelScores(self.size_hw, _pooled(grid, pool), WINDOW_CELLS * stride, size, size / 2))
        return shown[::-1]


def _inside(length: int, stride: int) -> int:
    """How many places of one axis have their centre in a picture of that length; one at least."""
    return max(1, (length + stride // 2) // stride)


def _pooled(grid: FloatArray, pool: int) -> FloatArray:
    """The best of each `pool` x `pool` places."""
    if pool == 1:
        return grid
    rows, columns = (-(-side // pool) for side in grid.shape)
    edge = [(0, rows * pool - grid.shape[0]), (0, columns * pool - grid.shape[1])]
    best: FloatArray = np.pad(grid, edge).reshape(rows, pool, columns, pool).max(axis=(1, 3))
    return best
