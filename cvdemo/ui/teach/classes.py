"""The classes of a lesson: for each a name and a gallery, filled by files, by the camera, or by the example."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.components.gallery import GalleryData, GalleryImage
from gradio.events import Dependency

from cvdemo.classify.taught_head import LEAST_CLASSES
from cvdemo.errors import InputError
from cvdemo.example_pictures import example_picture
from cvdemo.images import PICTURE_SUFFIXES
from cvdemo.limits import TEACH_BURST, TEACH_CLASSES, TEACH_LABEL_LENGTH
from cvdemo.ui.wiring.controls import light, save_download

EXAMPLE = {"stained glass": "stained_glass", "waves": "woodcut_waves", "ink": "ink_wash"}  # names and kinds of drawings
TAUGHT_SEEDS, TRIED_SEED = range(11, 16), 16  # see `examples/make_taught.py`
COUNTED = """(pictures) => {
    const count = pictures?.length ?? 0;
    return count ? `${count} ${count === 1 ? "picture" : "pictures"}` : "";
}"""
_JS_ONLY: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
TOO_FEW = "Please add a few pictures to two classes at least."


@dataclass(frozen=True)
class Classes:
    """The fields of all classes, those that are not shown yet among them.

    Attributes:
        groups: that hold a class each. names, galleries, counts: one a class.
        example, anew: the buttons that fill the example and that empty everything.
    """

    groups: list[gr.Group]
    names: list[gr.Textbox]
    galleries: list[gr.Gallery]
    counts: list[gr.Markdown]
    example: gr.Button
    anew: gr.Button

    @property
    def inputs(self) -> list[Component]:
        """What `chosen` takes, in order."""
        return [*self.names, *self.galleries]

    def count_after(self, event: Dependency) -> None:
        """Counts the pictures anew: a gallery that the page itself empties tells of no change, in gradio 6.31."""
        script = f"(...all) => all.map({COUNTED})"
        event.then(None, [*self.galleries], [*self.counts], js=script, **_JS_ONLY)


def chosen(values: Sequence[Any]) -> list[tuple[str, list[str]]]:
    """Name and paths of the pictures of each class that has any; `values` are those of `Classes.inputs`.

    Raises:
        InputError: fewer than two classes have pictures.
    """
    pairs = zip(values[:TEACH_CLASSES], values[TEACH_CLASSES:], strict=True)
    found = [((name or "").strip(), list(paths)) for name, paths in pairs if paths]
    if len(found) < LEAST_CLASSES:
        raise InputError(TOO_FEW)
    return found


def paths_of(payload: GalleryData | None) -> list[str]:
    """What a gallery gives the handler: the paths of its pictures, undecoded."""
    items = [] if payload is None else payload.root
    return [str(item.image.path) for item in items if isinstance(item, GalleryImage)]


def build_classes() -> Classes:
    """Draws the classes, of which two are shown, with the buttons that add one, fill an example, and empty all."""
    parts = [_build_class(number) for number in range(1, TEACH_CLASSES + 1)]
    groups, names, galleries, counts = (list(column) for column in zip(*parts, strict=True))
    with gr.Row():
        more = gr.Button("Add a class", size="sm", min_width=120, elem_id="teach-more")
        example = gr.Button("Try it with drawings", size="sm", min_width=120, elem_id="teach-example")
        anew = gr.Button("Start again", size="sm", min_width=120, elem_id="teach-anew")
    shown = gr.State(LEAST_CLASSES)
    outputs = [shown, more, *groups]
    light([more.click], _show_one_more, [shown], outputs)
    classes = Classes(groups, names, galleries, counts, example, anew)
    classes.count_after(light([example.click], _fill_example, [], [*outputs, *names, *galleries]))
    classes.count_after(light([anew.click], _empty_all, [], [*outputs, *names, *galleries]))
    return classes


def _build_class(number: int) -> tuple[gr.Group, gr.Textbox, gr.Gallery, gr.Markdown]:
    """Name, count, camera and pictures of one class, counted from 1."""
    pictures = f"teach-pictures-{number}"
    with gr.Group(
        visible=number <= LEAST_CLASSES, elem_id=f"teach-class-{number}", elem_classes="teach-class"
    ) as group:
        with gr.Row(equal_height=True):
            name = gr.Textbox(
                _usual_name(number),
                label="Name of the class",
                show_label=False,
                placeholder="Name of the class",
                max_length=TEACH_LABEL_LENGTH,
                min_width=120,
                elem_id=f"teach-name-{number}",
            )
            count = gr.Markdown(elem_id=f"teach-count-{number}", elem_classes="teach-count")
            burst = gr.Button("Use the camera", size="sm", scale=0, min_width=130, elem_id=f"teach-burst-{number}")
        gallery = gr.Gallery(
            label="Pictures",
            show_label=False,
            file_types=sorted(PICTURE_SUFFIXES),
            sources=["upload", "clipboard"],
            interactive=True,
            columns=6,
            height=150,
            object_fit="cover",
            allow_preview=False,
            buttons=[],
            elem_id=pictures,
        )
    setattr(gallery, "preprocess", paths_of)  # noqa: B010  # a subclass would make gradio write a .pyi into the package
    gallery.change(None, [gallery], [count], js=COUNTED, **_JS_ONLY)
    script = f"() => window.cvdemo.burst('{pictures}', {TEACH_BURST})"
    burst.click(None, None, None, js=script, api_visibility="private")
    return group, name, gallery, count


def _usual_name(number: int) -> str:
    return f"Class {number}"


def _showing(count: int) -> list[Any]:
    """Values of `shown`, the button for more, and the groups."""
    more = gr.update(interactive=count < TEACH_CLASSES)
    return [count, more, *(gr.update(visible=number < count) for number in range(TEACH_CLASSES))]


def _show_one_more(shown: int) -> list[Any]:
    return _showing(min(shown + 1, TEACH_CLASSES))


def _fill_example() -> list[Any]:
    """Names and copies of the drawings, where the page serves files from; the other classes are emptied."""
    rest = range(len(EXAMPLE) + 1, TEACH_CLASSES + 1)
    names = [*EXAMPLE, *(_usual_name(number) for number in rest)]
    pictures = [[_copy(drawing(kind, seed)) for seed in TAUGHT_SEEDS] for kind in EXAMPLE.values()]
    return [*_showing(len(EXAMPLE)), *names, *pictures, *([] for _ in rest)]


def drawing_name(kind: str, seed: int) -> str:
    """The name of one of the drawings of the example, among the example pictures."""
    return f"taught/{kind}_{seed}"


def drawing(kind: str, seed: int) -> str:
    """The path of one of the drawings of the example."""
    return example_picture(drawing_name(kind, seed))


def _copy(path: str) -> str:
    return str(save_download(Path(path).name, Path(path).read_bytes()))


def _empty_all() -> list[Any]:
    names = [_usual_name(number) for number in range(1, TEACH_CLASSES + 1)]
    return [*_showing(LEAST_CLASSES), *names, *([] for _ in names)]
