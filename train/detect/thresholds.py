"""Which score threshold suits a detector on the page: what each gives on the validation pictures of its recipe.

Each picture is searched once, as on the page; thresholds and suppression then act on what was kept. Told are

precision, recall, F1    of all classes together, boxes right at IoU 0.5; boxes on "difficult" truths do not count.
counting error           how many boxes of a class a picture has too many or too few, summed, for each true box.

The same for the overlap that boxes of different classes may have, at the detector's own threshold, with mAP@0.5 (area).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import load_detector
from cvdemo.detect.selection import DetectConfig, all_kept
from train.data.read_pictures import each_read, read_rgb
from train.detect.annotations import Annotated, Truth
from train.detect.average_precision import Found, PrecisionRecall, mean_average_precision, precision_recall

IOU = 0.5
THRESHOLDS = tuple(percent / 100 for percent in range(10, 95, 5))
OVERLAPS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)


@dataclass(frozen=True)
class Answers:
    """What a detector finds on pictures, to be thresholded.

    Attributes:
        found, truths: one for each picture. curves: one for each class.
    """

    found: Sequence[Found]
    truths: Sequence[Truth]
    curves: Sequence[PrecisionRecall]


@dataclass(frozen=True)
class Quality:
    """Of the boxes above a threshold; all in [0, 1] but the counting error, which is 0 or more."""

    precision: float
    recall: float
    counting_error: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall; 0 where both are."""
        return 2 * self.precision * self.recall / max(self.precision + self.recall, 1e-9)


def scans_of(detector: str, files: Sequence[Path]) -> list[Scan]:
    """Each picture searched as on the page."""
    loaded, config = load_detector(detector), DetectConfig(detector=detector)
    scans = []
    for picture in each_read(files, read_rgb):
        *_, last = loaded.scan(picture, config)
        scans.append(replace(last.scan, levels=()))
    return scans


def answers_of(scans: Sequence[Scan], truths: Sequence[Truth], config: DetectConfig) -> Answers:
    """The boxes that the suppression of the settings keeps, with what is right among them."""
    found = [Found(*all_kept(scan, config)) for scan in scans]
    classes = len(scans[0].labels)
    return Answers(found, truths, [precision_recall(found, truths, IOU, index) for index in range(classes)])


def quality_at(answers: Answers, threshold: float) -> Quality:
    """Of the boxes with this score or more."""
    shown = [curve.hits[curve.scores >= threshold] for curve in answers.curves]
    right, boxes = sum(int(hits.sum()) for hits in shown), sum(len(hits) for hits in shown)
    true = sum(curve.truths for curve in answers.curves)
    return Quality(right / max(boxes, 1), right / max(true, 1), _miscounted(answers, threshold) / max(true, 1))


def _miscounted(answers: Answers, threshold: float) -> int:
    """Boxes of a class that a picture has too many or too few, in all pictures and classes."""
    wrong = 0
    for found, truth in zip(answers.found, answers.truths, strict=True):
        counted = Counter(found.classes[found.scores >= threshold].tolist())
        counted.subtract(truth.classes[~truth.difficult].tolist())
        wrong += sum(abs(difference) for difference in counted.values())
    return wrong


def tables(detector: str, items: Sequence[Annotated]) -> str:
    """Markdown: a line a threshold; and a line an overlap where the detector has several classes."""
    config, truths = DetectConfig(detector=detector), [item.truth for item in items]
    scans = scans_of(detector, [item.path for item in items])
    answers = answers_of(scans, truths, config)
    rows = [(f"{threshold:.2f}", quality_at(answers, threshold)) for threshold in THRESHOLDS]
    lines = [
        f"{detector}, {len(items)} pictures; the page's threshold is {config.least_score:g}",
        "",
        *_table("threshold", rows),
    ]
    if len(answers.curves) > 1:
        lines += ["", *_of_overlaps(scans, truths, config)]
    return "\n".join(lines)


def _of_overlaps(scans: Sequence[Scan], truths: Sequence[Truth], config: DetectConfig) -> list[str]:
    rows = []
    for overlap in OVERLAPS:
        answers = answers_of(scans, truths, replace(config, agnostic_nms_iou=overlap))
        value = mean_average_precision(answers.found, truths, IOU, len(answers.curves))
        rows.append((f"{overlap:.2f} (mAP {value:.4f})", quality_at(answers, config.least_score)))
    return _table("overlap allowed between classes", rows)


def _table(first: str, rows: Sequence[tuple[str, Quality]]) -> list[str]:
    lines = [f"| {first} | precision | recall | F1 | counting error |", "|---|---|---|---|---|"]
    return lines + [
        f"| {name} | {one.precision:.3f} | {one.recall:.3f} | {one.f1:.4f} | {one.counting_error:.4f} |"
        for name, one in rows
    ]
