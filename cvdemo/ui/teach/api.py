"""Teaching for programs: `/teach` makes a head of pictures, `/classify_taught` names a picture with one."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from cvdemo.classify.classifier import Prediction
from cvdemo.classify.taught_head import SUFFIX, load_head, save_head
from cvdemo.classify.teach import ClassifyTaughtRequest, Taught, TeachRequest, check_classes, read_reduced
from cvdemo.demo import Run, Step, last_step, result_of
from cvdemo.errors import InputError
from cvdemo.limits import TEACH_S
from cvdemo.ui.serving.uploads import read_upload
from cvdemo.ui.teach.taught_lesson import head_stem
from cvdemo.ui.wiring.controls import (
    endpoint,
    given,
    load_picture,
    named,
    picture_input,
    save_download,
    warn_if_incomplete,
)

WRONG_CLASSES = 'classes must be an object of class names and numbers of pictures, such as {"cup": 5, "keyboard": 6}.'


def teach_endpoint(run: Run, classes: Any, files: list[str] | None) -> tuple[str, dict[str, Any]]:
    """A head for classes of one's own, from a few pictures of each: a .safetensors file, and how good it is as JSON.

    `classes` says how many of the `files` belong to each class, in their order: {"cup": 5, "keyboard": 6} means that
    the first five show cups. In the report, `right` of `left_out` pictures are named rightly by a head taught without
    them, and `verdicts` has each of them, numbered from 0 within its class.
    """
    counts = _counts(classes)
    paths = list(files or ())
    if len(paths) != sum(counts.values()):
        raise InputError(f"classes speak of {sum(counts.values())} pictures, and files are {len(paths)}.")
    check_classes(list(counts), list(counts.values()))
    pictures = iter([read_reduced(read_upload(path)) for path in paths])
    request = TeachRequest(
        labels=tuple(counts),
        pictures=tuple(tuple(next(pictures) for _ in range(count)) for count in counts.values()),
        time_limit_s=TEACH_S,
    )
    last: Step[Taught] = last_step(run(request))
    warn_if_incomplete(last, f"Stopped at the limit of {TEACH_S:g} s: not all pictures were looked at and tested.")
    taught = last.result
    assert taught is not None  # `last_step` has seen to it
    return str(save_download(named(head_stem(taught.head), SUFFIX[1:], last), save_head(taught.head))), taught.as_dict()


def _counts(classes: Any) -> dict[str, int]:
    """Class names and numbers of pictures as a client sent them."""
    if not isinstance(classes, Mapping):
        raise InputError(WRONG_CLASSES)
    for count in classes.values():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise InputError(WRONG_CLASSES)
    return {str(label): count for label, count in classes.items()}


def classify_taught_endpoint(run: Run, image: str | None, head: str | None) -> dict[str, float]:
    """The five most probable classes of a picture by a head of `/teach` or the page, with their probabilities."""
    if head is None:
        raise InputError("Please give a head, the file that /teach returns.")
    taught = load_head(read_upload(head, "head"))
    prediction: Prediction = result_of(run(ClassifyTaughtRequest(image=load_picture(image), head=taught)))
    return prediction.by_label


def build_endpoints(run: Run) -> None:
    """Registers both, with fields that are not shown."""
    classes = gr.JSON(visible=False, label="Classes")
    files = gr.File(file_count="multiple", visible=False, label="Pictures")
    made, report = gr.File(visible=False, label="Head"), gr.JSON(visible=False)
    endpoint("teach", given(run, teach_endpoint), [classes, files], [made, report])
    image, head = picture_input(visible=False), gr.File(visible=False, label="Head")
    label = gr.Label(num_top_classes=5, visible=False, label="Classes")
    endpoint("classify_taught", given(run, classify_taught_endpoint), [image, head], [label])
