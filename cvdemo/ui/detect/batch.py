"""Detect on several pictures, or a folder of them: a gallery, a table and a ZIP, live under the same sliders.

Each picture is a request of its own. One that cannot be read is named and left out. The scans are kept without their
maps and the pictures as JPEG, so that a session of thirty takes some ten megabytes.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.components import Component
from PIL import Image

from cvdemo.demo import Lane, Run, Step
from cvdemo.detect.candidates import Scan
from cvdemo.detect.detector import DETECTORS
from cvdemo.detect.drawing import draw_detections
from cvdemo.detect.exports import coco_of_pictures, counted, counts_in_words, csv_of_pictures, table_rows
from cvdemo.detect.run import DetectRequest, DetectResult
from cvdemo.detect.selection import DetectConfig, Detections, select
from cvdemo.errors import InputError
from cvdemo.images import PICTURE_SUFFIXES, ImageArray, is_system, read_image, resize_to_fit
from cvdemo.limits import DETECT_BATCH_S, DETECT_PICTURES, STATE_S
from cvdemo.runtime import Deadline
from cvdemo.ui.detect.controls import SLIDERS, Choice, act_on_what_was_kept, sliders
from cvdemo.ui.detect.results import NO_FILE, box_table, class_choices, file_buttons, headline, offered, places
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.wiring.controls import control, given, light, save_download
from cvdemo.ui.wiring.parts import Part, wire
from cvdemo.ui.wiring.plain_text import plain

SIDE_PX = 960  # longer side of a picture in the gallery and the ZIP
QUALITY = 88
FILES = {"zip": "ZIP of everything", "csv": "CSV", "coco": "COCO JSON"}
NOTE = (
    f"Up to {DETECT_PICTURES} pictures, or a folder of them. A picture that cannot be read is named; the others go on."
)


@dataclass(frozen=True)
class Searched:
    """One picture of the batch: its name, itself as JPEG at the size at which it is drawn, and what was found on it."""

    name: str
    jpeg: bytes
    scan: Scan


@dataclass(frozen=True)
class Batch:
    """What the live controls work on.

    Attributes:
        pictures: those that could be searched. refused: a sentence on each other one. detector: what found it all.
        total: how many there were to search; more than the two together where the run ended early.
    """

    pictures: tuple[Searched, ...]
    refused: tuple[str, ...]
    detector: str
    total: int


def batch_on_page(
    run: Run,
    files: list[str] | None,
    detector: str,
    score: float,
    overlap: float,
    megapixels: float = DetectConfig.megapixels,
) -> Iterator[tuple[Any, ...]]:
    """After each picture the status; at last, or where time runs out, all that `_show` gives.

    The batch so far goes into the session with every picture, so that one that is cancelled can be looked at.
    """
    paths = chosen_pictures(files)
    config = DetectConfig(detector=detector, score_threshold=score, nms_iou=overlap, megapixels=megapixels)
    clock, batch = Deadline(DETECT_BATCH_S), Batch((), (), detector, len(paths))
    for number, path in enumerate(paths, 1):
        for step in _search(run, path, config, clock, batch):
            if isinstance(step, Batch):
                batch = step
        done = f"Picture {number} of {len(paths)}: {plain(Path(path).name)}"
        if number < len(paths) and not clock.expired:
            yield gr.skip(), done, *[gr.skip()] * (1 + len(FILES)), batch, gr.update(choices=_classes(batch))
        else:
            break
    yield *_show(batch, None, score, overlap), batch, gr.update(choices=_classes(batch), value=[])


def _search(run: Run, path: str, config: DetectConfig, clock: Deadline, batch: Batch) -> Iterator[Batch | Step[Any]]:
    """The steps of one picture; last the batch with it, or with the sentence on why it cannot be."""
    name = Path(path).name
    try:
        picture = read_image(read_upload(path))
        seconds = None if clock.seconds is None else max(0.1, clock.seconds - clock.elapsed_ms / 1000)
        found: DetectResult | None = None
        for step in run(DetectRequest(image=picture, config=config, time_limit_s=seconds)):
            found = step.result
            yield step
    except InputError as error:
        yield replace(batch, refused=(*batch.refused, f"{name}: {error}"))
        return
    assert found is not None  # a demo's last step has a result
    kept = Searched(name, _jpeg(resize_to_fit(picture, SIDE_PX)), replace(found.scan, levels=()))
    yield replace(batch, pictures=(*batch.pictures, kept))


def chosen_pictures(files: Sequence[str] | None) -> list[str]:
    """The paths that are worth trying, of a folder without what is hidden or has another ending, by name.

    Raises:
        InputError: there are none, or too many.
    """
    usable = (str(path) for path in files or () if _may_be_a_picture(Path(path).name))
    paths = sorted(dict.fromkeys(usable), key=lambda path: Path(path).name)
    if not paths:
        raise InputError("Please choose some pictures first, or a folder that holds some.")
    if len(paths) > DETECT_PICTURES:
        raise InputError(f"These are {len(paths)} pictures; the limit is {DETECT_PICTURES}.")
    return paths


def _may_be_a_picture(name: str) -> bool:
    return not is_system(name) and Path(name).suffix.lower() in PICTURE_SUFFIXES


def _show(batch: Batch | None, only: list[int] | None, score: float, overlap: float) -> tuple[Any, ...]:
    """Gallery, status, table and downloads for the controls as they stand; no network runs."""
    if batch is None:
        return tuple(gr.skip() for _ in range(3 + len(FILES)))
    config = DetectConfig(detector=batch.detector, score_threshold=score, nms_iou=overlap)
    found = [select(picture.scan, config, tuple(only or ())) for picture in batch.pictures]
    drawn = [_jpeg(draw_detections(_pixels(p.jpeg), f)) for p, f in zip(batch.pictures, found, strict=True)]
    names = unique_names([picture.name for picture in batch.pictures])
    boxes = [(name, one.as_dict()) for name, one in zip(names, found, strict=True)]
    gallery = [
        (str(save_download(f"{Path(name).stem}.jpg", jpeg)), f"{name}: {headline(one, batch.detector)}")
        for name, jpeg, one in zip(names, drawn, found, strict=True)
    ]
    pictures = {f"boxes/{Path(name).stem}.jpg": jpeg for name, jpeg in zip(names, drawn, strict=True)}
    rows = [[name, *row] for name, one in boxes for row in table_rows(one)]
    table = csv_of_pictures(boxes)
    labels = batch.pictures[0].scan.labels if batch.pictures else []
    coco = json.dumps(coco_of_pictures(boxes, labels))
    archive = _zip({**pictures, "detections.csv": table.encode(), "coco.json": coco.encode()})
    files = [offered("detections.zip", archive), offered("detections.csv", table.encode())]
    return gallery, status(batch, found), rows, *files, offered("coco.json", coco.encode())


def _show_if_cancelled(
    before: str, batch: Batch | None, only: list[int] | None, score: float, overlap: float
) -> tuple[Any, ...]:
    """After a run that was cancelled: what `_show` gives of the pictures so far; that it was cancelled stays told."""
    if not before.startswith("Cancelled"):
        return _show(None, only, score, overlap)
    gallery, _, *rest = _show(batch, only, score, overlap)
    return gallery, gr.skip(), *rest


def status(batch: Batch, found: Sequence[Detections]) -> str:
    """What was counted on all pictures together, how many there were, and which could not be read."""
    together = {"detections": [entry for one in found for entry in one.as_dict()["detections"]]}
    said = counts_in_words(together) if DETECTORS[batch.detector].counts else places(len(together["detections"]))
    seconds = sum(picture.scan.elapsed_ms for picture in batch.pictures) / 1000
    missing = batch.total - len(batch.pictures) - len(batch.refused)
    lines = [f"**{said or 'Nothing'} on {counted(len(batch.pictures), 'picture')}.** Scored in {seconds:.1f} s."]
    if missing:
        lines.append(f"{counted(missing, 'picture')} not searched.")
    if in_part := sum(not picture.scan.complete for picture in batch.pictures):
        lines.append(f"{counted(in_part, 'picture')} searched only in part: time ran out.")
    return "\n".join([" ".join(lines), *(f"- {plain(sentence)}" for sentence in batch.refused)])


def _classes(batch: Batch) -> list[tuple[str, int]]:
    """Of all pictures so far; none where none could be read."""
    return class_choices([picture.scan for picture in batch.pictures])


def unique_names(names: Sequence[str]) -> list[str]:
    """The file names, each stem once: of two "cat" the second is "cat_2"."""
    taken: dict[str, str] = {}  # by stem
    for name in names:
        stem, number = Path(name).stem, 1
        while (unique := stem if number == 1 else f"{stem}_{number}") in taken:
            number += 1
        taken[unique] = unique + Path(name).suffix
    return list(taken.values())


def _jpeg(picture: ImageArray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, format="JPEG", quality=QUALITY)
    return data.getvalue()


def _pixels(jpeg: bytes) -> ImageArray:
    """Of a JPEG that `_jpeg` made."""
    with Image.open(io.BytesIO(jpeg)) as picture:
        return np.array(picture)


def _zip(files: Mapping[str, bytes]) -> bytes:
    """An archive of the files, which are packed already."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def build_batch(run: Run, choice: Choice) -> dict[str, Component]:
    """Draws the way for several pictures; returns its pair of sliders."""
    with gr.Row():
        with gr.Column(min_width=300):
            files = gr.File(
                label="Your pictures",
                file_count="multiple",
                file_types=sorted(PICTURE_SUFFIXES),
                height=200,
                elem_id="detect-files",
            )
            folder = gr.UploadButton("Choose a folder", file_count="directory", size="sm", elem_id="detect-folder")
            with gr.Row():
                start = gr.Button("Detect on all", variant="primary", elem_id="detect-batch-run")
                cancel = gr.Button("Cancel", elem_id="detect-batch-cancel", min_width=80, scale=0)
            with gr.Accordion("More settings", open=False, elem_id="detect-batch-more"):
                megapixels = control(DetectConfig, "megapixels", elem_id="detect-batch-megapixels")
            gr.Markdown(NOTE, elem_classes="method-note")
        with gr.Column(min_width=300, scale=2):
            parts = _results()
    light([folder.upload], _of_folder, [folder], [files])
    _wire(run, [files, choice.detector, *(parts[name] for name in SLIDERS), megapixels], start, cancel, parts)
    return {name: parts[name] for name in SLIDERS}


