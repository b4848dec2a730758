"""The address of the page: the tab, its settings and its example, written as they change and obeyed at the start.

`static/history.js` writes it. What a link may set, `cvdemo.ui.wiring.settings_link` checks.
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from cvdemo.errors import RoomError
from cvdemo.example_pictures import example_picture, small_picture
from cvdemo.ui.serving.results import save_download
from cvdemo.ui.wiring.from_outside import block_named
from cvdemo.ui.wiring.guard import guarded
from cvdemo.ui.wiring.settings_link import LINK, Follows, nothing_follows, updates

Settings = Mapping[str, Component]  # of a tab, by their names in the address
EXAMPLE = re.compile(r"[a-z0-9_]{1,40}")  # names of `cvdemo.example_pictures`, none of which leads elsewhere
_JS_ONLY: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "multiple"}


def remember(
    page: gr.Blocks,
    tabs: gr.Tabs,
    drawn: Mapping[str, gr.Tab],
    settings: Mapping[str, Settings],
    follows: Mapping[str, Follows],
    galleries: Mapping[str, Sequence[str]],
) -> None:
    """Wires it for all tabs by their names: what is drawn on the page, and the settings that a link restores.

    Args:
        follows: of each tab, see `updates`.
        galleries: by element id, what the galleries offer whose pictures are not the examples themselves.
    """
    fields = {slug: field for slug in drawn if (field := block_named(page, f"{slug}-image")) is not None}
    for slug, tab in drawn.items():
        _run(tab.select, [], f"() => window.cvdemo.opened({json.dumps(slug)})")
        _follow_settings(slug, settings[slug])
    for slug, field in fields.items():
        _follow_examples(page, slug, field, galleries)
    _obey(page, tabs, settings, follows, fields)


def _run(trigger: Any, inputs: list[Component], js: str) -> None:
    gr.on([trigger] if not isinstance(trigger, list) else trigger, None, inputs, None, js=js, **_JS_ONLY)


def _follow_settings(slug: str, settings: Settings) -> None:
    told = {name: component for name, component in settings.items() if name != LINK}
    known = json.dumps([slug, list(told), [component.value for component in told.values()]])
    changed: list[Any] = [component.change for component in told.values()]  # type: ignore[attr-defined]  # gradio's
    _run(changed, list(told.values()), f"(...values) => window.cvdemo.settings(...{known}, values)")


def _follow_examples(page: gr.Blocks, slug: str, field: gr.Image, galleries: Mapping[str, Sequence[str]]) -> None:
    """A click on an example is remembered; another picture of the visitor's is none."""
    for dataset, names in _example_galleries(page, slug, galleries):
        pick = f"(index) => window.cvdemo.picked({json.dumps(slug)}, {json.dumps(names)}[index] ?? null)"
        _run(dataset.click, [dataset], pick)
    _run([field.input, field.clear], [], f"() => window.cvdemo.picked({json.dumps(slug)}, null)")


def _example_galleries(
    page: gr.Blocks, slug: str, galleries: Mapping[str, Sequence[str]]
) -> Iterator[tuple[gr.Dataset, Sequence[str | None]]]:
    """The galleries in a tab that offer example pictures, with the names of these."""
    tab = block_named(page, f"tab-{slug}")
    for block in page.blocks.values():
        if isinstance(block, gr.Dataset) and _lies_in(block, tab):
            examples = [_example_of(sample[0]) for sample in block.raw_samples]
            names: Sequence[str | None] = galleries.get(str(block.elem_id)) or examples
            if any(names):
                yield block, names


def _lies_in(block: Any, ancestor: Any) -> bool:
    while block is not None and block is not ancestor:
        block = block.parent
    return block is not None


def _example_of(sample: Any) -> str | None:
    """The name by which a link may ask for this sample; None where it may not."""
    name = Path(sample).stem if isinstance(sample, str) else ""
    return name if _path_of(name) is not None and Path(sample) == small_picture(name) else None


def _path_of(name: str) -> Path | None:
    """The example picture of that name; None where there is none."""
    if not EXAMPLE.fullmatch(name):
        return None
    try:
        return Path(example_picture(name))
    except FileNotFoundError:
        return None


def _obey(
    page: gr.Blocks,
    tabs: gr.Tabs,
    settings: Mapping[str, Settings],
    follows: Mapping[str, Follows],
    fields: Mapping[str, gr.Image],
) -> None:
    """On load, the query string selects the tab, sets its controls and chooses its example, in this order.

    Whatever becomes of the link, the page is told that it has been obeyed: until then it is not ready.
    """
    components = [component for group in settings.values() for component in group.values()]
    restore = guarded(restoring(settings, follows, list(fields)))
    outputs = [tabs, *components, *fields.values()]
    begun = page.load(restore, None, outputs, api_visibility="private", show_progress="hidden")
    arrived = f"() => window.cvdemo.arrived({json.dumps(list(settings))})"
    begun.then(None, js=arrived, **_JS_ONLY)
    begun.failure(None, js=arrived, **_JS_ONLY)  # which `then` does not follow in gradio 6.31


def restoring(
    settings: Mapping[str, Settings], follows: Mapping[str, Follows], with_picture: list[str]
) -> Callable[[gr.Request], list[Any]]:
    """What answers the load of the page: the tab, all settings, and the pictures of the tabs that have one."""

    def restore(request: gr.Request) -> list[Any]:
        query = dict(request.query_params)
        changed = [
            update
            for slug, components in settings.items()
            for update in updates(query, slug, components, follows.get(slug, nothing_follows))
        ]
        selected = gr.Tabs(selected=query["tab"]) if query.get("tab") in settings else gr.skip()
        return [selected, *changed, *(_asked_for(query, slug) for slug in with_picture)]

    return restore


def _asked_for(query: Mapping[str, str], slug: str) -> Any:
    """A copy of the example that the link names for this tab, where the page serves files from.

    Where the page has no room for it, a warning says so: tab and settings are those of the link all the same.
    """
    path = _path_of(query.get("example", "")) if query.get("tab") == slug else None
    if path is None:
        return gr.skip()
    try:
        return str(save_download(path.name, path.read_bytes()))
    except RoomError as error:
        gr.Warning(html.escape(str(error), quote=False))
        return gr.skip()
