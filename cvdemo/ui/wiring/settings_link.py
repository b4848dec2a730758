"""Links that restore a tab and its settings: the query string that `share_button` writes, read back and checked."""

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from gradio.components import Component

Follows = Callable[[Mapping[str, Any]], Mapping[str, Any]]  # values that a link restores -> defaults they bring along
LINK = "link"  # name of a hidden text among the settings of a tab: a link fills it, and its change can start the work


def restored_value(component: Component, text: str) -> Any:
    """The value that `text` gives `component`, or None where it is none that the visitor could have set."""
    if isinstance(component, gr.Checkbox):
        return {"true": True, "false": False}.get(text)
    if isinstance(component, gr.Slider | gr.Number):
        value = _number(text, component.minimum, component.maximum)
        return value if value is None or _on_step(value, component) else None
    if isinstance(component, gr.Dropdown | gr.Radio):
        values = {str(value): value for _, value in component.choices}
        return values.get(text)
    return None


def _number(text: str, minimum: float | None, maximum: float | None) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not ((minimum is None or minimum <= value) and (maximum is None or value <= maximum)):
        return None
    return int(value) if value.is_integer() else value


def _on_step(value: float, component: gr.Slider | gr.Number) -> bool:
    """Whether the visitor could have set `value`: a whole number of steps above the minimum, or any whole number."""
    if isinstance(component, gr.Number):
        return component.precision != 0 or float(value).is_integer()
    steps = (value - component.minimum) / component.step if component.step else 0.0
    return math.isclose(steps, round(steps), abs_tol=1e-6)


def nothing_follows(restored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a tab whose settings each have one default."""
    return {}


def updates(
    query: Mapping[str, str], slug: str, settings: Mapping[str, Component], follows: Follows = nothing_follows
) -> list[Any]:
    """One update for each setting of tab `slug`; what the link does not say, or says wrongly, stays as it is.

    Some settings have a default that depends on another one: `follows` tells what a link brings along beside what it
    says. What it says counts, whether or not it is a default.

    A setting named `LINK` gets all that the link restores as text, if that is anything. It has to be the last one,
    because the page fills the settings in their order.
    """
    if query.get("tab") != slug:
        return [gr.skip() for _ in settings]
    said = {name: restored_value(component, query[name]) for name, component in settings.items() if name in query}
    restored = {name: value for name, value in said.items() if value is not None}
    if not restored:
        return [gr.skip() for _ in settings]
    values = {**follows(restored), **restored, LINK: urlencode(restored)}
    return [values.get(name, gr.skip()) for name in settings]
