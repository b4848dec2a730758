"""The Detect tab: one scan by the network, then sliders, filter and views that answer at once from what it kept."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Run
from cvdemo.detect.drawing import canvas, draw_detections, draw_score_map, draw_windows, score_map
from cvdemo.detect.selection import DetectConfig, Detections, load_detector, select
from cvdemo.detect.sliding_window import Scan, scan_steps
from cvdemo.images import ImageArray, png_bytes
from cvdemo.runtime import Deadline
from cvdemo.ui.wiring.controls import (
    Tab,
    control,
    endpoint,
    example_picture,
    light,
    load_picture,
    method_note,
    picture_input,
    picture_output,
    save_download,
    share_button,
)
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.parts import SETTLED_MS, Part, wire

NOTE = (
    "A classifier becomes a detector: a window slides over the picture at several sizes, each window is named, and "
    "non-maximum suppression keeps the best of those that overlap "
    "([Viola and Jones 2001](https://doi.org/10.1109/CVPR.2001.990517)). All windows of a "
    "size share their convolutions ([Sermanet et al. 2014](https://arxiv.org/abs/1312.6229)), and each box is fitted "
    "to what spoke for its class ([Zhou et al. 2016](https://arxiv.org/abs/1512.04150))."
)
EXAMPLES = ("cheetah", "lion", "coffee", "astronaut", "chelsea")
VIEWS = ("Boxes", "Score map", "Windows")
TIME_LIMIT_S = 60.0
STATE_TTL_S = 3600.0
NO_FILE = gr.update(value=None, interactive=False)
TABLE_HEADERS = ["Class", "Score", "x1, y1", "x2, y2"]
LIVE = ("score_threshold", "nms_iou", "one_name", "fit_boxes")  # act on the kept candidates
SEARCH = ("pyramid_factor", "max_upscale", "megapixels", "crop_by_crop")  # act on the next run


@dataclass(frozen=True)
class Session:
    """What the live controls work on: the picture at the size at which it is drawn, and its scan."""

    picture: ImageArray
    scan: Scan


def detect_endpoint(
    image: str | None,
    detector: str = "imagenet",
    score_threshold: float = 0.35,
    nms_iou: float = 0.3,
    one_name: bool = True,
    fit_boxes: bool = True,
) -> tuple[str, dict[str, Any]]:
    """The picture with its boxes (PNG, longer side 1280 px at most), and the boxes in pixels of the picture sent."""
    config = DetectConfig(
        detector=detector,
        score_threshold=score_threshold,
        nms_iou=nms_iou,
        one_name=one_name,
        fit_boxes=fit_boxes,
    )
    picture = load_picture(image)
    *_, step = scan_steps(picture, load_detector(detector), config, Deadline(TIME_LIMIT_S))
    found = select(step.scan, config)
    if not found.complete:
        gr.Warning(f"Stopped at the limit of {TIME_LIMIT_S:g} s before the finest level: small objects may be missing.")
    return _png(draw_detections(picture, found)), found.as_dict()


def _png(picture: ImageArray) -> str:
    """The path of the picture as a PNG, packed fast rather than small: sliders wait for it."""
    return str(save_download("detections.png", png_bytes(picture, compress_level=1)))


def _detect_on_page(path: str | None, detector: str, *values: Any) -> Iterator[tuple[Any, ...]]:
    """After each pyramid level all that `_show` gives, what the live controls need, and the classes found.

    So a run that is cancelled leaves nothing of the picture before it. Between levels only the status moves.
    """
    config = DetectConfig(detector=detector, **dict(zip((*LIVE, *SEARCH), values, strict=True)))
    picture = load_picture(path)
    shown, kept = canvas(picture), None
    for step in scan_steps(picture, load_detector(detector), config, Deadline(TIME_LIMIT_S)):
        found = select(step.scan, config)
        progress = f"Level {step.done} of {step.total}: {step.windows} windows, {_boxes(len(found.scores))}"
        if step.scan is kept:
            yield gr.skip(), progress, *(gr.skip() for _ in range(5))
            continue
        kept = step.scan
        choices = gr.Dropdown(choices=_choices(kept), value=[])
        listed = _table(found), *_files(found)
        yield _png(draw_detections(shown, found)), progress, *listed, Session(shown, kept), choices


def _choices(scan: Scan) -> list[tuple[str, int]]:
    """The classes found and their best scores, best first: (text, class index)."""
    best: dict[int, float] = {}
    for index, score in zip(scan.classes.tolist(), scan.scores.tolist(), strict=True):
        best[index] = max(score, best.get(index, 0.0))
    ranked = sorted(best, key=lambda index: -best[index])
    return [(f"{scan.labels[index]} ({best[index]:.0%})", index) for index in ranked]


def _show(session: Session | None, view: str, only: list[int] | None, *values: Any) -> tuple[Any, ...]:
    """Picture, status, table and downloads for the controls as they stand; no network runs."""
    if session is None:
        return tuple(gr.skip() for _ in range(5))
    config = DetectConfig(**dict(zip(LIVE, values, strict=True)))
    found = select(session.scan, config, only or ())
    picture = _png(_view(session, view, found, only or []))
    return picture, _status(session.scan, found, view, only or []), _table(found), *_files(found)


def _settle(status: str, *shown: Any) -> tuple[Any, ...]:
    """After a run: all that `_show` gives, for controls may have moved meanwhile; that it was cancelled stays told."""
    picture, line, *files = _show(*shown)
    return picture, gr.skip() if status.startswith("Cancelled") else line, *files


def _rows(found: Detections) -> list[tuple[str, float, list[float]]]:
    return [(entry["label"], entry["score"], entry["xyxy"]) for entry in found.as_dict()["detections"]]


def _table(found: Detections) -> list[list[str]]:
    """The rows of the table, as `TABLE_HEADERS` has them."""
    rows = [(label, score, [round(v) for v in xyxy]) for label, score, xyxy in _rows(found)]
    return [[label, f"{score:.1%}", f"{x1},{y1}", f"{x2},{y2}"] for label, score, (x1, y1, x2, y2) in rows]


def _view(session: Session, view: str, found: Detections, only: list[int]) -> ImageArray:
    if view == "Score map":
        return draw_score_map(session.picture, session.scan, only)
    if view == "Windows":
        return draw_windows(session.picture, session.scan)
    return draw_detections(session.picture, found)


def _status(scan: Scan, found: Detections, view: str, only: list[int]) -> str:
    """What was found, out of how much, in what time; and what the view's colours mean."""
    stopped = "" if scan.complete else "; stopped before the finest level"
    counts = (
        f"{len(scan.scores)} candidates from {scan.windows} windows on {len(scan.levels)} levels, "
        f"scored in {scan.elapsed_ms:.0f} ms{stopped}."
    )
    notes = {
        "Boxes": "" if len(found.scores) else _nothing(scan),
        "Score map": f"Red is a probability of {score_map(scan, only).max():.0%}, pooled over the levels. ",
        "Windows": "A dot is the middle of a window, blue to red by its best class; framed: the best one. ",
    }
    return f"**{_boxes(len(found.scores))}.** {notes[view]}{counts}"


