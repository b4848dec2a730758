"""Classify on several pictures, or a folder of them: a table with the best classes of each, as CSV and JSON too."""

import html
import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.backends.durations import UnitTimes
from cvdemo.backends.work import READ_S, SHOWN_S
from cvdemo.classify.classifier import ClassifyConfig, Prediction
from cvdemo.classify.exports import classes_of, csv_of_pictures, in_per_cent
from cvdemo.classify.run import ClassifyRequest
from cvdemo.demo import Lane, Run, Step
from cvdemo.images import read_image
from cvdemo.limits import CLASSIFY_BATCH_S, CLASSIFY_PICTURES, STATE_S
from cvdemo.ui.classify_words import NOT_SURE, SURE, network_choice
from cvdemo.ui.serving.result_names import in_file_name
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.serving.waiting import durations_of
from cvdemo.ui.several.fields import (
    CANCELLED_TEXT,
    files_field,
    followed_by,
    note,
    picture_files,
    start_and_cancel,
    was_cancelled,
)
from cvdemo.ui.several.files import chosen_pictures, count_of, zipped
from cvdemo.ui.several.foretold import Foretold, blank
from cvdemo.ui.several.job import Batch, Job, last_moment, made_if_room, megapixels_of, on_the_way, passed_on
from cvdemo.ui.wiring.controls import control, endpoint, given, took
from cvdemo.ui.wiring.downloads import NO_FILE, file_buttons, offered, offered_file
from cvdemo.ui.wiring.parts import Part, wire
from cvdemo.ui.wiring.thumbnails import source_of, thumbnail

NAME = "classify-several"
FILES = {"zip": "Both (ZIP)", "csv": "Table (CSV)", "json": "Data (JSON)"}
SMALL_PX = 96  # longer side of a picture in the table
LEAST_UNITS = 0.5  # megapixels; a picture takes 10 ms of one core, and each of its megapixels 20 ms


@dataclass(frozen=True)
class Named:
    """One picture of a batch: its name, itself in small as JPEG, and its best classes."""

    name: str
    small: bytes
    prediction: Prediction


def several_on_page(
    run: Run, times: UnitTimes, files: list[str] | None, model: str, ten_crop: bool
) -> Iterator[tuple[Any, ...]]:
    """Table and status with every picture; at the end the files too. The session keeps the batch."""
    began = time.monotonic()
    done = yield from on_the_way(batch_job(run, times, files, ClassifyConfig(model=model, ten_crop=ten_crop)), _so_far)
    offered_files, batch = made_if_room(done, partial(_offered, done))
    buttons = offered_files or [gr.skip()] * len(FILES)
    yield table(batch), status(batch, time.monotonic() - began), *buttons, batch


def _so_far(line: str, batch: Batch[Named] | None) -> tuple[Any, ...]:
    shown, kept = (gr.skip(), gr.skip()) if batch is None else (table(batch), batch)
    return shown, line, *[gr.skip()] * len(FILES), kept


def several_endpoint(
    run: Run, times: UnitTimes, files: list[str] | None, model: str = "imagenet", ten_crop: bool = False
) -> tuple[str | None, dict[str, Any]]:
    """A ZIP with the five best classes of several pictures as CSV and JSON; and the same as JSON.

    A picture that cannot be read is among the refused ones, with the reason; the others go on. Where time runs out,
    `not_reached` says how many are left. Where the page is full, `stopped` says so.
    """
    batch = last_moment(batch_job(run, times, files, ClassifyConfig(model=model, ten_crop=ten_crop)))
    archive, batch = made_if_room(batch, partial(_archive, batch))
    return archive, _report(batch)


def batch_job(run: Run, times: UnitTimes, files: list[str] | None, config: ClassifyConfig) -> Job[Named]:
    """The classification of all pictures; its time goes by their sizes, for most of it they are read."""
    paths = chosen_pictures(files, CLASSIFY_PICTURES)
    megapixels = [megapixels_of(path) for path in paths]
    return Job(
        paths=paths,
        units=[LEAST_UNITS + each for each in megapixels],
        kind=(config.model, config.ten_crop),
        one=partial(_named, run, config),
        limit_s=CLASSIFY_BATCH_S,
        times=times,
        foretold=Foretold(
            durations=durations_of(run),
            requests=[ClassifyRequest(image=blank(each), config=config) for each in megapixels],
            before_s=[(READ_S + SHOWN_S) * each for each in megapixels],
        ),
    )


def _named(
    run: Run, config: ClassifyConfig, path: str, name: str, seconds: float
) -> Generator[Step[Prediction], None, Named]:
    """The steps of one picture; returns it as the session keeps it."""
    picture = read_image(read_upload(path))
    found = yield from passed_on(run(ClassifyRequest(image=picture, config=config, time_limit_s=seconds)))
    return Named(name, thumbnail(picture, SMALL_PX), found)


