"""The best classes as they are told: shares in words, JSON for programs, CSV with a line for each picture."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from cvdemo.classify.classifier import Prediction

Classes = Mapping[str, Any]  # of `classes_of`
LEAST = 0.005  # what would be rounded to 0 %


def in_per_cent(share: float) -> str:
    """A share in [0, 1], rounded, on one line; what would be 0 is told to be little: all best classes are shown."""
    rounded = f"{max(1, round(100 * share))}" if share >= LEAST else "under\N{NO-BREAK SPACE}1"
    return f"{rounded}\N{NO-BREAK SPACE}%"


def classes_of(prediction: Prediction) -> dict[str, Any]:
    """The classes with their probabilities, best first, as JSON takes them."""
    pairs = zip(prediction.labels, prediction.probabilities, strict=True)
    return {"classes": [{"label": label, "probability": round(share, 4)} for label, share in pairs]}


def csv_of_pictures(pictures: Iterable[tuple[str, Classes]]) -> str:
    """One line for each picture, with a head: its file, then label and probability of each class, best first."""
    rows = [[name, *_cells(one)] for name, one in pictures]
    most = max((len(row) // 2 for row in rows), default=0)
    head = [cell for number in range(1, most + 1) for cell in (f"label_{number}", f"probability_{number}")]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["file", *head], *rows])
    return text.getvalue()


def _cells(one: Classes) -> list[Any]:
    return [cell for entry in one["classes"] for cell in (entry["label"], entry["probability"])]
