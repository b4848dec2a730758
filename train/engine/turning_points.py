"""When a run turned for the worse, by its records: where training diverged, and where the gap to validation widened.

A run has diverged where its loss is no number, or where it rose to more than twice its lowest and to nine tenths of
what it began with, and stayed there to the end: the network has forgotten what it had learnt. Two losses that work
against each other, a GAN's, may do that and be well; of those only what is no number counts.

The gap has widened where validation is, at the end, worse than at its best while training went on to improve
(`train.engine.monitor.gap_widens`); it began to at that best.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

TRAIN = "train_"  # prefix of what is seen on training batches
DIVERGED = "train_diverged"  # key of the record that ends the run of a loss that is no number
WIDENS = "gap_widens"  # key of an evaluation's record

_SMOOTHED = 5  # records of the loss that are averaged
_EXPLODED = 2.0  # times the lowest
_FORGOTTEN = 0.9  # of what it began with

Record = Mapping[str, Any]


@dataclass(frozen=True)
class TurningPoint:
    """A step after which a run is worse.

    Attributes:
        quantity: key in the records whose curve shows it.
        mark: at its place in the curves. sentence: for people.
    """

    step: int
    quantity: str
    mark: str
    sentence: str


def turning_points(
    records: Sequence[Record], gap: tuple[str, str], *, higher_is_better: bool = False
) -> list[TurningPoint]:
    """Those of a run, as far as there are any.

    Args:
        records: of its `metrics.jsonl`, oldest first.
        gap: training and validation key whose difference is watched.
        higher_is_better: of the validation key.
    """
    found = [divergence(records), widening(records, gap, higher_is_better=higher_is_better)]
    return [point for point in found if point is not None]


def how_it_went(records: Sequence[Record], gap: tuple[str, str], *, higher_is_better: bool = False) -> str:
    """Two sentences for people: whether and when training diverged, and whether and when the gap widened.

    Args:
        records, gap, higher_is_better: as `turning_points` takes them.
    """
    exploded = divergence(records)
    wider = widening(records, gap, higher_is_better=higher_is_better)
    said = [exploded.sentence if exploded else "training did not diverge"]
    if wider:
        said.append(wider.sentence)
    else:
        said.append(_not_widening(records, gap[1]))
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in said)


def _not_widening(records: Sequence[Record], validation: str) -> str:
    watched = [record["step"] for record in records if "gap" in record]
    if not watched:
        return (
            "the gap between training and validation was not watched: the run measured nothing on both that can be "
            "compared"
        )
    first = next(record["step"] for record in records if validation in record or "gap" in record)
    since = "" if first == watched[0] else f"; it was watched from step {watched[0]} on"
    return f"at its end, the gap between training and validation was not widening{since}"


def divergence(records: Sequence[Record]) -> TurningPoint | None:
    """Where the loss on training batches exploded for good, or was no number."""
    names = dict.fromkeys(name for record in records for name in record if name.startswith(TRAIN) and "loss" in name)
    quantity = next(iter(names), TRAIN + "loss")
    for record in records:
        if record.get(DIVERGED):
            step = record["step"]
            said = f"training diverged at step {step}: the loss was no number; the learning rate may be too high"
            return TurningPoint(step, quantity, "diverged", said)
    return _explosion([record for record in records if quantity in record], quantity) if len(names) == 1 else None


def _explosion(held: Sequence[Record], quantity: str) -> TurningPoint | None:
    values = [float(record[quantity]) for record in held]
    if len(values) < 2 * _SMOOTHED:
        return None
    smoothed = [fmean(values[i : i + _SMOOTHED]) for i in range(len(values) - _SMOOTHED + 1)]
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    limit = max(_EXPLODED * smoothed[lowest], _FORGOTTEN * smoothed[0])
    first = len(smoothed)
    while first > lowest + 1 and smoothed[first - 1] > limit:
        first -= 1
    if len(smoothed) - first < _SMOOTHED or smoothed[lowest] <= 0:
        return None
    step = held[first + _SMOOTHED // 2]["step"]
    said = (
        f"training diverged at step {step}: {quantity} rose from {smoothed[lowest]:.4g} to {smoothed[-1]:.4g} and "
        "stayed there; the learning rate may be too high"
    )
    return TurningPoint(step, quantity, "diverged", said)


def widening(records: Sequence[Record], gap: tuple[str, str], *, higher_is_better: bool = False) -> TurningPoint | None:
    """Where the gap began to widen, if it still does at the end."""
    training, validation = gap
    watched = [record for record in records if validation in record and WIDENS in record]
    held = [record for record in watched if math.isfinite(record[validation])]
    if not held or not held[-1][WIDENS]:
        return None
    sign = 1 if higher_is_better else -1
    best = max(held, key=lambda record: sign * float(record[validation]))
    step = best["step"]
    said = (
        f"the gap between training and validation widened from step {step} on: {validation} went from "
        f"{best[validation]:.4g} to {held[-1][validation]:.4g} while {training} improved; the network learnt the "
        "training pictures by heart"
    )
    return TurningPoint(step, validation, "gap widens", said)
