"""Buttons to download the files of a result, side by side, greyed while there is none."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.ui.serving.results import save_download

NO_FILE = gr.update(value=None, interactive=False)


def offered(name: str, data: bytes) -> dict[str, Any]:
    """A download button's new file."""
    return offered_file(str(save_download(name, data)))


def offered_file(path: str) -> dict[str, Any]:
    """A download button's new file, which is there already."""
    return gr.update(value=path, interactive=True)


def file_buttons(prefix: str, files: Mapping[str, str]) -> dict[str, Component]:
    """Download buttons side by side, by the kind of their file."""
    with gr.Row(elem_classes="tight"):
        return {
            kind: gr.DownloadButton(name, size="sm", min_width=90, interactive=False, elem_id=f"{prefix}-{kind}")
            for kind, name in files.items()
        }
