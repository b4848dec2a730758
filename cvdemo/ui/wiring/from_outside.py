"""Parts of the page that all tabs have, drawn into them from outside, beside components found by their ids."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import get_render_context, set_render_context


def block_named(page: gr.Blocks, elem_id: str) -> Any:
    """The component of that element id; None where there is none."""
    return next((block for block in page.blocks.values() if getattr(block, "elem_id", None) == elem_id), None)


def needed(page: gr.Blocks, elem_id: str) -> Any:
    """The component of that element id.

    Raises:
        ValueError: there is none.
    """
    block = block_named(page, elem_id)
    if block is None:
        raise ValueError(f"the page needs a component with the element id {elem_id}")
    return block


@contextmanager
def beside(field: Any, *, below: bool) -> Iterator[None]:
    """What is drawn within the block stands in the field's column, right below or above the field.

    Gradio draws at the end of what is entered, and entering a column anew would take it out of its row.
    """
    column, before = field.parent, get_render_context()
    there = len(column.children)
    set_render_context(column)
    try:
        yield
    finally:
        set_render_context(before)
    drawn, column.children = column.children[there:], column.children[:there]
    place = column.children.index(field) + below
    column.children[place:place] = drawn
