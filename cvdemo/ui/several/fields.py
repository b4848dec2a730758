"""The fields of a tab's way for several pictures, and what goes for the wiring of all of them."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cvdemo.images import PICTURE_SUFFIXES
from cvdemo.ui.several.files import chosen_pictures
from cvdemo.ui.wiring.controls import light
from cvdemo.ui.wiring.guard import guarded

CANCELLED_TEXT = "Cancelled; the pictures so far stay."


def picture_files(prefix: str, most: int) -> gr.File:
    """The list of pictures, filled by a selection of files or by a folder; ids are `<prefix>-files` and `-folder`."""
    files = gr.File(
        label="Your pictures",
        file_count="multiple",
        file_types=sorted(PICTURE_SUFFIXES),
        height=200,
        elem_id=f"{prefix}-files",
    )
    folder = gr.UploadButton("Choose a folder", file_count="directory", size="sm", elem_id=f"{prefix}-folder")

    def of_folder(paths: list[str] | None) -> list[str]:
        return chosen_pictures(paths, most)

    light([folder.upload], of_folder, [folder], [files])
    return files


def files_field() -> gr.File:
    """The pictures of an endpoint."""
    return gr.File(file_count="multiple", visible=False, label="Pictures")


def start_and_cancel(part: str, words: str) -> tuple[gr.Button, gr.Button]:
    """The two buttons of a part of this name."""
    with gr.Row():
        start = gr.Button(words, variant="primary", elem_id=f"{part}-run")
        cancel = gr.Button("Cancel", elem_id=f"{part}-cancel", min_width=80, scale=0)
    return start, cancel


def note(most: int, more: str = "") -> None:
    """What is taken and what becomes of pictures that cannot be read."""
    text = f"Up to {most} pictures, or a folder of them. If one cannot be read, the page says which, and does the rest."
    gr.Markdown(f"{text} {more}".strip(), elem_classes="method-note")


def followed_by(
    runs: Sequence[Dependency], after: Callable[..., Any], inputs: Sequence[Component], outputs: Sequence[Component]
) -> None:
    """Wires what comes after each run, a cancelled one too: `after` shows what the session keeps of it."""
    for run in runs:
        run.success(guarded(after), list(inputs), list(outputs), api_visibility="private", show_progress="hidden")


def was_cancelled(status: str) -> bool:
    """Whether the status tells that a run was cancelled."""
    return status.startswith("Cancelled")
