"""Detect on several pictures, or a folder of them: a gallery, a table and a ZIP, live under the same sliders.

Each picture is a request of its own, see `cvdemo.ui.several`. The scans are kept without their maps and the pictures as
JPEG, so that a session of thirty takes some ten megabytes.
"""

import io
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from cvdemo.backends.durations import UnitTimes
from cvdemo.backends.work import READ_S, SHOWN_S
from cvdemo.demo import Lane, Run, Step
from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.exports import coco_of_pictures, counted, counts_in_words, csv_of_pictures, table_rows
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.images import ImageArray, read_image, resize_to_fit
from cvdemo.limits import DETECT_BATCH_S, DETECT_PICTURES, STATE_S
from cvdemo.ui.detect.controls import SLIDERS, Choice, act_on_what_was_kept, open_number, sliders
from cvdemo.ui.detect.results import box_table, class_choices, found_stem, headline, places
from cvdemo.ui.serving.result_names import in_file_name
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.serving.waiting import durations_of
from cvdemo.ui.several.fields import CANCELLED_TEXT, files_field, note, picture_files, start_and_cancel, was_cancelled
from cvdemo.ui.several.files import chosen_pictures, zipped
from cvdemo.ui.several.foretold import Foretold, blank
from cvdemo.ui.several.job import Batch, Job, last_moment, made_if_room, megapixels_of, on_the_way, passed_on
from cvdemo.ui.wiring.controls import control, endpoint, given, save_download
from cvdemo.ui.wiring.downloads import NO_FILE, file_buttons, offered, offered_file
from cvdemo.ui.wiring.parts import Part, wire

SIDE_PX = 960  # longer side of a picture in the gallery and the ZIP
QUALITY = 88
ENDINGS = {"detections.csv": ".csv", "coco.json": "-coco.json"}  # of the downloads, by the names in the ZIP
LEAST_UNITS = 0.1  # megapixels; what every picture takes, however small
FILES = {"zip": "Everything (ZIP)", "csv": "Table (CSV)", "coco": "Training (COCO)"}


@dataclass(frozen=True)
class Searched:
    """One picture of a batch: its name, itself as JPEG at the size at which it is drawn, what found what on it."""

    name: str
    jpeg: bytes
    scan: Scan
    detector: str


def batch_on_page(
    run: Run,
    times: UnitTimes,
    files: list[str] | None,
    detector: str,
    score: float,
    overlap: float,
    megapixels: float = DetectConfig.megapixels,
) -> Iterator[tuple[Any, ...]]:
    """The status on the way; at last, or where time runs out, all that `_show` gives.

    The batch so far goes into the session with every picture, so that one that is cancelled can be looked at.
    """
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap, megapixels=megapixels)
    done = yield from on_the_way(batch_job(run, times, files, config), _so_far)
    shown, batch = made_if_room(done, partial(_show, done, None, score, overlap))
    yield *(shown or _without_files(batch, config)), batch, gr.update(choices=_classes(batch), value=[])


def _so_far(line: str, batch: Batch[Searched] | None) -> tuple[Any, ...]:
    kept = [gr.skip()] * 2 if batch is None else [batch, gr.update(choices=_classes(batch))]
    return gr.skip(), line, *[gr.skip()] * (1 + len(FILES)), *kept


def batch_job(run: Run, times: UnitTimes, files: list[str] | None, config: DetectConfig) -> Job[Searched]:
    """The search of all pictures; its time goes by their sizes, up to the largest that is searched."""
    paths = chosen_pictures(files, DETECT_PICTURES)
    megapixels = [megapixels_of(path) for path in paths]
    return Job(
        paths=paths,
        units=[LEAST_UNITS + min(config.megapixels, each) for each in megapixels],
        kind=(config.detector, config.max_upscale),
        one=partial(_searched, run, config),
        limit_s=DETECT_BATCH_S,
        times=times,
        foretold=Foretold(
            durations=durations_of(run),
            requests=[DetectRequest(image=blank(each), config=config) for each in megapixels],
            before_s=[(READ_S + SHOWN_S) * each for each in megapixels],
        ),
    )


def _searched(
    run: Run, config: DetectConfig, path: str, name: str, seconds: float
) -> Generator[Step[DetectResult], None, Searched]:
    """The steps of one picture; returns it as the session keeps it."""
    picture = read_image(read_upload(path))
    found = yield from passed_on(run(DetectRequest(image=picture, config=config, time_limit_s=seconds)))
    scan = replace(found.scan, levels=())
    return Searched(name, _jpeg(resize_to_fit(picture, SIDE_PX)), scan, config.detector)


