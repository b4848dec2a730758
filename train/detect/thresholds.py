"""Which score threshold suits a detector on the page: what each gives on the validation pictures of its recipe.

Each picture is searched once, as on the page; thresholds and suppression then act on what was kept. Each line has

precision, recall, F1    of all classes together, boxes right at IoU 0.5; boxes on "difficult" truths do not count.
counting error           how many boxes of a class a picture has too many or too few, summed, for each true box.
mean of the classes      F1 and counting error of each class by itself, averaged over the classes with true boxes.

There is a line for each threshold. Of a detector with several classes there is also a line for each class, and one for
each overlap that boxes of different classes may have, with mAP@0.5 (area): both at the detector's own threshold.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import load_detector
from cvdemo.detect.selection import DetectConfig, all_kept
from cvdemo.ops.boxes import IntArray
from train.data.read_pictures import each_read, read_rgb
from train.detect.annotations import Annotated, Truth
from train.detect.average_precision import Found, PrecisionRecall, mean_average_precision, precision_recall

IOU = 0.5
LEAST_PERCENT, MOST_PERCENT = 10, 90  # thresholds that are tried
STEPS = (0.01, 0.02, 0.05, 0.1)  # between two of them
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
    """Of the boxes with this score or more, of all classes together."""
    return _quality(_tallies(answers, threshold).sum(axis=0))


def class_qualities_at(answers: Answers, threshold: float) -> list[Quality | None]:
    """Of each class by itself; None for one without a true box that counts."""
    return [_quality(tally) if tally[2] else None for tally in _tallies(answers, threshold)]


def _quality(tally: IntArray) -> Quality:
    right, boxes, true, wrong = tally.tolist()
    return Quality(right / max(boxes, 1), right / max(true, 1), wrong / max(true, 1))


def _tallies(answers: Answers, threshold: float) -> IntArray:
    """(K, 4): of each class the boxes that are right, all boxes, true boxes, and those too many or too few."""
    shown = [curve.hits[curve.scores >= threshold] for curve in answers.curves]
    right, boxes = [int(hits.sum()) for hits in shown], [len(hits) for hits in shown]
    true = [curve.truths for curve in answers.curves]
    tallies: IntArray = np.array([right, boxes, true, _miscounted(answers, threshold)], np.int64).T
    return tallies


def _miscounted(answers: Answers, threshold: float) -> IntArray:
    """(K,): boxes of each class that a picture has too many or too few, summed over the pictures."""
    classes = len(answers.curves)
    wrong = np.zeros(classes, np.int64)
    for found, truth in zip(answers.found, answers.truths, strict=True):
        counted = np.bincount(found.classes[found.scores >= threshold], minlength=classes)
        wrong += abs(counted - np.bincount(truth.classes[~truth.difficult], minlength=classes))
    return wrong


def thresholds_of(step: float) -> list[float]:
    """From 0.1 to 0.9, one of `STEPS` apart."""
    return [percent / 100 for percent in range(LEAST_PERCENT, MOST_PERCENT + 1, round(100 * step))]


def tables(detector: str, items: Sequence[Annotated], step: float = 0.05, agnostic_nms_iou: float | None = None) -> str:
    """Markdown: a line a threshold; and a line a class and an overlap where the detector has several classes.

    Args:
        step: between two thresholds, one of `STEPS`.
        agnostic_nms_iou: overlap that boxes of different classes may have; 1 is any, None the detector's own.
    """
    config, truths = DetectConfig(detector=detector, agnostic_nms_iou=agnostic_nms_iou), [item.truth for item in items]
    scans = scans_of(detector, [item.path for item in items])
    answers = answers_of(scans, truths, config)
    lines = [
        f"{detector}, {len(items)} pictures; the page's threshold is {config.least_score:g}, "
        f"the overlap allowed between classes {config.most_overlap_of_classes:g}",
        "",
        *_table("threshold", [_row(f"{threshold:.2f}", answers, threshold) for threshold in thresholds_of(step)]),
    ]
    if len(answers.curves) > 1:
        by_class = class_qualities_at(answers, config.least_score)
        named = [(name, one) for name, one in zip(scans[0].labels, by_class, strict=True) if one is not None]
        lines += ["", *_table("class", [_cells(name, one) for name, one in named])]
        lines += ["", *_of_overlaps(scans, truths, config)]
    return "\n".join(lines)


def _of_overlaps(scans: Sequence[Scan], truths: Sequence[Truth], config: DetectConfig) -> list[str]:
    rows = []
    for overlap in OVERLAPS:
        answers = answers_of(scans, truths, replace(config, agnostic_nms_iou=overlap))
        value = mean_average_precision(answers.found, truths, IOU, len(answers.curves))
        rows.append(_row(f"{overlap:.2f} (mAP {value:.4f})", answers, config.least_score))
    return _table("overlap allowed between classes", rows)


HEADS = ("precision", "recall", "F1", "counting error")
MEAN_HEADS = ("mean F1 of the classes", "mean counting error of the classes")


def _cells(name: str, one: Quality) -> list[str]:
    return [name, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.4f}", f"{one.counting_error:.4f}"]


def _row(name: str, answers: Answers, threshold: float) -> list[str]:
    """Of all classes together; of several also the means over them."""
    cells = _cells(name, quality_at(answers, threshold))
    known = [one for one in class_qualities_at(answers, threshold) if one is not None]
    if len(answers.curves) > 1 and known:
        means = (statistics.fmean(one.f1 for one in known), statistics.fmean(one.counting_error for one in known))
        cells += [f"{mean:.4f}" for mean in means]
    return cells


def _table(first: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown; the rows have as many cells as each other, with the means or without."""
    heads = [first, *HEADS, *MEAN_HEADS][: len(rows[0])]
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(cells)} |" for cells in rows)]
