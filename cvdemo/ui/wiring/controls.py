"""What every tab is made of: controls from config fields, guarded handlers, endpoints, notes and links.

A handler on the page may have as many outputs as the tab wants and is private; the public endpoint of a demo is
registered beside it with `endpoint`, with exactly the inputs and outputs that API clients rely on.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

import gradio as gr
from gradio.components import Component
from gradio.utils import get_function_params

from cvdemo.config import SEED_MAX, Config, default_of, settings_of
from cvdemo.demo import Lane, Request, Run, Step
from cvdemo.errors import InputError
from cvdemo.example_pictures import example_picture as example_picture
from cvdemo.images import ImageArray, read_image
from cvdemo.picture_files.jpeg_quality import jpeg_quality
from cvdemo.ui.serving import field_values as values
from cvdemo.ui.serving.api_info import Told, examples_of, tell
from cvdemo.ui.serving.lines import LaneOf, line_options
from cvdemo.ui.serving.results import save_download as save_download
from cvdemo.ui.serving.uploads import read_upload, uploaded_path
from cvdemo.ui.wiring.api_words import WORDS, Words, parameter_words
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.settings_link import Follows, nothing_follows

SEED_HELP = "Another number gives another result. The same number gives the same result."
LINK_TOLD_MS = 8000  # for so long the page says that a link is copied


@dataclass(frozen=True)
class Tab:
    """One demo on the page.

    Attributes:
        slug: its name in links and in element ids.
        title: on the tab.
        build: draws the tab's content, whose work the given function does; returns the components that a shared link
            restores, by query name.
        first: what a new visitor asks for, with the path of an example picture; its time is promised.
        follows: defaults that depend on what a link restores, by query name.
    """

    slug: str
    title: str
    build: Callable[[Run], dict[str, Component]]
    first: Callable[[str], Request]
    follows: Follows = nothing_follows


def warn_if_incomplete(step: Step[Any], why: str) -> None:
    """What every endpoint does with a result that a time limit made incomplete: it is given, with a warning.

    Gradio sends the warning to programs as a message of the stream; files carry it in their name, see `named`.
    """
    if step.result is not None and not step.complete:
        gr.Warning(why)


def named(stem: str, ending: str, step: Step[Any]) -> str:
    """The name of a file with the result of a last step: one that is incomplete says so."""
    return f"{stem}{'' if step.complete else '_incomplete'}.{ending}"


def control(config: type[Config], name: str, **overrides: Any) -> Component:
    """The slider, dropdown or checkbox for one field of a config; range, default and help come from the field.

    Raises:
        ValueError: the field has neither choices nor a range and is not a bool or a number.
    """
    described = settings_of(config)[name]
    unit = f" ({described.unit})" if described.unit else ""
    common: dict[str, Any] = {
        "value": default_of(config, name),
        "label": described.label + unit,
        "info": described.help or None,
        "elem_id": f"{config.__name__}-{name}",
    } | overrides
    if described.choices is not None:
        return gr.Dropdown(**{"choices": named_choices(config, name), **common})
    if isinstance(common["value"], bool):
        return gr.Checkbox(**common)
    if described.minimum is not None and described.maximum is not None:
        slider = gr.Slider(described.minimum, described.maximum, step=described.step, **common)
        return numbers_only(slider)
    raise ValueError(f"{config.__name__}.{name} has no control: give it choices or a range")


def named_choices(config: type[Config], name: str, values: Sequence[Any] | None = None) -> list[tuple[str, Any]]:
    """The choices of a field, or those of them that are given, each with the words that the page has for it."""
    described = settings_of(config)[name]
    offered = described.choices or () if values is None else values
    return [(described.choice_words.get(value, str(value)), value) for value in offered]


def numbers_only(field: gr.Slider | gr.Number) -> gr.Slider | gr.Number:
    """The field, which answers in words what only a program can send: a null, a text, a number out of range."""
    preprocess = field.preprocess

    def checked(payload: Any) -> float | int | None:
        values.number(field, payload)
        return preprocess(payload)

    setattr(field, "preprocess", checked)  # noqa: B010  # a subclass would make gradio write a .pyi into the package
    return field


def seed_control(value: int = 0, elem_id: str | None = None) -> gr.Number:
    """A seed field with a dice button beside it."""
    with gr.Row(equal_height=True):
        limits: dict[str, Any] = {"precision": 0, "minimum": 0, "maximum": SEED_MAX}
        seed = gr.Number(value, label="Seed", info=SEED_HELP, elem_id=elem_id, min_width=100, **limits)
        numbers_only(seed)
        dice = gr.Button("Roll", min_width=80, scale=0, elem_id=f"{elem_id}-dice" if elem_id else None)
    roll = f"() => Math.floor(Math.random() * {SEED_MAX})"
    dice.click(None, outputs=seed, js=roll, api_visibility="private")
    return seed


def whole_number(value: float | None, name: str) -> int:
    """The value of a number field; `InputError` where the visitor has emptied it, or it has a fraction."""
    if value is None:
        raise InputError(f"{name} is empty; please enter a whole number.")
    if value != int(value):
        raise InputError(f"{name} must be a whole number, not {value:g}.")
    return int(value)


def picture_input(label: str = "Your picture", **overrides: Any) -> gr.Image:
    """A picture field whose value reaches the handler as a path, undecoded; see `load_picture`.

    Gradio's own decoding would run before any handler, turn a damaged file into a bare "Error" and decode a file of
    any size. So the field hands over the path and `load_picture` reads it with the project's limits.
    """
    options: dict[str, Any] = {
        "label": label,
        "type": "filepath",
        "image_mode": None,
        "format": "png",
        "sources": ["upload", "webcam", "clipboard"],
        "height": 320,
    }
    return _by_path(gr.Image(**(options | overrides)))


def _by_path(field: gr.Image) -> gr.Image:
    setattr(field, "preprocess", _path_of)  # noqa: B010  # a subclass would make gradio write a .pyi into the package
    return field


def picture_output(label: str, **overrides: Any) -> gr.Image:
    """A picture field for results: lossless PNG, with buttons to download it and to see it full screen.

    As an input of another handler it hands over the path of its file.
    """
    options: dict[str, Any] = {
        "label": label,
        "format": "png",
        "interactive": False,
        "buttons": ["download", "fullscreen"],
    }
    return _by_path(gr.Image(**(options | overrides)))


def _path_of(payload: Any) -> str | None:
    if payload is None:
        return None
    return uploaded_path(payload)


def load_picture(path: str | None, what: str = "a picture", *, keep_alpha: bool = False) -> ImageArray:
    """The picture behind a `picture_input` as uint8 (H, W, 3) RGB, or (H, W, 4) where alpha is kept.

    Args:
        what: how messages name it, "a style picture" for instance.

    Raises:
        InputError: no picture was chosen, or it cannot be used; see `cvdemo.images.read_image`.
    """
    if path is None:
        raise InputError(f"Please choose {what} first.")
    return read_image(read_upload(path), f"The {what.removeprefix('a ')}", keep_alpha=keep_alpha)


def sent_quality(path: str | None) -> int | None:
    """The quality of the JPEG behind a `picture_input`, 1 to 100; None where it is none."""
    return None if path is None else jpeg_quality(read_upload(path))


def endpoint(
    name: str,
    function: Callable[..., Any],
    inputs: Sequence[Component],
    outputs: Sequence[Component],
    lane: LaneOf = Lane.QUICK,
) -> None:
    """Registers the public API endpoint `/name`; its parameters are named as those of `function`.

    `lane` is that of what it asks for, or a function of its inputs that says so. What programs are told of it stands
    in `cvdemo.ui.wiring.api_words`.
    """
    handler = guarded(function)
    words = WORDS.get(name, Words())
    fields = {parameter: field for (parameter, *_), field in zip(get_function_params(handler), inputs, strict=True)}
    about = inspect.getdoc(function) or ""
    told = Told(
        about=about,
        parameters=parameter_words(name, fields),
        returns=words.returns,
        examples=examples_of(fields, words.examples),
    )
    tell(handler, name, told)
    gr.Button(visible=False).click(
        handler,
        list(inputs),
        list(outputs),
        api_name=name,
        api_description=about,
        show_progress="hidden",
        **line_options(lane, handler),
    )


def given(run: Run, handler: Callable[..., Any], *more: Any) -> Callable[..., Any]:
    """The handler with its first parameters filled in, `run`, which does the work, and more; gradio sees the others."""
    filled = partial(handler, run, *more)
    filled.__doc__ = handler.__doc__
    filled.__annotations__ = get_type_hints(handler)  # by which gradio knows what wants the event or the request
    setattr(filled, "__name__", handler.__name__)  # noqa: B010  # mypy knows no such attribute of partial
    return filled


def light(
    triggers: Sequence[Any], function: Callable[..., Any], inputs: Sequence[Component], outputs: Sequence[Component]
) -> Any:
    """Wires a handler that answers at once (at most one small picture is generated): guarded and private."""
    return gr.on(
        list(triggers),
        guarded(function),
        list(inputs),
        list(outputs),
        api_visibility="private",
        show_progress="hidden",
        trigger_mode="always_last",
        concurrency_limit=4,
    )


def method_note(text: str) -> None:
    """Some sentences on the method, with its papers, folded under the tab's result."""
    gr.Markdown(folded("How it works", text), elem_classes="method-note")


