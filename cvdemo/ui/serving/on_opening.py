"""Gradio's script, changed in one thing: what stands in a closed tab or accordion is loaded when that is opened.

As it is, the script loads the code of every kind of field on the page at once, and so a film player for a film that
nobody has made. It has all that is needed to load a field later: it does so with those that are hidden at first. It
only begins too early, before it has looked which tabs are closed. So nothing is loaded while the tree of fields is
made (`create_node`), and what is to be seen is loaded once the tree is known.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import gradio

ASSETS = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
SCRIPT = "core-*.js"
# What stands in gradio's script, and what in the page's. `G` begins to load a field; `n` is true of the root alone. `q`
# loads all fields that are to be seen; `je` does too, but before `Ne` has hidden what is in closed tabs and accordions.
CHANGES = (
    ("s=a.shared_props.visible===!1?null:G(", "s=!n||a.shared_props.visible===!1?null:G("),
    (
        "postprocess(e){this.root=this.traverse(e,[e=>je(e,this.#r.api_url),",
        "postprocess(e){let t=this.traverse(e,[",
    ),
    (
        "e=>Ne(e,this.components_to_register,this.#d)])}",
        "e=>Ne(e,this.components_to_register,this.#d)]);q(t,this.#r.api_url),this.root=t}",
    ),
    ("a.children=i.children,this.#f(i)}", "a.children=i.children,q(i,this.#r.api_url),this.#f(i)}"),
)


def loading_on_opening(source: str) -> str:
    """Gradio's script with the changes.

    Raises:
        RuntimeError: it lacks a place for one of them.
    """
    for old, new in CHANGES:
        if source.count(old) != 1:
            raise RuntimeError(f"The page is made for gradio 6.31; its script has no one place {old!r} in this one.")
        source = source.replace(old, new)
    return source


class Script(NamedTuple):
    """The file name of a script, and what it says."""

    name: str
    text: bytes


@cache
def changed_script() -> Script:
    """Gradio's script with the changes; raises `RuntimeError` where gradio has none for which they are made."""
    files = list(ASSETS.glob(SCRIPT))
    if len(files) != 1:
        raise RuntimeError(f"The page is made for gradio 6.31; this one has {len(files)} scripts {SCRIPT!r}.")
    return Script(files[0].name, loading_on_opening(files[0].read_text(encoding="utf-8")).encode())
