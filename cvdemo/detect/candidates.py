"""What a detector finds before anything is thresholded: a scan, level by level, and the settings it is made with."""

from collections.abc import Sequence
from dataclasses import dataclass

from cvdemo.config import Config, SettingError, setting
from cvdemo.limits import DETECT_MEGAPIXELS
from cvdemo.ops.boxes import FloatArray, IntArray

SCORE_FLOOR = 0.05  # lower scores are forgotten, but for faces; 20 classes at most pass it in a window of a classifier


@dataclass(frozen=True, kw_only=True)
class ScanConfig(Config):
    """How finely a picture is searched.

    Raises:
        SettingError: as every config, and where the smallest object is larger than the largest.
    """

    pyramid_factor: float = setting(
        0.8,
        "Step between sizes",
        minimum=0.5,
        maximum=0.95,
        step=0.01,
        help="The picture is searched at many sizes. Each is this share of the one before. A higher value means more "
        "sizes and takes longer. (Pyramid factor; imagenet only)",
    )
    max_upscale: float | None = setting(
        None,
        "Largest enlargement",
        minimum=0.25,
        maximum=4.0,
        step=0.05,
        help="How many times the picture is enlarged for the search, at most. A higher value finds smaller things and "
        "takes longer. Each detector has its own default. (Finest level of the pyramid)",
    )
    megapixels: float = setting(
        1.0,
        "Largest size searched",
        unit="megapixels",
        minimum=0.1,
        maximum=40.0,
        step=0.1,
        help="Larger pictures are made smaller for the search. A higher value finds smaller things and takes longer. "
        f"(Finest level; {DETECT_MEGAPIXELS:g} at most for imagenet and the detectors of OpenCV)",
    )
    min_object_px: int = setting(
        0,
        "Smallest object",
        unit="px",
        minimum=0,
        maximum=4000,
        step=1,
        help="Things are left out if the longer side of their box is shorter than this.",
    )
    max_object_px: int = setting(
        0,
        "Largest object",
        unit="px",
        minimum=0,
        maximum=10000,
        step=1,
        help="Things are left out if the longer side of their box is longer than this. 0: no limit.",
    )
    crop_by_crop: bool = setting(
        False,
        "Search piece by piece",
        help="The plain way, for comparison. It is many times slower. (Crop by crop; imagenet only)",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if 0 < self.max_object_px < self.min_object_px:
            raise SettingError(
                f"min_object_px must not be above max_object_px, got {self.min_object_px} and {self.max_object_px}"
            )


@dataclass(frozen=True)
class LevelScores:
    """What windows of one size on one pyramid level said.

    Attributes:
        size_hw: of the level, px.
        best: (rows, columns), the score of each window's best class, in [0, 1].
        window_px: side of a window, px of the level.
        stride_px: between windows. first_px: from the left and the upper edge to the centre of the first window.
    """

    size_hw: tuple[int, int]
    best: FloatArray
    window_px: float
    stride_px: float
    first_px: float


@dataclass(frozen=True)
class Scan:
    """Everything that was found, before thresholds and suppression; from which score on is up to the detector.

    Attributes:
        size_wh: of the picture, px; all boxes are in its pixels.
        labels: class names.
        levels: coarse to fine; empty where a detector does not tell what its windows said.
        windows_xyxy: (N, 4) the windows. fitted_xyxy: (N, 4) the boxes of what they show.
        scores: (N,) in [0, 1]. classes: (N,) indices into `labels`.
        windows: how many were scored, empty ones included.
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
    elapsed_ms: float
    complete: bool


@dataclass(frozen=True)
class ScanStep:
    """How far a scan is.

    Attributes:
        done, total: pyramid levels that are scored, of how many.
        scan: what they gave; the same object until the level under way is scored.
        windows: how many are scored, with those of the level under way.
        share: of the work that is done, by pixels of the levels, in [0, 1].
    """

    done: int
    total: int
    scan: Scan
    windows: int
    share: float


def of_size(xyxy: FloatArray, config: ScanConfig) -> IntArray:
    """Indices of the boxes whose longer side, px of the picture, lies within what the settings ask for."""
    longer = (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0)
    fits = longer >= config.min_object_px
    if config.max_object_px:
        fits &= longer <= config.max_object_px
    kept: IntArray = fits.nonzero()[0]
    return kept


def share_of(sizes_hw: Sequence[tuple[int, int]], levels: int, of_next: float = 0.0) -> float:
    """Of the pixels of all levels, those of the first `levels` and of a part of the next; in [0, 1]."""
    pixels = [height * width for height, width in sizes_hw]
    return (sum(pixels[:levels]) + of_next * sum(pixels[levels : levels + 1])) / sum(pixels)
