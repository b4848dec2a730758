"""What a lesson came to: it is shown, stays in the session, and is shown anew when a class gets another name."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from cvdemo.classify.taught_head import SUFFIX, TaughtHead, save_head
from cvdemo.classify.teach import Taught
from cvdemo.demo import Step
from cvdemo.limits import TEACH_CLASSES
from cvdemo.ui.serving.result_names import file_stem, in_file_name, shortened
from cvdemo.ui.teach.doubts import Doubt, doubts_html, doubts_of, mend
from cvdemo.ui.wiring.controls import named, save_download
from cvdemo.ui.wiring.plain_text import plain

TIME_RAN_OUT = "Time ran out: not all pictures were looked at and tested."
TESTED = "Each was named by a classifier taught with the others only."
CHANGED = '<span class="again">**The pictures have changed.** Press **Teach again**.</span>'
STILL_DOUBTFUL = "What looked doubtful before:"
NO_FILE = gr.update(value=None, interactive=False)
NOTHING = ("", "", NO_FILE, None, "", None)  # as `Lesson.outputs`
OUTDATED = "outdated"  # the mark once the pictures have changed
UNCHANGED = tuple(gr.skip() for _ in NOTHING)


@dataclass(frozen=True)
class Lesson:
    """A head with all that is told of it.

    Attributes:
        last: the step with the result. seconds: that everything took.
        given: see `pictures_by_class`; its order is that of the head's classes.
        paths: of each class the pictures that could be read. refused: a sentence on each other one.
        small: of each doubtful picture a JPEG, in the order of `Taught.doubtful`.
    """

    last: Step[Taught]
    seconds: float
    given: dict[int, tuple[str, ...]]
    paths: tuple[tuple[str, ...], ...]
    refused: tuple[str, ...] = ()
    small: tuple[bytes, ...] = ()

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        return doubts_of(self.taught, list(self.given), self.paths, self.small)

    def doubts_html(self, values: Sequence[Any]) -> str:
        """Those that are still in their classes, under the names of now; `values` are those of `Classes.inputs`."""
        names = [(name or "").strip() for name in values[:TEACH_CLASSES]]
        for number, label in zip(self.given, self.taught.head.labels, strict=True):
            names[number] = names[number] or label
        return doubts_html(self.doubts, names, values[TEACH_CLASSES:])

    @property
    def taught(self) -> Taught:
        assert self.last.result is not None  # it is the last step
        return self.last.result

    def with_labels(self, labels: Sequence[str]) -> "Lesson":
        """The same with other names. Raises `InputError` unless a head can have them."""
        return replace(self, last=replace(self.last, result=self.taught.with_labels(labels)))

    def outputs(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Status, doubtful pictures, file of the head, the head, a mark of its own, and the lesson itself."""
        head = self.taught.head
        lines = [self._report(), *(f"- {plain(line)}" for line in self.refused)]
        return "\n".join(lines), self.doubts_html(values), file_of(head, self.last), head, new_mark(), self

    def _report(self) -> str:
        """How good the head is, in words, as Markdown."""
        taught = self.taught
        names = [f"{plain(label)} ({count})" for label, count in zip(taught.head.labels, taught.counts, strict=True)]
        lines = [f"**{taught.in_words}.**"]
        if taught.judged:
            lines.append(TESTED)
        lines.append(f"Taught {', '.join(names[:-1])} and {names[-1]} in {self.seconds:.1f}\N{NO-BREAK SPACE}s.")
        if len(taught.doubtful) == 1:
            lines.append("The picture below looks like another class, or hardly like its own. Is it in the right one?")
        elif taught.doubtful:
            lines.append(
                "The pictures below look like another class, or hardly like their own. Are they in the right one?"
            )
        if not self.last.complete:
            lines.append(TIME_RAN_OUT)
        return " ".join(lines)


def file_of(head: TaughtHead, step: Step[Taught] | None = None) -> dict[str, Any]:
    """The download button's new file."""
    stem = head_stem(head)
    name = f"{stem}{SUFFIX}" if step is None else named(stem, SUFFIX[1:], step)
    return gr.update(value=str(save_download(name, save_head(head))), interactive=True)


def head_stem(head: TaughtHead) -> str:
    """The name of its file, without its ending: the classes that it knows."""
    return shortened(file_stem("taught", *map(in_file_name, head.labels)))


def new_mark() -> str:
    """What tells the browser that the head is another one."""
    return secrets.token_hex(4)


def pictures_by_class(values: Sequence[Any]) -> dict[int, tuple[str, ...]]:
    """Paths of the pictures of each class that has any, by its number on the page; `values`: of `Classes.inputs`."""
    return {number: tuple(paths) for number, paths in enumerate(values[TEACH_CLASSES:]) if paths}


def follow_fields(lesson: Lesson | None, *values: Any) -> tuple[Any, ...]:
    """The outputs of the lesson as its classes are named now; `after_change` where they have other pictures by now.

    It is asked again after its own answer: the pictures may have changed meanwhile, and with that what was shown went.
    """
    if lesson is None:
        return UNCHANGED
    if lesson.given != pictures_by_class(values):
        return after_change(OUTDATED, lesson, *values)
    labels = tuple((values[number] or "").strip() for number in lesson.given)
    return UNCHANGED if labels == lesson.taught.head.labels else lesson.with_labels(labels).outputs(values)


def after_change(mark: str | None, lesson: Lesson | None, *values: Any) -> tuple[Any, ...]:
    """As `Lesson.outputs`, once other pictures are there: what to do now, and the doubtful ones that are there yet.

    Args:
        mark: of the head; where there is none, nothing was learnt that could be out of date.
    """
    if not mark or not pictures_by_class(values):
        return NOTHING
    doubtful = "" if lesson is None else lesson.doubts_html(values)
    line = f"{CHANGED} {STILL_DOUBTFUL}" if doubtful else CHANGED
    return line, doubtful, NO_FILE, None, OUTDATED, lesson


def mend_on_page(asked: str, lesson: Lesson | None, *values: Any) -> list[Any]:
    """What `after_change` gives, and the pictures of all classes, once a doubtful one is moved or removed."""
    galleries = mend(asked, () if lesson is None else lesson.doubts, values)
    now = [*values[:TEACH_CLASSES], *galleries]
    before = values[TEACH_CLASSES:]
    changed = [new if new != list(old or ()) else gr.skip() for new, old in zip(galleries, before, strict=True)]
    return [*after_change(OUTDATED, lesson, *now), *changed]
