"""What the Detect tab shows of a scan: a view of it, one line of status, the table of boxes and their files."""

import json
from dataclasses import dataclass
from typing import Any

import gradio as gr

from cvdemo.detect.candidates import Scan
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.exports import csv_text, table_rows
from cvdemo.detect.score_maps import draw_score_map, draw_windows, score_map
from cvdemo.detect.selection import Detections
from cvdemo.images import ImageArray, png_bytes
from cvdemo.ui.wiring.controls import save_download

VIEWS = BOXES, SCORE_MAP, WINDOWS = ("Boxes", "Score map", "Windows")


@dataclass(frozen=True)
class Look:
    """How a scan is shown.

    Attributes:
        view: one of `VIEWS`.
        only: indices of the classes that are looked at; all where there are none.
        values: of the controls that act on what the scan kept.
    """

    view: str
    only: tuple[int, ...]
    values: tuple[Any, ...]


def present(canvas: ImageArray, scan: Scan, found: Detections, look: Look) -> tuple[Any, ...]:
    """The path of the picture, the status, the rows of the table, and the JSON and CSV files of the boxes."""
    picture, note = _view(canvas, scan, found, look)
    boxes = found.as_dict()
    return save_png_quickly(picture), status(scan, found, note), table_rows(boxes), *box_files(boxes)


def _view(canvas: ImageArray, scan: Scan, found: Detections, look: Look) -> tuple[ImageArray, str]:
    """The picture of the view, and what its colours mean."""
    if look.view == SCORE_MAP:
        scores = score_map(scan, look.only)
        note = f"Dark blue is a score of 0%, red 100%; the highest here is {scores.max(initial=0):.0%}. "
        return draw_score_map(canvas, scores), note
    if look.view == WINDOWS:
        note = "A dot is the middle of a window, dark blue (0%) to red (100%) by its best class; framed: the best one. "
        if not scan.levels:
            note = "OpenCV does not tell what its windows scored. "
        return draw_windows(canvas, scan), note
    return draw_detections(canvas, found), _nothing_found(scan, found)


def status(scan: Scan, found: Detections, note: str | None = None) -> str:
    """What was found, out of how much, in what time; without a note, that of the boxes."""
    stopped = "" if scan.complete else "; stopped before the finest level"
    counts = (
        f"{len(scan.scores)} candidates from {scan.windows} windows on {len(scan.levels)} levels, "
        f"scored in {scan.elapsed_ms:.0f} ms{stopped}."
    )
    note = _nothing_found(scan, found) if note is None else note
    return f"**{count_boxes(len(found.scores))}.** {note}{counts}"


def count_boxes(count: int) -> str:
    """The number with its word."""
    return f"{count} box" if count == 1 else f"{count} boxes"


def _nothing_found(scan: Scan, found: Detections) -> str:
    """Where there is no box, the best that the network had to say."""
    if len(found.scores):
        return ""
    if not len(scan.scores):
        return "The network recognises nothing here. "
    best = int(scan.scores.argmax())
    return (
        f"The best guess is {scan.labels[scan.classes[best]]} with {scan.scores[best]:.0%}: lower the score to see it. "
    )


def class_choices(scan: Scan) -> list[tuple[str, int]]:
    """The classes found and their best scores, best first: (text, class index)."""
    best: dict[int, float] = {}
    for index, score in zip(scan.classes.tolist(), scan.scores.tolist(), strict=True):
        best[index] = max(score, best.get(index, 0.0))
    ranked = sorted(best, key=lambda index: -best[index])
    return [(f"{scan.labels[index]} ({best[index]:.0%})", index) for index in ranked]


def box_files(boxes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The boxes of `Detections.as_dict` for two buttons: JSON, the object of the API, and CSV."""
    as_json = save_download("detections.json", json.dumps(boxes, indent=2).encode())
    as_csv = save_download("detections.csv", csv_text(boxes).encode())
    return gr.update(value=str(as_json), interactive=True), gr.update(value=str(as_csv), interactive=True)


def save_png_quickly(picture: ImageArray) -> str:
    """The path of the picture as a PNG, packed fast rather than small: sliders wait for it."""
    return str(save_download("detections.png", png_bytes(picture, compress_level=1)))
