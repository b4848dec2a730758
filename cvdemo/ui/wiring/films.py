"""A video that is worked on frame by frame into a film: what every tab that does so shows on the way and at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import gradio as gr
from gradio.components import Component

from cvdemo.demo import Lane, Step
from cvdemo.errors import InputError
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.wiring.controls import named, save_download, took
from cvdemo.ui.wiring.parts import Part


class Film(Protocol):
    """The result of such work."""

    @property
    def mp4(self) -> bytes: ...

    @property
    def frames(self) -> int: ...

    @property
    def seconds(self) -> float: ...

    @property
    def notes(self) -> tuple[str, ...]: ...


F = TypeVar("F", bound=Film)


def chosen_video(path: str | None) -> bytes:
    """The bytes of the video that a visitor has chosen; `InputError` where there is none."""
    if path is None:
        raise InputError("Please choose a video first.")
    return read_upload(path, "video")


def film_on_page(
    steps: Iterator[Step[F]], name: str, found: Callable[[F], str] = lambda film: ""
) -> Iterator[tuple[Any, Any, str]]:
    """Preview, film and status after each frame that has something new to show.

    Args:
        name: of the file, without its ending. found: what the status says of the result before its time.
    """
    started = time.monotonic()
    for step in steps:
        if step.result is None:
            yield gr.skip() if step.preview is None else step.preview, gr.skip(), f"Frame {step.done} of {step.total}"
            continue
        film = save_download(named(name, "mp4", step), step.result.mp4)
        done = found(step.result) + _done(step.result, (time.monotonic() - started) * 1000)
        yield gr.update(value=None, visible=False), gr.update(value=str(film), visible=True), done


def _done(film: Film, elapsed_ms: float) -> str:
    """How much was worked on, in what time, and what is missing."""
    return " ".join([f"{took(elapsed_ms, f'{film.frames} frames, {film.seconds:.1f} s of film')}.", *film.notes])


def film_part(
    name: str, inputs: Sequence[Component], needs: Sequence[Component], preview: Component, film: Component, status: Any
) -> Part:
    """The part of that work; `inputs` and `needs` are those of its handler, whose outputs `film_on_page` gives."""
    return Part(
        name=name,
        lane=Lane.SLOW,
        inputs=inputs,
        needs=needs,
        outputs=[preview, film, status],
        empty={preview: gr.update(value=None, visible=True), film: gr.update(value=None, visible=False)},
        status=status,
        cancelled_text="Cancelled; the last frame stays.",
        expects=lambda *inputs: 0.0,  # not as long as the last film, of another length: its own request tells
    )