def _of_folder(files: list[str] | None) -> list[str]:
    """What of a folder goes into the list of pictures."""
    return chosen_pictures(files)


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
    parts["only"] = gr.Dropdown(
        [], value=[], multiselect=True, label="Only these classes", elem_id="detect-batch-classes"
    )
    parts["table"] = box_table("detect-batch-table", ["Picture"])
    return parts | file_buttons("detect-batch", FILES)


def _wire(
    run: Run, inputs: Sequence[Component], start: gr.Button, cancel: gr.Button, parts: dict[str, Component]
) -> None:
    """The run, whose first input are the files; and at any touch of a live control the view of what it kept."""
    session = gr.State(time_to_live=STATE_S)
    files, pair = inputs[0], [parts[name] for name in SLIDERS]
    shown = [parts[name] for name in ("gallery", "status", "table", *FILES)]
    part = Part(
        name="detect-batch",
        lane=Lane.SLOW,
        inputs=inputs,
        needs=[files],
        outputs=[*shown, session, parts["only"]],
        empty={parts["only"]: gr.update(choices=[], value=[]), **{parts[kind]: NO_FILE for kind in FILES}},
        status=parts["status"],
        cancelled_text="Cancelled; the pictures so far stay.",
    )
    runs = wire(part, given(run, batch_on_page), run=[start.click], watch={files: 0}, cancel=cancel)
    touched: list[Any] = [parts["only"], *pair]
    act_on_what_was_kept(
        touched, _show, _show_if_cancelled, session=session, status=parts["status"], shown=shown, runs=runs
    )
