"""Teach: from the pictures of the classes to a head; what it came to is in `taught_lesson`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cvdemo.classify.taught_head import LEAST_CLASSES, SUFFIX, load_head
from cvdemo.classify.teach import Taught, TeachRequest, check_classes, read_reduced
from cvdemo.demo import Run, Step
from cvdemo.errors import InputError
from cvdemo.images import ImageArray
from cvdemo.limits import KEEP_FILES_S, STATE_S, TEACH_BURST, TEACH_CLASSES, TEACH_S
from cvdemo.runtime import Deadline
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.teach.answers import Answers, build_answers
from cvdemo.ui.teach.api import build_endpoints
from cvdemo.ui.teach.classes import Classes, build_classes, chosen
from cvdemo.ui.teach.doubts import SIDE_PX, build_doubts, wire_doubts
from cvdemo.ui.teach.taught_lesson import (
    NO_FILE,
    TIME_RAN_OUT,
    UNCHANGED,
    Lesson,
    after_change,
    file_of,
    follow_fields,
    mend_on_page,
    new_mark,
    pictures_by_class,
)
from cvdemo.ui.wiring.controls import given, light, method_note, warn_if_incomplete
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.parts import Cleared, Part, wire
from cvdemo.ui.wiring.plain_text import plain
from cvdemo.ui.wiring.thumbnails import thumbnail

GUIDE = (
    f"1. Name {LEAST_CLASSES} to {TEACH_CLASSES} things. Give each a few pictures: drop files, or press **Use the "
    f"camera**, which takes {TEACH_BURST} in a row. Five of each are a good start.\n"
    "2. Press **Teach**.\n"
    "3. Show it something new, as a picture or live."
)
EMPTY = "() => document.getElementById('teach-empty').click()"  # galleries that the page empties tell of no change
KEPT = (
    "The pictures, and what it has learnt from them (the head), belong to your session. Their files are deleted after "
    f"{KEEP_FILES_S / 60:g} minutes, like all uploads and results."
)
NOTE = (
    "The network has learnt from a million photographs what tells things apart. It turns each picture into 1,280 "
    "numbers, and stays as it is. Only a logistic regression on these numbers is new, which takes milliseconds "
    "([Razavian et al. 2014](https://arxiv.org/abs/1403.6382)). Then each picture is left out once, and named by a "
    "regression that has not seen it. This is called leave-one-out. " + KEPT
)


@dataclass
class Pictures:
    """The pictures of the classes as they are read.

    Attributes:
        labels: of the classes. paths, pictures: of each class those that can be read.
        refused: a sentence on each other one.
    """

    labels: list[str]
    paths: list[list[str]]
    pictures: list[list[ImageArray]]
    refused: list[str] = field(default_factory=list)

    def read(self, classes: Sequence[tuple[str, list[str]]], clock: Deadline) -> Iterator[int]:
        """Reads picture after picture; yields how many are done."""
        done = 0
        for k, (_, paths) in enumerate(classes):
            for path in paths:
                if clock.expired:
                    raise InputError(f"The time of {clock.seconds:g} s ran out after {done} pictures were read.")
                self._read_one(k, path)
                done += 1
                yield done

    def _read_one(self, k: int, path: str) -> None:
        try:
            picture = read_reduced(read_upload(path))
        except InputError as error:
            self.refused.append(f"{Path(path).name}: {error}")
        else:
            self.paths[k].append(path)
            self.pictures[k].append(picture)

    @property
    def request(self) -> TeachRequest:
        """Raises `InputError` where too few of a class could be read."""
        check_classes(self.labels, [len(pictures) for pictures in self.pictures])
        return TeachRequest(labels=tuple(self.labels), pictures=tuple(tuple(of) for of in self.pictures))


def teach_on_page(run: Run, *values: Any) -> Iterator[tuple[Any, ...]]:
    """The status, at last all of `Lesson.outputs`."""
    classes = chosen(values)
    labels, counts = [label for label, _ in classes], [len(paths) for _, paths in classes]
    check_classes(labels, counts)
    clock, pictures = Deadline(TEACH_S), Pictures(labels, [[] for _ in labels], [[] for _ in labels])
    for done in pictures.read(classes, clock):
        yield _saying(f"Reading picture {done} of {sum(counts)}")
    request = pictures.request
    for step in run(request_in_time(request, clock)):
        if step.result is None:
            yield _saying(progress(step))
        else:
            yield _taught(step, values, pictures, clock).outputs(values)


def request_in_time(request: TeachRequest, clock: Deadline) -> TeachRequest:
    """The request with the time that the clock leaves."""
    left = None if clock.seconds is None else max(0.1, clock.seconds - clock.elapsed_ms / 1000)
    return TeachRequest(labels=request.labels, pictures=request.pictures, time_limit_s=left, device=request.device)


def progress(step: Step[Taught]) -> str:
    """One line on how far a lesson is."""
    if step.position is not None:
        return ""  # it waits; the page says so
    looked_at = step.total // 2
    if step.done <= looked_at:
        return f"Looking at picture {step.done} of {looked_at}"
    return f"Testing picture {step.done - looked_at} of {looked_at}"


def _saying(line: str) -> tuple[Any, ...]:
    return line, *UNCHANGED[1:]


def _taught(step: Step[Taught], values: Sequence[Any], pictures: Pictures, clock: Deadline) -> Lesson:
    warn_if_incomplete(step, TIME_RAN_OUT)
    assert step.result is not None  # it is the last step
    by_label = dict(zip(pictures.labels, pictures.pictures, strict=True))
    doubtful = [by_label[each.label][each.index] for each in step.result.doubtful]
    return Lesson(
        last=step,
        seconds=clock.elapsed_ms / 1000,
        given=pictures_by_class(values),
        paths=tuple(map(tuple, pictures.paths)),
        refused=tuple(pictures.refused),
        small=tuple(thumbnail(picture, SIDE_PX) for picture in doubtful),
    )


def load_on_page(path: str | None) -> tuple[Any, ...]:
    """What `teach_on_page` gives at last, for a head from a file."""
    if path is None:
        raise InputError("Please choose a file first: one that “Save what it has learnt” gave you.")
    head = load_head(read_upload(path, "file"))
    *names, last = map(plain, head.labels)
    line = f"**It knows {', '.join(names)} and {last} again.** Show it something."
    return line, "", file_of(head), head, new_mark(), None


def build_teach(run: Run) -> None:
    """Draws the part, whose work `run` does."""
    gr.Markdown(GUIDE, elem_id="teach-guide")
    head, mark = gr.State(time_to_live=STATE_S), gr.Textbox(visible="hidden", elem_id="teach-mark")
    with gr.Row():
        with gr.Column(min_width=320, scale=3):
            classes = build_classes()
        with gr.Column(min_width=320, scale=2):
            with gr.Row():
                start = gr.Button("Teach", variant="primary", elem_id="teach-run")
                cancel = gr.Button("Cancel", elem_id="teach-cancel", min_width=80, scale=0)
            status = gr.Markdown(elem_id="teach-status", elem_classes="status")
            doubtful = build_doubts()
            answers = build_answers(run, head, mark)
            with gr.Row(elem_classes="tight"):
                download = gr.DownloadButton(
                    "Save what it has learnt", size="sm", interactive=False, elem_id="teach-download"
                )
                load = gr.UploadButton(
                    "Load what it learnt before", size="sm", file_types=[SUFFIX], elem_id="teach-load"
                )
    method_note(NOTE)
    outputs: list[Component] = [status, doubtful, download, head, mark, gr.State(time_to_live=STATE_S)]
    _wire(run, classes, outputs, answers, start, cancel)
    light([load.upload], load_on_page, [load], outputs)
    light([classes.example.click], lambda: gr.update(visible=True), [], [answers.tried])
    light([classes.anew.click], lambda: gr.update(visible=False), [], [answers.tried])
    build_endpoints(run)


def _wire(
    run: Run, classes: Classes, outputs: list[Component], answers: Answers, start: gr.Button, cancel: gr.Button
) -> None:
    """The run. A change of any picture takes its results away; another name of a class is only another name."""
    status, _, download, _, mark, lesson = outputs
    part = Part(
        name="teach",
        inputs=classes.inputs,
        outputs=outputs,
        empty={download: NO_FILE},
        status=status,
        children=[answers.part],
    )
    edited = [gallery.change for gallery in classes.galleries]
    cleared = Cleared([mark, lesson, *classes.inputs], after_change)
    jobs = wire(part, given(run, teach_on_page), run=[start.click], clears=edited, cleared=cleared, cancel=cancel)
    classes.count_after(wire_doubts(mend_on_page, lesson, classes.inputs, [*outputs, *classes.galleries]))
    classes.anew.click(None, js=EMPTY, api_visibility="private", show_progress="hidden")
    _follow_names(classes, outputs, jobs)


def _follow_names(classes: Classes, outputs: list[Component], jobs: Sequence[Dependency]) -> None:
    """Where a class gets another name, its head and answers do too; after a run, of which it may have changed."""
    wiring: dict[str, Any] = {
        "fn": guarded(follow_fields),
        "inputs": [outputs[-1], *classes.inputs],
        "outputs": outputs,
        "api_visibility": "private",
        "show_progress": "hidden",
    }
    left = [event for name in classes.names for event in (name.blur, name.submit)]
    for event in (gr.on(left, trigger_mode="always_last", **wiring), *(job.success(**wiring) for job in jobs)):
        event.success(**wiring)
