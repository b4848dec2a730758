"""Edges of boxes to tick can be seen: WCAG 2.2 asks 3 to 1 of what is no text; axe-core looks at text alone."""

import gradio as gr
import pytest

from cvdemo.ui.wiring.theme import theme


def colour(of: gr.themes.Base, name: str) -> str:
    """The hexadecimal colour of a theme's variable, through the variables that it names."""
    value = str(getattr(of, name))
    return colour(of, value.removeprefix("*")) if value.startswith("*") else {"white": "#ffffff"}.get(value, value)


def luminance(hexadecimal: str) -> float:
    parts = [int(hexadecimal[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", ["", "_dark"])
@pytest.mark.parametrize("behind", ["checkbox_background_color", "checkbox_label_background_fill"])
def test_the_edges_of_boxes_to_tick_can_be_seen(behind: str, dark: str) -> None:
    of = theme()
    edge, ground = (luminance(colour(of, name + dark)) for name in ("checkbox_border_color", behind))
    assert (max(edge, ground) + 0.05) / (min(edge, ground) + 0.05) >= 3