def table(batch: Batch[Named]) -> str:
    """The pictures with their classes, as HTML; empty while there is none."""
    if not batch.pictures:
        return ""
    rows = "".join(_row(picture) for picture in batch.pictures)
    head = "".join(f'<th scope="col">{words}</th>' for words in ("Picture", "What it sees", "Or perhaps"))
    return f'<table class="named"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(picture: Named) -> str:
    pairs = zip(picture.prediction.labels, picture.prediction.probabilities, strict=True)
    shares = [f"{html.escape(label)} <small>{in_per_cent(share)}</small>" for label, share in pairs]
    doubtful = picture.prediction.probabilities[0] < SURE
    best, others = (NOT_SURE, shares) if doubtful else (shares[0], shares[1:])
    name = html.escape(picture.name)
    return (
        f'<tr><th scope="row"><img src="{source_of(picture.small)}" alt=""><span>{name}</span></th>'
        f"<td><strong>{best}</strong></td><td>{', '.join(others)}</td></tr>"
    )


def status(batch: Batch[Named], seconds: float) -> str:
    """How many were named, in what time, and which could not be."""
    lines = [f"**{took(1000 * seconds, f'{count_of(len(batch.pictures))} named')}.**", *batch.sentences("reached")]
    return "\n".join([" ".join(lines), *batch.lines()])


def _report(batch: Batch[Named]) -> dict[str, Any]:
    return batch.report([{"file": one.name, **classes_of(one.prediction)} for one in batch.pictures])


def _texts(batch: Batch[Named]) -> dict[str, bytes]:
    """CSV and JSON, by their names in the ZIP."""
    table = csv_of_pictures((one.name, classes_of(one.prediction)) for one in batch.pictures)
    text = json.dumps(_report(batch), indent=2, ensure_ascii=False)
    return {"classes.csv": table.encode(), "classes.json": text.encode()}


def _archive(batch: Batch[Named]) -> str:
    return zipped(f"{_stem(batch)}.zip", _texts(batch))


def _offered(batch: Batch[Named]) -> list[dict[str, Any]]:
    """The files for the buttons of `FILES`."""
    texts = [offered(f"{_stem(batch)}{Path(name).suffix}", content) for name, content in _texts(batch).items()]
    return [offered_file(_archive(batch)), *texts]


def _stem(batch: Batch[Named]) -> str:
    """The name of each file to download, without its ending."""
    return in_file_name(f"classes of {count_of(len(batch.pictures))}")


def _offer_if_cancelled(before: str, batch: Batch[Named] | None) -> list[Any]:
    """The files of the pictures so far, after a run that was cancelled; any other has given them already."""
    if batch is None or not batch.pictures or not was_cancelled(before):
        return [gr.skip()] * len(FILES)
    return _offered(batch)


def build_several(run: Run) -> None:
    """Draws the way for several pictures and registers its endpoint."""
    with gr.Row():
        with gr.Column(min_width=300):
            files = picture_files(NAME, CLASSIFY_PICTURES)
            start, cancel = start_and_cancel(NAME, "Classify all")
            model = network_choice(f"{NAME}-model", f"{NAME}-about")
            ten_crop = control(ClassifyConfig, "ten_crop", elem_id=f"{NAME}-ten-crop")
            note(CLASSIFY_PICTURES)
        with gr.Column(min_width=300, scale=2):
            shown: dict[str, Component] = {
                "status": gr.Markdown(elem_id=f"{NAME}-status", elem_classes="status"),
                "table": gr.HTML(elem_id=f"{NAME}-table"),
            }
            shown |= file_buttons(NAME, FILES)
    times = UnitTimes()
    _wire(given(run, several_on_page, times), [files, model, ten_crop], start, cancel, shown)
    outputs = [gr.File(visible=False, label="ZIP"), gr.JSON(visible=False)]
    endpoint(
        "classify_several",
        given(run, several_endpoint, times),
        [files_field(), model, ten_crop],
        outputs,
        Lane.SLOW,
    )


def _wire(handler: Any, inputs: list[Any], start: gr.Button, cancel: gr.Button, shown: dict[str, Component]) -> None:
    """The run, whose first input are the files; then the files of one that was cancelled."""
    session, files = gr.State(time_to_live=STATE_S), inputs[0]
    buttons = [shown[kind] for kind in FILES]
    part = Part(
        name=NAME,
        lane=Lane.SLOW,
        several=True,
        inputs=inputs,
        needs=[files],
        outputs=[shown["table"], shown["status"], *buttons, session],
        empty=dict.fromkeys(buttons, NO_FILE),
        status=shown["status"],
        cancelled_text=CANCELLED_TEXT,
    )
    runs = wire(part, handler, run=[start.click], watch=dict.fromkeys(inputs, 0), cancel=cancel)
    followed_by(runs, _offer_if_cancelled, [shown["status"], session], buttons)
