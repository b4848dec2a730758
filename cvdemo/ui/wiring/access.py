"""What the page does for everyone: names and keys that gradio's markup leaves out, colours that can be read.

Contrast is that of WCAG 2.2, at least 4.5 to 1 for text. Gradio's default theme has 2.6 for help texts, and 4.47 for
white on its primary colour. Boxes to tick need 3 to 1 for their edges; gradio's dark ones have 1.4.
"""

from pathlib import Path

import gradio as gr

_STATIC = Path(__file__).parent / "static"
ACCESS_HEAD = (
    f"<style>{(_STATIC / 'access.css').read_text(encoding='utf-8')}</style>"
    f"<script>{(_STATIC / 'access.js').read_text(encoding='utf-8')}</script>"
)


def readable(theme: gr.themes.Base) -> gr.themes.Base:
    """The theme with text that stands out enough from what is behind it, in light and in dark."""
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_label_text_color="*neutral_600",
        block_title_text_color="*neutral_600",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        color_accent="*primary_600",
        link_text_color_visited="*secondary_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_border_color="*primary_600",
    )
