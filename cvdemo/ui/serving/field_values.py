"""What a field of the page may be sent, checked before gradio touches it.

A program can call every handler of the page with anything. Gradio's own fields answer with the whole of a wrong value,
which may be megabytes, and look for files in any of them. So every value is first brought to one of three ends here: it
is what a visitor could have sent, or one sentence, or (what only the handler's config knows) left to the handler.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.errors import brief
from cvdemo.limits import FIELD_ITEMS, FRAME_BYTES, TEXT_LENGTH
from cvdemo.ui.serving.uploads import refusal, refuse_files, sent_path

FRAME_PREFIX = "data:image/jpeg;base64,"
FILE_NAME_LENGTH = 255  # of most file systems
_FILE = {"_type": "gradio.FileData"}


def wrong(message: str) -> gr.Error:
    """A sentence for the visitor, without a trace in the log."""
    return gr.Error(message, title="Sorry", print_exception=False)


def checked(blocks: Sequence[Any], values: Sequence[Any]) -> list[Any]:
    """The values for these components, one for each, in order; pictures as nothing but the path of an upload.

    Raises:
        gr.Error: one is none that the page could have sent; names the field.
    """
    pairs = list(zip(blocks, values, strict=True))
    for block, value in pairs:
        if not block.stateful and not isinstance(block, gr.Image | gr.File | gr.UploadButton | gr.Gallery):
            _refuse_floods(block, value)
            refuse_files(value)
    return [value if block.stateful else _checked(block, value) for block, value in pairs]


def _checked(block: Component, value: Any) -> Any:
    if isinstance(block, gr.Image) and block.streaming:
        return None if value is None else {"url": _frame(value)}
    if isinstance(block, gr.Image):
        return None if value is None else {"path": sent_path(value), "meta": _FILE}
    if isinstance(block, gr.File | gr.UploadButton) and value is not None:
        return _files(block, value)
    if isinstance(block, gr.Gallery) and value is not None:
        return _gallery(block, value)
    for kind, check in CHECKS.items():
        if isinstance(block, kind):
            check(block, value)
    return value


def _frame(value: Any) -> str:
    """The data URL of one frame of a camera, the only picture that comes as text."""
    url = value.get("url") if isinstance(value, Mapping) else None
    if not isinstance(url, str) or not url.startswith(FRAME_PREFIX):
        raise refusal()
    if len(url) > FRAME_BYTES:
        raise wrong(f"A frame of the camera has {len(url)} bytes; the limit is {FRAME_BYTES}.")
    return url


def _files(block: gr.File | gr.UploadButton, value: Any) -> list[dict[str, Any]] | dict[str, Any]:
    """The uploads of a field of files, or the one of a field of a single file: nothing but their paths and names."""
    if block.file_count == "single":
        return _file(value)
    return [_file(item) for item in _few(block, value if isinstance(value, list) else [value])]


def _gallery(block: Component, value: Any) -> list[dict[str, Any]]:
    """The pictures of a gallery that its visitor has filled: uploads, without captions."""
    items = value if isinstance(value, list) else [value]
    pictures = [item.get("image") if isinstance(item, Mapping) else item for item in _few(block, items)]
    return [{"image": _file(picture), "caption": None} for picture in pictures]


def _few(block: Component, items: list[Any]) -> list[Any]:
    """The items, of which a field takes no flood."""
    if len(items) > FIELD_ITEMS:
        raise wrong(f"{label_of(block)} takes {FIELD_ITEMS} files at most, got {len(items)}.")
    return items


def _file(item: Any) -> dict[str, Any]:
    """An upload: nothing but its path and name."""
    return {"path": sent_path(item), "orig_name": _file_name(item), "meta": _FILE}


def _file_name(item: Any) -> str | None:
    name = item.get("orig_name") if isinstance(item, Mapping) else None
    return name[:FILE_NAME_LENGTH] if isinstance(name, str) else None


def label_of(block: Component) -> str:
    """What a message calls a field."""
    return str(getattr(block, "label", None) or block.get_block_name().capitalize())


def _refuse_floods(block: Component, value: Any) -> None:
    """Raises where a value holds more text or more items than any field of the page takes."""
    todo, items, text = [value], 0, 0
    while todo:
        item = todo.pop()
        items += 1
        if isinstance(item, str):
            text += len(item)
        elif isinstance(item, Mapping):
            todo.extend([*item.keys(), *item.values()])
        elif isinstance(item, list):
            todo.extend(item)
        if items > FIELD_ITEMS or text > TEXT_LENGTH:
            limits = f"{TEXT_LENGTH} characters and {FIELD_ITEMS} values"
            raise wrong(f"{label_of(block)} is too long, got {brief(value)}; the limit is {limits}.")


def _choice(block: Any, value: Any) -> None:
    """None is left to the handler, whose config says what is missing."""
    values = [choice for _, choice in block.choices]
    for sent in value if isinstance(value, list) else [value]:
        if sent is not None and sent not in values:
            names = ", ".join(str(choice) for choice in values[:12]) + (", ..." if len(values) > 12 else "")
            raise wrong(f"{label_of(block)} must be one of {names or 'nothing yet'}, got {brief(sent)}.")
    if isinstance(value, list) and not getattr(block, "multiselect", isinstance(block, gr.CheckboxGroup)):
        raise wrong(f"{label_of(block)} takes one value, got {brief(value)}.")


def number(block: Any, value: Any) -> None:
    """Raises unless the value is a number in the field's range; a number field, unlike a slider, may be empty."""
    if value is None and isinstance(block, gr.Number):
        return
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    low = -math.inf if block.minimum is None else block.minimum
    high = math.inf if block.maximum is None else block.maximum
    if not (is_number and low <= value <= high):
        raise wrong(f"{label_of(block)} must be a number from {low:.12g} to {high:.12g}, got {brief(value)}.")


def _tick(block: Any, value: Any) -> None:
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{label_of(block)} must be true or false, got {brief(value)}.")


def _text(block: Any, value: Any) -> None:
    if value is not None and not isinstance(value, str):
        raise wrong(f"{label_of(block)} must be text, got {brief(value)}.")


def _example(block: Any, value: Any) -> None:
    count = len(block.raw_samples)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < count:
        raise wrong(f"The examples are numbered from 0 to {count - 1}, got {brief(value)}.")


CHECKS: dict[tuple[type[Any], ...], Callable[[Any, Any], None]] = {
    (gr.Dropdown, gr.Radio, gr.CheckboxGroup): _choice,
    (gr.Slider, gr.Number): number,
    (gr.Checkbox,): _tick,
    (gr.Textbox, gr.Markdown, gr.HTML): _text,
    (gr.Dataset,): _example,
}
