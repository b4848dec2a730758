"""Precision over recall as a PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from train.detect.annotations import Truth
from train.detect.average_precision import Found, PrecisionRecall, precision_recall
from train.engine.curves import Curve, Panel, draw

MOST_POINTS = 400  # of a curve: more are not seen
MOST_CLASSES = 6  # with a curve each; of more the best three and the worst three


def draw_precision_recall(curves: Mapping[str, PrecisionRecall], path: Path, heading: str = "") -> None:
    """Writes the curves by name, interpolated as the area under them is; each from the best score to the lowest.

    Raises:
        ValueError: none of them has a true box and a found one.
    """
    drawn = [_curve(name, curve) for name, curve in curves.items() if curve.truths and len(curve.hits)]
    if not drawn:
        raise ValueError("nothing to draw: no curve has both true and found boxes")
    draw([Panel(title="precision over recall", curves=drawn, x_label="recall", log_y=False)], path, heading)


def curves_of(
    found: Sequence[Found], truths: Sequence[Truth], labels: Sequence[str], iou: float = 0.5
) -> dict[str, PrecisionRecall]:
    """Curves of the classes that have true boxes, best first; of more than `MOST_CLASSES` the best and the worst."""
    each = {label: precision_recall(found, truths, iou, index) for index, label in enumerate(labels)}
    order = sorted((label for label in each if each[label].truths), key=lambda label: -each[label].average("area"))
    if len(order) > MOST_CLASSES:
        order = order[: MOST_CLASSES // 2] + order[-(MOST_CLASSES // 2) :]
    return {label: each[label] for label in order}


def _curve(name: str, curve: PrecisionRecall) -> Curve:
    points = np.unique(np.linspace(0, len(curve.hits) - 1, MOST_POINTS).round().astype(int))
    label = f"{name}, AP {curve.average('area'):.3f}, lowest precision"
    return Curve(name=label, x=curve.recall[points].tolist(), y=curve.interpolated[points].tolist())
