"""What a detector finds before anything is thresholded: a scan, level by level, and the settings it is made with."""

from dataclasses import dataclass

from cvdemo.config import Config, setting
from cvdemo.ops.boxes import FloatArray, IntArray

SCORE_FLOOR = 0.05  # candidates below are forgotten; at most 20 classes can pass it in one window


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