def detect_several_endpoint(
    run: Run,
    times: UnitTimes,
    files: list[str] | None,
    detector: str = DetectConfig.detector,
    score_threshold: float | None = DetectConfig.score_threshold,
    nms_iou: float | None = DetectConfig.nms_iou,
    megapixels: float = DetectConfig.megapixels,
) -> tuple[str | None, dict[str, Any]]:
    """A ZIP of several pictures with their boxes, with `detections.csv` and `coco.json`; and all boxes as JSON.

    A picture that cannot be read is among the refused ones, with the reason; the others go on. Where time runs out,
    `not_reached` says how many are left. Where the page is full, `stopped` says so.
    """
    config = DetectConfig(detector=detector, score_threshold=score_threshold, nms_iou=nms_iou, megapixels=megapixels)
    batch = last_moment(batch_job(run, times, files, config))
    found = _selected(batch, config)
    pictures = [{"file": one.name, **boxes.as_dict()} for one, boxes in zip(batch.pictures, found, strict=True)]
    archive, batch = made_if_room(batch, lambda: _archive(batch, found, _drawn(batch, found)))
    return archive, batch.report(pictures)


def _show(batch: Batch[Searched] | None, only: list[int] | None, score: float, overlap: float) -> tuple[Any, ...]:
    """Gallery, status, table and downloads for the controls as they stand; no network runs."""
    if batch is None:
        return tuple(gr.skip() for _ in range(3 + len(FILES)))
    detector = _detector_of(batch)
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap)
    found = _selected(batch, config, tuple(only or ()))
    drawn, boxes = _drawn(batch, found), _boxes(batch, found)
    gallery = [
        (str(save_download(f"{Path(name).stem}.jpg", jpeg)), f"{name}: {headline(one, detector)}")
        for (name, _), jpeg, one in zip(boxes, drawn, found, strict=True)
    ]
    texts = [offered(f"{_stem(batch)}{ENDINGS[name]}", content) for name, content in _texts(batch, found).items()]
    return gallery, status(batch, found), _rows(boxes), offered_file(_archive(batch, found, drawn)), *texts


def _without_files(batch: Batch[Searched], config: DetectConfig) -> tuple[Any, ...]:
    """What `_show` gives where the page has no room for pictures and files: the status and the table."""
    found = _selected(batch, config)
    return gr.skip(), status(batch, found), _rows(_boxes(batch, found)), *[gr.skip()] * len(FILES)


def _rows(boxes: Sequence[tuple[str, dict[str, Any]]]) -> list[list[Any]]:
    """Of the table: a box each, after the name of its picture."""
    return [[name, *row] for name, one in boxes for row in table_rows(one)]


def _selected(batch: Batch[Searched], config: DetectConfig, only: tuple[int, ...] = ()) -> list[Detections]:
    return [select(picture.scan, config, only) for picture in batch.pictures]


def _drawn(batch: Batch[Searched], found: Sequence[Detections]) -> list[bytes]:
    """Each picture with its boxes, as JPEG."""
    pairs = zip(batch.pictures, found, strict=True)
    return [_jpeg(draw_detections(_pixels(picture.jpeg), boxes)) for picture, boxes in pairs]


def _boxes(batch: Batch[Searched], found: Sequence[Detections]) -> list[tuple[str, dict[str, Any]]]:
    return [(picture.name, boxes.as_dict()) for picture, boxes in zip(batch.pictures, found, strict=True)]


def _texts(batch: Batch[Searched], found: Sequence[Detections]) -> dict[str, bytes]:
    """All boxes as CSV and in the form of COCO, by their names in the ZIP."""
    boxes, labels = _boxes(batch, found), batch.pictures[0].scan.labels if batch.pictures else []
    coco = json.dumps(coco_of_pictures(boxes, labels))
    return {"detections.csv": csv_of_pictures(boxes).encode(), "coco.json": coco.encode()}


def _archive(batch: Batch[Searched], found: Sequence[Detections], drawn: Sequence[bytes]) -> str:
    """The path of a ZIP of the pictures that were drawn, and the texts."""
    pictures = {f"boxes/{Path(one.name).stem}.jpg": jpeg for one, jpeg in zip(batch.pictures, drawn, strict=True)}
    return zipped(f"{_stem(batch)}.zip", {**pictures, **_texts(batch, found)})


def _stem(batch: Batch[Searched]) -> str:
    """The name of each file to download, without its ending."""
    return found_stem(_detector_of(batch), in_file_name(counted(len(batch.pictures), "picture")))


def _detector_of(batch: Batch[Searched]) -> str:
    return batch.pictures[0].detector if batch.pictures else DetectConfig.detector


