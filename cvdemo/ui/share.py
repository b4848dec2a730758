"""Links that restore a tab and its settings: the query string that `share_button` writes, read back and checked."""

from collections.abc import Mapping
from typing import Any

import gradio as gr
from gradio.components import Component


def restored_value(component: Component, text: str) -> Any:
    """The value that `text` gives `component`, or None where it is none that the visitor could have set."""
    if isinstance(component, gr.Checkbox):
        return {"true": True, "false": False}.get(text)
    if isinstance(component, gr.Slider | gr.Number):
        return _number(text, component.minimum, component.maximum, whole=getattr(component, "precision", None) == 0)
    if isinstance(component, gr.Dropdown | gr.Radio):
        values = {str(value): value for _, value in component.choices}
        return values.get(text)
    return None


def _number(text: str, minimum: float | None, maximum: float | None, *, whole: bool) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not ((minimum is None or minimum <= value) and (maximum is None or value <= maximum)):
        return None
    return int(value) if whole or value.is_integer() else value


def updates(query: Mapping[str, str], slug: str, settings: Mapping[str, Component]) -> list[Any]:
    """One update for each setting of tab `slug`; what the link does not say, or says wrongly, stays as it is."""
    if query.get("tab") != slug:
        return [gr.skip() for _ in settings]
    values = [restored_value(component, query[name]) if name in query else None for name, component in settings.items()]
    return [gr.skip() if value is None else value for value in values]
