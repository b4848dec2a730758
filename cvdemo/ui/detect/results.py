"""What the Detect tab shows of a scan: a view of it, what was counted, the table of boxes and their files."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np

from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.exports import TABLE_HEADERS, Boxes, coco_of_pictures, counts_in_words, csv_text, table_rows
from cvdemo.detect.score_maps import draw_score_map, draw_windows, score_map
from cvdemo.detect.selection import Detections
from cvdemo.images import ImageArray, png_bytes
from cvdemo.ui.serving.result_names import file_stem, in_file_name, stem_of
from cvdemo.ui.wiring.controls import save_download, took
from cvdemo.ui.wiring.downloads import offered

VIEWS = BOXES, SCORE_MAP, WINDOWS = ("Boxes", "Score map", "Windows")
VIEWS_IN_WORDS = {"Boxes": BOXES, "How sure it is": SCORE_MAP, "Where it looked": WINDOWS}
FILES = {"json": "Data (JSON)", "csv": "Table (CSV)", "coco": "Training (COCO)"}
PICTURE_NAME = "picture"  # in the files of one picture, whose name the page does not keep


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


def found_stem(detector: str, sent: str | None) -> str:
    """The name of a result's file, without its ending: what was looked for, and on which picture or film."""
    return file_stem("detected", in_file_name(DETECTORS[detector].title), stem_of(sent))


def present(canvas: ImageArray, scan: Scan, found: Detections, look: Look, detector: str, stem: str) -> tuple[Any, ...]:
    """The path of the picture, the status, the rows of the table, and the files of `FILES`.

    Args:
        stem: of the names of all files, see `found_stem`.
    """
    picture, note = _view(canvas, scan, found, look)
    line, boxes = status(scan, found, detector, note), found.as_dict()
    return save_png_quickly(picture, stem), line, table_rows(boxes), *box_files(boxes, scan.labels, stem)


def _view(canvas: ImageArray, scan: Scan, found: Detections, look: Look) -> tuple[ImageArray, str]:
    """The picture of the view, and what its colours mean."""
    if look.view == SCORE_MAP:
        scores = score_map(scan, look.only)
        note = f"Dark blue is 0%, red 100%; the highest here is {scores.max(initial=0):.0%}. "
        return draw_score_map(canvas, scores), note
    if look.view == WINDOWS:
        note = (
            f"It looked at {_in_how_much(scan)}. A dot marks the middle of each, from dark blue (0%) to red (100%). "
            "The best place has a frame. "
        )
        if not scan.levels:
            note = "This method does not tell how sure it was at each place. "
        return draw_windows(canvas, scan), note
    return draw_detections(canvas, found), _best_guess(scan, found, look.only)


def status(scan: Scan, found: Detections, detector: str, note: str | None = None) -> str:
    """What was counted; then in what time. Without a note, that of the boxes."""
    stopped = "" if scan.complete else "; stopped before the smallest things"
    note = _best_guess(scan, found) if note is None else note
    return f"**{headline(found, detector)}.** {note}{took(scan.elapsed_ms, 'Searched')}{stopped}."


def _in_how_much(scan: Scan) -> str:
    """The places that were looked at, at all sizes of the picture."""
    sizes = len({level.size_hw for level in scan.levels})
    return f"{places(scan.windows)}, with the picture at {sizes} size{'s' * (sizes != 1)}"


def headline(found: Detections, detector: str) -> str:
    """What was found in words: counted where the detector counts, else the names and their places."""
    if not len(found.scores):
        return "Nothing found"
    if DETECTORS[detector].counts:
        return counts_in_words(found.as_dict())
    return f"{places(len(found.scores))}: {', '.join(dict.fromkeys(found.labels))}"


def places(count: int) -> str:
    """The number with its word."""
    return f"{count} place" if count == 1 else f"{count:,} places"


def _best_guess(scan: Scan, found: Detections, only: Collection[int] = ()) -> str:
    """Where there is no box, the best that the detector had to say of the classes looked at; of all where none are."""
    if len(found.scores):
        return ""
    scores = np.where(np.isin(scan.classes, list(only)), scan.scores, 0) if only else scan.scores
    if not scores.any():
        return "The detector recognises nothing here. "
    best = int(scores.argmax())
    return (
        f"The best guess is {scan.labels[scan.classes[best]]} with {scan.scores[best]:.0%}: "
        "lower the certainty needed to see it. "
    )


def class_choices(scans: Sequence[Scan]) -> list[tuple[str, int]]:
    """The classes found on pictures of one detector and their best scores, best first: (text, class index)."""
    best: dict[int, float] = {}
    for scan in scans:
        for index, score in zip(scan.classes.tolist(), scan.scores.tolist(), strict=True):
            best[index] = max(score, best.get(index, 0.0))
    ranked = sorted(best, key=lambda index: -best[index])
    return [(f"{scans[0].labels[index]} ({best[index]:.0%})", index) for index in ranked]


def box_files(boxes: Boxes, labels: Sequence[str], stem: str) -> list[dict[str, Any]]:
    """The boxes for the buttons of `FILES`: the object of the API, one line a box, and the form of COCO."""
    texts = {
        f"{stem}.json": json.dumps(boxes, indent=2),
        f"{stem}.csv": csv_text(boxes),
        f"{stem}-coco.json": json.dumps(coco_of_pictures([(PICTURE_NAME, boxes)], labels)),
    }
    return [offered(name, text.encode()) for name, text in texts.items()]


def save_png_quickly(picture: ImageArray, stem: str) -> str:
    """The path of the picture as a PNG, packed fast rather than small: sliders wait for it."""
    return str(save_download(f"{stem}.png", png_bytes(picture, compress_level=1)))


def box_table(elem_id: str, first: Sequence[str] = ()) -> gr.Dataframe:
    """An empty table of boxes, with more columns before the usual ones."""
    return gr.Dataframe(
        headers=[*first, *TABLE_HEADERS],
        datatype="str",
        column_widths=["24%", "22%", "27%", "27%"] if not first else ["160px", "150px", "80px", "100px", "100px"],
        label="Boxes, in pixels of your picture",
        interactive=False,
        max_height=260,
        wrap=True,
        elem_id=elem_id,
        elem_classes="box-table",
    )