def _show_if_cancelled(
    before: str, batch: Batch[Searched] | None, only: list[int] | None, score: float, overlap: float
) -> tuple[Any, ...]:
    """After a run that was cancelled: what `_show` gives of the pictures so far; that it was cancelled stays told."""
    if not was_cancelled(before):
        return _show(None, only, score, overlap)
    gallery, _, *rest = _show(batch, only, score, overlap)
    return gallery, gr.skip(), *rest


def status(batch: Batch[Searched], found: Sequence[Detections]) -> str:
    """What was counted on all pictures together, how many there were, and which could not be read."""
    together = {"detections": [entry for one in found for entry in one.as_dict()["detections"]]}
    counts = DETECTORS[_detector_of(batch)].counts
    said = counts_in_words(together) if counts else places(len(together["detections"]))
    seconds = sum(picture.scan.elapsed_ms for picture in batch.pictures) / 1000
    lines = [f"**{said or 'Nothing'} on {counted(len(batch.pictures), 'picture')}.** Searched in {seconds:.1f} s."]
    lines += batch.sentences("searched")
    if in_part := sum(not picture.scan.complete for picture in batch.pictures):
        lines.append(f"{counted(in_part, 'picture')} searched only in part: time ran out.")
    return "\n".join([" ".join(lines), *batch.lines()])


def _classes(batch: Batch[Searched]) -> list[tuple[str, int]]:
    """Of all pictures so far; none where none could be read."""
    return class_choices([picture.scan for picture in batch.pictures])


def _jpeg(picture: ImageArray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="JPEG", quality=QUALITY)
    return data.getvalue()


def _pixels(jpeg: bytes) -> ImageArray:
    """Of a JPEG that `_jpeg` made."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        return np.array(picture)


def build_batch(run: Run, choice: Choice) -> dict[str, Component]:
    """Draws the way for several pictures; returns its pair of sliders."""
    with gr.Row():
        with gr.Column(min_width=300):
            files = picture_files("detect", DETECT_PICTURES)
            start, cancel = start_and_cancel("detect-batch", "Detect on all")
            with gr.Accordion("More settings", open=False, elem_id="detect-batch-more"):
                megapixels = control(DetectConfig, "megapixels", elem_id="detect-batch-megapixels")
            note(DETECT_PICTURES)
        with gr.Column(min_width=300, scale=2):
            parts = _results()
    times = UnitTimes()
    inputs = [files, choice.detector, *(parts[name] for name in SLIDERS), megapixels]
    _wire(given(run, batch_on_page, times), inputs, start, cancel, parts)
    fields = [files_field(), choice.detector, *(open_number(name) for name in SLIDERS), megapixels]
    outputs = [gr.File(visible=False, label="ZIP"), gr.JSON(visible=False)]
    endpoint("detect_several", given(run, detect_several_endpoint, times), fields, outputs, Lane.SLOW)
    return {name: parts[name] for name in SLIDERS}


def _results() -> dict[str, Component]:
    """The right-hand column: gallery, what was counted, the controls that act at once, table, downloads."""
    parts: dict[str, Component] = {
        "gallery": gr.Gallery(
            label="With boxes",
            show_label=False,
            columns=3,
            height="auto",
            object_fit="contain",
            interactive=False,
            buttons=["download", "fullscreen"],
            elem_id="detect-gallery",
        )
    }
    parts["status"] = gr.Markdown(elem_id="detect-batch-status", elem_classes="status")
    with gr.Row():
        parts |= sliders("detect-batch")
    parts["only"] = gr.Dropdown([], value=[], multiselect=True, label="Show only", elem_id="detect-batch-classes")
    parts["table"] = box_table("detect-batch-table", ["Picture"])
    return parts | file_buttons("detect-batch", FILES)


def _wire(
    handler: Callable[..., Any],
    inputs: Sequence[Component],
    start: gr.Button,
    cancel: gr.Button,
    parts: Mapping[str, Component],
) -> None:
    """The run, whose first input are the files; and at any touch of a live control the view of what it kept."""
    session = gr.State(time_to_live=STATE_S)
    files, pair = inputs[0], [parts[name] for name in SLIDERS]
    shown = [parts[name] for name in ("gallery", "status", "table", *FILES)]
    part = Part(
        name="detect-batch",
        lane=Lane.SLOW,
        several=True,
        inputs=inputs,
        needs=[files],
        outputs=[*shown, session, parts["only"]],
        empty={parts["only"]: gr.update(choices=[], value=[]), **{parts[kind]: NO_FILE for kind in FILES}},
        status=parts["status"],
        cancelled_text=CANCELLED_TEXT,
    )
    runs = wire(part, handler, run=[start.click], watch={files: 0}, cancel=cancel)
    touched: list[Any] = [parts["only"], *pair]
    act_on_what_was_kept(
        touched, _show, _show_if_cancelled, session=session, status=parts["status"], shown=shown, runs=runs
    )