def _boxes(count: int) -> str:
    return f"{count} box" if count == 1 else f"{count} boxes"


def _nothing(scan: Scan) -> str:
    if not len(scan.scores):
        return "The network recognises nothing here. "
    best = int(scan.scores.argmax())
    return (
        f"The best guess is {scan.labels[scan.classes[best]]} with {scan.scores[best]:.0%}: lower the score to see it. "
    )


def _files(found: Detections) -> tuple[gr.DownloadButton, gr.DownloadButton]:
    """The boxes shown, as JSON (the object of the API) and as CSV."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["label", "score", "x1", "y1", "x2", "y2"])
    writer.writerows([label, score, *box] for label, score, box in _rows(found))
    as_json = save_download("detections.json", json.dumps(found.as_dict(), indent=2).encode())
    as_csv = save_download("detections.csv", table.getvalue().encode())
    return gr.DownloadButton(value=str(as_json), interactive=True), gr.DownloadButton(
        value=str(as_csv), interactive=True
    )


def _results() -> dict[str, Component]:
    """The right-hand column: view, picture, status, the controls that act at once, table, downloads."""
    parts: dict[str, Component] = {"view": gr.Radio(list(VIEWS), value=VIEWS[0], label="Show", elem_id="detect-view")}
    parts["result"] = picture_output("Detections", show_label=False, elem_id="detect-result")
    parts["status"] = gr.Markdown(elem_id="detect-status", elem_classes="status")
    with gr.Row():
        parts |= {name: control(DetectConfig, name, min_width=200) for name in LIVE[:2]}
    parts["only"] = gr.Dropdown([], value=[], multiselect=True, label="Only these classes", elem_id="detect-classes")
    parts["table"] = gr.Dataframe(
        headers=TABLE_HEADERS,
        datatype="str",
        column_widths=["28%", "18%", "27%", "27%"],
        label="Boxes, in pixels of your picture",
        interactive=False,
        max_height=260,
        wrap=True,
        elem_id="detect-table",
    )
    with gr.Row():
        for kind in ("json", "csv"):
            name = f"Download {kind.upper()}"
            parts[kind] = gr.DownloadButton(name, size="sm", min_width=120, interactive=False, elem_id=f"detect-{kind}")
    return parts


def build(run: Run) -> dict[str, Component]:
    """Draws the tab, whose work `run` does; returns the settings that a shared link restores."""
    with gr.Row():
        with gr.Column(min_width=300):
            image = picture_input(elem_id="detect-image")
            with gr.Row():
                start = gr.Button("Detect", variant="primary", elem_id="detect-run")
                cancel = gr.Button("Cancel", elem_id="detect-cancel", min_width=80, scale=0)
            gr.Examples([[example_picture(name)] for name in EXAMPLES], [image], label="Try one of these")
            with gr.Accordion("More settings", open=False, elem_id="detect-more"):
                controls = {name: control(DetectConfig, name) for name in LIVE[2:]}
                gr.Markdown("For the next run:")
                controls |= {name: control(DetectConfig, name) for name in ("detector", *SEARCH)}
        with gr.Column(min_width=300, scale=2):
            parts = controls | _results()
    settings = {name: parts[name] for name in (*LIVE, *SEARCH, "detector", "view")}
    share_button("detect", settings)
    method_note(NOTE)
    _wire(image, start, cancel, parts)
    interface = [image, parts["detector"], *(parts[name] for name in LIVE)]
    endpoint("detect", detect_endpoint, interface, [parts["result"], gr.JSON(visible=False)])
    return settings


def _wire(image: gr.Image, start: gr.Button, cancel: gr.Button, parts: dict[str, Component]) -> None:
    """The run; and after it, or at any touch of a live control, the view of what it kept."""
    session = gr.State(time_to_live=STATE_TTL_S)
    touched: list[Any] = [parts[name] for name in ("view", "only", *LIVE)]
    shown = [parts[name] for name in ("result", "status", "table", "json", "csv")]
    part = Part(
        name="detect",
        inputs=[image, *(parts[name] for name in ("detector", *LIVE, *SEARCH))],
        needs=[image],
        outputs=[*shown, session, parts["only"]],
        empty={parts["only"]: gr.update(choices=[], value=[]), **{parts[kind]: NO_FILE for kind in ("json", "csv")}},
        status=parts["status"],
        told="Cancelled; what was found stays.",
    )
    watch = {image: 0, parts["detector"]: 0, **{parts[name]: SETTLED_MS for name in SEARCH}}
    events = wire(part, _detect_on_page, run=[start.click], watch=watch, cancel=cancel)
    light([component.input for component in touched], _show, [session, *touched], shown)
    for event in events:
        event.success(
            guarded(_settle),
            [parts["status"], session, *touched],
            shown,
            api_visibility="private",
            show_progress="hidden",
        )


TAB = Tab(slug="detect", title="Detect", build=build)