def folded(title: str, text: str) -> str:
    """Markdown that shows its title alone until that is clicked."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def share_button(slug: str, settings: dict[str, Component]) -> gr.Button:
    """A button that copies a link which restores the tab and its settings; `settings_link` reads it back."""
    with gr.Row(equal_height=True):
        button = gr.Button("Copy link to these settings", size="sm", scale=0, min_width=220, elem_id=f"{slug}-share")
        note = gr.Markdown(elem_id=f"{slug}-share-note", elem_classes="status")
    names = json.dumps(list(settings))
    script = f"""async (...values) => {{
        const query = new URLSearchParams({{tab: {json.dumps(slug)}}});
        {names}.forEach((name, i) => {{ if (values[i] !== null) query.set(name, values[i]); }});
        const example = window.cvdemo.exampleOf({json.dumps(slug)});
        if (example) query.set("example", example);
        const url = window.location.origin + window.location.pathname + "?" + query;
        window.history.replaceState(null, "", url);
        try {{
            await navigator.clipboard.writeText(url);
            return example ? "The link is copied." : "The link is copied; your picture is not in it.";
        }} catch (refused) {{
            return "The link is in the address bar.";
        }}
    }}"""
    told = button.click(None, list(settings.values()), note, js=script, api_visibility="private")
    gone = f"() => new Promise((done) => setTimeout(() => done(''), {LINK_TOLD_MS}))"
    told.then(None, None, note, js=gone, api_visibility="private", show_progress="hidden")
    return button


def took(elapsed_ms: float, what: str = "Done") -> str:
    """One line for a status field, e.g. "Done in 1.3 s"."""
    return f"{what} in {elapsed_ms / 1000:.1f} s" if elapsed_ms >= 100 else f"{what} in {elapsed_ms:.0f} ms"
